"""Many lesions read together, by the loop and by whole tensors, against a plain reading one by one."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from qontrast.anatomy import lesion_levels
from qontrast.anatomy.lesion_levels import highest
from qontrast.anatomy.lesion_shapes import Drawn, blob_values, blobs
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices

SHAPE = (40, 44, 36)


@pytest.fixture(params=["loops", "tensors"])
def by(request, monkeypatch):
    monkeypatch.setattr(lesion_levels, "by_loops", lambda _: request.param == "loops")


def ragged(count):
    generator = derive(3, "blobs")
    affine = np.diag([1.0, 1.5, 2.0, 1.0])
    turned, _ = np.linalg.qr(torch.randn(count, 3, 3, generator=generator, dtype=torch.float64).numpy())
    centres = torch.rand(count, 3, generator=generator).double().numpy() * SHAPE @ affine[:3, :3]
    axes = turned @ np.stack([np.diag([3.0 + i % 4, 4.0, 6.0]) for i in range(count)])
    return blobs(centres, axes, 1 - np.arange(count) / 50, affine, SHAPE, generator, ragged=0.1)


def one_by_one(levels, values, soft):
    """The highest level of the whole head and the highest severity, read by SciPy."""
    voxels = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")).reshape(3, -1)
    top, severity = np.zeros((2, *SHAPE))
    for level, own in zip(levels, values, strict=True):
        places = level.matrix.numpy().astype(float) @ voxels + level.shift.numpy()[:, None]
        read = ndimage.map_coordinates(own.numpy().astype(float), places, order=1, mode="nearest")
        beyond = (places < -0.5).any(0) | (places > np.array(own.shape)[:, None] - 0.5).any(0)
        read = np.where(beyond, 0, read).reshape(SHAPE)
        top = np.maximum(top, read)
        severity = np.maximum(severity, level.strength * np.clip((read - 0.5) / soft + 0.5, 0, 1))
    return top, severity


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_level_of_one_slice(by, axis):
    shape = [8, 8, 8]
    shape[axis] = 1
    array = torch.rand(*shape, generator=derive(2, "slice"))
    level = Drawn(torch.eye(3) / 2, torch.full((3,), -0.25), tuple((0, 2 * n) for n in shape), 1.0, array)
    (expected, _) = one_by_one([level], [array], 0.9)
    part, top, _ = highest((level,), 0.9, level.box)
    np.testing.assert_allclose(top, expected[box_slices(part)], atol=1e-5)
    assert top.min() < top.max()


@pytest.mark.parametrize("soft", [0.3, 0.9])
def test_the_highest_of_many_levels_and_severities(by, soft):
    levels = tuple(ragged(30))
    matrix, shift = 0.5 * torch.eye(3), torch.full((3,), -0.25)
    array = torch.rand(10, 22, 18, generator=derive(1, "band"))
    levels += (Drawn(matrix, shift, ((0, 20), (0, 44), (0, 36)), 1.0, array),)
    expected = one_by_one(levels, [*blob_values(list(levels[:-1])), array], soft)
    box = ((3, 37), (0, 44), (5, 30))
    part, *found = highest(levels, soft, box)
    for one, other in zip(found, expected, strict=True):
        whole = np.zeros(SHAPE)
        whole[box_slices(part)] = one
        np.testing.assert_allclose(whole[box_slices(box)], other[box_slices(box)], atol=1e-4)
        assert 0.2 < (one > 0.3).float().mean() < 0.9


def test_few_levels_at_a_time_are_as_many(monkeypatch):
    levels, box = tuple(ragged(30)), ((3, 37), (0, 44), (5, 30))
    monkeypatch.setattr(lesion_levels, "by_loops", lambda _: False)
    whole = highest(levels, 0.7, box)
    monkeypatch.setattr(lesion_levels, "MOST_VOXELS", 5000)
    for one, other in zip(highest(levels, 0.7, box)[1:], whole[1:], strict=True):
        assert torch.equal(one, other)


def test_ragged_lesions_hardly_reach_their_grids_faces():
    generator, reached = derive(4, "ragged"), []
    for _ in range(40):
        (level,) = blob_values(blobs(np.zeros((1, 3)), 20 * np.eye(3)[None], [1.0], np.eye(4), (9, 9, 9), generator,
                                      ragged=0.35, ramp=0.8, reach=2.8))  # fmt: skip
        assert all(float(level.select(axis, at).max()) == 0 for axis in range(3) for at in (0, -1))
        inner = level[1:-1, 1:-1, 1:-1]
        faces = torch.cat([inner.select(axis, at).flatten() for axis in range(3) for at in (0, -1)])
        reached.append(float((faces > 0.5).float().mean()))
    assert np.mean(reached) < 0.005
    assert np.mean(np.array(reached) > 0) < 0.5


def test_only_what_meets_the_box_is_read(by):
    (level,) = ragged(1)
    assert highest((level,), 0.9, ((0, 1), (0, 1), (0, 1))) is None
    assert highest((), 0.9, ((0, 40), (0, 44), (0, 36))) is None
    part, top, severity = highest((level,), 0.9, ((0, 40), (0, 44), (0, 36)))
    assert part == level.box
    assert tuple(top.shape) == tuple(severity.shape) == tuple(b - a for a, b in level.box)
