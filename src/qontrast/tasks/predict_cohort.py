"""Prediction for a cohort: every scan of a BIDS folder, as BIDS derivatives, and one table of all volumes."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path

import qontrast
from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.engine.memory import keep_memory
from qontrast.nets.contract import Encoder
from qontrast.scans.names import stem
from qontrast.tasks.brain import BRAINS
from qontrast.tasks.derivatives import Maker, Summary, Target, claim_derivatives, make_each, scans_below
from qontrast.tasks.loading import digest_of
from qontrast.tasks.models import Denoiser
from qontrast.tasks.predict import SCALED, beside, open_for_scans, use
from qontrast.tasks.speaking import say
from qontrast.weights.segmenter import find_model

VOLUMES = "volumes.tsv"
NO_SESSION = "n/a"


def predict_cohort(
    model: str | Path,
    source: Path,
    out: Path,
    *kinds: str,
    suffixes: tuple[str, ...] = (),
    device: str = "auto",
    encoder: Encoder | str | None = None,
    picture: bool = False,
    refine: bool = False,
    quiet: bool = False,
) -> Summary:
    """Segment or denoise every scan below a folder; run it again to go on, or to add scans.

    A scan that the same weights and version were used on in the same way, and that has not changed since, is left as it
    is. One that cannot be used costs itself alone. ``volumes.tsv`` has a row for each segmentation in ``out``.

    Args:
        model: as of :func:`qontrast.tasks.predict.predict`; so are ``kinds``, ``device``, ``encoder``, ``picture`` and
            ``refine``.
        source: a BIDS folder, or a subject's.
        out: the derivatives' folder.
        suffixes: BIDS suffixes of the scans to take; empty for all usual ones (T1w, T2w, FLAIR, ...).
        quiet: print nothing.

    Returns:
        The images that were written and kept, and the scans that failed.

    Raises:
        InputError: if there is no scan, the model cannot be used, or ``out`` holds something else.
        WriteError: if the disk is full or the folder cannot be written.
    """
    source, out = Path(source), Path(out)
    if stem(out):
        remedy = f"{source} is a folder: its results want one, too."
        raise InputError(out, "the name of an image", "that of a folder in --out", remedy)
    found, lost = scans_below(source, out, suffixes)
    path = find_model(model)
    keep_memory()
    opened = open_for_scans(model, device, *kinds, encoder=encoder)
    denoises = isinstance(opened, Denoiser)
    what = "denoised scans" if denoises else "segmentations"
    refined = {} if denoises else {"Refined": refine and opened.contract.classes in BRAINS}
    version = qontrast.__version__
    maker = Maker.of(what, opened.contract, path, digest_of(path), QontrastVersion=version, **refined)
    claim_derivatives(out, source, maker)
    write_atomic(out / ".bidsignore", f"*.png\n{VOLUMES}\n")
    targets = [Prediction(target.scan, target.place, denoises, picture) for target in found]

    scaled = []

    def make(target: Prediction) -> None:
        for stale in (target.result, *map(target.beside, ("json", "png", "tsv"))):  # of what the scan was before
            stale.unlink(missing_ok=True)
        if use(opened, target.scan.path, target.result, picture=picture, refine=refine).endswith(SCALED):
            scaled.append(target.scan.path)
        write_atomic(target.beside("json"), json.dumps(target.about(maker), indent=2) + "\n")

    doing = "denoising" if denoises else "segmenting"
    try:
        summary = make_each(targets, lambda t: t.result, lambda t: t.done(maker), make, doing, lost=lost, quiet=quiet)
    finally:
        if not denoises:
            _write_volumes(out)
    for path in scaled:
        say(f"note: {path}{SCALED}", quiet=quiet)
    say(f"{out}: {summary.told('written')}", quiet=quiet)
    return summary


@dataclass(frozen=True)
class Prediction(Target):
    """What is written for one scan.

    Args:
        denoises: whether it is the scan without noise, and not a segmentation.
        picture: whether there is a picture of it.
    """

    denoises: bool
    picture: bool

    @property
    def result(self) -> Path:
        """The image."""
        return self.image("denoised", ".nii.gz") if self.denoises else self.file("dseg", ".nii.gz")

    def beside(self, ending: str) -> Path:
        """A file of the same name."""
        return beside(self.result, ending)

    def done(self, maker: Maker) -> bool:
        """Whether all of it is there, and made of the scan as it is now; the sidecar is written last."""
        files = [self.result, *[self.beside("png")] * self.picture, *[self.beside("tsv")] * (not self.denoises)]
        return all(file.is_file() for file in files) and self.is_made(self.beside("json"), maker)


def _write_volumes(out: Path) -> None:
    """A table with a row for each segmentation below ``out``, whichever run made it."""
    rows = []
    sidecars = [*out.glob("*/anat/*_dseg.json"), *out.glob("*/ses-*/anat/*_dseg.json")]
    for sidecar in sorted(file for file in sidecars if file.with_suffix(".tsv").is_file()):
        with sidecar.with_suffix(".tsv").open(newline="", encoding="utf-8") as stream:
            classes = list(csv.DictReader(stream, delimiter="\t"))[1:]
        subject, session = sidecar.relative_to(out).parts[:2]
        about = json.loads(sidecar.read_text(encoding="utf-8"))
        rows.append(
            {
                "participant_id": subject,
                "session_id": session if session.startswith("ses-") else NO_SESSION,
                "scan": about["Sources"][0].rsplit("/", 1)[-1],
                **{f"{row['name']} (ml)": row["volume_ml"] for row in classes},
            }
        )
    if rows:
        text = io.StringIO()
        table = csv.DictWriter(text, rows[0], delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_atomic(out / VOLUMES, text.getvalue())
