"""Denoising from end to end: learned from label maps, maps and scans, tested on the same noise, and predicted with."""

import math
import os
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from qontrast.basics.errors import InputError, MissingMapError, PlanError
from qontrast.nets.unet import UNet
from qontrast.results.ledger import read_rows
from qontrast.tasks.clean_scans import real_scans
from qontrast.tasks.evaluate import evaluate
from qontrast.tasks.finetune import finetune
from qontrast.tasks.models import Denoiser, open_model
from qontrast.tasks.plans import Cohort
from qontrast.tasks.predict import predict
from qontrast.tasks.resampling import foreground
from qontrast.views.denoising import NoiseRanges
from qontrast.views.normalise import standardise
from qontrast.weights.contract import Contract
from qontrast.weights.segmenter import load_segmenter

DATA = Path(os.environ.get("QONTRAST_DATA", "/QONTRAST_DATA-is-not-set"))


@pytest.fixture
def copied(denoiser, tmp_path):
    folder = tmp_path / "my-run"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((denoiser / "model.safetensors").read_bytes())
    return folder


def write_scan(folder, name="sub-01", contrast="T1w"):
    index = np.indices((36, 34, 32)) - np.array([17, 16, 15]).reshape(3, 1, 1, 1)
    radius = np.sqrt((index**2).sum(axis=0))
    image = np.array([0, 60, 100, 20], np.float32)[np.select([radius < 6, radius < 10, radius < 13], [3, 2, 1], 0)]
    (folder / name / "anat").mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(image, np.diag([2.0, 2, 2, 1])), folder / name / "anat" / f"{name}_{contrast}.nii.gz")
    return folder


@pytest.mark.parametrize("kind", ["label maps", "maps", "scans"])
def test_denoising_is_learned_from_each_kind(kind, labels_folder, maps_folder, finetune_plan, journal, tmp_path):
    data = {"label maps": lambda: labels_folder, "maps": maps_folder, "scans": lambda: write_scan(tmp_path / "d")}[kind]
    plan = finetune_plan(data(), steps=1, task="denoise", loss="l1" if kind == "maps" else "auto")
    finetune(plan, tmp_path / "run", quiet=True)
    _, contract = load_segmenter(tmp_path / "run", "denoiser")
    assert (contract.kind, contract.classes, contract.plan["task"]) == ("denoiser", ("residual",), "denoise")
    assert all(math.isfinite(line["loss"]) for line in journal(tmp_path / "run"))


def test_a_copy_of_a_scan_is_no_second_scan(tmp_path):
    folder = write_scan(tmp_path / "raw", contrast="T1w")
    write_scan(folder / "derivatives", contrast="desc-preproc_T1w")
    write_scan(folder, contrast="desc-preproc_T2w")  # of a scan that is not there
    assert sorted(scan.name for scan in real_scans(Cohort(data=str(folder)))) == ["sub-01_T1w", "sub-01_T2w"]


def test_a_denoiser_begins_by_changing_nothing(labels_folder, finetune_plan, tmp_path):
    finetune(finetune_plan(labels_folder, steps=1, rate=1e-12, task="denoise"), tmp_path / "run", quiet=True)
    (row,) = evaluate(tmp_path / "run", Cohort(data=str(labels_folder), subjects=("sub-01",)), tmp_path / "r", snr=9.0)
    assert row["psnr_db"] == pytest.approx(row["noisy_psnr_db"], abs=1e-3)
    assert row["ssim"] == pytest.approx(row["noisy_ssim"], abs=1e-4)


def test_a_denoiser_learns_to_take_noise_away(labels_folder, finetune_plan, journal, tmp_path):
    noise = NoiseRanges(snr=(4.0, 4.0))
    finetune(finetune_plan(labels_folder, steps=18, rate=3e-3, task="denoise", noise=noise), tmp_path / "a", quiet=True)
    losses = [line["loss"] for line in journal(tmp_path / "a")]
    assert np.mean(losses[-3:]) < 0.75 * losses[0]  # the first is the power of the noise itself


