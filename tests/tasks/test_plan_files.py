"""A plan is a YAML file and flags at once: what is written is what is read."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from qontrast.engine.optimisation import Optimisation
from qontrast.geometry.warp import WarpRanges
from qontrast.objectives.catalogue import Objectives
from qontrast.objectives.masked import Masked
from qontrast.objectives.nt_xent import NTXent
from qontrast.studies.plan import StudyPlan
from qontrast.tasks.compute import Compute
from qontrast.tasks.plan_file import annotated_plan, digest, plan_text, plan_values, read_plan
from qontrast.tasks.plans import Cohort, FinetunePlan, PretrainPlan, Probing
from qontrast.tasks.schedules import Schedule
from qontrast.views.plan import ArtefactRanges, ViewPlan

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.yaml"))

OTHERWISE = {"of": "encoder", "levels": "[1]", "clean": "false", "share": "0.3"}
OBJECTIVES = {
    f"objectives.{o.name}.{f.name}": OTHERWISE.get(f.name, "9")
    for o in fields(Objectives)
    if o.name != "points"
    for f in fields(getattr(Objectives(), o.name))
} | {"objectives.reconstruction.of": "decoder", "objectives.points": "3"}
"""Another value for each field of each objective."""
WATCHED = {f"probe.{f.name}": "7" for f in fields(Probing)}

CHANGED = [
    PretrainPlan(
        cohort=Cohort(data="über/heads", labels="labels.tsv", embedded=3, subjects=("sub-01", "sub-02")),
        net="cnn",
        batch=3,
        objectives=Objectives(nt_xent=NTXent(temperature=0.1), masked=Masked(weight=2.0), points=64),
        dropout=0.1,
        seed=11,
        views=ViewPlan(
            arm="base",
            crop=32,
            spacing=1.5,
            sequences=("fse",),
            fields=(),
            geometry=WarpRanges(shared=False, scale=(0.8, 1.3)),
            artefacts=ArtefactRanges(snr=(3.0, 4.0), erased_boxes=5),
        ),
        optimisation=Optimisation(steps=7, learning_rate=2e-5),
        compute=Compute(device="cpu", precision="32", workers=3),
    ),
    FinetunePlan(
        encoder="run-1",
        schedule=Schedule("warm-up", head=0.25, encoder_rate=0.5),
        contrasts=("fse", "flair"),
        protocols="drawn",
        batch=1,
    ),
]


@pytest.mark.parametrize("plan", [PretrainPlan(), FinetunePlan(), *CHANGED], ids=lambda p: type(p).__name__)
def test_a_plan_comes_back_from_its_yaml_as_it_was(plan, tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(plan_text(plan), encoding="utf-8")
    again = read_plan(type(plan), file)
    assert again == plan
    assert plan_text(again) == plan_text(plan)


@pytest.mark.parametrize("plan", [PretrainPlan(), FinetunePlan(), *CHANGED], ids=lambda p: type(p).__name__)
def test_the_annotated_plan_is_yaml_equal_to_the_plan(plan, tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(annotated_plan(plan), encoding="utf-8")
    assert read_plan(type(plan), file) == plan


def test_the_annotated_plan_says_what_every_field_means():
    lines = annotated_plan(PretrainPlan()).splitlines()
    assert [line for line in lines if "  # " not in line] == []
    assert any(line.startswith("    temperature: 0.5  # of the softmax") for line in lines)


def test_there_are_recipes():
    assert RECIPES


FINETUNED = ("finetune", "tissue-nano", "denoise-nano", "supervised")


def kind_of(recipe):
    if (recipe.parent.name == "claims" and recipe.stem != "supervised") or recipe.stem.startswith("study"):
        return StudyPlan
    return FinetunePlan if recipe.stem.startswith(FINETUNED) else PretrainPlan


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda p: p.stem)
def test_every_recipe_is_a_plan(recipe):
    plan = read_plan(kind_of(recipe), recipe)
    stated = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    for name in stated:
        assert hasattr(plan, name)


def test_an_empty_file_gives_the_defaults(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("# nothing\n")
    assert read_plan(PretrainPlan, file) == PretrainPlan() == read_plan(PretrainPlan, None)


def test_flags_lie_over_the_file_and_the_file_over_the_defaults(tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("batch: 5\nviews: {crop: 64, spacing: 1.0}\n")
    flags = {"views.crop": "32", "optimisation.learning_rate": "1e-4", "cohort.subjects": "[sub-01, sub-02]"}
    plan = read_plan(PretrainPlan, file, flags)
    assert (plan.batch, plan.views.crop, plan.views.spacing) == (5, 32, 1.0)
    assert plan.optimisation == Optimisation(learning_rate=1e-4)
    assert plan.cohort.subjects == ("sub-01", "sub-02")


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "'0.0001'"])
def test_a_number_may_be_written_with_an_exponent(text, tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text(f"optimisation: {{learning_rate: {text}}}\n")
    assert read_plan(PretrainPlan, file).optimisation.learning_rate == 1e-4


def test_precision_32_may_be_written_as_a_number():
    assert read_plan(PretrainPlan, None, {"compute.precision": "32"}).compute.precision == "32"


def test_every_field_but_where_and_when_changes_the_digest():
    same = {
        "compute.device",
        "compute.workers",
        "compute.prefetch",
        "compute.layout",
        "compute.views",
        "probe.every",
        "probe.heads",
        "probe.anatomies",
        "probe.contrasts",
        "optimisation.checkpoint_seconds",
        "optimisation.checkpoint_steps",
    }
    plan = PretrainPlan()
    other = {
        "cohort.data": "elsewhere", "cohort.labels": "a.tsv", "cohort.embedded": "9", "cohort.subjects": "[a]",
        "cohort.kind": "maps", "cohort.weight": "2", "cohort.balance": "sites",
        "cohort.mixed_truths": "true", "cohort.suffixes": "[T1w]", "others": "[{data: elsewhere}]",
        "net": "cnn", "dropout": "0.1", "batch": "3", "seed": "1", "views.arm": "base",
        **OBJECTIVES, **WATCHED,
        "views.crop": "32", "views.spacing": "3", "views.sequences": "[fse]", "views.ranges": "published",
        "views.fields": "[3]",
        "views.geometry.rotation": "1", "views.geometry.scale": "[1, 2]", "views.geometry.shear": "0",
        "views.geometry.elastic": "0", "views.geometry.flip": "0", "views.geometry.shared": "false",
        "views.geometry.shift": "0.1", "views.stripped": "1", "views.anywhere": "1",
        "views.artefacts.strength": "2", "views.artefacts.bias": "0", "views.artefacts.snr": "[1, 2]",
        "views.artefacts.sum_of_squares": "0", "views.artefacts.dropout": "0", "views.artefacts.motion": "0",
        "views.artefacts.gibbs": "0", "views.artefacts.thick_slices": "0", "views.artefacts.partial_fourier": "0",
        "views.artefacts.erasure": "0", "views.artefacts.erased_boxes": "1",
        "views.artefacts.erased_size": "[0.1, 0.2]", "views.pathology.lesions": "0",
        "views.pathology.kinds": "[ms]", "views.pathology.ageing": "0", "views.pathology.ages": "[30, 40]",
        "views.pathology.folder": "masks", "views.pathology.masks": "all",
        "optimisation.steps": "4", "optimisation.learning_rate": "0.1",
        "optimisation.weight_decay": "0", "optimisation.clip": "1", "optimisation.warmup": "1",
        "optimisation.accumulate": "2", "optimisation.average": "0.9", "optimisation.patience": "2",
        "compute.micro": "1", "compute.layout": "contiguous", "optimisation.checkpoint_seconds": "5",
        "optimisation.checkpoint_steps": "5", "compute.device": "cpu", "compute.precision": "32",
        "compute.workers": "0", "compute.prefetch": "1", "compute.views": "gpu",
    }  # fmt: skip
    assert other.keys() == plan_values(plan).keys()
    unmoved = {
        name for name, text in other.items() if digest(read_plan(PretrainPlan, None, {name: text})) == digest(plan)
    }
    assert unmoved == same
