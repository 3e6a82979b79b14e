"""Whole sweeps of tiny heads, with models whose score in each protocol is known."""

import csv
import json
import math

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.cohort import find_subjects
from qontrast.basics.errors import InputError, MissingMapError, PlanError
from qontrast.physics.presets import PRESETS
from qontrast.sweeps.planes import Axis, Plane
from qontrast.sweeps.rows import head_digest
from qontrast.sweeps.scene import open_scene
from qontrast.sweeps.sweep import sweep
from qontrast.views.labelled import person
from qontrast.views.whole_scan import simulate_scan

SPGR = Plane("spgr", Axis("flip_angle", 4, 30), Axis("repetition_time", 0.01, 0.04))
EARLY = Plane("mprage", Axis("inversion_time", 0.3, 0.9), Axis("flip_angle", 6, 12))


def spgr(folder, box, flip, repetition_time, echo_time=2.3e-3):
    """The signal equation in NumPy, read from the files themselves: an implementation apart from the library's."""
    pd, r1, r2star = (
        nib.load(folder / f"sub-01/anat/sub-01_{s}.nii.gz").get_fdata() for s in ("PDmap", "R1map", "R2starmap")
    )
    e1, angle = np.exp(-repetition_time * r1), math.radians(flip)
    signal = pd * np.sin(angle) * (1 - e1) / np.where(pd > 0, 1 - e1 * np.cos(angle), 1) * np.exp(-echo_time * r2star)
    return signal[tuple(slice(a, b) for a, b in box)]


@pytest.fixture(scope="module")
def maps(maps_folder):
    return maps_folder()


@pytest.fixture(scope="module")
def labels(new_labels_folder):
    return new_labels_folder()


def scene_of(folder, spacing=2.0, which=0):
    return open_scene(find_subjects(str(folder))[which].open_tissue(), spacing, 0)


def test_a_threshold_has_the_dice_that_the_signal_equation_gives(maps, small_plan, threshold, tmp_path):
    plan = small_plan(
        maps, sequences=("spgr",), planes=(SPGR,), points=3, reference="mpm-t1w", classes=("background", "bright")
    )
    found = sweep(plan, tmp_path, model=threshold(0.6), quiet=True)
    box = scene_of(maps).box
    truth = spgr(maps, box, 21, 0.025)
    truth = truth > 0.6 * truth.max()
    assert found.own_truth
    assert found.reference.value == 1.0
    assert len(found.grid) == 9
    values = []
    for outcome in found.grid:
        image = spgr(maps, box, outcome.point.x, outcome.point.y)
        bright = image > 0.6 * image.max()
        dice = 2 * (bright & truth).sum() / (bright.sum() + truth.sum())
        assert outcome.value == pytest.approx(dice, abs=2e-3)
        assert outcome.volume["bright"] == pytest.approx(bright.sum() / truth.sum(), rel=2e-3)
        values.append(dice)
    assert max(values) - min(values) > 0.1  # or the test would prove nothing
    assert found.worst().value == pytest.approx(min(values), abs=2e-3)
    assert f"{min(values):.2f} to {max(values):.2f}" in found.sentence


def test_an_encoder_of_mean_intensities_drifts_as_the_signal_equation_says(maps, small_plan, tmp_path):
    def halves(image):
        middle = image[6:-6, 6:-6, 6:-6]
        return np.array([middle.mean(), image.mean() - middle.mean() * middle.size / image.size])

    def encoder(volume, affine):
        return halves(volume.astype(np.float64))

    plan = small_plan(maps, sequences=("spgr",), planes=(SPGR,), reference="mpm-t1w")
    found = sweep(plan, tmp_path, model=encoder, quiet=True)
    box = scene_of(maps).box
    start = halves(spgr(maps, box, 21, 0.025))
    for outcome in found.grid:
        moved = halves(spgr(maps, box, outcome.point.x, outcome.point.y))
        cosine = moved @ start / np.linalg.norm(moved) / np.linalg.norm(start)
        assert outcome.value == pytest.approx(1 - cosine, rel=1e-3, abs=1e-8)
        assert outcome.relative is None  # of a single head
    assert max(o.value for o in found.grid) > 1e-4


