"""What objectives ask for beside the views: points that match, the tissue there, protocols, hidden blocks."""

import dataclasses
import math

import pytest
import torch

from qontrast.basics.randomness import derive
from qontrast.geometry.points import read_points
from qontrast.geometry.warp import WarpRanges
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocol_code import PROTOCOL, protocol_code
from qontrast.physics.tissue import MAP_NAMES
from qontrast.views.acquisition import Acquisition, Simulated
from qontrast.views.maker import PairMaker
from qontrast.views.pair import draw_warps, make_pair
from qontrast.views.targets import TYPICAL, Wanted, hidden_blocks, matched_points, targets

EVERYTHING = Wanted(points=40, maps=True, protocol=True, hidden=4, share=0.5)


@pytest.mark.parametrize("shared", [True, False])
def test_matched_points_are_one_place_in_the_head(subject, plan, shared):
    pair = make_pair(subject, plan(crop=32, geometry=WarpRanges(shared=shared)), 0, 1)
    a, b = matched_points(pair, 60, derive(0, "points"))
    assert a.shape == b.shape == (60, 3)
    places = [v.warp.coordinates().movedim(-1, 0)[None] for v in (pair.a, pair.b)]
    one, other = (read_points(place, points[None])[0] for place, points in zip(places, (a, b), strict=True))
    voxel = pair.a.warp.spacing / subject.grid.spacing[0]
    assert float((one - other).abs().max()) < 0.03 * voxel
    inside = (b >= -1e-3) & (b <= torch.tensor(pair.b.warp.shape) - 1 + 1e-3)
    assert inside.all()
    assert torch.equal(a, b) == shared


def test_points_lie_where_there_is_something_and_no_two_in_one_voxel(head, plan):
    pair = make_pair(head, plan(crop=32), 0, 2)
    a, _ = matched_points(pair, 200, derive(0, "points"))
    x, y, z = a.long().unbind(dim=1)
    assert pair.a.there[x, y, z].all()
    assert len(a.unique(dim=0)) == 200
    assert not pair.a.there.all()


def test_too_few_voxels_are_taken_again(head, plan):
    pair = make_pair(head, plan(), 0, 2)
    few = torch.zeros_like(pair.a.image)
    few[0, 0, 3, 4, 5] = few[0, 0, 6, 7, 8] = 1.0
    view = dataclasses.replace(pair.a, signal=(few, None))
    a, _ = matched_points(dataclasses.replace(pair, a=view), 7, derive(0))
    assert a.shape == (7, 3)
    assert len(a.unique(dim=0)) == 2


def test_the_tissue_is_the_average_over_the_voxel_of_the_subjects_maps(subject, plan):
    pair = make_pair(subject, plan(spacing=4.0), 0, 3)
    found = targets(pair, EVERYTHING, 0, 3, 0)
    assert isinstance(pair.a.acquisition, Simulated)
    place = pair.a.place
    maps = pair.a.acquisition.tissue.block(place.box).present()
    low = torch.tensor([edge[0] for edge in place.box])
    known = [name for name in MAP_NAMES if name in maps]
    assert found["tissue_known"].tolist() == [float(name in maps) for name in MAP_NAMES]
    for point, row in zip(found["points_a"].long(), found["tissue"], strict=True):
        at = place.inside(point[None])[0].round().long() - low
        size = torch.tensor(maps["pd"].shape[2:])
        x, y, z = at.clamp(min=0).minimum(size - 1).unbind(dim=1)
        pd = maps["pd"][0, 0, x, y, z]
        for name in known:
            values = maps[name][0, 0, x, y, z]
            mean = float(pd.mean()) if name == "pd" else float((values * pd).sum() / pd.sum().clamp(min=1e-6))
            if name in ("r1", "r2", "r2star"):
                mean = math.log(max(mean, 0.05))
            centre, width = TYPICAL[name]
            assert float(row[MAP_NAMES.index(name)]) == pytest.approx((mean - centre) / width, abs=2e-3)


