"""PSNR against MONAI, SSIM against loops over single voxels, and both in closed form."""

import math

import numpy as np
import pytest
import torch
from monai.metrics import PSNRMetric

from qontrast.basics.errors import InputError
from qontrast.metrics.denoising import PERFECT_DB, peak_of, score_denoised, ssim_map

SHAPE = (18, 15, 16)
EVERYWHERE = torch.ones(SHAPE, dtype=torch.bool)


def volume(seed):
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) * 80 + 10


@pytest.fixture(scope="module")
def pair():
    clean = volume(0)
    return clean + 9 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)), clean


def slow_ssim(a, b, centre, peak):
    """At one voxel, by the definition: weighted moments of the 11³ neighbours."""
    weights, x, y = [], [], []
    for step in np.ndindex(11, 11, 11):
        offset = [s - 5 for s in step]
        place = tuple(c + o for c, o in zip(centre, offset, strict=True))
        weights.append(math.exp(-sum(o * o for o in offset) / (2 * 1.5**2)))
        x.append(float(a[place]))
        y.append(float(b[place]))
    total = sum(weights)
    mean_x = sum(w * v for w, v in zip(weights, x, strict=True)) / total
    mean_y = sum(w * v for w, v in zip(weights, y, strict=True)) / total
    var_x = sum(w * (v - mean_x) ** 2 for w, v in zip(weights, x, strict=True)) / total
    var_y = sum(w * (v - mean_y) ** 2 for w, v in zip(weights, y, strict=True)) / total
    both = sum(w * (u - mean_x) * (v - mean_y) for w, u, v in zip(weights, x, y, strict=True)) / total
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    return (2 * mean_x * mean_y + c1) * (2 * both + c2) / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))


def test_ssim_is_that_of_the_definition_voxel_by_voxel(pair):
    found = ssim_map(*(v.double() for v in pair), 85.0)
    for centre in ((5, 5, 5), (9, 7, 8), (12, 9, 10)):
        assert float(found[centre]) == pytest.approx(slow_ssim(*pair, centre, 85.0), abs=1e-5)


def test_at_the_faces_the_window_sees_a_mirror_image(pair):
    inner = [v[5:].double() for v in pair]
    mirrored = [torch.cat([v[1:6].flip(0), v]) for v in inner]
    torch.testing.assert_close(ssim_map(*inner, 85.0)[0], ssim_map(*mirrored, 85.0)[5], atol=1e-5, rtol=0)


def test_psnr_is_monais_everywhere_and_within_the_mask(pair):
    image, clean = pair
    mask = EVERYWHERE.clone()
    mask[:7] = False
    for where in (EVERYWHERE, mask):
        wanted = PSNRMetric(max_val=80.0)(image[where][None, None], clean[where][None, None])
        assert score_denoised(image, clean, where, 80.0).psnr_db == pytest.approx(float(wanted), abs=1e-4)


def test_what_lies_outside_the_mask_does_not_count_for_psnr(pair):
    image, clean = pair
    mask = EVERYWHERE.clone()
    mask[:7] = False
    changed = image.clone()
    changed[:7] = 1e4
    assert score_denoised(changed, clean, mask, 80.0).psnr_db == score_denoised(image, clean, mask, 80.0).psnr_db


def test_a_perfect_a_constant_and_an_empty_image_score_as_the_docs_say():
    clean = volume(3)
    perfect = score_denoised(clean, clean, EVERYWHERE, 90.0)
    assert (perfect.psnr_db, perfect.ssim) == (PERFECT_DB, pytest.approx(1, abs=1e-12))
    for constant in (0.0, 50.0):
        score = score_denoised(torch.full(SHAPE, constant), clean, EVERYWHERE, 90.0)
        error = float(((clean.double() - constant) ** 2).mean())
        assert score.psnr_db == pytest.approx(10 * math.log10(90.0**2 / error))
        assert -0.01 < score.ssim < 0.2
    nearly = score_denoised(clean + 1e-7 * clean, clean, EVERYWHERE, 90.0)
    assert nearly.psnr_db == PERFECT_DB


def test_a_known_shift_has_a_known_psnr():
    clean = volume(4)
    assert score_denoised(clean + 3, clean, EVERYWHERE, 60.0).psnr_db == pytest.approx(20 * math.log10(20), abs=1e-4)


def test_the_peak_is_a_percentile_and_a_range_where_values_fall_below_zero():
    clean = volume(5)
    clean[0, 0, 0] = 1e6  # one vessel
    mask = torch.rand(SHAPE, generator=torch.Generator().manual_seed(6)) < 0.5
    assert peak_of(clean, mask) == pytest.approx(np.quantile(clean[mask].double().numpy(), 0.999))
    signed = volume(7) - 50
    low, high = np.quantile(signed.double().numpy(), [0.001, 0.999])
    assert peak_of(signed, EVERYWHERE) == pytest.approx(high - low)


def test_what_cannot_be_scored_is_refused():
    clean = volume(8)
    with pytest.raises(InputError, match="shape"):
        score_denoised(clean[1:], clean, EVERYWHERE, 1.0)
    with pytest.raises(InputError, match="mask: found no voxel"):
        score_denoised(clean, clean, ~EVERYWHERE, 1.0)
    with pytest.raises(InputError, match="mask: found no voxel"):
        peak_of(clean, ~EVERYWHERE)
    with pytest.raises(InputError, match="a range of 0"):
        peak_of(torch.zeros(SHAPE), EVERYWHERE)
    with pytest.raises(InputError, match="more than 5 voxels"):
        ssim_map(clean[:5], clean[:5], 1.0)
