"""Noise of a stated strength, on crops and whole heads, simulated or real; and what leads back to the clean image."""

import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qontrast.anatomy.observed import head_mask, read_scan
from qontrast.basics.errors import InputError, PlanError
from qontrast.geometry.warp import WarpRanges
from qontrast.scans.names import find_images
from qontrast.views.denoising import (
    NoiseRanges,
    NoisyMaker,
    Received,
    ScannedClean,
    SimulatedClean,
    read_clean,
    simulate_clean,
)
from qontrast.views.normalise import standardise
from qontrast.views.plan import ArtefactRanges

UNMOVED = WarpRanges(rotation=0.0, scale=(1.0, 1.0), shear=0.0, elastic=0.0, flip=0.0)


def write_scan(folder: Path, offset: float = 0.0) -> Path:
    """A T1w of 40³ voxels of 2 mm: a head of brightness 100 with a dark ventricle in it, in air."""
    index = np.indices((40, 40, 40)) - 19.5
    radius = np.sqrt((index**2).sum(axis=0))
    image = np.where(radius < 15, 100.0, 0.0) + offset
    image[radius < 5] = 2.0 + offset
    anat = folder / "sub-01" / "anat"
    anat.mkdir(parents=True)
    nib.save(nib.Nifti1Image(image.astype(np.float32), np.diag([2.0, 2, 2, 1])), anat / "sub-01_T1w.nii.gz")
    return folder


@pytest.fixture
def scan(tmp_path):
    return read_scan(find_images(write_scan(tmp_path))[0])


@pytest.fixture(params=["label map", "maps", "scan"])
def case(request, head, measured, scan):
    if request.param == "scan":
        return ScannedClean("sub-01_T1w", "sub-01", scan)
    return SimulatedClean(head if request.param == "label map" else measured, ("mprage",))


def test_an_example_leads_back_to_the_clean_crop(case, plan):
    crop, noise = plan(crop=32, spacing=2.0), NoiseRanges()
    maker = NoisyMaker([case], crop, noise, 3)
    for step in range(3):
        example = maker(0, step, 1)
        assert {k: v.shape for k, v in example.items()} == dict.fromkeys(("image", "residual"), (1, 32, 32, 32))
        assert torch.isfinite(example["residual"]).all()
        clean = case.receive(crop, 3, step, 1).clean()[0]
        # Where the noisy window was not clipped, what the network is to give is the clean window in the same scale.
        low, high = example["image"].amin(), example["image"].amax()
        kept = (example["image"] > low) & (example["image"] < high)
        target = (example["image"] + example["residual"])[kept].double()
        wanted = clean[kept].double()
        slope = ((target - target.mean()) * (wanted - wanted.mean())).sum() / ((wanted - wanted.mean()) ** 2).sum()
        assert torch.allclose(target, slope * (wanted - wanted.mean()) + target.mean(), atol=2e-3)
        assert slope > 0


def test_the_same_seed_step_and_slot_give_the_same_bits_and_others_do_not(case, plan):
    maker = NoisyMaker([case], plan(), NoiseRanges(), 0)
    first, again = maker(0, 4, 1), maker(0, 4, 1)
    assert all(torch.equal(first[k], again[k]) for k in first)
    for other in ((0, 5, 1), (0, 4, 0)):
        assert not torch.equal(maker(*other)["residual"], first["residual"])
    assert not torch.equal(NoisyMaker([case], plan(), NoiseRanges(), 1)(0, 4, 1)["residual"], first["residual"])