def test_a_row_for_each_subject_contrast_and_snr_that_says_its_peak_and_mask(copied, labels_folder, tmp_path):
    ledger, cohort = tmp_path / "r.jsonl", Cohort(data=str(labels_folder), subjects=("sub-02",))
    rows = evaluate(copied, cohort, ledger, contrasts=("mprage", "fse"), snr=(5.0, 20.0), quiet=True)
    assert [(r["contrast"], r["snr"]) for r in rows] == [("mprage", 5), ("mprage", 20), ("fse", 5), ("fse", 20)]
    for row in rows:
        assert (row["task"], row["noise"], row["noise_sigma"], row["mask"]) == ("denoise", "rician", None, "head")
        assert (row["class"], row["site"], row["spacing_mm"], row["subject"]) == ("image", "", 2.0, "sub-02")
        assert row["psnr_peak"] > 0
        assert row["mask_voxels"] > 1000
        assert -1 <= row["ssim"] <= 1
    by_snr = {(r["contrast"], r["snr"]): r["noisy_psnr_db"] for r in rows}
    # Four times the noise is 12 dB, if it were not for the Rician floor in dark fluid.
    assert by_snr["mprage", 20] - by_snr["mprage", 5] == pytest.approx(12, abs=0.5)
    assert evaluate(copied, cohort, ledger, contrasts=("mprage", "fse"), snr=(5.0, 20.0), quiet=True) == rows
    before = ledger.read_bytes()
    one = evaluate(copied, cohort, ledger, contrasts=("mprage", "fse"), snr=5.0, quiet=True)
    assert [r["snr"] for r in one] == [5.0, 5.0]
    assert ledger.read_bytes() == before


def test_a_named_protocol_is_scanned_with(copied, labels_folder, tmp_path):
    cohort = Cohort(data=str(labels_folder), subjects=("sub-01",))
    (row,) = evaluate(copied, cohort, tmp_path / "r", contrasts=("ixi-guys-t1",), snr=9.0, quiet=True)
    assert row["contrast"] == "ixi-guys-t1"


def test_every_model_is_tested_on_the_same_noise(copied, finetune_plan, labels_folder, tmp_path):
    finetune(finetune_plan(labels_folder, steps=2, task="denoise", seed=9), tmp_path / "other", quiet=True)
    cohort = Cohort(data=str(labels_folder), subjects=("sub-01",))
    one, other = (evaluate(m, cohort, tmp_path / "r", snr=8.0, quiet=True) for m in (copied, tmp_path / "other"))
    again = evaluate(copied, cohort, tmp_path / "r", snr=8.0, seed=1, quiet=True)
    same = ("noisy_psnr_db", "noisy_ssim", "psnr_peak")
    assert [one[0][k] for k in same] == [other[0][k] for k in same]
    assert one[0]["psnr_db"] != other[0]["psnr_db"]
    assert again[0]["noisy_psnr_db"] != one[0]["noisy_psnr_db"]


def test_gaussian_noise_is_the_methods_and_states_its_sigma(finetune_plan, labels_folder, tmp_path):
    plan = finetune_plan(labels_folder, steps=1, task="denoise", noise=NoiseRanges(kind="gaussian"))
    finetune(plan, tmp_path / "run", quiet=True)
    cohort = Cohort(data=str(labels_folder), subjects=("sub-01",))
    (row,) = evaluate(tmp_path / "run", cohort, tmp_path / "r", quiet=True)
    assert (row["noise"], row["snr"], row["noise_sigma"]) == ("gaussian", None, 0.2)
    (less,) = evaluate(tmp_path / "run", cohort, tmp_path / "r", sigma=0.1, quiet=True)
    assert less["noisy_psnr_db"] - row["noisy_psnr_db"] == pytest.approx(20 * math.log10(2), abs=0.3)
    assert len(read_rows(tmp_path / "r")) == 2


