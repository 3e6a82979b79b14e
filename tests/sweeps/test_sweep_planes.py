"""The planes of a sweep: clinical protocols lie on them, what hangs together moves together, nonsense is refused."""

import math

import pytest

from qontrast.basics.errors import PlanError
from qontrast.physics.presets import PRESETS
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.planes import PLANES, Axis, Plane, number_of, parameters_of, possible_at, protocol_at
from qontrast.sweeps.points import grid_points, named_points
from qontrast.tasks.plan_file import plan_text, read_plan


@pytest.mark.parametrize("name", PLANES)
def test_the_clinical_protocol_is_a_point_of_its_plane(name):
    plane, preset = PLANES[name], PRESETS[name]
    numbers = {axis.parameter: number_of(preset, axis.parameter) for axis in (plane.x, plane.y)}
    for axis in (plane.x, plane.y):
        assert axis.low <= numbers[axis.parameter] <= axis.high
    found = protocol_at(name, 3.0, numbers)
    for field in preset.__dataclass_fields__:
        assert getattr(found, field) == pytest.approx(getattr(preset, field)), field


@pytest.mark.parametrize("name", PLANES)
def test_most_of_every_plane_could_be_run(name):
    points = grid_points(SweepPlan(sequences=(name,), points=6, fields=(3.0,)), [PLANES[name]])
    assert len(points) == 36
    assert sum(p.protocol is not None for p in points) >= 24
    for p in points:
        if p.protocol is not None:
            assert number_of(p.protocol, p.plane.x.parameter) == pytest.approx(p.x)
            assert number_of(p.protocol, p.plane.y.parameter) == pytest.approx(p.y)


@pytest.mark.parametrize("echo_time", [0.008, 0.0123, 0.05, 0.1, 0.2])
def test_an_echo_train_has_an_echo_at_te_and_goes_on(echo_time):
    fse = protocol_at("fse", 1.5, {"echo_time": echo_time})
    echo = echo_time / fse.echo_spacing
    assert echo == pytest.approx(round(echo))
    assert fse.train_duration >= 1.5 * echo_time - 1e-9
    assert fse.field_strength == 1.5


def test_what_no_scanner_could_run_is_none_with_the_reason():
    protocol, why = possible_at("mprage", 3.0, {"inversion_time": 0.3, "flip_angle": 9})
    assert protocol is None
    assert "half of the readout train" in why
    assert possible_at("mprage", 3.0, {"inversion_time": 0.9, "flip_angle": 9})[0] == PRESETS["mprage"]


def test_values_are_spread_evenly_or_by_their_logarithm():
    assert Axis("flip_angle", 4, 20).values(5) == (4, 8, 12, 16, 20)
    assert Axis("repetition_time", 0.1, 10, log=True).values(3) == (0.1, 1.0, 10.0)


def test_pairs_change_one_number_alone():
    moved = protocol_at("dir", 3.0, {"second_inversion_time": 0.4})
    assert moved.inversion_times == (PRESETS["dir"].inversion_times[0], 0.4)
    assert "first_flip_angle" in parameters_of("mp2rage")
    assert "flip_angle" not in parameters_of("mp2rage")
    assert math.degrees(protocol_at("mp2rage", 3.0, {"first_flip_angle": 5}).flip_angles[0]) == pytest.approx(5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SweepPlan(sequences=("mprag",)), "Did you mean 'mprage'"),
        (lambda: SweepPlan(reference="adni-mprage"), "Did you mean 'adni3-mprage'"),
        (lambda: Axis("flip_angel", 1, 2), "Did you mean 'flip_angle'"),
        (lambda: Plane("fse", Axis("inversion_time", 1, 2), Axis("echo_time", 0.01, 0.1)), "'inversion_time' of fse"),
        (lambda: Plane("spgr", Axis("flip_angle", 1, 2), Axis("flip_angle", 1, 2)), "two parameters"),
        (lambda: Axis("echo_time", 0.1, 0.01), "the lower first"),
        (lambda: SweepPlan(fields=(30.0,)), "30; wanted 0.05 to 11.7 T"),
        (lambda: SweepPlan(sequences=()), "The grid would be empty"),
        (lambda: SweepPlan(points=0), "1 to 64"),
        (lambda: SweepPlan(heads=0), "1 or more"),
        (lambda: SweepPlan(planes=(PLANES["ir"],)), "a plane of ir, which is not swept"),
    ],
)
def test_nonsense_is_refused_with_the_remedy(make, message):
    with pytest.raises(PlanError, match=message):
        make()


def test_a_plan_is_read_from_yaml_and_written_back(tmp_path):
    x, y = "{parameter: flip_angle, low: 5, high: 30}", "{parameter: echo_time, low: .002, high: .006}"
    text = f"[{{sequence: spgr, x: {x}, y: {y}}}]"
    plan = read_plan(SweepPlan, None, {"planes": text, "sequences": "[spgr]", "form.spacing": "1.5"})
    assert plan.swept() == [Plane("spgr", Axis("flip_angle", 5, 30), Axis("echo_time", 0.002, 0.006))]
    (tmp_path / "plan.yaml").write_text(plan_text(plan))
    assert read_plan(SweepPlan, tmp_path / "plan.yaml") == plan
    with pytest.raises(PlanError, match="Did you mean 'sequences'"):
        read_plan(SweepPlan, None, {"sequence": "[spgr]"})


def test_named_protocols_are_those_of_the_swept_sequences_and_of_own_sidecars(tmp_path):
    sidecar = tmp_path / "sub-01_T1w.json"
    sidecar.write_text(
        '{"EchoTime": 0.003, "RepetitionTime": 2.0, "InversionTime": 1.1, "FlipAngle": 8, "MagneticFieldStrength": 3}'
    )
    plan = SweepPlan(sequences=("flair",), protocols=(str(sidecar),))
    named = {p.name: p for p in named_points(plan, plan.swept())}
    assert set(named) == {"sub-01_T1w", "ukb-flair", "arc-flair", "lowfield-flair"}
    assert named["sub-01_T1w"].sequence == "mprage"
    assert named["sub-01_T1w"].protocol.inversion_time == 1.1
