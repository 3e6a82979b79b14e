"""A plan that is not understood is refused, with the file, the field and the remedy in the message."""

import pytest
import torch

from qontrast.basics.errors import PlanError
from qontrast.engine.optimisation import Optimisation
from qontrast.tasks.compute import Compute
from qontrast.tasks.plan_file import read_plan
from qontrast.tasks.plans import Cohort, FinetunePlan, PretrainPlan


def refused(tmp_path, text, kind=PretrainPlan):
    file = tmp_path / "my-plan.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as error:
        read_plan(kind, file)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "field", "right"),
    [
        ("bacth: 4", "bacth", "batch"),
        ("vews: {crop: 32}", "vews", "views"),
        ("views: {croop: 32}", "views.croop", "crop"),
        ("optimisation: {learning_rat: 0.1}", "optimisation.learning_rat", "learning_rate"),
        ("views: {geometry: {rotaton: 3}}", "views.geometry.rotaton", "rotation"),
        ("views: {artefacts: {snrr: [1, 2]}}", "views.artefacts.snrr", "snr"),
    ],
)
def test_a_misspelt_field_is_named_with_the_nearest_right_one_and_the_file(text, field, right, tmp_path):
    message = refused(tmp_path, text)
    assert f"{field!r}" in message
    assert f"Did you mean {right!r}?" in message
    assert "my-plan.yaml" in message


@pytest.mark.parametrize(
    ("text", "field", "found"),
    [
        ("optimisation: {steps: many}", "optimisation.steps", "'many'"),
        ("optimisation: {steps: 1.5}", "optimisation.steps", "1.5"),
        ("optimisation: {steps: .inf}", "optimisation.steps", "inf"),
        ("optimisation: {steps: .nan}", "optimisation.steps", "NaN"),
        ("optimisation: {learning_rate: .nan}", "optimisation.learning_rate", "NaN"),
        ("optimisation: {learning_rate: fast}", "optimisation.learning_rate", "'fast'"),
        ("objectives: {reconstruction: {weight: .nan}}", "objectives.reconstruction.weight", "NaN"),
        ("batch: true", "batch", "True"),
        ("seed: null", "seed", "None"),
        ("net: [cnn]", "net", "['cnn']"),
        ("views: {geometry: {shared: maybe}}", "views.geometry.shared", "'maybe'"),
        ("views: {arm: seqin}", "views.arm", "'seqin'"),
        ("views: {sequences: mprage}", "views.sequences", "'mprage'"),
        ("views: {sequences: {mprage: 1}}", "views.sequences", "{'mprage': 1}"),
        ("views: {fields: 3}", "views.fields", "3 is no list"),
        ("views: {fields: [strong]}", "views.fields", "'strong'"),
        ("views: {artefacts: {snr: [1, 2, 3]}}", "views.artefacts.snr", "3 values, not 2"),
        ("cohort: {subjects: sub-01}", "cohort.subjects", "'sub-01'"),
        ("cohort: 5", "cohort", "no fields"),
        ("views: null", "views", "no fields"),
        ("compute: {precision: 16}", "compute.precision", "16 is none of auto, 32, bf16"),
        ("compute: {device: gpu}", "compute.device", "'gpu'"),
    ],
)
def test_a_value_of_another_kind_is_named_with_field_and_file(text, field, found, tmp_path):
    message = refused(tmp_path, text)
    assert f"{field}: " in message
    assert found in message
    assert "my-plan.yaml" in message


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("batch: 1", "batch"),
        ("objectives: {nt_xent: {temperature: 0}}", "objectives.nt_xent.temperature"),
        ("objectives: {nt_xent: {temperature: -1}}", "objectives.nt_xent.temperature"),
        ("objectives: {nt_xent: {temperature: .inf}}", "objectives.nt_xent.temperature"),
        ("objectives: {reconstruction: {weight: -0.1}}", "objectives.reconstruction.weight"),
        ("objectives: {reconstruction: {weight: .inf}}", "objectives.reconstruction.weight"),
        ("dropout: 1", "dropout"),
        ("{objectives: {masked: {weight: 1, block: 48}}}", "objectives.masked.block"),
        ("optimisation: {warmup: -1}", "optimisation.warmup"),
        ("optimisation: {average: 1}", "optimisation.average"),
        ("optimisation: {accumulate: 0}", "optimisation.accumulate"),
        ("optimisation: {patience: 0}", "optimisation.patience"),
        ("compute: {micro: -1}", "compute.micro"),
        ("probe: {every: -1}", "probe.every"),
        ("probe: {contrasts: 1}", "probe.contrasts"),
        ("optimisation: {steps: 0}", "optimisation.steps"),
        ("optimisation: {steps: -3}", "optimisation.steps"),
        ("optimisation: {learning_rate: 0}", "optimisation.learning_rate"),
        ("optimisation: {learning_rate: -1e-3}", "optimisation.learning_rate"),
        ("optimisation: {learning_rate: .inf}", "optimisation.learning_rate"),
        ("optimisation: {weight_decay: -1}", "optimisation.weight_decay"),
        ("optimisation: {clip: 0}", "optimisation.clip"),
        ("optimisation: {checkpoint_steps: 0}", "optimisation.checkpoint_steps"),
        ("optimisation: {checkpoint_seconds: 0}", "optimisation.checkpoint_seconds"),
        ("cohort: {embedded: 0}", "cohort.embedded"),
        ("views: {crop: 20}", "views.crop"),
        ("views: {crop: 0}", "views.crop"),
        ("views: {crop: 16}", "views.crop"),
        ("views: {spacing: 0}", "views.spacing"),
        ("views: {spacing: .inf}", "views.spacing"),
    ],
)
def test_a_value_that_makes_no_sense_is_named_with_its_field(text, field, tmp_path):
    assert refused(tmp_path, text).startswith(f"{field}: found")