def test_real_scans_are_their_own_reference_and_need_no_label(copied, tmp_path):
    data = write_scan(write_scan(tmp_path / "scans"), contrast="T2w")
    (data / "participants.tsv").write_text("participant_id\tsite\nsub-01\tGuys\n")
    rows = evaluate(copied, Cohort(data=str(data)), tmp_path / "r", snr=10.0, quiet=True)
    assert [(r["contrast"], r["image"], r["site"]) for r in rows] == [
        ("T1w", "sub-01_T1w.nii.gz", "Guys"), ("T2w", "sub-01_T2w.nii.gz", "Guys"),
    ]  # fmt: skip


class Nothing(UNet):
    """A network whose residual is a constant share of the window's deviation."""

    def __init__(self, share):
        torch.nn.Module.__init__(self)
        self.share = share

    def forward(self, image):
        return torch.full_like(image, self.share)


class Flattens(Nothing):
    """A denoiser that takes a twentieth of what a voxel differs from its window's mean."""

    def __init__(self):
        super().__init__(-0.05)

    def forward(self, image):
        return self.share * image


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.5, 2.5, 3.0)], ids=["the contract's voxels", "others"])
def test_the_result_lies_on_the_images_grid_in_its_intensities(spacing, tmp_path, monkeypatch):
    contract = Contract("denoiser", (16,), 2.0, 32, "as in training", classes=("residual",))
    index = np.indices((30, 28, 26)) - np.array([14, 13, 12]).reshape(3, 1, 1, 1)
    noise = np.random.default_rng(0).normal(0, 5, index[0].shape)
    head = 500 + 40 * np.cos(index[0] / 3) * np.cos(index[1] / 4) + noise
    affine = np.diag([*spacing, 1.0]) @ np.array([[0, -1, 0, 3], [1, 0, 0, -4], [0, 0, -1, 9], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(head.astype(np.float32), affine), tmp_path / "in.nii.gz")
    monkeypatch.setattr("qontrast.tasks.predict.open_model", lambda *_, **__: Denoiser(Flattens(), contract, "cpu"))
    out = predict(tmp_path, tmp_path / "in.nii.gz", tmp_path / "out.nii.gz", quiet=True)
    given, found = nib.load(tmp_path / "in.nii.gz"), nib.load(out)
    assert found.affine.tobytes() == given.affine.tobytes()
    assert found.get_data_dtype() == np.float32
    taken = np.asarray(found.dataobj) - head
    assert np.std(taken) > 1
    wanted = -0.05 * (head - head.mean())
    assert np.quantile(np.abs(taken - wanted), 0.98) < 0.2  # the brightest and darkest were clipped


def test_the_residual_is_in_the_windows_own_deviation():
    contract = Contract("denoiser", (16,), 2.0, 32, "as in training", classes=("residual",))
    image = 300 + 25 * torch.randn(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    found = Denoiser(Nothing(0.5), contract, "cpu").restored(image)
    _, _, deviation = standardise(image)
    assert torch.allclose(found - image, (0.5 * deviation).expand_as(image), atol=1e-2)


@pytest.mark.parametrize("share", [0.001, 0.5])
def test_no_more_is_taken_away_than_there_is_noise(share):
    contract = Contract("denoiser", (16,), 2.0, 48, "as in training", classes=("residual",))
    index = torch.arange(48.0) / 9
    image = 500 + 200 * (index.sin()[:, None, None] + index.cos()[:, None] + index.sin())[None, None]
    image = image + 5 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    model = Denoiser(Nothing(share), contract, "cpu")
    found, part, snr = model.denoise(image)
    assert snr == pytest.approx(float(image[0, 0][foreground(image)].mean()) / 5, rel=0.05)
    asked, taken = model.restored(image) - image, found - image
    if share * image.std() < 5:
        assert part == pytest.approx(1.0)
        assert torch.allclose(taken, asked, atol=1e-2)
    else:
        assert asked.mean() > 50
        assert torch.allclose(taken * asked, torch.tensor(25.0), rtol=0.1)
        assert part == pytest.approx(float((taken * asked).mean() / asked.square().mean()), rel=0.01)


@pytest.mark.parametrize("shape", [(40, 38, 2), (3, 40, 40), (40, 2, 41)])
def test_a_few_slices_are_denoised_in_windows_that_they_fill(shape):
    contract = Contract("denoiser", (16,), 2.0, 32, "as in training", classes=("residual",))
    image = 500 + 30 * torch.randn(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    found = Denoiser(Nothing(0.5), contract, "cpu").restored(image) - image
    assert float(found.median()) == pytest.approx(0.5 * 30, rel=0.15)  # of zeros beyond it, hundreds


def test_there_is_nothing_but_noise_around_the_head():
    contract = Contract("denoiser", (16,), 2.0, 32, "as in training", classes=("residual",))
    generator = torch.Generator().manual_seed(0)
    parts = 5 * torch.randn(2, 1, 1, 64, 64, 64, generator=generator)
    parts[0, ..., 24:40, 24:40, 24:40] += 200
    image = parts.square().sum(dim=0).sqrt()
    found = Denoiser(Nothing(0.0), contract, "cpu").denoise(image).image
    assert torch.equal(found[..., 24:40, 24:40, 24:40], image[..., 24:40, 24:40, 24:40])
    corner = slice(0, 12)
    assert found[..., corner, corner, corner].mean() < 0.7 * image[..., corner, corner, corner].mean()


def test_a_segmenter_is_no_denoiser_and_the_other_way_round(denoiser):
    assert isinstance(open_model(denoiser, "cpu"), Denoiser)
    with pytest.raises(InputError, match="found a denoiser; wanted a segmenter"):
        load_segmenter(denoiser)


def test_what_cannot_be_denoised_is_refused(finetune_plan, maps_folder, labels_folder, tmp_path):
    few = maps_folder(omit=("R2starmap",))
    with pytest.raises(MissingMapError, match=r"sub-01: found maps that do not suffice for fse.*--contrasts"):
        finetune(finetune_plan(few, task="denoise", contrasts=("fse",)), tmp_path / "a", quiet=True)
    with pytest.raises(PlanError, match="loss: found 'dice-ce'; wanted auto, mse, l1"):
        replace(finetune_plan(labels_folder, task="denoise"), loss="dice-ce")
    plan = finetune_plan(write_scan(tmp_path / "d"), task="denoise")
    with pytest.raises(PlanError, match=r"cohort.subjects: found 'sub-9'.*sub-01"):
        finetune(replace(plan, cohort=replace(plan.cohort, subjects=("sub-9",))), tmp_path / "b", quiet=True)


@pytest.mark.skipif(not (DATA / "scans" / "sub-tissue").is_dir(), reason="no scans/sub-tissue in QONTRAST_DATA")
def test_on_a_real_scan(finetune_plan, tmp_path):
    cohort = Cohort(data=str(DATA / "scans"), subjects=("sub-tissue",))
    plan = replace(finetune_plan(DATA, steps=3, task="denoise"), cohort=cohort)
    plan = replace(plan, views=replace(plan.views, spacing=4.0))
    before = load_file(finetune(plan, tmp_path / "run", quiet=True))
    assert all(torch.isfinite(v).all() for v in before.values())
    rows = evaluate(tmp_path / "run", cohort, tmp_path / "r", snr=(5.0, 20.0), quiet=True)
    assert [r["contrast"] for r in rows] == ["T1w"] * 2
    assert rows[1]["noisy_psnr_db"] > rows[0]["noisy_psnr_db"] + 9
    assert rows[1]["noisy_ssim"] > rows[0]["noisy_ssim"]
