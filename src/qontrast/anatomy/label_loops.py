"""The loop of :mod:`qontrast.anatomy.label_signals`: a label map to the signals of one protocol, row by row."""

import numpy as np

from qontrast.basics.compiled import compiled

_NONE, _NEXT = np.float32(0.0), np.uint32(1)


@compiled
def scan_labels(
    index: np.ndarray,
    texture: np.ndarray,
    transmit: np.ndarray,
    start: np.ndarray,
    stop: np.ndarray,
    table: np.ndarray,
    first: tuple[float, float],
    per_step: tuple[float, float],
    out: np.ndarray,
) -> None:
    """The table's values of each label between its nodes of texture and transmit field.

    Args:
        index: the labels, whole numbers ``[x, y, z]``.
        texture: in standard deviations, ``[x, y, z]``; so is the next.
        transmit: the transmit field.
        start: first voxel of each row, ``[x, y]``.
        stop: one past the last.
        table: ``[component, label, texture node, transmit node]``, two or more of both nodes.
        first: texture and transmit field at the first node.
        per_step: nodes for each standard deviation of both.
        out: the signals, ``[component, x, y, z]``; 0 outside of the rows' spans.
    """
    components, labels, nodes, across = table.shape
    values, count = table.ravel(), index.shape[2]
    first_t, first_b = np.float32(first[0]), np.float32(first[1])
    per_t, per_b = np.float32(per_step[0]), np.float32(per_step[1])
    most_t, last_t = np.float32(nodes - 1), np.int32(nodes - 2)
    most_b, last_b = np.float32(across - 1), np.int32(across - 2)
    size, width = np.int32(nodes * across), np.int32(across)
    node, down, right = np.empty(count, np.int32), np.empty(count, np.float32), np.empty(count, np.float32)
    for x in range(index.shape[0]):
        for y in range(index.shape[1]):
            begin, end = start[x, y], max(start[x, y], stop[x, y])
            label = index[x, y, begin:end]
            t, b = texture[x, y, begin:end], transmit[x, y, begin:end]
            for z in range(len(label)):
                u = min(max((t[z] - first_t) * per_t, _NONE), most_t)
                v = min(max((b[z] - first_b) * per_b, _NONE), most_b)
                i, j = min(np.int32(u), last_t), min(np.int32(v), last_b)
                node[z] = np.int32(label[z]) * size + i * width + j
                down[z], right[z] = u - np.float32(i), v - np.float32(j)
            for component in range(components):
                out[component, x, y, :begin] = 0
                out[component, x, y, end:] = 0
                row, offset, w = out[component, x, y, begin:end], np.uint32(component * labels * size), np.uint32(width)
                for z in range(len(row)):
                    n = np.uint32(node[z]) + offset
                    above, below = values[n], values[n + w]
                    above += (values[n + _NEXT] - above) * right[z]
                    below += (values[n + w + _NEXT] - below) * right[z]
                    row[z] = above + (below - above) * down[z]
