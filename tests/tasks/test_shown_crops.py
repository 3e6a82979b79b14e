"""What `show` draws of a fine-tuning's plan is what the fine-tuning sees."""

from dataclasses import replace

import numpy as np
import pytest

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.errors import InputError
from qontrast.cli.app import run
from qontrast.geometry.warp import WarpRanges
from qontrast.report.sheet import PANELS
from qontrast.tasks import finetune as training
from qontrast.tasks import show_crops as module
from qontrast.tasks.plan_file import kind_of
from qontrast.tasks.plans import FinetunePlan, PretrainPlan
from qontrast.tasks.show_crops import show_crops
from qontrast.views.denoising import NoiseRanges

STROKES = PathologyRanges(lesions=1.0, kinds=("chronic-stroke",))


@pytest.fixture
def drawn(monkeypatch):
    """What the task hands to the drawing: titles, rows, figures and the classes of labels."""
    calls = []

    def kept(sheet):
        def keep(title, rows, *classes):
            calls.append((title, rows, sheet(title, rows, *classes), *classes))
            return calls[-1][2]

        return keep

    for name in ("label_sheet", "noise_sheet"):
        monkeypatch.setattr(module, name, kept(getattr(module, name)))
    return calls


@pytest.mark.parametrize("task", ["segment", "lesion"])
def test_crops_and_labels_are_those_of_training(task, labels_folder, finetune_plan, drawn, tmp_path, given_at):
    plan = finetune_plan(labels_folder, steps=5, task=task, contrasts=("flair",))
    plan = replace(plan, views=replace(plan.views, pathology=STROKES)) if task == "lesion" else plan
    seen = given_at(3, training, plan, tmp_path / "run")
    assert show_crops(plan, tmp_path / "crops.png", crops=2, step=3, quiet=True) == tmp_path / "crops.png"
    ((title, rows, figure, classes),) = drawn
    assert f"{task} · crops of 32³ at 2 mm · seed 0 · step 3" in title
    assert len(figure.axes) == 2 * PANELS
    assert classes[1] == ("lesion" if task == "lesion" else "grey matter")
    for slot, row in enumerate(rows):
        assert np.array_equal(row.image, seen["image"][slot, 0])
        assert np.array_equal(row.truth, seen["truth"][slot, 0])
        assert row.heading.endswith("step 3")
        assert row.caption.startswith("FLAIR 3 T, ")
        assert "; SNR " in row.caption
    assert all(("stroke" in row.caption) == (task == "lesion") for row in rows)


def test_noisy_crops_and_clean_ones_are_those_of_training(labels_folder, finetune_plan, drawn, tmp_path, given_at):
    plan = finetune_plan(labels_folder, task="denoise")
    seen = given_at(1, training, plan, tmp_path / "run")
    show_crops(plan, tmp_path / "crops.svg", crops=2, step=1, quiet=True)
    ((_, rows, figure),) = drawn
    assert len(figure.axes) == 2 * PANELS
    for slot, row in enumerate(rows):
        assert np.array_equal(row.image, seen["image"][slot, 0])
        sum_of_both = (seen["image"] + seen["residual"])[slot, 0].numpy()
        clipped = np.abs(row.truth - sum_of_both) > 1e-5
        assert clipped.mean() < 0.02  # what the noisy window was clipped at, its half percent at either end
        assert np.all(np.isin(row.image[clipped], (row.image.min(), row.image.max())))
        assert row.caption.split("; ")[1].startswith("SNR ")


@pytest.mark.parametrize("truth", ["dseg", "probseg", "mask"])
def test_crops_of_real_scans_with_each_kind_of_truth(truth, new_scan, finetune_plan, drawn, given_at, tmp_path):
    plan = finetune_plan(new_scan(truth), task="lesion" if truth == "mask" else "segment")
    plan = replace(plan, views=replace(plan.views, geometry=WarpRanges(flip=1.0)))
    seen = given_at(0, training, plan, tmp_path / "run")
    show_crops(plan, tmp_path / "crops.png", crops=2, quiet=True)
    ((_, rows, _, _),) = drawn
    for slot, row in enumerate(rows):
        assert np.array_equal(row.image, seen["image"][slot, 0])
        expected = seen["truth"][slot].argmax(dim=0) if truth == "probseg" else seen["truth"][slot, 0]
        assert np.array_equal(row.truth, expected)
        assert row.mirrored
        contrast, added, moved = row.caption.split("; ")
        assert contrast == "T1w (observed)"
        assert added.startswith("bias ±")
        assert added.endswith("of its deviation")
        assert moved.startswith("flipped")


