"""The command that scores a model."""

from pathlib import Path
from typing import Literal

from qontrast.cli.lists import Numbers, Words

SPOKEN = {
    "dice": "Dice {:.3f}",
    "hd95_mm": "HD95 {:.1f} mm",
    "lesion_f1": "lesion-wise F1 {:.3f}",
    "noisy_psnr_db": "PSNR {:.2f} dB before",
    "psnr_db": "{:.2f} dB after",
    "noisy_ssim": "SSIM {:.3f} before",
    "ssim": "{:.3f} after",
}
"""How the means of metrics are said, in this order."""


def evaluate(
    *,
    model: str,
    data: str,
    ledger: Path = Path("results.jsonl"),
    labels: str | None = None,
    kind: Literal["auto", "maps", "labels", "scans"] = "auto",
    embedded: int = 8,
    subjects: Words = (),
    contrasts: Words = ("mprage",),
    snr: Numbers | None = None,
    noise: Literal["rician", "gaussian"] | None = None,
    sigma: float | None = None,
    lesions: Path | None = None,
    seed: int = 0,
    name: str | None = None,
    encoder: str | None = None,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Score a segmenter (Dice, HD95, volume) or a denoiser (PSNR, SSIM) on every subject, into a ledger.

    Parameters
    ----------
    model
        Fine-tuning run's folder, its model.safetensors, a packed file, or a name (tissue-nano).
    data
        BIDS folder, table or cache of scans with truth, or of label maps (for a denoiser of scans or maps), or
        "embedded".
    ledger
        File of JSON lines.
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    kind
        Of the data, where a subject has several.
    embedded
        How many embedded heads there are.
    subjects
        Names of the subjects to score; all where not given.
    contrasts
        Sequences or named protocols (`qontrast protocols`) that label maps and maps are scanned with.
    snr
        Signal-to-noise ratio of those scans (30 without it), or of the noise to take away (5, 10 and 20).
    noise
        That a denoiser is to take away; without it the kind that it learned.
    sigma
        Of Gaussian noise, in standard deviations of the image; without it the one that was learned.
    lesions
        Folder of lesion masks in MNI space that label maps are given; without it the one that was learned with.
    seed
        Of tissue, lesions and noise.
    name
        Of the run in the ledger.
    encoder
        package.module:function that makes the network, where the model was trained on one of your own; it is run.
    device
        auto, cpu or cuda.
    quiet
        Print nothing.
    """
    from qontrast.results.table import summarise
    from qontrast.tasks.evaluate import evaluate as task
    from qontrast.tasks.plans import Cohort

    cohort = Cohort(data=data, labels=labels, embedded=embedded, subjects=subjects, kind=kind)
    rows = task(
        model, cohort, ledger, contrasts=contrasts, snr=snr, seed=seed, name=name, noise=noise, sigma=sigma,
        masks=None if lesions is None else str(lesions), device=device, encoder=encoder, quiet=quiet,
    )  # fmt: skip
    if quiet or not rows:
        return
    metrics = [metric for metric in SPOKEN if metric in rows[0]]
    by = ("contrast", "class") if len({row["snr"] for row in rows}) == 1 else ("contrast", "class", "snr")
    for line in summarise(rows, by=by, metrics=metrics):
        said = ", ".join(SPOKEN[metric].format(line[metric].mean) for metric in metrics)
        what = f"{line['contrast']}, {line['class']}" + (f", SNR {line['snr']:g}" if "snr" in line else "")
        print(f"{what}: {said}, n = {line[metrics[0]].count}")
