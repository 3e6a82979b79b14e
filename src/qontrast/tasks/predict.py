"""Prediction: an image on any grid to a segmentation, or to itself without noise, on that very grid."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.engine.memory import keep_memory
from qontrast.nets.contract import Encoder
from qontrast.report.check_sheet import denoising_sheet, segmentation_sheet
from qontrast.scans.names import stem
from qontrast.scans.nifti import Image, check_writable_name, from_canonical, read_grid, read_image, write_image
from qontrast.tasks.brain import BRAINS
from qontrast.tasks.models import Denoiser, Model, Segmenter, open_model
from qontrast.tasks.resampling import check_voxels
from qontrast.tasks.speaking import say


def predict(
    model: str | Path,
    image: Path,
    out: Path,
    *kinds: str,
    device: str = "auto",
    encoder: Encoder | str | None = None,
    picture: bool = False,
    refine: bool = False,
    quiet: bool = False,
) -> Path:
    """Segment or denoise one image, as the model learned, and write the result on its own grid and affine.

    Args:
        model: a fine-tuning run's folder, its ``model.safetensors``, a packed file, or the name of weights.
        image: a 3D image in any orientation and voxel size.
        out: the segmentation, with the names and volumes of its classes as ``.tsv`` beside it; or the denoised image,
            in the input's intensities.
        kinds: of model that will do: ``segmenter``, ``denoiser``; either where none is given.
        device: ``auto``, ``cpu`` or ``cuda``.
        encoder: of a model on an adapted network; see :func:`qontrast.weights.segmenter.load_segmenter`.
        picture: write a ``.png`` beside it, to check it by eye.
        refine: of a segmentation whose classes are all tissues or structures of the brain, fill its holes, drop what
            is no part of it and let the scan's own intensities decide its borders; a lesion may be as bright as any
            tissue and lie in pieces, so other models' are left as they are.
        quiet: print nothing.

    Raises:
        InputError: for an image or a model that cannot be used.
        WriteError: if the result cannot be written.
    """
    check_writable_name(out)
    if out.exists() and image.exists() and out.samefile(image):
        raise InputError(out, "the scan itself", "the name of a new file", "Choose another --out: scans are kept.")
    keep_memory()
    opened = open_for_scans(model, device, *kinds, encoder=encoder)
    say(f"{out}: {use(opened, image, out, picture=picture, refine=refine)}", quiet=quiet)
    return out


def open_for_scans(model: str | Path, device: str, *kinds: str, encoder: Encoder | str | None = None) -> Model:
    """Load a network as :func:`qontrast.tasks.models.open_model` does, with windows as whole scans want them."""
    opened = replace(open_model(model, device, *kinds, encoder=encoder), overlap=OVERLAP)
    if isinstance(opened, Denoiser):
        wide = replace(opened.contract, crop=max(opened.contract.crop, WINDOW))
        return replace(opened, contract=wide, overlap=WIDE_OVERLAP)
    return opened


def use(opened: Model, image: Path, out: Path, *, picture: bool, refine: bool) -> str:
    """Segment or denoise one image by an open network, write what comes of it, and tell it in a line.

    Raises:
        InputError: for an image that cannot be used.
        WriteError: if the result cannot be written.
    """
    scan = read_image(image, canonical=True)
    check_voxels(scan)
    if isinstance(opened, Denoiser):
        said, sheet = _denoise(opened, scan, out)
    else:
        said, sheet = _segment(opened, scan, out, refine=refine and opened.contract.classes in BRAINS)
    if picture:
        write_atomic(beside(out, "png"), sheet())
    return said


OVERLAP = 1 / 6
"""Of windows: a whole head of 1 mm is then covered by twelve of 96³ instead of 27."""
WINDOW, WIDE_OVERLAP = 96, 1 / 12
"""Voxels along a denoiser's windows that learned from smaller ones, and how they overlap: twelve cover the same head,
which took 15 s instead of 25 with those of 64³ (two cores without AMX), for 0.1 dB less on one real scan."""
LITTLE = 0.3
"""Share of a network's residual below which it is said that most was left; in clean or interpolated scans."""
GOOD = 20.0
"""SNR, as it is told from a scan, above which taking noise away cost as much as it gained, or more (docs/limits.md)."""
SCALED = (
    "; the scan was scaled to mean 0 within a mask, so its background is as bright as tissue, and volumes are off: "
    "give it as it was before, or with its lowest value where it is 0"
)
Sheet = Callable[[], bytes]


def _segment(segmenter: Segmenter, scan: Image, out: Path, *, refine: bool) -> tuple[str, Sheet]:
    """Write the classes; what is said of them are volumes."""
    image = torch.from_numpy(scan.data)[None, None]
    classes = segmenter.segment(image, scan.grid, refine=refine).numpy().astype(np.uint8)
    names = segmenter.contract.classes
    if names in BRAINS and not classes.any():
        remedy = "Look at it: is it a head, in millimetres, without broken voxels?"
        raise InputError(scan.path, "nothing that looks like brain", "a scan of a head", remedy)
    native = read_grid(scan.path)
    write_image(out, from_canonical(classes, native), native, like=scan.path)
    voxel = float(np.prod(scan.grid.spacing)) / 1000
    volumes = [voxel * count for count in np.bincount(classes.ravel(), minlength=len(names)).tolist()]
    write_classes(out, names, volumes)
    told = [f"{name} {volume:.1f} ml" for name, volume in zip(names, volumes, strict=True)]
    scaled = SCALED if names in BRAINS and _background_amid_tissue(scan.data) else ""
    return ", ".join(told[1:]) + scaled, lambda: segmentation_sheet(scan.data, classes, scan.grid.spacing, told)


def _background_amid_tissue(voxels: np.ndarray) -> bool:
    """Whether what was masked away is 0, and much of what was not is darker than that."""
    kept = voxels[voxels != 0]
    darker = kept < -0.1 * kept.std()  # by more than a resampling rings
    return bool(kept.size < 0.9 * voxels.size and darker.mean() > 0.2)


def _denoise(denoiser: Denoiser, scan: Image, out: Path) -> tuple[str, Sheet]:
    """Write the image; what is said is how much was taken away."""
    image = torch.from_numpy(scan.data)[None, None]
    found, share, snr = denoiser.denoise(image)
    native = read_grid(scan.path)
    write_image(out, from_canonical(found[0, 0].numpy().astype(np.float32), native), native, like=scan.path)
    said = f"SNR about {snr:.0f}; a residual of {float((found - image).std()):.4g} taken away (standard deviation)"
    if share < LITTLE:
        said += f", {share:.0%} of what the network found; was the scan interpolated or smoothed, or is it clean?"
    elif snr > GOOD:
        said += "; so good a scan loses fine anatomy with its noise (docs/limits.md): compare both before you use it"
    return said, lambda: denoising_sheet(scan.data, found[0, 0].numpy(), scan.grid.spacing)


def write_classes(segmentation: Path, classes: Sequence[str], volumes: Sequence[float]) -> None:
    """Write the names of the classes, and their volumes, as a BIDS label table beside a segmentation."""
    rows = "".join(f"{i}\t{name}\t{ml:.3f}\n" for i, (name, ml) in enumerate(zip(classes, volumes, strict=True)))
    write_atomic(beside(segmentation, "tsv"), "index\tname\tvolume_ml\n" + rows)


def beside(image: Path, ending: str) -> Path:
    """The file of the same name with another ending."""
    return image.with_name(f"{stem(image)}.{ending}")
