"""Prediction: an image on any grid to a segmentation on that very grid."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Labels, Volume
from qontrast.engine.device import autocast_for, pick_device
from qontrast.geometry.sample import box_slices, sample, whole
from qontrast.nets.contract import Encoder
from qontrast.scans.names import stem
from qontrast.scans.nifti import check_writable_name, from_canonical, read_grid, read_image, write_image
from qontrast.tasks.resampling import at_spacing, head_box
from qontrast.tasks.speaking import say
from qontrast.views.normalise import normalise
from qontrast.weights.contract import Contract
from qontrast.weights.segmenter import load_segmenter

OVERLAP = 0.5
MARGIN_MM = 12.0
SLAB = 16  # slices that are brought back to the image's grid at once


@dataclass(frozen=True)
class Segmenter:
    """A network with the contract of its input, on a device.

    Args:
        net: windows to class scores, in ``eval``: a U-Net, or an ONNX file in its place.
        contract: spacing, window, classes.
        device: ``cpu`` or ``cuda``.
        overlap: of neighbouring windows, as a share of their edge.
    """

    net: nn.Module
    contract: Contract
    device: str
    overlap: float = OVERLAP

    @torch.inference_mode()
    def probabilities(self, image: Volume) -> Float[Tensor, "batch classes x y z"]:
        """Class probabilities ``[1, classes, x, y, z]`` of an image at the contract's spacing, axes RAS.

        Windows of the training crop's size slide over the head (half a window apart unless ``overlap`` says otherwise),
        each normalised by itself as in training, and are blended with Gaussian weights. What lies outside the head's
        box is background.
        """
        window = self.contract.crop
        box = head_box(image, MARGIN_MM / self.contract.spacing)
        inside = image[(..., *box_slices(box))]

        def predict(windows: Tensor) -> Tensor:
            with autocast_for(self.device):
                return self.net(normalise(windows)).float().softmax(dim=1)

        found = sliding_window_inference(
            inside,
            roi_size=(window,) * 3,
            sw_batch_size=4,
            predictor=predict,
            overlap=self.overlap,
            mode="gaussian",
            sw_device=self.device,
            device="cpu",
        )
        assert isinstance(found, Tensor)
        out = torch.zeros(1, found.shape[1], *image.shape[2:])
        out[:, 0] = 1.0
        out[(..., *box_slices(box))] = found
        return out

    def segment(self, image: Volume, grid: Grid) -> Labels:
        """Classes ``[x, y, z]`` of an image ``[1, 1, x, y, z]`` on its own grid, axes RAS and of any voxel size."""
        moved, target = at_spacing(image, grid, self.contract.spacing)
        if moved is image:
            return self.probabilities(image).argmax(dim=1)[0]
        return bring_back(self.probabilities(moved), grid, target)


def open_segmenter(model: Path, device: str = "auto", encoder: Encoder | str | None = None) -> Segmenter:
    """Load a segmenter for prediction.

    Args:
        model: a fine-tuning run's folder or its ``model.safetensors``.
        device: ``auto``, ``cpu`` or ``cuda``.
        encoder: of a segmenter on an adapted network; see :func:`qontrast.weights.segmenter.load_segmenter`.

    Raises:
        InputError: if there is none.
        PlanError: if the device is not there.
    """
    net, contract = load_segmenter(model, encoder=encoder)
    name = pick_device(device)
    return Segmenter(net.to(name), contract, name)


def predict(
    model: Path,
    image: Path,
    out: Path,
    *,
    device: str = "auto",
    encoder: Encoder | str | None = None,
    quiet: bool = False,
) -> Path:
    """Segment one image and write the classes on its own grid and affine.

    Args:
        model: a fine-tuning run's folder or its ``model.safetensors``.
        image: a 3D image in any orientation and voxel size.
        out: the segmentation; beside it ``.tsv`` with the names of the classes.
        device: ``auto``, ``cpu`` or ``cuda``.
        encoder: of a segmenter on an adapted network; see :func:`open_segmenter`.
        quiet: print nothing.

    Raises:
        InputError: for an image or a model that cannot be used.
        WriteError: if the result cannot be written.
    """
    check_writable_name(out)
    segmenter = open_segmenter(model, device, encoder)
    scan = read_image(image, canonical=True)
    if not np.any(scan.data != scan.data.flat[0]):
        raise InputError(image, f"{scan.data.flat[0]:g} in every voxel", "an image of a head", "The image is empty.")
    classes = segmenter.segment(torch.from_numpy(scan.data)[None, None], scan.grid)
    native = read_grid(image)
    write_image(out, from_canonical(classes.numpy().astype(np.uint8), native), native, like=image)
    write_classes(out, segmenter.contract.classes)
    volume = float(np.prod(scan.grid.spacing)) / 1000
    counts = torch.bincount(classes.flatten(), minlength=len(segmenter.contract.classes)).tolist()
    said = ", ".join(
        f"{name} {count * volume:.1f} ml"
        for name, count in list(zip(segmenter.contract.classes, counts, strict=True))[1:]
    )
    say(f"{out}: {said}", quiet=quiet)
    return out


def write_classes(segmentation: Path, classes: tuple[str, ...]) -> None:
    """Write the names of the classes as a BIDS label table beside a segmentation."""
    rows = "".join(f"{index}\t{name}\n" for index, name in enumerate(classes))
    write_atomic(segmentation.with_name(f"{stem(segmentation)}.tsv"), "index\tname\n" + rows)


def bring_back(probabilities: Volume, grid: Grid, target: Grid) -> Int[Tensor, "u v w"]:
    """The likeliest class of every voxel of ``grid``, from probabilities on ``target``, which shares its centre."""
    ratio = [s / t for s, t in zip(grid.spacing, target.spacing, strict=True)]
    axes = [
        (torch.arange(n, dtype=torch.float32) - (n - 1) / 2) * r + (m - 1) / 2
        for n, m, r in zip(grid.shape, target.shape, ratio, strict=True)
    ]
    # At the rim the image's outermost voxels lie half a voxel beyond the last centre: hold the last value there.
    axes = [a.clamp(0, m - 1) for a, m in zip(axes, target.shape, strict=True)]
    out = torch.empty(grid.shape, dtype=torch.long)
    for start in range(0, grid.shape[0], SLAB):
        x = axes[0][start : start + SLAB]
        points = torch.stack(torch.meshgrid(x, axes[1], axes[2], indexing="ij"), dim=-1)
        out[start : start + SLAB] = sample(probabilities, whole(target.shape), points).argmax(dim=1)[0]
    return out
