"""Prediction: an image on any grid to a segmentation, or to itself without noise, on that very grid."""

from pathlib import Path

import numpy as np
import torch

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.nets.contract import Encoder
from qontrast.scans.names import stem
from qontrast.scans.nifti import Image, check_writable_name, from_canonical, read_grid, read_image, write_image
from qontrast.tasks.models import Denoiser, Segmenter, open_model
from qontrast.tasks.speaking import say


def predict(
    model: Path,
    image: Path,
    out: Path,
    *,
    device: str = "auto",
    encoder: Encoder | str | None = None,
    quiet: bool = False,
) -> Path:
    """Segment or denoise one image, as the model learned, and write the result on its own grid and affine.

    Args:
        model: a fine-tuning run's folder or its ``model.safetensors``.
        image: a 3D image in any orientation and voxel size.
        out: the segmentation, with the names of its classes as ``.tsv`` beside it; or the denoised image, in the
            input's intensities.
        device: ``auto``, ``cpu`` or ``cuda``.
        encoder: of a model on an adapted network; see :func:`qontrast.weights.segmenter.load_segmenter`.
        quiet: print nothing.

    Raises:
        InputError: for an image or a model that cannot be used.
        WriteError: if the result cannot be written.
    """
    check_writable_name(out)
    opened = open_model(model, device, encoder=encoder)
    scan = read_image(image, canonical=True)
    if not np.any(scan.data != scan.data.flat[0]):
        raise InputError(image, f"{scan.data.flat[0]:g} in every voxel", "an image of a head", "The image is empty.")
    said = _denoise(opened, scan, out) if isinstance(opened, Denoiser) else _segment(opened, scan, out)
    say(f"{out}: {said}", quiet=quiet)
    return out


def _segment(segmenter: Segmenter, scan: Image, out: Path) -> str:
    """Write the classes; what is said of them are volumes."""
    classes = segmenter.segment(torch.from_numpy(scan.data)[None, None], scan.grid)
    native = read_grid(scan.path)
    write_image(out, from_canonical(classes.numpy().astype(np.uint8), native), native, like=scan.path)
    names = segmenter.contract.classes
    write_classes(out, names)
    volume = float(np.prod(scan.grid.spacing)) / 1000
    counts = torch.bincount(classes.flatten(), minlength=len(names)).tolist()
    return ", ".join(f"{name} {count * volume:.1f} ml" for name, count in list(zip(names, counts, strict=True))[1:])


def _denoise(denoiser: Denoiser, scan: Image, out: Path) -> str:
    """Write the image; what is said is how much was taken away, and whether voxels were smoothed."""
    image = torch.from_numpy(scan.data)[None, None]
    found = denoiser.denoise(image, scan.grid)
    native = read_grid(scan.path)
    write_image(out, from_canonical(found[0, 0].numpy().astype(np.float32), native), native, like=scan.path)
    spacing = denoiser.contract.spacing
    said = f"a residual of {float((found - image).std()):.4g} taken away (standard deviation)"
    if not np.allclose(scan.grid.spacing, spacing, atol=1e-3):
        said += f"; note: learned at {spacing:g} mm, so these voxels were brought to that size and back"
    return said


def write_classes(segmentation: Path, classes: tuple[str, ...]) -> None:
    """Write the names of the classes as a BIDS label table beside a segmentation."""
    rows = "".join(f"{index}\t{name}\n" for index, name in enumerate(classes))
    write_atomic(segmentation.with_name(f"{stem(segmentation)}.tsv"), "index\tname\n" + rows)
