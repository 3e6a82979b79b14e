"""What `show` draws is what pretraining sees."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from qontrast.anatomy.source import SubjectSource
from qontrast.basics.errors import InputError, PlanError
from qontrast.geometry.warp import WarpRanges
from qontrast.report.sheet import PANELS
from qontrast.tasks import pretrain as training
from qontrast.tasks import show as module
from qontrast.tasks.plans import Cohort
from qontrast.tasks.show import places_of, show, shown_pairs, title_of
from qontrast.views.plan import ViewPlan


@pytest.fixture
def plan(labels_folder, pretrain_plan):
    """Two label maps, crops of 32³, batch 2, five steps."""
    return pretrain_plan(labels_folder, steps=5, seed=3)


@pytest.fixture
def drawn(monkeypatch):
    """What the task hands to the drawing: titles, rows and figures."""
    calls = []

    def keep(title, rows):
        calls.append((title, rows, sheet(title, rows)))
        return calls[-1][-1]

    sheet = module.pair_sheet
    monkeypatch.setattr(module, "pair_sheet", keep)
    return calls


@pytest.mark.parametrize(("step", "batch"), [(0, 2), (3, 2), (1, 3)])
def test_the_pairs_are_those_that_training_sees_at_that_step(step, batch, plan, drawn, tmp_path, given_at):
    plan = replace(plan, batch=batch)
    seen = given_at(step, training, plan, tmp_path / "run")
    show(plan, tmp_path / "pairs.png", pairs=batch, step=step, quiet=True)
    ((_, rows, _),) = drawn
    assert len(rows) == batch
    for slot, row in enumerate(rows):
        assert np.array_equal(row.views[0], seen["a"][slot, 0])
        assert np.array_equal(row.views[1], seen["b"][slot, 0])
        assert row.heading.endswith(f"step {step}" if slot < 2 else f"step {step}, turn 2")  # two subjects


def test_pairs_that_do_not_fit_into_a_batch_are_of_the_steps_after_it(plan, tmp_path, given_at):
    found = shown_pairs(plan, 5, 0, quiet=True)
    assert [(shown.step, shown.turn) for shown in found] == [(0, 0), (0, 0), (1, 0), (1, 0), (2, 0)]
    seen = given_at(2, training, plan, tmp_path / "run")
    assert torch.equal(found[4].pair.a.image[0], seen["a"][0])


@pytest.mark.parametrize("ending", [".png", ".pdf", ".svg", ".PNG"])
def test_a_picture_is_written_with_every_pairs_panels_and_captions(ending, plan, drawn, tmp_path, capsys):
    out = tmp_path / "new" / f"pairs{ending}"
    assert show(plan, out, pairs=3) == out
    ((title, rows, figure),) = drawn
    start = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[ending.lower()]
    assert out.read_bytes().startswith(start)
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert str(out) in capsys.readouterr().out.replace("\n", "")
    assert len(figure.axes) == 3 * PANELS
    assert title == title_of(plan, 0)
    for row, shown in zip(rows, shown_pairs(plan, 3, 0, quiet=True), strict=True):
        assert shown.pair.subject in row.heading
        assert row.captions == (shown.pair.a.describe(), shown.pair.b.describe())
    if ending == ".png":
        assert np.ptp(imread(out)) == 1


def test_the_title_names_what_the_pairs_depend_on(plan):
    plan = replace(plan, cohort=Cohort(), views=ViewPlan(arm="seqaug", crop=96, spacing=1.5))
    assert title_of(plan, 7) == "embedded heads (8) · arm seqaug · crops of 96³ at 1.5 mm · seed 3 · step 7"
    some = replace(plan, cohort=Cohort(data="/data/cohort", subjects=("sub-01", "sub-04")))
    assert title_of(some, 7).startswith("cohort (2) · ")


def test_only_the_subjects_that_are_shown_are_opened(plan, monkeypatch):
    opened, opening = [], SubjectSource.open

    def note(source, **named):
        opened.append(source.name)
        return opening(source, **named)

    monkeypatch.setattr(SubjectSource, "open", note)
    (only,) = shown_pairs(plan, 1, 4, quiet=True)
    assert opened == [only.pair.subject]
    shown_pairs(plan, 5, 0, quiet=True)
    assert sorted(opened[1:]) == ["sub-01", "sub-02"]


def test_a_single_head_of_measured_maps_gives_as_many_pairs_as_are_asked_for(plan, maps_folder, drawn, tmp_path):
    plan = replace(plan, cohort=Cohort(data=str(maps_folder())))
    show(plan, tmp_path / "pairs.png", pairs=3, quiet=True)
    ((_, rows, _),) = drawn
    assert ["sub-01" in row.heading for row in rows] == [True] * 3
    assert not np.array_equal(rows[0].views, rows[1].views)


def test_views_say_age_and_lesions_of_their_head(plan):
    sick = replace(plan.views.pathology, lesions=1.0, kinds=("ms",), ageing=1.0, ages=(70.0, 70.0))
    (one,) = shown_pairs(replace(plan, views=replace(plan.views, pathology=sick)), 1, 0, quiet=True)
    for view in (one.pair.a, one.pair.b):
        assert view.describe().split("; ")[-1].startswith("70 years")
        assert view.describe().endswith("ms")
    well = replace(sick, lesions=0.0, ageing=0.0)
    (one,) = shown_pairs(replace(plan, views=replace(plan.views, pathology=well)), 1, 0, quiet=True)
    assert "years" not in one.pair.a.describe()
    assert one.pair.a.describe().endswith(" mm")


def test_cohorts_are_mixed_as_training_mixes_them(plan, maps_folder, tmp_path, given_at):
    plan = replace(plan, others=(Cohort(data=str(maps_folder()), weight=2.0),), batch=3)
    seen = given_at(2, training, plan, tmp_path / "run")
    for slot, shown in enumerate(shown_pairs(plan, 3, 2, quiet=True)):
        assert torch.equal(shown.pair.b.image[0], seen["b"][slot])
    assert " + maps" in title_of(plan, 2)


def test_a_flip_is_told_from_the_warp(plan, drawn, tmp_path):
    for flip in (0.0, 1.0):
        views = replace(plan.views, geometry=WarpRanges(flip=flip))
        show(replace(plan, views=views), tmp_path / "pairs.png", pairs=1, quiet=True)
    assert [rows[0].mirrored for _, rows, _ in drawn] == [(False, False), (True, True)]


def test_views_that_are_moved_apart_are_brought_together_by_their_coordinates(plan):
    (shared,) = shown_pairs(plan, 1, 0, quiet=True)
    assert places_of(shared.pair) is None
    apart = replace(plan, views=replace(plan.views, geometry=WarpRanges(shared=False)))
    (moved,) = shown_pairs(apart, 1, 0, quiet=True)
    a, b, places = moved.pair.a.warp, moved.pair.b.warp, places_of(moved.pair)
    assert places.shape == (32, 32)
    assert places.max() < 32**3
    assert (places >= 0).mean() > 0.5
    here = (a.coordinates()[:, :, 16] * a.subject_spacing).numpy()[places >= 0]
    there = (b.coordinates() * b.subject_spacing).reshape(-1, 3).numpy()[places[places >= 0]]
    assert np.linalg.norm(here - there, axis=1).max() <= 2.0 * 3**0.5 + 1e-4
    assert np.median(np.linalg.norm(here - there, axis=1)) < 2.0


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("pairs.jpg", {}, "found the ending '.jpg'; wanted .png, .pdf, .svg. For instance --out pairs.png"),
        ("pairs", {}, "found no ending; wanted .png, .pdf, .svg. For instance --out pairs.png"),
        ("pairs.png", {"pairs": 0}, "--pairs: found 0; wanted 1 to 40"),
        ("pairs.png", {"pairs": 41}, "another --step"),
        ("pairs.png", {"step": -1}, "--step: found -1; wanted 0 or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_anything_is_opened(out, options, message, plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "open_subjects", None)
    with pytest.raises(InputError, match=r".") as refused:
        show(plan, module.Path(out), quiet=True, **options)
    assert message in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_subject_is_refused(plan, tmp_path):
    with pytest.raises(PlanError, match="Did you mean 'sub-01'"):
        show(replace(plan, cohort=replace(plan.cohort, subjects=("sub-1",))), tmp_path / "pairs.png")


def test_a_step_beyond_the_plan_is_drawn_and_said(plan, tmp_path, capsys):
    show(plan, tmp_path / "pairs.png", pairs=1, step=5)
    assert "the plan ends after 5 steps" in capsys.readouterr().out
