"""The noise of one image by its differences between neighbours, where there are no residuals to tell it."""

import numpy as np


def difference_noise(image: np.ndarray, inside: np.ndarray) -> float:
    """Standard deviation of white noise in an image, by the median of its third differences.

    Differences of third order along each axis cancel smooth anatomy; the median shrugs off borders. Structure of a few
    voxels remains: the result is an upper estimate where anatomy is fine and the noise low.

    Args:
        image: real or complex, ``[x, y, z]``; of a complex image the result is that of one part.
        inside: where to look, booleans ``[x, y, z]``.
    """
    parts = [image.real, image.imag] if np.iscomplexobj(image) else [image]
    found = []
    for axis in range(3):
        count = inside.shape[axis] - 3
        if count < 1:
            continue
        whole = np.logical_and.reduce([np.take(inside, np.arange(k, k + count), axis) for k in range(4)])
        found += [np.diff(part, 3, axis)[whole] for part in parts]
    together = np.concatenate(found) if found else np.zeros(0)
    if not together.size:
        return 0.0
    # The coefficients 1, -3, 3, -1 multiply the variance by 20; 0.6745 is the median of |z| of a normal variable.
    return float(np.median(np.abs(together)) / 0.6745 / np.sqrt(20.0))
