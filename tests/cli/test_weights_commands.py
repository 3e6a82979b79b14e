"""Packing, looking, checking, exporting and embedding from the command line."""

import json

import nibabel as nib
import numpy as np
import pytest

from qontrast.cli.app import run
from qontrast.weights.catalogue import shipped
from qontrast.weights.probe import probe_scan


def test_pack_info_check_and_export(finished_run, tmp_path, capsys):
    out, bundle = tmp_path / "w.safetensors", tmp_path / "bundle"
    terms = ["--licence", "cc-by-4.0", "--data-licence", "CC0", "--name", "tiny", "--half", "--card"]
    assert run(["weights", "pack", str(finished_run), "--out", str(out), *terms]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert (tmp_path / "w.md").is_file()
    assert run(["weights", "info", str(out)]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["origin"]["name"], about["spacing"], about["kind"]) == ("tiny", 2.0, "encoder")
    assert run(["weights", "check", str(out)]) == 0
    said = capsys.readouterr().out
    assert "every byte, contract, network, what it makes of the probe" in said
    assert about["sha256"] in said
    assert run(["weights", "export", str(out), "--to", "monai", "--out", str(bundle)]) == 0
    assert (bundle / "configs" / "inference.json").is_file()


def test_check_says_what_a_runs_file_lacks(finished_run, capsys):
    assert run(["weights", "check", str(finished_run)]) == 0
    assert "no probe in a file that was not packed" in capsys.readouterr().out


def test_an_altered_byte_is_said_with_status_1(packed, tmp_path, capsys):
    content = bytearray(packed.read_bytes())
    content[-5] ^= 4
    (tmp_path / "w.safetensors").write_bytes(bytes(content))
    for command in (["weights", "check"], ["weights", "info"]):
        assert run([*command, str(tmp_path / "w.safetensors")]) == 1
        assert "bytes of SHA-256" in capsys.readouterr().err


def test_every_file_is_checked_and_those_that_fail_are_said_last(packed, tmp_path, capsys):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(packed.read_bytes()[:-5])
    assert run(["weights", "check", str(broken), "no-such-weights", str(packed)]) == 1
    out, err = capsys.readouterr()
    assert f"{packed}: fine" in out
    assert err.index(str(broken)) < err.index("no-such-weights")


def test_without_a_name_the_librarys_weights_are_checked(capsys):
    assert run(["weights", "check"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(shipped())
    for line, path in zip(said, shipped().values(), strict=True):
        assert f"{path}: fine (every byte, contract, network, what it makes of the probe)" in line


def test_a_licence_is_not_optional(finished_run, tmp_path, capsys):
    assert run(["weights", "pack", str(finished_run), "--out", str(tmp_path / "w.safetensors")]) == 2
    assert "licence" in capsys.readouterr().err


def test_pull_and_push_are_handed_on(monkeypatch, capsys):
    calls = []
    monkeypatch.setattr("qontrast.weights.find.pull_named", lambda name: calls.append(name) or "file")
    monkeypatch.setattr("qontrast.weights.hub.push", lambda *given, **named: calls.append((given, named)) or "url")
    assert run(["weights", "pull", "me/brains"]) == 0
    assert run(["weights", "push", "w.safetensors", "me/brains", "--private"]) == 0
    assert capsys.readouterr().out.split() == ["file", "url"]
    ((file, repo), named) = calls[1]
    assert (calls[0], str(file), repo, named) == ("me/brains", "w.safetensors", "me/brains", {"private": True})


@pytest.fixture
def scans(tmp_path):
    voxels, grid = probe_scan()
    for name in ("sub-01", "sub-02"):
        (tmp_path / "raw" / name / "anat").mkdir(parents=True)
        nib.save(nib.Nifti1Image(voxels, grid.affine), tmp_path / "raw" / name / "anat" / f"{name}_T1w.nii.gz")
    return tmp_path / "raw"


def test_embed_goes_on_after_a_bad_scan_and_ends_in_status_1(packed, scans, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["embed", str(scans), "--weights", str(packed), "--out", str(out), "--device", "cpu"]
    assert run([*command, "--suffix", "T1w", "FLAIR"]) == 0
    assert "2 embedded, 0 were there already, 0 failed" in capsys.readouterr().out.replace("\n", "")
    bad = scans / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    nib.save(nib.Nifti1Image(np.zeros((30, 30, 30), np.float32), np.eye(4)), bad)
    assert run([*command, "--features", "--quiet"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: 1 of 2 scans failed:")
    assert f"{bad}: found 0 in every voxel" in captured.err
    assert (out / "sub-02" / "anat" / "sub-02_desc-T1w_features.nii.gz").is_file()


def test_embed_wants_a_source(capsys):
    assert run(["embed"]) == 2
    assert "SOURCE" in capsys.readouterr().err
