"""A head large enough for lesions and atrophy: ventricles, deep nuclei, cortex, fluid, skull and a sinus."""

import numpy as np
import pytest

from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.labelled import LabelSubject
from qontrast.basics.grid import Grid


def ellipsoid(shape, axes, centre=(0, 0, 0)):
    index = np.indices(shape, dtype=float)
    parts = [(i - (n - 1) / 2 - c) / a for i, n, a, c in zip(index, shape, axes, centre, strict=True)]
    return np.sqrt(sum(p**2 for p in parts))


def head_labels():
    shape = (76, 88, 80)
    labels = np.zeros(shape, np.int32)
    right = np.broadcast_to(np.arange(76)[:, None, None] >= 38, shape)
    for axes, left_right in (
        ((36, 42, 38), (258, 258)),
        ((34, 40, 36), (515, 515)),
        ((32, 38, 34), (24, 24)),
        ((30, 36, 32), (3, 42)),
        ((26, 32, 28), (2, 41)),
    ):
        inside = ellipsoid(shape, axes) < 1
        labels[inside] = np.where(right, *left_right[::-1])[inside]
    for side, labels_here in ((-1, (10, 4)), (1, (49, 43))):
        labels[ellipsoid(shape, (4, 6, 5), (9 * side, 0, -8)) < 1] = labels_here[0]
        labels[ellipsoid(shape, (3.5, 13, 6), (7 * side, 0, 4)) < 1] = labels_here[1]
    labels[ellipsoid(shape, (6, 6, 5), (0, 33, -24)) < 1] = 0  # a sinus
    return labels


@pytest.fixture(scope="session")
def big_head():
    """76 x 88 x 80 voxels of 2 mm."""
    labels = head_labels()
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -(np.array(labels.shape) - 1)
    return LabelSubject("sub-big", labels, Grid(labels.shape, affine), BUILT_IN, "x")
