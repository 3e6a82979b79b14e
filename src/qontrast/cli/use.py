"""The commands that most people try first: a scan in, a segmentation or a scan without its noise out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qontrast.basics.errors import QontrastError


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """How a model is used on a scan.

    Parameters
    ----------
    encoder
        package.module:function that makes the network, where the model was trained on one of your own; it is run.
    picture
        Write the picture.
    suffix
        Of a folder: BIDS suffixes of the scans to take, such as T1w FLAIR; all usual ones where not given.
    device
        auto, cpu or cuda.
    quiet
        Print nothing.
    """

    encoder: str | None = None
    picture: bool = True
    suffix: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative=())] = ()
    device: str = "auto"
    quiet: bool = False


AS_USUAL = Running()


def segment(
    scan: Path,
    /,
    *,
    out: Path | None = None,
    weights: str = "tissue-nano",
    refine: bool = True,
    running: Running = AS_USUAL,
) -> None:
    """Segment a scan of any sequence, with or without its skull; the result lies on the scan's own grid.

    Beside it come the names and volumes of the classes (.tsv) and a picture to check it by eye (.png). Of a BIDS folder
    all scans are segmented, as BIDS derivatives with one table of all volumes; run it again to go on, or to add scans.

    Parameters
    ----------
    scan
        3D image of a head in any orientation and voxel size, or a BIDS folder of such.
    out
        Segmentation to write (.nii or .nii.gz); SCAN_dseg.nii.gz in the working folder where not given. Of a folder:
        the folder of the derivatives, segmentations where not given.
    weights
        Name, packed file, or folder of a fine-tuning run.
    refine
        Fill the brain's holes, drop what is no part of it (or was emptied by skull-stripping), and let the scan's own
        intensities decide the borders of tissues; lesions are left as they are.
    """
    default = Path("segmentations") if scan.is_dir() else _named_after(scan, "dseg")
    _use("segmenter", weights, scan, out or default, running, refine=refine)


def denoise(
    scan: Path, /, *, out: Path | None = None, weights: str = "denoise-nano", running: Running = AS_USUAL
) -> None:
    """Take noise out of a scan of any sequence, in its own intensities and on its own grid.

    Beside the result comes a picture of what was taken away (.png). Of a BIDS folder all scans are denoised, as BIDS
    derivatives; run it again to go on, or to add scans.

    Parameters
    ----------
    scan
        3D image of a head in any orientation and voxel size, or a BIDS folder of such.
    out
        Image to write (.nii or .nii.gz); SCAN_denoised.nii.gz in the working folder where not given. Of a folder: the
        folder of the derivatives, denoised where not given.
    weights
        Name, packed file, or folder of a fine-tuning run.
    """
    default = Path("denoised") if scan.is_dir() else _named_after(scan, "denoised")
    _use("denoiser", weights, scan, out or default, running)


def _use(kind: str, weights: str, scan: Path, out: Path, how: Running, *, refine: bool = False) -> None:
    from qontrast.tasks.predict import predict
    from qontrast.tasks.predict_cohort import predict_cohort

    if not scan.is_dir():
        predict(
            weights, scan, out, kind, device=how.device, encoder=how.encoder, picture=how.picture, refine=refine,
            quiet=how.quiet,
        )  # fmt: skip
        return
    summary = predict_cohort(
        weights, scan, out, kind, suffixes=how.suffix, device=how.device, encoder=how.encoder, picture=how.picture,
        refine=refine, quiet=how.quiet,
    )  # fmt: skip
    if summary.failed:
        raise QontrastError(summary.complaint)


def _named_after(scan: Path, what: str) -> Path:
    from qontrast.scans.names import stem

    return Path(f"{stem(scan) or scan.name}_{what}.nii.gz")
