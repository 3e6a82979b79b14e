"""The commands that most people try first: a scan in, a segmentation or a scan without its noise out."""

from pathlib import Path


def segment(
    scan: Path,
    /,
    *,
    out: Path | None = None,
    weights: str = "tissue-nano",
    encoder: str | None = None,
    picture: bool = True,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Segment a scan of any sequence, with or without its skull; the result lies on the scan's own grid.

    Beside it come the names and volumes of the classes (.tsv) and a picture to check it by eye (.png).

    Parameters
    ----------
    scan
        3D image of a head in any orientation and voxel size.
    out
        Segmentation to write (.nii or .nii.gz); <scan>_dseg.nii.gz in the working folder where not given.
    weights
        Name, packed file, or folder of a fine-tuning run.
    encoder
        package.module:function that makes the network, where the model was trained on one of your own; it is run.
    picture
        Write the picture.
    device
        auto, cpu or cuda.
    quiet
        Print nothing.
    """
    from qontrast.tasks.predict import predict

    target = out or _named_after(scan, "dseg")
    predict(weights, scan, target, "segmenter", device=device, encoder=encoder, picture=picture, quiet=quiet)


def denoise(
    scan: Path,
    /,
    *,
    out: Path | None = None,
    weights: str = "denoise-nano",
    encoder: str | None = None,
    picture: bool = True,
    device: str = "auto",
    quiet: bool = False,
) -> None:
    """Take noise out of a scan of any sequence, in its own intensities and on its own grid.

    Beside the result comes a picture of what was taken away (.png).

    Parameters
    ----------
    scan
        3D image of a head in any orientation and voxel size.
    out
        Image to write (.nii or .nii.gz); <scan>_denoised.nii.gz in the working folder where not given.
    weights
        Name, packed file, or folder of a fine-tuning run.
    encoder
        package.module:function that makes the network, where the model was trained on one of your own; it is run.
    picture
        Write the picture.
    device
        auto, cpu or cuda.
    quiet
        Print nothing.
    """
    from qontrast.tasks.predict import predict

    target = out or _named_after(scan, "denoised")
    predict(weights, scan, target, "denoiser", device=device, encoder=encoder, picture=picture, quiet=quiet)


def _named_after(scan: Path, what: str) -> Path:
    from qontrast.scans.names import stem

    return Path(f"{stem(scan) or scan.name}_{what}.nii.gz")
