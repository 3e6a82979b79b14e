"""Segmenters and denoisers as one file, from packing to the commands that use them."""

import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.cli.app import run
from qontrast.nets.unet import UNet
from qontrast.tasks.finetune import finetune
from qontrast.tasks.models import check_file, open_model
from qontrast.tasks.pack import pack
from qontrast.weights import catalogue
from qontrast.weights.card import model_card
from qontrast.weights.contract import read_weights, save_weights
from qontrast.weights.find import find_weights

TERMS = {"licence": "Apache-2.0", "data_licence": "CC0"}


@pytest.fixture(scope="module")
def packed_segmenter(segmenter, tmp_path_factory):
    out = tmp_path_factory.mktemp("packed") / "tissue-tiny.safetensors"
    return pack(segmenter, out, **TERMS, half=True, card=True, description="For tests.")


@pytest.fixture
def scan(tmp_path):
    """A bright ball in 30 x 34 x 32 voxels of 2 mm."""
    index = np.indices((30, 34, 32)) - np.array([15, 17, 16]).reshape(3, 1, 1, 1)
    radius = np.sqrt((index**2).sum(axis=0))
    image = 100.0 * (radius < 12) - 40.0 * (radius < 6) + np.random.default_rng(0).normal(0, 2, radius.shape)
    path = tmp_path / "sub-01_T1w.nii.gz"
    nib.save(nib.Nifti1Image(image.astype(np.float32), np.diag([2.0, 2, 2, 1])), path)
    return path


def test_a_packed_segmenter_is_checked_and_says_where_it_comes_from(packed_segmenter, segmenter, tmp_path):
    contract, digest = check_file(packed_segmenter)
    assert len(digest) == 64
    assert (contract.kind, contract.origin.name, contract.origin.steps) == ("segmenter", "tissue-tiny", 60)
    assert len(contract.probe.embedding) == len(contract.classes) == 4
    assert isinstance(open_model(packed_segmenter, "cpu").net, UNet)
    card = packed_segmenter.with_suffix(".md").read_text(encoding="utf-8")
    tissues = "grey matter, white matter, cerebrospinal fluid"
    assert all(said in card for said in ("For tests.", "qontrast segment", tissues, digest, "half (16"))
    tensors, _ = read_weights(packed_segmenter, "segmenter")
    whole, _ = read_weights(segmenter / "model.safetensors", "segmenter")
    assert all(torch.equal(tensors[name], whole[name].half()) for name in whole)


def test_the_card_tells_what_played_a_part(packed_segmenter):
    _, contract = read_weights(packed_segmenter, "segmenter")
    plan = dict(contract.plan) | {"encoder": None, "net": "cnn-nano", "contrasts": ["fse", "flair"]}
    card = model_card(replace(contract, plan=plan), "0" * 64, "a.safetensors")
    assert "| `net` | cnn-nano |" in card
    assert "| `contrasts` | fse, flair |" in card
    assert not any(f"`{name}`" in card for name in ("encoder", "views.arm", "views.sequences"))
    card = model_card(replace(contract, plan=plan | {"encoder": "nano"}), "0" * 64, "a.safetensors")
    assert "| `encoder` | nano |" in card
    assert "that of `nano`, which it started from, does not" in card
    assert "`net`" not in card  # the encoder's own, whatever the plan's default says
    assert "trained_before" not in card
    before = [["first", ["sub-1", "sub-2"]], ["second", ["sub-3"]]]
    card = model_card(replace(contract, plan=plan | {"trained_before": before}), "0" * 64, "a.safetensors")
    assert "| `trained_before` | sub-1, sub-2 of `first`; sub-3 of `second` |" in card


def test_the_card_of_an_encoder_tells_its_objectives_and_whether_it_was_shown_tissue():
    _, contract = read_weights(catalogue.shipped()["nano"], "encoder")
    card = model_card(contract, "0" * 64, "a.safetensors")
    assert "| `objectives` | nt_xent 1, dense_info_nce 0.2, cross_contrast 1, quantitative 10 |" in card
    assert "- representation-learning" in card
    assert "supervision by these" in card
    plan = dict(contract.plan) | {"objectives.quantitative.weight": 0.0}
    card = model_card(replace(contract, plan=plan), "0" * 64, "a.safetensors")
    assert "| `objectives` | nt_xent 1, dense_info_nce 0.2, cross_contrast 1 |" in card
    assert "supervision" not in card


def test_a_packed_segmenter_with_other_weights_is_refused(packed_segmenter, tmp_path):
    tensors, contract = read_weights(packed_segmenter, "segmenter")
    changed = tmp_path / "other.safetensors"
    save_weights(changed, {name: 1.1 * value.float() for name, value in tensors.items()}, contract)
    with pytest.raises(InputError, match=r"other\.safetensors: found a probe's embedding"):
        open_model(changed, "cpu")


def test_weights_that_come_with_the_library_have_short_names(packed_segmenter, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FOLDER", packed_segmenter.parent)
    monkeypatch.chdir(tmp_path)
    assert find_weights("tissue-tiny") == packed_segmenter
    assert open_model("tissue-tiny", "cpu").contract.classes[1] == "grey matter"
    with pytest.raises(InputError, match="Did you mean 'tissue-tiny'"):
        find_weights("tissue-tin")


def test_a_scan_in_a_segmentation_out(packed_segmenter, scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["segment", scan.name, "--weights", str(packed_segmenter), "--device", "cpu"]) == 0
    found = nib.load("sub-01_T1w_dseg.nii.gz")
    assert found.shape == (30, 34, 32)
    assert np.array_equal(found.affine, nib.load(scan).affine)
    labels = np.asarray(found.dataobj)
    with open("sub-01_T1w_dseg.tsv", newline="") as stream:  # noqa: PTH123
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [int(row["index"]) for row in rows] == [0, 1, 2, 3]
    for row in rows:
        assert float(row["volume_ml"]) == pytest.approx((labels == int(row["index"])).sum() * 8 / 1000, abs=1e-3)
    assert (tmp_path / "sub-01_T1w_dseg.png").read_bytes()[:4] == b"\x89PNG"
    assert "grey matter" in capsys.readouterr().out
    assert run(["segment", scan.name, "--out", "s.nii", "--no-picture", "--weights", str(packed_segmenter)]) == 0
    assert not (tmp_path / "s.png").exists()
    assert run(["denoise", scan.name, "--weights", str(packed_segmenter)]) == 1
    assert "found a segmenter; wanted a denoiser" in capsys.readouterr().err


def test_a_denoiser_is_packed_and_used(labels_folder, finetune_plan, scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plan = replace(finetune_plan(labels_folder), task="denoise")
    finetune(plan, tmp_path / "run", quiet=True)
    terms = ["--licence", "mit", "--data-licence", "CC0"]
    assert run(["weights", "pack", "run", "--out", "clean.safetensors", *terms]) == 0
    assert run(["weights", "check", "clean.safetensors"]) == 0
    assert "every byte, contract, network, what it makes of the probe" in capsys.readouterr().out
    assert run(["weights", "info", "clean.safetensors"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "denoiser"
    assert run(["denoise", scan.name, "--weights", "clean.safetensors", "--quiet"]) == 0
    assert {p.name for p in tmp_path.glob("*denoised*")} == {f"sub-01_T1w_denoised.{e}" for e in ("nii.gz", "png")}


def test_an_unknown_name_is_said_without_asking_the_network(scan, capsys):
    assert run(["segment", str(scan), "--weights", "no-such-thing"]) == 1
    assert "nothing of that name" in capsys.readouterr().err
