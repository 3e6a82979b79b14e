"""A run that was stopped, however it was, goes on to the very weights of one that was not."""

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import qontrast
from qontrast.basics.errors import InputError, WriteError
from qontrast.cli.app import run
from qontrast.engine.checkpoint import load_checkpoint
from qontrast.engine.optimisation import Optimisation
from qontrast.losses.segmentation import DiceCrossEntropy
from qontrast.tasks import pretrain as pretrain_module
from qontrast.tasks.finetune import finetune
from qontrast.tasks.pretrain import pretrain


def stop_at(step, real, error=KeyboardInterrupt):
    """``real``, until it is called for the ``step``-th time."""
    calls = iter(range(1000))

    def wrapped(*arguments, **named):
        if next(calls) == step:
            raise error
        return real(*arguments, **named)

    return wrapped


@pytest.mark.parametrize(("every", "stop"), [(2, 3), (100, 2)])
def test_an_interrupted_pretraining_ends_bit_equal(every, stop, labels_folder, pretrain_plan, journal, tmp_path):
    plan = pretrain_plan(labels_folder, steps=5, checkpoint_steps=every)
    whole = pretrain(plan, tmp_path / "whole", quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrain_module, "losses_of", stop_at(stop, pretrain_module.losses_of))
        with pytest.raises(KeyboardInterrupt):
            pretrain(plan, tmp_path / "stopped", quiet=True)
    assert [line["step"] for line in journal(tmp_path / "stopped")] == list(range(stop))
    assert not (tmp_path / "stopped" / "encoder.safetensors").exists()
    resumed = pretrain(plan, tmp_path / "stopped", resume=True, quiet=True)
    assert resumed.read_bytes() == whole.read_bytes()
    losses = [[line["loss"] for line in journal(tmp_path / name)] for name in ("whole", "stopped")]
    assert losses[0] == losses[1]


def test_an_interrupted_fine_tuning_ends_bit_equal(labels_folder, finetune_plan, tmp_path):
    plan = finetune_plan(labels_folder, steps=4)
    plan = replace(plan, optimisation=replace(plan.optimisation, checkpoint_steps=1))
    whole = finetune(plan, tmp_path / "whole", quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DiceCrossEntropy, "forward", stop_at(2, DiceCrossEntropy.forward))
        with pytest.raises(KeyboardInterrupt):
            finetune(plan, tmp_path / "stopped", quiet=True)
    resumed = finetune(plan, tmp_path / "stopped", resume=True, quiet=True)
    assert resumed.read_bytes() == whole.read_bytes()


def test_resuming_a_finished_run_changes_nothing(labels_folder, pretrain_plan, tmp_path, journal):
    plan = pretrain_plan(labels_folder)
    before = pretrain(plan, tmp_path / "run", quiet=True).read_bytes()
    assert pretrain(plan, tmp_path / "run", resume=True, quiet=True).read_bytes() == before
    assert len(journal(tmp_path / "run")) == 2


def test_resuming_where_nothing_is_begins(labels_folder, pretrain_plan, tmp_path):
    assert pretrain(pretrain_plan(labels_folder, steps=1), tmp_path / "new", resume=True, quiet=True).is_file()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": 5}, "seed = 0 there and 5 now"),
        ({"batch": 3}, "batch = 2 there and 3 now"),
        ({"optimisation": Optimisation(steps=9)}, "optimisation.steps = 2 there and 9 now"),
        ({"net": "cnn"}, "net = 'cnn-nano' there and 'cnn' now"),
    ],
)
def test_resuming_with_another_plan_is_refused_with_the_field(change, field, pretrained, pretrain_plan):
    data = yaml.safe_load((pretrained / "plan.yaml").read_text())["cohort"]["data"]
    with pytest.raises(InputError, match=field):
        pretrain(replace(pretrain_plan(data), **change), pretrained, resume=True, quiet=True)


