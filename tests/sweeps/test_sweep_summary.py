"""What the rows of a sweep add up to."""

import pytest

from qontrast.physics.presets import PRESETS
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.planes import PLANES
from qontrast.sweeps.points import Point
from qontrast.sweeps.summary import summarise


def row(volume):
    return {"state": "scored", "dice": {"grey matter": 0.5}, "volume_ml": {"grey matter": volume},
            "truth_ml": {"grey matter": 100.0}}  # fmt: skip


@pytest.mark.parametrize(("useless", "varies"), [("no tissue", 0.0), ("", 0.7423)])
def test_volumes_vary_over_the_protocols_that_show_tissue(useless, varies):
    plane, protocol = PLANES["spgr"], PRESETS["spgr"]
    reference = Point(None, "spgr", 3.0, protocol=protocol, name="reference")
    points = [Point(plane, "spgr", 3.0, float(x), protocol=protocol) for x in range(2)]
    points.append(Point(plane, "spgr", 3.0, 2.0, protocol=protocol, useless=useless))
    rows = {"sub-01": [row(volume) for volume in (100.0, 100.0, 100.0, 10.0)]}
    classes = ("background", "grey matter")
    found = summarise(SweepPlan(), "a model", reference, points, rows, classes, {}, own_truth=False)
    assert found.volume_variation["grey matter"] == pytest.approx(varies, abs=1e-3)
    assert f"varies most, by {varies:.0%}" in found.sentence
