"""What was not understood ends in status 2, what the user can mend in 1, and neither in a traceback."""

import pytest

from qontrast.cli.app import run
from qontrast.cli.dotted import FLAGS


@pytest.mark.parametrize(
    "arguments",
    [
        ["pretrain", "--out", "x", "--frobnicate", "3"],
        ["pretrain"],
        ["pretrian", "--out", "x"],
        ["pretrain", "--out", "x", "--steps", "many"],
        ["plan", "everything"],
        ["show"],
        ["segment", "--weights", "x"],
        ["finetune", "segment", "--out", "x", "--protocols", "wild"],
    ],
    ids=" ".join,
)
def test_flags_that_are_not_understood_give_status_2(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.strip()
    assert "Traceback" not in captured.err + captured.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "absent.yaml", "--out", "run"], "error: absent.yaml: found no such file"),
        (["pretrain", "--out", "run", "--data", "absent"], "error: absent: found no such folder"),
        (["pretrain", "--out", "run", "--batch", "1"], "error: batch: found 1; wanted 2 or more"),
        (["pretrain", "--out", "run", "--net", "cnn-nan"], "Did you mean 'cnn-nano'?"),
        (["pretrain", "--out", "run", "--precision", "16"], "compute.precision"),
        (["pretrain", "--out", "run", "--views.croop", "32"], "Did you mean 'crop'?"),
        (["pretrain", "--out", "run", "--views.crop"], "--views.crop: found no value"),
        (["finetune", "segment", "--out", "run", "--schedule", "frozen"], "an encoder to keep"),
        (["finetune", "segment", "--out", "run", "--contrasts", "fse", "flare"], "Did you mean 'flair'?"),
        (["segment", "i.nii", "--weights", "m", "--out", "o.png"], ".nii or .nii.gz"),
        (["evaluate", "--model", "m", "--data", "d"], "found nothing of that name"),
        (["show", "--out", "o.jpg"], "found the ending '.jpg'; wanted .png, .pdf, .svg. For instance --out o.png"),
        (["show", "--out", "o.png", "--views.croop", "32"], "Did you mean 'crop'?"),
        (["show", "--out", "o.png", "--data", "absent"], "error: absent: found no such folder"),
        (["report", "absent"], "absent: found no such folder"),
        (["report"], "neither a run nor a ledger"),
        (["simulate", "absent", "--sequence", "fse", "--out", "o.nii"], "absent: found no such folder"),
        (["simulate", "embedded", "--sequence", "fze", "--out", "o.nii"], "Did you mean 'fse'?"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_can_be_mended_is_said_on_stderr_with_status_1(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "embedded", "--sequence", "fse", "--out", "o.nii", "--views.crop", "32"],
        ["demo", "--views.crop=32"],
        ["plan", "pretrain", "--views.crop", "32"],
        ["--views.crop", "32"],
    ],
    ids=" ".join,
)
def test_a_dotted_flag_is_refused_by_a_command_without_a_plan(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 1
    assert "--views.crop: found a field of a plan" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_dotted_flags_do_not_outlive_their_call(capsys, tmp_path):
    assert run(["pretrain", "absent.yaml", "--out", str(tmp_path / "run"), "--views.croop", "1"]) == 1
    assert run(["plan", "pretrain"]) == 0
    assert FLAGS == {}


@pytest.mark.parametrize(
    ("command", "task"),
    [
        (["demo"], "demo.demo"),
        (["pretrain"], "pretrain.pretrain"),
        (["finetune", "segment"], "finetune.finetune"),
    ],
    ids=["demo", "pretrain", "finetune segment"],
)
def test_an_interruption_says_how_to_go_on(command, task, capsys, monkeypatch, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"qontrast.tasks.{task}", stop)
    assert run([*command, "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().err


def test_a_bug_is_not_hidden(monkeypatch, tmp_path):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr("qontrast.tasks.demo.demo", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        run(["demo", "--out", str(tmp_path), "--quiet"])


def test_a_folder_that_holds_something_is_refused_with_resume_named(capsys, labels_folder, tmp_path):
    (tmp_path / "plan.yaml").write_bytes(b"of an earlier run")
    assert run(["pretrain", "--data", str(labels_folder), "--out", str(tmp_path), "--quiet"]) == 1
    assert "--resume" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["plan.yaml"]