def test_the_truth_scores_one_everywhere_and_its_volume_does_not_vary(labels, small_plan, tmp_path):
    truth = scene_of(labels).truth.numpy()

    def oracle(volume, affine):
        return truth

    found = sweep(small_plan(labels), tmp_path, model=oracle, quiet=True)
    assert found.classes == ("grey matter", "white matter", "cerebrospinal fluid")
    assert len(found.grid) == 16
    assert all(o.value == 1.0 for o in found.grid)
    assert list(found.volume_variation.values()) == pytest.approx([0.0] * 3, abs=1e-12)
    assert all(v == 1.0 for o in found.grid for v in o.volume.values())


def test_a_constant_encoder_does_not_drift_and_finds_by_chance(labels, small_plan, constant_encoder, tmp_path):
    found = sweep(small_plan(labels, heads=2), tmp_path, model=constant_encoder, quiet=True)
    assert found.heads == ("sub-01", "sub-02")
    assert all(o.value == 0.0 for o in found.grid)
    assert all(o.retrieval == 0.5 for o in found.grid)
    assert all(o.relative is None for o in found.grid)  # two heads that lie at one point have no distance


def test_different_heads_are_the_yardstick_of_drift(labels, small_plan, tmp_path):
    """A head is an axis of its own; a third axis says whether the image is brighter than at the reference."""
    first = {}

    def encoder(volume, affine):
        head = int((volume > 0).sum())
        first.setdefault(head, float(volume.max()))
        axis = list(first).index(head)
        return np.eye(3)[axis] + np.array([0, 0, 1.0]) * (volume.max() > 1.01 * first[head])

    found = sweep(small_plan(labels, heads=2, sequences=("spgr", "fse")), tmp_path, model=encoder, quiet=True)
    assert len(first) == 2
    moved = 1 - 0.5**0.5
    assert {round(o.value, 6) for o in found.grid} == {0.0, round(moved, 6)}
    for outcome in found.grid:  # the two heads are orthogonal at the reference: the yardstick is 1
        assert outcome.relative == pytest.approx(outcome.value)
        assert outcome.retrieval == 1.0


