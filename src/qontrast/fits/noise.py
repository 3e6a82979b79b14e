"""The noise of one image by its differences between neighbours, where there are no residuals to tell it."""

import numpy as np


def difference_noise(image: np.ndarray, inside: np.ndarray) -> float:
    """Standard deviation of white noise in an image, by the median of its mixed differences.

    The difference along x of the difference along y of that along z cancels all that varies along two axes alone, so
    most of a border; the median shrugs off the rest (the finest diagonal wavelets: Coupé et al. 2010,
    doi:10.1016/j.media.2010.03.001). What is left of anatomy makes this an upper estimate where the noise is low: of
    real scans with noise added, 3 to 35 % too much at an SNR of 10 and 45 % and more at 40.

    Args:
        image: real or complex, ``[x, y, z]``; of a complex image the result is that of one part.
        inside: where to look, booleans ``[x, y, z]``.
    """
    parts = [image.real, image.imag] if np.iscomplexobj(image) else [image]
    axes = [axis for axis, length in enumerate(image.shape) if length > 1]
    for axis in axes:
        parts = [np.diff(part, axis=axis) for part in parts]
        inside = np.delete(inside, -1, axis) & np.delete(inside, 0, axis)
    together = np.concatenate([part[inside] for part in parts])
    if not together.size:
        return 0.0
    # Each difference doubles the variance; 0.6745 is the median of |z| of a normal variable.
    return float(np.median(np.abs(together)) / 0.6745 / np.sqrt(2.0 ** len(axes)))