def test_an_optimisation_with_nan_is_refused_however_it_is_made():
    for field in ("learning_rate", "weight_decay", "clip", "checkpoint_seconds"):
        with pytest.raises(PlanError, match=f"optimisation.{field}"):
            Optimisation(**{field: float("nan")})


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("contrasts: [mprge]", "Did you mean 'mprage'?"),
        ("contrasts: []", "at least one sequence"),
        ("schedule: {kind: frozen}", "an encoder to keep"),
        ("{encoder: e, schedule: {kind: linear}}", "none of full, frozen, linear-probe, knn, warm-up, sawtooth"),
        ("{schedule: {head: 0}}", "schedule.head: found 0; wanted a share between 0 and 1"),
        ("{schedule: {kind: sawtooth, head: 0.5, rise: 0.5}}", "less than 1 together"),
        ("{schedule: {kind: sawtooth}, optimisation: {steps: 10}}", "which is 1; wanted 2 or more steps"),
        ("{schedule: {kind: warm-up}, optimisation: {steps: 4}}", "which is 0; wanted 1 or more steps"),
        ("{schedule: {kind: sawtooth, head: 0.5, rise: 0.4}, optimisation: {steps: 4}}", "none is left for the whole"),
        ("{schedule: {kind: sawtooth}, optimisation: {warmup: 5}}", "optimisation.warmup: found 5 with the schedule"),
        ("{schedule: {encoder_rate: 0}}", "set schedule.kind: frozen"),
        ("{schedule: {neighbours: 0}}", "schedule.neighbours"),
        ("{schedule: {voxels: 5}}", "schedule.voxels: found 5; wanted 20"),
        ("net: cnn-nan", "Did you mean 'cnn-nano'?"),
        ("batch: 0", "1 or more"),
        ("protocols: random", "preset, drawn"),
        ("dropout: 1.0", "dropout: found 1; wanted 0 or more, and below 1"),
        ("views: {ranges: published}", "views.ranges: found published; wanted clinical"),
    ],
)
def test_a_fine_tuning_that_cannot_be_is_refused(text, hint, tmp_path):
    assert hint in refused(tmp_path, text, FinetunePlan)


@pytest.mark.parametrize(("text", "found"), [("[1, 2]", "a list"), ("just words", "a str"), ("a: [1", "no YAML")])
def test_a_file_that_is_no_plan_is_refused(text, found, tmp_path):
    message = refused(tmp_path, text)
    assert found in message
    assert "my-plan.yaml" in message


def test_a_file_that_is_not_text_is_refused(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(PlanError, match=r"plan\.yaml"):
        read_plan(PretrainPlan, file)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PlanError, match=r"absent\.yaml: found no such file"):
        read_plan(PretrainPlan, tmp_path / "absent.yaml")


def test_a_wrong_flag_is_refused_like_a_wrong_field():
    with pytest.raises(PlanError, match=r"'views.croop'.*Did you mean 'crop'"):
        read_plan(PretrainPlan, None, {"views.croop": "32"})
    with pytest.raises(PlanError, match="batch: 'x' is no number"):
        read_plan(PretrainPlan, None, {"batch": "x"})
    with pytest.raises(PlanError, match="--batch"):
        read_plan(PretrainPlan, None, {"batch": "[1"})


def test_views_on_a_gpu_want_a_training_on_one():
    with pytest.raises(PlanError, match=r"compute\.views: found gpu, in a training"):
        Compute(views="gpu").making(torch.device("cpu"))
    assert Compute(views="gpu").making(torch.device("cuda")).type == "cuda"
    assert Compute().making(torch.device("cuda")).type == "cpu"


def test_the_defaults_are_no_error():
    assert Cohort().embedded >= 1
    assert PretrainPlan().batch >= 2