def test_a_killed_sweep_goes_on_and_ends_alike(labels, small_plan, threshold, tmp_path):
    plan = small_plan(labels, sequences=("mprage", "fse"), snr=20.0)
    whole, killed = threshold(0.5), threshold(0.5)
    first = sweep(plan, tmp_path / "whole", model=whole, quiet=True)
    original = type(killed).__call__

    # The reference is looked at once, then four rows are scored; the fifth is interrupted.
    def interrupted(self, volume, affine):
        if self.calls == 5:
            raise KeyboardInterrupt
        return original(self, volume, affine)

    type(killed).__call__ = interrupted
    try:
        with pytest.raises(KeyboardInterrupt):
            sweep(plan, tmp_path / "killed", model=killed, quiet=True)
    finally:
        type(killed).__call__ = original
    ledger = tmp_path / "killed" / "sweep.jsonl"
    assert len(ledger.read_text().splitlines()) == 4
    ledger.write_text(ledger.read_text() + '{"key": "half a li')
    again = threshold(0.5)
    second = sweep(plan, tmp_path / "killed", model=again, quiet=True)
    assert whole.calls - again.calls == 4
    assert ledger.read_text() == (tmp_path / "whole" / "sweep.jsonl").read_text()
    assert second == first
    for name in ("points.csv", "plan.yaml"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    more = threshold(0.5)
    sweep(
        small_plan(labels, sequences=("mprage", "fse", "spgr"), snr=20.0), tmp_path / "killed", model=more, quiet=True
    )
    assert more.calls == 1 + 4 + 3  # the reference, what is new, the pictures


@pytest.mark.parametrize(("kind", "beside"), [("labels", "dseg.tsv"), ("maps", "R1map.json")])
def test_a_corrected_table_or_sidecar_makes_rows_anew(kind, beside, new_labels_folder, maps_folder):
    data = new_labels_folder() if kind == "labels" else maps_folder()
    source = find_subjects(str(data))[0]
    before = head_digest(source)
    (data / beside).write_text("{}")
    assert head_digest(source) != before


def test_impossible_points_are_blank_and_counted(labels, small_plan, threshold, tmp_path):
    plan = small_plan(labels, sequences=("mprage",), planes=(EARLY,), points=3)
    found = sweep(plan, tmp_path, model=threshold(0.5), quiet=True)
    states = {(o.point.x, o.point.y): o.state for o in found.grid}
    assert {x for (x, _), state in states.items() if state == "impossible"} == {0.3, 0.6}  # half a train is 0.625 s
    assert "6 points are blank" in found.sentence
    with (tmp_path / "points.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert [line["state"] for line in lines].count("impossible") == 6
    assert all("half of the readout train" in line["note"] for line in lines if line["state"] == "impossible")
    rows = [json.loads(line) for line in (tmp_path / "sweep.jsonl").read_text().splitlines()]
    assert len(rows) == 3  # the reference is one of the points: it is not computed twice
    early = Plane("mprage", Axis("inversion_time", 0.3, 0.6), Axis("flip_angle", 6, 12))
    nothing = small_plan(labels, sequences=("mprage",), planes=(early,))
    with pytest.raises(PlanError, match="no protocol that a scanner could run"):
        sweep(nothing, tmp_path / "no", model=threshold(0.5), quiet=True)


def test_answers_that_cannot_be_scored_are_counted_and_said_first(maps, small_plan, tmp_path):
    start = []

    def sometimes(volume, affine):
        start.append(volume.max())
        return np.full(3, np.nan) if volume.max() < 0.95 * start[0] else np.array([1.0, volume.max(), 0.0])

    plan = small_plan(maps, sequences=("spgr",), planes=(SPGR,), reference="mpm-t1w", points=3)
    box = scene_of(maps).box
    least = 0.95 * spgr(maps, box, 21, 0.025).max()
    broken = sum(spgr(maps, box, x, y).max() < least for x in (4, 17, 30) for y in (0.01, 0.025, 0.04))
    found = sweep(plan, tmp_path, model=sometimes, quiet=True)
    assert 0 < broken < 9
    assert [o.state for o in found.grid].count("failed") == broken
    assert found.sentence.startswith(f"At {broken} protocols the model gave nothing")
    assert "NaN" in next(o.note for o in found.grid if o.state == "failed")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda v: v[:-1], r"an answer of shape .* wanted a label map of"),
        (lambda v: np.where(v > 0, np.nan, 0), "NaN or infinite"),
        (lambda v: np.full(v.shape, 0.5), "the label 0.5; wanted whole numbers"),
        (lambda v: np.full(v.shape, 9), "the label 9; wanted 0 to 3"),
        (lambda v: np.full(v.shape, -1), "labels from -1"),
        (lambda v: 1 / 0, "ZeroDivisionError"),
        (lambda v: None, "object values"),
        (lambda v: np.zeros(0), "an empty answer"),
    ],
)
def test_a_first_answer_that_cannot_be_scored_is_refused(labels, small_plan, tmp_path, answer, message):
    def model(volume, affine):
        return answer(volume)

    with pytest.raises(InputError, match=message):
        sweep(small_plan(labels), tmp_path, model=model, quiet=True)


def test_classes_that_the_truth_has_not_are_refused_but_own_ones_can_be_compared(
    labels, small_plan, threshold, tmp_path
):
    plan = small_plan(labels, sequences=("spgr",), classes=("background", "tumour"))
    with pytest.raises(InputError, match=r"the classes tumour; wanted one of the truth's: grey matter.*--truth own"):
        sweep(plan, tmp_path, model=threshold(0.5), quiet=True)
    own = small_plan(labels, sequences=("spgr",), classes=("background", "tumour"), truth="own")
    found = sweep(own, tmp_path, model=threshold(0.5), quiet=True)
    assert (found.classes, found.own_truth, found.reference.value) == (("tumour",), True, 1.0)


def test_freesurfer_labels_are_the_tissues_of_the_truth(labels, small_plan, tmp_path):
    scene = scene_of(labels)
    raw = nib.load(labels / "sub-01/anat/sub-01_dseg.nii.gz").get_fdata()
    own = raw[tuple(slice(a, b) for a, b in scene.box)]
    plan = small_plan(labels, sequences=("spgr",), classes=("freesurfer",))
    found = sweep(plan, tmp_path, model=lambda volume, affine: own, quiet=True)
    assert found.reference.value == 1.0
    assert len(found.classes) == 3