@pytest.mark.parametrize("task", ["pretrain", "finetune"])
def test_resuming_with_other_heads_is_refused_by_name(task, labels_folder, pretrain_plan, finetune_plan, tmp_path):
    plan = (pretrain_plan if task == "pretrain" else finetune_plan)(labels_folder)
    file = (pretrain if task == "pretrain" else finetune)(plan, tmp_path / "run", quiet=True)
    before = file.read_bytes()
    for old in sorted(labels_folder.rglob("sub-01*_dseg.nii.gz")):
        new = labels_folder / "sub-09" / "anat" / "sub-09_dseg.nii.gz"
        new.parent.mkdir(parents=True)
        new.write_bytes(old.read_bytes())
    changed = r"heads\.txt: found 2 there and 3 now \(sub-09 more\); wanted the heads that the run began with"
    with pytest.raises(InputError, match=changed):
        (pretrain if task == "pretrain" else finetune)(plan, tmp_path / "run", resume=True, quiet=True)
    assert file.read_bytes() == before


def test_workers_and_moments_of_saving_may_change_between_runs(labels_folder, pretrain_plan, tmp_path):
    plan = pretrain_plan(labels_folder)
    before = load_file(pretrain(plan, tmp_path / "run", quiet=True))
    other = replace(
        plan, compute=replace(plan.compute, workers=1), optimisation=replace(plan.optimisation, checkpoint_steps=7)
    )
    after = load_file(pretrain(other, tmp_path / "run", resume=True, quiet=True))
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_killed_process_goes_on_bit_equal_whatever_the_workers(labels_folder, tmp_path):
    def arguments(out, workers):
        return [
            "pretrain", "--data", str(labels_folder), "--out", str(out), "--steps", "6", "--batch", "4",
            "--workers", workers, "--device", "cpu", "--precision", "32", "--views.crop", "32", "--views.spacing=2.5",
            "--optimisation.checkpoint_steps", "2", "--quiet",
        ]  # fmt: skip

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    log = (tmp_path / "log").open("wb")
    environment = {**os.environ, "PYTHONPATH": str(Path(qontrast.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-m", "qontrast", *arguments(killed, "1")], env=environment, stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + 100
        while process.poll() is None and time.monotonic() < deadline:
            file = killed / "journal.jsonl"
            if file.is_file() and file.read_bytes().count(b"\n") >= 3:
                break
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
        log.close()
    assert process.returncode == -signal.SIGKILL, (tmp_path / "log").read_text()
    assert not (killed / "encoder.safetensors").exists()
    assert run([*arguments(killed, "0"), "--resume"]) == 0
    assert run(arguments(whole, "0")) == 0
    assert (killed / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()


def test_a_full_disk_at_a_checkpoint_leaves_the_one_before(labels_folder, pretrain_plan, tmp_path, monkeypatch):
    plan, out = pretrain_plan(labels_folder, steps=4), tmp_path / "run"
    whole = pretrain(plan, tmp_path / "whole", quiet=True)
    real = os.fsync

    def full(descriptor):
        if (out / "checkpoint.safetensors").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match=r"checkpoint\.safetensors.*No space left.*Free some space.*--resume"):
        pretrain(plan, out, quiet=True)
    monkeypatch.undo()
    assert [p.name for p in out.iterdir() if p.name.startswith(".")] == []
    model = pretrain_module.Pretrainer(pretrain_module.fresh_encoder(plan), plan.objectives.chosen())
    assert load_checkpoint(out, model, torch.optim.AdamW(model.parameters())).step == 1
    assert pretrain(plan, out, resume=True, quiet=True).read_bytes() == whole.read_bytes()


def test_a_damaged_checkpoint_is_refused(labels_folder, pretrain_plan, tmp_path):
    plan, out = pretrain_plan(labels_folder), tmp_path / "run"
    pretrain(plan, out, quiet=True)
    file = out / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"checkpoint\.safetensors.*damaged"):
        pretrain(plan, out, resume=True, quiet=True)
