"""Windows that slide over an image: what a network says of each, blended where they overlap."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from monai.inferers import sliding_window_inference
from torch import Tensor

from qontrast.basics.shapes import Volume

OVERLAP = 0.25
"""Of windows, MONAI's own; half a window takes twice as long, and gained at most 0.002 of Dice on one real scan."""


def slide(
    image: Volume,
    predict: Callable[[Tensor], Tensor],
    window: int,
    device: str,
    overlap: float = OVERLAP,
    beyond: str = "constant",
) -> Float[Tensor, "batch outputs x y z"]:
    """What ``predict`` says of windows that overlap by a share of their edge or more, blended with Gaussian weights.

    The fewest that do are spread evenly along each axis. Windows larger than the image are filled by zeros, or as
    ``beyond`` says in the words of :func:`torch.nn.functional.pad`.
    """
    found = sliding_window_inference(
        image,
        roi_size=(window,) * 3,
        sw_batch_size=1 if device == "cpu" else 4,  # on a CPU, one takes a quarter less time than one of four
        predictor=predict,
        overlap=[even_overlap(length, window, overlap) for length in image.shape[2:]],
        mode="gaussian",
        padding_mode=beyond,
        sw_device=device,
        device="cpu",
    )
    assert isinstance(found, Tensor)
    return found


def joined(
    below: Float[Tensor, "batch outputs x y low"], above: Float[Tensor, "batch outputs x y high"], shared: int
) -> Float[Tensor, "batch outputs x y z"]:
    """Two blocks one above the other, of which each gives way to the other over the slices that they share."""
    weight = torch.arange(1, shared + 1) / (shared + 1)
    between = torch.lerp(below[..., -shared:], above[..., :shared], weight)
    return torch.cat((below[..., :-shared], between, above[..., shared:]), dim=-1)


def even_overlap(length: int, window: int, least: float) -> float:
    """The share by which the fewest windows that cover a length overlap, where they have to by ``least``."""
    steps = math.ceil((length - window) / max(1, math.floor(window * (1 - least) + 1e-9)))
    if steps < 1:
        return least
    # Half a voxel more: the step is that rounded down, which must not fall to the voxel below.
    return max(0.0, 1 - (math.ceil((length - window) / steps) + 0.5) / window)
