"""Which voxels a view may read: all that it does, and few more."""

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.geometry.reach import everywhere, within_reach
from qontrast.geometry.sample import touched
from qontrast.geometry.warp import WarpRanges, draw_warp

SHAPE = (60, 50, 55)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("elastic", [0.0, 1.0, 3.0])
def test_every_voxel_that_is_read_is_within_reach_and_few_others(seed, elastic):
    spacing = (1.0, 1.2, 0.9)
    ranges = WarpRanges(rotation=25.0, elastic=elastic)
    centre = torch.tensor([20.0, 25.0, 40.0])
    warp = draw_warp(ranges, centre, (32, 32, 32), 1.0, spacing, derive(seed))
    points = warp.coordinates()
    box = touched(points, SHAPE)
    axes = torch.linalg.inv(warp.matrix / warp.subject_spacing[:, None])
    found = within_reach(points, axes, box).mask(box[2][1] - box[2][0])
    read = torch.zeros(SHAPE, dtype=torch.bool)
    low = points.reshape(-1, 3).floor().long()
    for corner in range(8):
        voxels = low + torch.tensor([(corner >> axis) & 1 for axis in range(3)])
        inside = ((voxels >= 0) & (voxels < torch.tensor(SHAPE))).all(dim=1)
        read[tuple(voxels[inside].T)] = True
    (x0, x1), (y0, y1), (z0, z1) = box
    needed = read[x0:x1, y0:y1, z0:z1]
    assert int(read.sum()) == int(needed.sum())
    assert not bool((needed & ~found).any())
    if elastic <= 1:  # the rim of a small crop: of 96 voxels along an edge it is an eighth of the whole
        assert int(found.sum()) < 1.5 * int(needed.sum())


def test_faces_along_the_grid_and_a_crop_outside_of_it():
    points = torch.stack(torch.meshgrid(*[torch.arange(4.0) + 10] * 3, indexing="ij"), dim=-1)
    found = within_reach(points, torch.eye(3), ((0, 30), (0, 20), (5, 25))).mask(20)
    assert found.sum() == 6**3
    assert found[9:15, 9:15, 4:10].all()
    assert not within_reach(points + 40, torch.eye(3), ((0, 30), (0, 20), (5, 25))).mask(20).any()


def test_everywhere_is_all_of_a_box():
    assert everywhere(((3, 5), (2, 6), (10, 13))).mask(3).all()
    assert everywhere(((3, 5), (2, 6), (10, 13))).mask(3).shape == (2, 4, 3)