def test_sequences_that_the_maps_lack_are_left_out_and_said(
    maps_folder, small_plan, constant_encoder, tmp_path, capsys
):
    folder = maps_folder(omit=("R2starmap",))
    plan = small_plan(folder, sequences=("mprage", "mp2rage"), reference="mp2rage")
    found = sweep(plan, tmp_path, model=constant_encoder)
    assert {o.point.sequence for o in found.grid} == {"mp2rage"}
    assert found.left_out == {"mprage": "sub-01 has no map of R2*"}
    assert "mprage is left out: sub-01 has no map of R2*" in capsys.readouterr().out
    with pytest.raises(InputError, match="adni3-mprage, and sub-01 has no map of R2"):
        sweep(small_plan(folder, sequences=("mp2rage",)), tmp_path / "a", model=constant_encoder, quiet=True)
    with pytest.raises(MissingMapError, match="Possible: mp2rage"):
        sweep(small_plan(folder, sequences=("mprage",)), tmp_path / "b", model=constant_encoder, quiet=True)
    both = small_plan(folder, sequences=("mp2rage",), reference="mp2rage", truth="labels")
    with pytest.raises(PlanError, match="labels, which sub-01 has not"):
        sweep(both, tmp_path / "c", model=constant_encoder, quiet=True)


def test_blocks_of_voxels_give_what_the_view_maker_reads(labels):
    scene = scene_of(labels, spacing=4.0)
    assert (scene.place, scene.factor) == (None, 2)
    subject = find_subjects(str(labels))[0].open_tissue()
    clean = simulate_scan(subject, PRESETS["mprage"], 4.0, 1e9, 0)  # with a bias of 2 %
    own = scene.image(PRESETS["mprage"], None)[0, 0].numpy()
    assert person(subject, 0).rates["r1"].equal(scene.tissue.rates["r1"])
    # Both grids are whole blocks of the same map here, perhaps a block apart: the same values in the same places.
    shift = np.rint(np.linalg.inv(clean.grid.affine) @ scene.grid.affine[:, 3])[:3].astype(int)
    x, y, z = (slice(a, a + n) for a, n in zip(shift, own.shape, strict=True))
    theirs = clean.image[0, 0].numpy()[x, y, z]
    inside = theirs > 0.05 * theirs.max()
    assert inside.sum() > 1000
    assert np.abs(own[inside] / theirs[inside] - 1).max() < 0.12
    assert (scene.truth.numpy() == clean.classes.numpy()[x, y, z]).mean() > 0.999


def test_noise_is_one_realisation_and_as_strong_as_stated(labels):
    scene = scene_of(labels)
    for name in ("mprage", "fse"):
        clean, noisy = scene.image(PRESETS[name], None), scene.image(PRESETS[name], 20.0)
        inside = clean > 0.3 * clean.max()
        mean = float(clean[clean > 0.05 * clean.max()].mean())
        assert float((noisy - clean)[inside].std()) == pytest.approx(mean / 20, rel=0.1)
    clean = {name: scene.image(PRESETS[name], None) for name in ("mprage", "spgr", "fse")}
    noise = {name: scene.image(PRESETS[name], 50.0) - clean[name] for name in ("mprage", "spgr")}
    bright = (clean["mprage"] > 0.5 * clean["mprage"].max()) & (clean["spgr"] > 0.3 * clean["spgr"].max())
    assert int(bright.sum()) > 500
    assert float(np.corrcoef(noise["mprage"][bright], noise["spgr"][bright])[0, 1]) > 0.95
    # The noise of another protocol: its deviation is that protocol's.
    same = (scene.image(PRESETS["mprage"], 40.0, PRESETS["fse"]) - clean["mprage"])[bright].std()
    mean = float(clean["fse"][clean["fse"] > 0.05 * clean["fse"].max()].mean())
    assert float(same) == pytest.approx(mean / 40, rel=0.15)
