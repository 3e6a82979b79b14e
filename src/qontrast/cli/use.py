"""The commands that most people try first: a scan in, a segmentation or a scan without its noise out."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter


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
    device
        auto, cpu or cuda.
    quiet
        Print nothing.
    """

    encoder: str | None = None
    picture: bool = True
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

    Beside it come the names and volumes of the classes (.tsv) and a picture to check it by eye (.png).

    Parameters
    ----------
    scan
        3D image of a head in any orientation and voxel size.
    out
        Segmentation to write (.nii or .nii.gz); SCAN_dseg.nii.gz in the working folder where not given.
    weights
        Name, packed file, or folder of a fine-tuning run.
    refine
        Fill the brain's holes, drop what is no part of it, and let the scan's own intensities decide the borders of
        tissues; lesions are left as they are.
    """
    _use("segmenter", weights, scan, out or _named_after(scan, "dseg"), running, refine=refine)


def denoise(
    scan: Path, /, *, out: Path | None = None, weights: str = "denoise-nano", running: Running = AS_USUAL
) -> None:
    """Take noise out of a scan of any sequence, in its own intensities and on its own grid.

    Beside the result comes a picture of what was taken away (.png).

    Parameters
    ----------
    scan
        3D image of a head in any orientation and voxel size.
    out
        Image to write (.nii or .nii.gz); SCAN_denoised.nii.gz in the working folder where not given.
    weights
        Name, packed file, or folder of a fine-tuning run.
    """
    _use("denoiser", weights, scan, out or _named_after(scan, "denoised"), running)


def _use(kind: str, weights: str, scan: Path, out: Path, how: Running, *, refine: bool = False) -> None:
    from qontrast.tasks.predict import predict

    predict(
        weights, scan, out, kind, device=how.device, encoder=how.encoder, picture=how.picture, refine=refine,
        quiet=how.quiet,
    )  # fmt: skip


def _named_after(scan: Path, what: str) -> Path:
    from qontrast.scans.names import stem

    return Path(f"{stem(scan) or scan.name}_{what}.nii.gz")
