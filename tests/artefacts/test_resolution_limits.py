"""Truncated k-space and thick slices."""

import pytest
import torch

from qontrast.artefacts.resolution import Gibbs, ThickSlices, draw_gibbs, draw_thick_slices
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import derive

AXES = (0, 1, 2)


def rough(*shape):
    return torch.rand((1, 1, *shape), generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def along(axis, line):
    """A volume that varies along one axis only."""
    shape = [1, 1, 1, 1, 1]
    shape[axis + 2] = len(line)
    sizes = [1, 1, 5, 5, 5]
    sizes[axis + 2] = len(line)
    return torch.tensor(line, dtype=torch.float64).reshape(shape).expand(sizes).clone()


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("kept", [0.3, 0.55, 0.8, 1.0])
def test_gibbs_keeps_the_mean_of_every_line(axis, kept):
    volume = rough(9, 10, 12)
    ringing = Gibbs(axis, kept)(volume)
    torch.testing.assert_close(ringing.mean(dim=axis + 2), volume.mean(dim=axis + 2))


@pytest.mark.parametrize("axis", AXES)
def test_gibbs_overshoots_an_edge_by_the_textbook_nine_percent(axis):
    edge = along(axis, [0.0] * 48 + [1.0] * 48)
    ringing = Gibbs(axis, 0.25)(edge)
    assert float(ringing.max()) == pytest.approx(1.09, abs=0.025)
    assert float(ringing.min()) == pytest.approx(-0.09, abs=0.025)


def test_gibbs_rings_along_its_own_axis_only():
    edge = along(0, [0.0] * 8 + [1.0] * 8)
    assert torch.equal(Gibbs(0, 0.5)(edge).std(dim=(3, 4)), torch.zeros(1, 1, 16, dtype=torch.float64))
    torch.testing.assert_close(Gibbs(1, 0.5)(edge), edge)
    torch.testing.assert_close(Gibbs(2, 0.5)(edge), edge)


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 18, 22, 24])
def test_gibbs_that_keeps_every_line_changes_nothing(count):
    volume = rough(count, 3, 3)
    torch.testing.assert_close(Gibbs(0, 1.0)(volume), volume)


@pytest.mark.parametrize("count", [15, 16, 22, 24])
@pytest.mark.parametrize("kept", [0.1, 0.37, 0.5, 0.72, 0.95])
def test_gibbs_keeps_the_lines_it_says_and_removes_the_others(count, kept):
    gibbs = Gibbs(0, kept)
    lines = gibbs.lines(count)
    assert lines % 2 == 1
    assert abs(lines - kept * count) <= 1
    spectrum = torch.fft.fft(gibbs(rough(count, 3, 3)), dim=2).abs().amax(dim=(0, 1, 3, 4))
    assert int((spectrum > 1e-9).sum()) == lines


def test_gibbs_twice_is_gibbs_once():
    gibbs, volume = Gibbs(1, 0.6), rough(6, 11, 6)
    torch.testing.assert_close(gibbs(gibbs(volume)), gibbs(volume))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("thickness", [1.5, 2.0, 3.3, 6.0, 50.0])
def test_thick_slices_keep_a_flat_image_and_blur_along_one_axis_only(axis, thickness):
    flat = torch.full((1, 1, 9, 10, 12), 0.7)
    torch.testing.assert_close(ThickSlices(axis, thickness)(flat), flat)
    spike = torch.zeros(1, 1, 13, 13, 13)
    spike[0, 0, 6, 6, 6] = 1.0
    blurred = ThickSlices(axis, thickness)(spike)
    assert float(blurred.max()) < 1.0
    for other in set(AXES) - {axis}:
        off_line = blurred.clone()
        off_line.select(other + 2, 6).zero_()
        assert (off_line == 0).all()
    assert int((blurred > 0).sum()) > 1


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("thickness", [1.5, 2.0, 3.0])
def test_thick_slices_keep_the_mean(axis, thickness):
    inside = torch.zeros(1, 1, 24, 24, 24, dtype=torch.float64)
    inside[:, :, 6:18, 6:18, 6:18] = rough(12, 12, 12)
    thick = ThickSlices(axis, thickness)(inside)
    assert float(thick.mean()) == pytest.approx(float(inside.mean()), rel=0.03)


@pytest.mark.parametrize("axis", AXES)
def test_thick_slices_leave_a_ramp_where_it_is(axis):
    ramp = along(axis, [float(i) for i in range(24)])
    inner = slice(5, -5)
    index = tuple(inner if d == axis + 2 else slice(None) for d in range(5))
    torch.testing.assert_close(ThickSlices(axis, 3.0)(ramp)[index], ramp[index])


def test_thicker_slices_blur_more():
    volume = rough(24, 4, 4)
    left = [float(ThickSlices(0, t)(volume).std()) for t in (1.0, 2.0, 3.0, 6.0)]
    assert left == sorted(left, reverse=True)
    assert left[3] < 0.6 * left[0]
    assert torch.equal(ThickSlices(0, 1.0)(volume), volume)


def test_draws_stay_in_their_ranges_and_use_every_axis():
    gibbs = [draw_gibbs((0.55, 0.95), derive(i)) for i in range(60)]
    slices = [draw_thick_slices((1.5, 3.5), derive(i)) for i in range(60)]
    assert {g.axis for g in gibbs} == {s.axis for s in slices} == set(AXES)
    assert 0.55 <= min(g.kept for g in gibbs) < 0.6 < 0.9 < max(g.kept for g in gibbs) <= 0.95
    assert 1.5 <= min(s.thickness for s in slices) < 1.7 < 3.3 < max(s.thickness for s in slices) <= 3.5


@pytest.mark.parametrize("kept", [0.0, -0.2, 1.2, float("nan")])
def test_a_senseless_share_of_k_space_is_refused(kept):
    with pytest.raises(InputError, match="Gibbs: found a kept share of"):
        Gibbs(0, kept)


@pytest.mark.parametrize("thickness", [0.5, 0.0, -2.0, float("nan")])
def test_slices_thinner_than_a_voxel_are_refused(thickness):
    with pytest.raises(InputError, match=r"thick slices: found .* voxels; wanted at least 1 voxel"):
        ThickSlices(0, thickness)