def test_rician_noise_has_the_stated_snr_of_the_heads_mean_whatever_the_crop_shows():
    signal = torch.full((1, 1, 40, 40, 40), 100.0)
    signal[..., :20, :, :] = 0.0
    for snr in (5.0, 20.0):
        noisy = Received(signal, lambda s: s.abs(), level=60.0).noisy("rician", snr, 7)
        sigma = 60.0 / snr
        air = noisy[..., :20, :, :]
        # In air Rayleigh: mean sigma sqrt(pi/2), mean square 2 sigma^2. Far above the noise nearly Gaussian.
        assert float(air.mean()) == pytest.approx(sigma * math.sqrt(math.pi / 2), rel=0.02)
        assert float((air**2).mean()) == pytest.approx(2 * sigma**2, rel=0.03)
        inside = noisy[..., 20:, :, :]
        assert float((inside**2).mean()) == pytest.approx(100.0**2 + 2 * sigma**2, rel=0.005)
        assert float(inside.std()) == pytest.approx(sigma, rel=0.03)


def test_gaussian_noise_is_a_share_of_the_images_deviation():
    clean = torch.randn(1, 1, 40, 40, 40, generator=torch.Generator().manual_seed(0)) * 7 + 50
    noisy = Received(clean, lambda s: s).noisy("gaussian", 0.2, 5)
    _, _, deviation = standardise(clean)
    assert float((noisy - clean).std()) == pytest.approx(0.2 * float(deviation), rel=0.02)
    assert float((noisy - clean).mean()) == pytest.approx(0, abs=0.05)


def test_the_range_of_snr_is_drawn_from(head, plan):
    crop = plan(crop=32, spacing=2.0, artefacts=ArtefactRanges(bias=0.0), geometry=UNMOVED)
    spreads = []
    for snr in ((5.0, 5.0), (40.0, 40.0)):
        maker = NoisyMaker([SimulatedClean(head, ("mprage",))], crop, NoiseRanges(snr=snr), 0)
        spreads.append(float(maker(0, 0, 0)["residual"].std()))
    assert spreads[0] / spreads[1] == pytest.approx(8, rel=0.2)


def test_a_whole_scan_refers_to_the_mean_inside_its_filled_head(scan):
    clean = read_clean(scan, 2.0)
    image = clean.received.clean()[0, 0]
    truth = torch.from_numpy(np.sqrt(((np.indices((40, 40, 40)) - 19.5) ** 2).sum(axis=0)) < 15)
    both = float((clean.mask & truth).sum())
    assert 2 * both / float(clean.mask.sum() + truth.sum()) > 0.97
    assert clean.mask[19, 19, 19]  # the dark ventricle is inside
    assert clean.received.level == pytest.approx(float(image[clean.mask].mean()), rel=1e-5)
    assert float(image.max()) == pytest.approx(100, rel=1e-4)  # the scan's own intensities


def test_a_scan_is_brought_to_the_spacing_before_there_is_noise(scan):
    coarse = read_clean(scan, 4.0)
    assert coarse.grid.shape == (20, 20, 20)
    assert float(coarse.received.clean().mean()) == pytest.approx(float(read_clean(scan, 2.0).received.clean().mean()))


def test_a_simulated_head_is_the_same_for_every_noise_and_another_for_another_seed(head):
    one, same, other = (simulate_clean(head, "mprage", 3.0, seed).received.clean() for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_normalised_image_is_no_scan(tmp_path):
    scan = read_scan(find_images(write_scan(tmp_path, offset=-40.0))[0])
    with pytest.raises(InputError, match=r"sub-01_T1w\.nii\.gz: .*down to -40.*give the scan itself"):
        ScannedClean("sub-01_T1w", "sub-01", scan)
    with pytest.raises(InputError, match=r"sub-01_T1w\.nii\.gz: "):
        read_clean(scan, 2.0)


def test_nothing_is_a_head_in_an_empty_image():
    assert not head_mask(np.zeros((12, 12, 12), np.float32)).any()


@pytest.mark.parametrize("change", [{"snr": (0.0, 5.0)}, {"snr": (9.0, 5.0)}, {"snr": (5.0, math.inf)}, {"sigma": 0.0}])
def test_noise_of_no_strength_is_refused(change):
    with pytest.raises(PlanError, match=f"noise.{next(iter(change))}"):
        NoiseRanges(**change)