def test_captions_say_what_else_was_drawn(labels_folder, new_scan, finetune_plan, drawn, tmp_path):
    stripped = finetune_plan(labels_folder)
    show_crops(replace(stripped, views=replace(stripped.views, stripped=1.0)), tmp_path / "a.png", crops=1, quiet=True)
    assert drawn[-1][1][0].caption.endswith("; skull taken away")
    noise = NoiseRanges(kind="gaussian", sigma=0.3)
    show_crops(finetune_plan(labels_folder, task="denoise", noise=noise), tmp_path / "b.png", crops=1, quiet=True)
    assert "; sigma 0.3, bias ±" in drawn[-1][1][0].caption
    plan = finetune_plan(new_scan("dseg"), task="denoise")
    show_crops(replace(plan, cohort=replace(plan.cohort, kind="scans")), tmp_path / "c.png", crops=1, quiet=True)
    assert drawn[-1][1][0].caption.startswith("T1w (observed); SNR ")


def test_steps_of_several_batches_are_counted_as_batches(labels_folder, finetune_plan, drawn, tmp_path, capsys):
    plan = finetune_plan(labels_folder)
    plan = replace(plan, optimisation=replace(plan.optimisation, accumulate=3))
    show_crops(plan, tmp_path / "a.png", crops=1, step=5)
    assert "ends after" not in capsys.readouterr().out
    show_crops(plan, tmp_path / "a.png", crops=1, step=6)
    assert "the plan ends after 2 steps of 3 batches" in capsys.readouterr().out.replace("\n", " ")


def test_a_plan_is_of_the_kind_that_knows_its_fields(tmp_path):
    kinds = (PretrainPlan, FinetunePlan)
    file = tmp_path / "plan.yaml"
    for text, flags, kind in (
        ("batch: 2\n", {}, PretrainPlan),
        ("batch: 2\n", {"objectives.nt_xent.weight": "1"}, PretrainPlan),
        ("batch: 2\n", {"noise.kind": "rician"}, FinetunePlan),
        ("classes: structures\nencoder: nano\n", {"seed": "1"}, FinetunePlan),
        ("classes: structures\nobjectives: {}\nprobe: {}\n", {}, PretrainPlan),
    ):
        file.write_text(text)
        assert kind_of(file, flags, kinds) is kind
    assert kind_of(None, {}, kinds) is PretrainPlan


def test_from_the_command_line(labels_folder, tmp_path, capsys):
    file, out = tmp_path / "plan.yaml", tmp_path / "crops.png"
    file.write_text("task: segment\ncontrasts: [fse]\nbatch: 1\noptimisation: {steps: 1}\n")
    asked = ["show", str(file), "--out", str(out), "--data", str(labels_folder), "--views.crop", "32", "--pairs", "2"]
    assert run(asked) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out.replace("\n", "")
    assert "crops.png" in said
    assert "the plan ends after 1 steps" not in said
    assert run([*asked, "--step", "1"]) == 0
    assert "the plan ends after 1 steps" in capsys.readouterr().out.replace("\n", " ")


def test_what_the_plan_is_for_can_be_said(labels_folder, drawn, tmp_path):
    file = tmp_path / "plan.yaml"
    file.write_text("batch: 2\nviews: {crop: 32}\n")
    asked = [
        "show",
        str(file),
        "--out",
        str(tmp_path / "a.png"),
        "--data",
        str(labels_folder),
        "--pairs",
        "1",
        "--quiet",
    ]
    assert run([*asked, "--task", "denoise"]) == 0
    assert "; SNR " in drawn[0][1][0].caption
    assert run([*asked, "--task", "segment"]) == 0
    assert drawn[1][3][1] == "grey matter"
    assert run([*asked, "--task", "pretrain"]) == 0
    assert len(drawn) == 2


def test_what_cannot_be_drawn_is_refused_before_anything_is_opened(finetune_plan, tmp_path):
    plan = finetune_plan(tmp_path / "absent")
    with pytest.raises(InputError, match=r"crops\.jpg: found the ending"):
        show_crops(plan, tmp_path / "crops.jpg", quiet=True)
    with pytest.raises(InputError, match="--pairs: found 0"):
        show_crops(plan, tmp_path / "crops.png", crops=0, quiet=True)
