"""Networks that learned a task, opened for whole images on any grid: a segmenter, a denoiser."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from qontrast.anatomy.classes import TISSUE_OF
from qontrast.basics.grid import Grid
from qontrast.basics.shapes import Box, Labels, Volume
from qontrast.engine.device import autocast_for, pick_device
from qontrast.fits.mixture import by_intensity
from qontrast.fits.noise import difference_noise
from qontrast.geometry.sample import box_slices, sample, whole
from qontrast.nets.adapter import ADAPTED
from qontrast.nets.contract import Encoder
from qontrast.nets.quick import quicken
from qontrast.tasks.brain import (
    BRAINS,
    CAVITIES,
    box_of,
    emptied,
    from_crown,
    goes_on_below,
    in_place,
    solid,
    taken_away,
)
from qontrast.tasks.loading import check_contract, check_probe, digest_of, load
from qontrast.tasks.resampling import at_spacing, foreground, head_box, local_mean
from qontrast.tasks.sliding import OVERLAP, joined, slide
from qontrast.views.normalise import normalise, standardise
from qontrast.weights.contract import Contract, read_weights
from qontrast.weights.encoder import build
from qontrast.weights.segmenter import KINDS, UNETS, SegmentationNet, build_model, find_model, load_segmenter

MARGIN_MM = 4.0
"""Around the head. With 8 mm two of three real heads wanted half as many windows more, and Dice was not better."""
MARGIN = 8
"""Of a denoiser, in voxels, whatever their size."""
SLAB = 16  # slices that are brought back to the image's grid at once


@dataclass(frozen=True)
class Segmenter:
    """A network with the contract of its input, on a device.

    Args:
        net: windows to class scores, in ``eval``: a network of ours, or an ONNX file in its place.
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

        Windows of the training crop's size slide over the head, each normalised by itself as in training, and are
        blended with Gaussian weights. What lies outside the head's box is background; so is the neck, which is left
        out where the brain is found to end above it.
        """
        spacing, crop = self.contract.spacing, self.contract.crop
        x, y, (bottom, top) = box = head_box(image, MARGIN_MM / spacing)
        low = from_crown(box, spacing)[2][0] if self.contract.classes in BRAINS else bottom
        found = self._within(image, (x, y, (low, top)))
        while low > bottom and goes_on_below(found[0], spacing):
            next_low = max(bottom, low - math.floor(crop * (1 - self.overlap)))
            shared = min(top, next_low + crop) - low
            found = joined(self._within(image, (x, y, (next_low, low + shared))), found, shared)
            low = next_low
        out = torch.zeros(1, found.shape[1], *image.shape[2:])
        out[:, 0] = 1.0
        out[(..., *box_slices((x, y, (low, top))))] = found
        return out

    def _within(self, image: Volume, box: Box) -> Float[Tensor, "batch classes u v w"]:
        def predict(windows: Tensor) -> Tensor:
            with autocast_for(self.device):
                return self.net(normalise(windows)).float().softmax(dim=1)

        return slide(image[(..., *box_slices(box))], predict, self.contract.crop, self.device, self.overlap)

    @torch.inference_mode()
    def segment(self, image: Volume, grid: Grid, *, refine: bool = False) -> Labels:
        """Classes ``[x, y, z]`` of an image ``[1, 1, x, y, z]`` on its own grid, axes RAS and of any voxel size.

        With ``refine`` nothing is brain that skull-stripping has emptied (:func:`qontrast.tasks.brain.taken_away`), the
        brain has neither holes nor specks beside it (:func:`qontrast.tasks.brain.solid`), its parts lie in one place
        each (:func:`qontrast.tasks.brain.in_place`), and the scan's intensities have a say in what is what
        (:func:`qontrast.fits.mixture.by_intensity`).
        """
        moved, target = at_spacing(image, grid, self.contract.spacing)
        found = self.probabilities(moved)
        if refine:
            self._refine(moved[0, 0], found[0])
        if moved is image:
            return found.max(dim=1).indices[0]  # argmax takes seven times as long
        return bring_back(found, grid, target, lambda v: v.max(dim=1).indices[0])

    def _refine(self, image: Float[Tensor, "x y z"], probabilities: Float[Tensor, "classes x y z"]) -> None:
        """Change the probabilities in place."""
        spacing, classes = self.contract.spacing, self.contract.classes
        if (away := taken_away(image, probabilities[0] < 0.5, spacing)) is not None:
            emptied(probabilities, away)
        if (box := box_of(probabilities[0] < 0.5)) is None:
            return
        inside = box_slices(box)
        found = probabilities[:, *inside].clone()
        cavities = [classes.index(name) for name in CAVITIES if name in classes]
        tissues = [TISSUE_OF.get(name, name) for name in classes]
        found = in_place(solid(found, found[0] < 0.5, spacing), classes, spacing)
        found = by_intensity(image[inside], found, spacing, tissues=tissues, cavities=cavities)
        probabilities[:, *inside] = solid(found, found[1:].amax(dim=0) > found[0], spacing)


class Denoised(NamedTuple):
    """What a denoiser made of an image.

    Args:
        image: without its noise, ``[1, 1, x, y, z]``.
        share: how much was taken of what the network would take.
        snr: of the image that was given: its mean in the head over its noise, both as they are told from the image.
            Anatomy of a voxel's size counts as noise, so it is too low where there is little.
    """

    image: Volume
    share: float
    snr: float


@dataclass(frozen=True)
class Denoiser:
    """A network that says what to add to a noisy image, on a device.

    Args:
        net: the network, in ``eval``, of one output: the residual in standard deviations of the window.
        contract: spacing and window.
        device: ``cpu`` or ``cuda``.
        overlap: of neighbouring windows, as a share of their edge.
    """

    net: SegmentationNet
    contract: Contract
    device: str
    overlap: float = OVERLAP

    @torch.inference_mode()
    def restored(self, image: Volume) -> Volume:
        """The image ``[1, 1, x, y, z]``, axes RAS, without what the network takes for noise.

        Windows slide over the head's box as those of a segmenter do; what lies outside of it stays as it is. What a
        window is clipped to for the network does not change its intensities: only the residual is taken from it.
        """
        inside, residual = self._residual(image)
        out = image.clone()
        out[inside] += residual
        return out

    @torch.inference_mode()
    def denoise(self, image: Volume) -> Denoised:
        """The same, with no more taken away than there is noise.

        The noise is estimated from the scan itself. Where the residual is stronger, in the mean over 3³ voxels, it is
        anatomy for the rest and is weakened, as a local Wiener filter would (Lee 1980,
        doi:10.1109/TPAMI.1980.4766994): a scan with little noise stays nearly as it is. Around the head's box there is
        nothing but noise, which is what the network makes of air. The voxels are taken as they are, whatever their
        size: noise is white on the grid that it was acquired on, and on no other.
        """
        inside, found = self._residual(image)
        residual = -image
        residual[inside] = found
        head = foreground(image)
        noise = difference_noise(image[0, 0].numpy(), head.numpy())
        weight = (noise**2 / local_mean(residual.square(), 3).clamp_min(torch.finfo(torch.float32).tiny)).clamp_max(1.0)
        power = found.square().sum()
        share = float((weight[inside] * found.square()).sum() / power) if power > 0 else 1.0
        level = float(image[0, 0][head].mean()) if bool(head.any()) else 0.0
        return Denoised(image + weight * residual, share, level / noise if noise > 0 else math.inf)

    def _residual(self, image: Volume) -> tuple[tuple[Any, ...], Float[Tensor, "batch outputs u v w"]]:
        def predict(windows: Tensor) -> Tensor:
            normalised, _, deviation = standardise(windows)
            with autocast_for(self.device):
                residual = self.net(normalised).float()
            return deviation * residual

        inside = (..., *box_slices(head_box(image, MARGIN)))
        # A window of a thin scan is continued by its last slice: zeros would be most of what it is normalised by.
        return inside, slide(image[inside], predict, self.contract.crop, self.device, self.overlap, beyond="replicate")


Model = Segmenter | Denoiser
MODELS: dict[str, type[Segmenter] | type[Denoiser]] = {"segmenter": Segmenter, "denoiser": Denoiser}


def open_model(model: str | Path, device: str = "auto", *kinds: str, encoder: Encoder | str | None = None) -> Model:
    """Load a network for prediction; a packed one is checked against its probe.

    Args:
        model: a fine-tuning run's folder, its ``model.safetensors``, a packed file, or the name of weights.
        device: ``auto``, ``cpu`` or ``cuda``.
        kinds: that will do; any of ``UNETS`` where none is given.
        encoder: of a model on an adapted network; see :func:`qontrast.weights.segmenter.load_segmenter`.

    Raises:
        InputError: if there is none.
        PlanError: if the device is not there.
    """
    path = find_model(model)
    net, contract = load_segmenter(path, *(kinds or UNETS), encoder=encoder)
    check_probe(net, contract, path)
    name = pick_device(device)
    if name == "cpu" and net.encoder.family != ADAPTED:  # what others' networks make of it is not known
        # Windows take half the time with AMX, three quarters with AVX-512.
        quicken(net, "channels_last" if torch.backends.cpu.get_cpu_capability() == "AVX512" else "contiguous")
    return MODELS[contract.kind](net.to(name), contract, name)


def network_of(path: Path, tensors: Mapping[str, Tensor], contract: Contract) -> nn.Module:
    """The network of a file: an encoder, or one with a head that learned a task; its weights are not yet filled in.

    Raises:
        InputError: if it cannot be made from the file alone.
    """
    if contract.kind == "encoder":
        return build(path, contract.features, contract.encoder)
    return build_model(path, contract, tensors)


def check_file(path: Path) -> tuple[Contract, str]:
    """Load weights of any kind, and so check all about them.

    Returns:
        Their contract, and the digest of the file.

    Raises:
        InputError: see :func:`qontrast.tasks.loading.load`.
    """
    kind = read_weights(path, *KINDS)[1].kind
    if kind == "encoder":
        loaded = load(path, device="cpu")
        return loaded.contract, loaded.digest
    contract = open_model(path, "cpu").contract
    check_contract(contract, path)
    return contract, digest_of(path)


def open_segmenter(model: str | Path, device: str = "auto", encoder: Encoder | str | None = None) -> Segmenter:
    """Load a segmenter, and nothing else; see :func:`open_model`."""
    opened = open_model(model, device, "segmenter", encoder=encoder)
    assert isinstance(opened, Segmenter)
    return opened


def bring_back(
    values: Volume, grid: Grid, target: Grid, choose: Callable[[Tensor], Tensor]
) -> Float[Tensor, "u v w"] | Int[Tensor, "u v w"]:
    """Values on ``target`` at every voxel of ``grid``, which shares its centre; ``choose`` makes one of each voxel's.

    Args:
        values: ``[1, channel, x, y, z]``.
        grid: where they are wanted.
        target: where they lie.
        choose: from ``[1, channel, u, v, w]`` to ``[u, v, w]``.
    """
    ratio = [s / t for s, t in zip(grid.spacing, target.spacing, strict=True)]
    axes = [
        (torch.arange(n, dtype=torch.float32) - (n - 1) / 2) * r + (m - 1) / 2
        for n, m, r in zip(grid.shape, target.shape, ratio, strict=True)
    ]
    # At the rim the image's outermost voxels lie half a voxel beyond the last centre: hold the last value there.
    axes = [a.clamp(0, m - 1) for a, m in zip(axes, target.shape, strict=True)]
    slabs = []
    for start in range(0, grid.shape[0], SLAB):
        x = axes[0][start : start + SLAB]
        points = torch.stack(torch.meshgrid(x, axes[1], axes[2], indexing="ij"), dim=-1)
        slabs.append(choose(sample(values, whole(target.shape), points)))
    return torch.cat(slabs)
