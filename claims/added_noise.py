"""How much `qontrast denoise` gains on real scans that are given noise, for docs/limits.md.

python claims/added_noise.py SCAN [SCAN ...]     (a minute a scan of 1 mm)

Each is taken as if it had no noise of its own. What is printed is the PSNR inside the head before and after, dB; before
that the scan's own SNR, as `denoise` estimates its noise, and the PSNR that it would have had if just that were taken.
"""

import math
import sys
from pathlib import Path

import torch

from qontrast.anatomy.observed import head_mask
from qontrast.fits.noise import difference_noise
from qontrast.metrics.denoising import peak_of, score_denoised
from qontrast.scans.names import stem
from qontrast.scans.nifti import read_image
from qontrast.tasks.models import Denoiser
from qontrast.tasks.predict import open_for_scans
from qontrast.tasks.resampling import foreground
from qontrast.views.denoising import Received

SNRS = (5.0, 10.0, 20.0, 40.0)


def gains(denoiser: Denoiser, scan: Path) -> list[str]:
    """Name and voxels, the scan's own SNR and what taking its noise would cost, PSNR before and after at each SNR."""
    read = read_image(scan, canonical=True)
    clean = torch.from_numpy(read.data)[None, None].clamp(min=0)
    mask = torch.from_numpy(head_mask(clean[0, 0].numpy()))
    level = float(clean[0, 0][mask].mean())
    received = Received(clean, torch.abs, level)
    peak = peak_of(clean[0, 0], mask)
    own = difference_noise(clean[0, 0].numpy(), foreground(clean).numpy())
    cells = [
        f"{stem(scan)}, {' x '.join(f'{size:.3g}' for size in read.grid.spacing)} mm",
        f"{level / own:.0f}, {20 * math.log10(peak / own):.1f}",
    ]
    for snr in SNRS:
        noisy = received.noisy("rician", snr, 0)
        both = (noisy, denoiser.denoise(noisy).image)
        cells.append(", ".join(f"{score_denoised(v[0, 0], clean[0, 0], mask, peak).psnr_db:.1f}" for v in both))
    return cells


if __name__ == "__main__":
    model = open_for_scans("denoise-nano", "auto", "denoiser")
    assert isinstance(model, Denoiser)
    print(" | ".join(["scan", "own SNR, PSNR", *(f"SNR {snr:g}" for snr in SNRS)]))
    for given in sys.argv[1:]:
        print(" | ".join(gains(model, Path(given))), flush=True)
