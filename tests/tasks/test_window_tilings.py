"""Windows cover a head, lie whole strides apart, and their features lie where their voxels do."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qontrast.basics.grid import Grid
from qontrast.tasks.windows import tile

EDGE = st.tuples(st.integers(0, 60), st.integers(1, 220)).map(lambda e: (e[0], e[0] + e[1]))


@given(box=st.tuples(EDGE, EDGE, EDGE), crop=st.sampled_from([32, 48, 96]))
@settings(max_examples=300, deadline=None)
def test_every_voxel_of_the_box_is_in_a_window_and_no_window_is_spare(box, crop):
    tiling = tile(box, crop)
    for (first, stop), starts in zip(box, tiling.starts, strict=True):
        covered = {v for a in starts for v in range(a, a + crop)}
        assert set(range(first, stop)) <= covered
        assert len(starts) == -(-(stop - first) // crop)
        assert all((a - starts[0]) % 16 == 0 for a in starts)
        before, after = first - starts[0], starts[-1] + crop - stop
        assert abs(before - after) <= 1  # in the middle of the box


def test_a_window_beyond_the_image_is_zero_there():
    image = torch.arange(1.0, 20 * 20 * 20 + 1).reshape(1, 1, 20, 20, 20)
    tiling = tile(((0, 20), (0, 20), (0, 20)), 32)
    window = tiling.cut(image, tiling.windows()[0])
    assert torch.equal(window[..., 6:26, 6:26, 6:26], image)
    assert float(window.sum()) == float(image.sum())


def test_features_lie_in_the_middle_of_their_voxels():
    affine = np.array([[2.0, 0, 0, -50], [0, 2, 0, -60], [0, 0, 2, -70], [0, 0, 0, 1]])
    tiling = tile(((4, 100), (0, 48), (10, 58)), 48)
    grid = tiling.feature_grid(Grid((104, 48, 60), affine), 16)
    assert grid.shape == (6, 3, 3)
    assert grid.spacing == (32.0, 32.0, 32.0)
    voxels = np.array([4 + 16 * 2 + 7.5, 16 + 7.5, 10 + 7.5, 1])  # the middle of the voxels of feature (2, 1, 0)
    assert np.allclose(grid.affine @ [2, 1, 0, 1], affine @ voxels)


def test_windows_write_their_features_to_their_place():
    tiling = tile(((0, 96), (0, 96), (0, 48)), 48)
    places = [tiling.feature_slices(start, 16) for start in tiling.windows()]
    filled = np.zeros(tiling.feature_shape(16))
    for place in places:
        filled[place] += 1
    assert filled.shape == (6, 6, 3)
    assert (filled == 1).all()