def test_the_tissue_at_some_voxels_is_that_of_the_whole_block(subject):
    tissue = subject.draw(derive(5))
    box = tuple((n // 4, n // 4 + 9) for n in subject.grid.shape)
    voxels = torch.tensor([0, 17, 360, 728])
    some, all_of_it = tissue.at(box, voxels).present(), tissue.block(box).present()
    assert some.keys() == all_of_it.keys()
    for name, values in some.items():
        torch.testing.assert_close(values.flatten(), all_of_it[name].flatten()[voxels])


def test_real_scans_have_no_tissue_and_no_protocol(head, plan):
    pair = make_pair(head, plan(), 0, 1)

    class Real(Acquisition):
        """A scan that was really made."""

        sequence = None

        def render(self, place):
            raise NotImplementedError

        def draw_spoiling(self, plan, generator, *, field_known):
            raise NotImplementedError

        def describe(self):
            return "T1w (observed)"

    views = [dataclasses.replace(view, acquisition=Real()) for view in (pair.a, pair.b)]
    found = targets(dataclasses.replace(pair, a=views[0], b=views[1]), EVERYTHING, 0, 1, 0)
    assert float(found["tissue_known"].sum()) == float(found["protocol_known"]) == 0
    assert float(found["protocol_a"].abs().sum()) == float(found["tissue"].abs().sum()) == 0


def test_a_code_tells_protocols_apart_and_has_a_number_for_each_name():
    codes = {name: protocol_code(sequence) for name, sequence in PRESETS.items()}
    assert all(code.shape == (len(PROTOCOL),) and torch.isfinite(code).all() for code in codes.values())
    assert len({tuple(code.tolist()) for code in codes.values()}) == len(codes)
    longer = dataclasses.replace(PRESETS["fse"], echo_time=2 * PRESETS["fse"].echo_time)
    changed = (protocol_code(longer) - codes["fse"]).nonzero().flatten().tolist()
    assert [PROTOCOL[i] for i in changed] == ["EchoTime"]
    assert float(codes["fse"].abs().max()) < 5


@pytest.mark.parametrize(("share", "count"), [(0.5, 32), (0.001, 1), (0.999, 63)])
def test_the_stated_share_of_blocks_is_hidden(share, count):
    blocks = hidden_blocks((16, 16, 16), Wanted(hidden=4, share=share), derive(0))
    assert blocks.shape == (4, 4, 4)
    assert int(blocks.sum()) == count


def test_the_maker_gives_what_is_wanted_and_the_same_each_time(head, plan):
    make = PairMaker([head], plan(), 0, EVERYTHING)
    one, other = make(0, 4, 1), make(0, 4, 1)
    assert one.keys() == other.keys() >= {"a", "b", "points_a", "tissue", "protocol_b", "hidden_a"}
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["hidden_a"], one["hidden_b"])
    assert PairMaker([head], plan(), 0)(0, 4, 1).keys() == {"a", "b", "clean_a", "clean_b"}


def test_views_moved_on_their_own_are_mirrored_alike_and_lie_aside_by_the_stated_share(plan):
    moved = WarpRanges(shared=False, shift=0.2, rotation=0.0, shear=0.0, elastic=0.0, scale=(1.0, 1.0))
    views, spacing, centre = plan(geometry=moved), (2.0, 1.0, 1.5), torch.tensor([40.0, 80.0, 50.0])
    apart, aside, mirrored = [], [], set()
    for step in range(2000):
        warps = draw_warps(views, centre, spacing, derive(0, step))
        signs = [float(torch.linalg.det(warp.matrix)) for warp in warps]
        assert signs[0] == signs[1]
        mirrored.add(signs[0])
        edge = 16 * 3.0 / torch.tensor(spacing)  # of a crop, in voxels
        aside.append((warps[0].centre - centre) / edge)
        apart.append((warps[0].centre - warps[1].centre) / edge)
    assert mirrored == {-1.0, 1.0}
    # Even draws from -0.2 to 0.2: their standard deviation is 0.4 / sqrt(12), and sqrt(2) of that between two.
    for found, spread in ((torch.stack(aside), 0.4 / math.sqrt(12)), (torch.stack(apart), 0.4 / math.sqrt(6))):
        assert found.std(dim=0).tolist() == pytest.approx([spread] * 3, rel=0.05)
    assert float(torch.stack(aside).abs().max()) == pytest.approx(0.2, rel=0.01)
