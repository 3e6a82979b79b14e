"""What :mod:`qontrast.anatomy.label_loops` does, in operations on whole tensors: for a GPU."""

import torch
from jaxtyping import Float, Integer
from torch import Tensor


def scan_labels(
    index: Integer[Tensor, "x y z"],
    texture: Float[Tensor, "x y z"],
    transmit: Float[Tensor, "x y z"],
    table: Float[Tensor, "component label texture_node transmit_node"],
    first: tuple[float, float],
    per_step: tuple[float, float],
) -> Float[Tensor, "component x y z"]:
    """The table's values of each label between its nodes of texture and transmit field.

    Args:
        index: the labels.
        texture: in standard deviations; so is the next.
        transmit: the transmit field.
        table: two or more of both nodes.
        first: texture and transmit field at the first node.
        per_step: nodes for each standard deviation of both.
    """
    _, _, nodes, across = table.shape
    u = ((texture - first[0]) * per_step[0]).clamp(0, nodes - 1)
    v = ((transmit - first[1]) * per_step[1]).clamp(0, across - 1)
    i, j = u.int().clamp(max=nodes - 2), v.int().clamp(max=across - 2)
    node, down, right = (index.int() * nodes + i) * across + j, u - i, v - j
    rows = []
    for values in table.flatten(1):
        above = torch.lerp(values[node], values[node + 1], right)
        rows.append(torch.lerp(above, torch.lerp(values[node + across], values[node + across + 1], right), down))
    return torch.stack(rows)
