"""Denoisers are tested on noise that depends on the seed alone: PSNR and SSIM inside the head, before and after."""

from collections.abc import Iterator
from dataclasses import dataclass

from qontrast.basics.randomness import derive_seed
from qontrast.basics.shapes import Volume
from qontrast.metrics.denoising import peak_of, score_denoised
from qontrast.tasks.clean_scans import real_scans, tissue_heads
from qontrast.tasks.exams import Conditions, Done, Exam, Row, Trial
from qontrast.tasks.models import Denoiser
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import track
from qontrast.views.denoising import CleanScan, NoiseKind, read_clean, simulate_clean

SNRS = (5.0, 10.0, 20.0)
"""That are tested where none is asked for."""
MASK = "head"


@dataclass(frozen=True)
class NoisyTest(Trial):
    """One image with noise, and without.

    Args:
        scan: without.
        noisy: with, ``[1, 1, x, y, z]``.
    """

    scan: CleanScan
    noisy: Volume


class DenoisingExam(Exam[NoisyTest]):
    """Clean scans at the model's spacing, each with noise of every strength.

    Args:
        model: the denoiser.
        cohort: heads, or scans.
        conditions: of noise.
    """

    def __init__(self, model: Denoiser, cohort: Cohort, conditions: Conditions) -> None:
        self.model, self.cohort, self.conditions = model, cohort, conditions
        self.scans = real_scans(cohort)
        learned = model.contract.plan
        self.kind: NoiseKind = conditions.noise or learned.get("noise.kind", "rician")
        self.sigma = float(conditions.sigma or learned.get("noise.sigma", 0.2))
        rician = self.kind == "rician"
        self.snrs = (conditions.snrs or SNRS) if rician else (None,)
        self.about: Row = {
            "noise": self.kind,
            "noise_sigma": None if rician else self.sigma,
            "mask": MASK,
            "spacing_mm": model.contract.spacing,
        }

    def trials(self, done: Done, *, quiet: bool = False) -> Iterator[NoisyTest]:
        """See :class:`Exam`."""
        spacing, seed = self.model.contract.spacing, self.conditions.seed
        if self.scans:
            for source in track(self.scans, "scoring", quiet=quiet):
                name = source.contrast if source.file is None else source.file.path.name
                left = [snr for snr in self.snrs if (source.subject, name, snr) not in done]
                if left:
                    about = (source.subject, source.contrast, name, source.site)
                    yield from self._noisy(about, read_clean(source.open(), spacing), left)
            return
        heads = tissue_heads(self.cohort, self.conditions.contrasts, quiet=quiet)
        for head, contrast in track([(h, c) for h in heads for c in self.conditions.contrasts], "scoring", quiet=quiet):
            left = [snr for snr in self.snrs if (head.name, contrast, snr) not in done]
            if left:
                scan = simulate_clean(head, contrast, spacing, seed)
                yield from self._noisy((head.name, contrast, contrast, ""), scan, left)

    def _noisy(
        self, about: tuple[str, str, str, str], scan: CleanScan, snrs: list[float | None]
    ) -> Iterator[NoisyTest]:
        subject, contrast, name, site = about
        for snr in snrs:
            strength = self.sigma if snr is None else snr
            own = derive_seed(self.conditions.seed, subject, name, "noise", repr(float(strength)))
            yield NoisyTest(subject, contrast, name, snr, site, scan, scan.received.noisy(self.kind, strength, own))

    def rows(self, trial: NoisyTest) -> list[Row]:
        """See :class:`Exam`: one for the image."""
        mask = trial.scan.mask
        clean, noisy = trial.scan.received.clean()[0, 0], trial.noisy[0, 0]
        peak = peak_of(clean, mask)
        before = score_denoised(noisy, clean, mask, peak)
        after = score_denoised(self.model.restored(trial.noisy)[0, 0], clean, mask, peak)
        row = {
            "class": "image",
            "psnr_db": after.psnr_db,
            "ssim": after.ssim,
            "noisy_psnr_db": before.psnr_db,
            "noisy_ssim": before.ssim,
            "psnr_peak": peak,
            "mask_voxels": int(mask.sum()),
        }
        return [row]
