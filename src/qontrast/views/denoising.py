"""A noisy image and the clean one: crops to learn denoising on, and whole scans to test it on, simulated or real."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from qontrast.anatomy.observed import ObservedScan, head_mask
from qontrast.anatomy.subject import Subject
from qontrast.artefacts.bias import draw_bias
from qontrast.artefacts.noise import ComplexNoise
from qontrast.basics.errors import InputError, PlanError
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import Range, derive, derive_seed, log_uniform, uniform
from qontrast.basics.shapes import AnyVolume, Device, Volume
from qontrast.geometry.sample import average_blocks, occupied, sample, whole
from qontrast.geometry.warp import Warp
from qontrast.physics.clinical import protocol_of
from qontrast.views.contrast import caption, describe
from qontrast.views.labelled import draw_place, draw_sequence
from qontrast.views.normalise import standardise
from qontrast.views.plan import ViewPlan
from qontrast.views.render import Place, oversampling, resampled
from qontrast.views.whole_scan import SCANNED_BIAS, whole_head

NoiseKind = Literal["rician", "gaussian"]
LEAST = 0.05
"""Share of a scan's bright voxels by which an interpolation may undershoot zero."""


@dataclass(frozen=True)
class NoiseRanges:
    """Noise that a denoiser learns to take away.

    Args:
        kind: ``rician`` (Gaussian in both channels of the complex image, of which the magnitude is taken) or
            ``gaussian`` (added to the normalised image, as the method did).
        snr: limits of the signal-to-noise ratio of Rician noise, drawn evenly by its logarithm for each crop: mean
            signal inside the head over the standard deviation of one channel.
        sigma: standard deviation of Gaussian noise, in standard deviations of the clean image.
    """

    kind: NoiseKind = "rician"
    snr: Range = (4.0, 40.0)
    sigma: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.snr[0] <= self.snr[1] < math.inf:
            raise PlanError("noise.snr", f"{list(self.snr)}", "two numbers above 0, the lower one first")
        if not 0 < self.sigma < math.inf:
            raise PlanError("noise.sigma", f"{self.sigma:g}", "a number above 0", "The method's is 0.2.")


@dataclass(frozen=True)
class Received:
    """What a scanner receives of a crop or a head, before there is noise.

    Args:
        signal: signed, ``[1, component, x, y, z]``.
        form: from such signals, with noise or without, to the image ``[1, 1, x, y, z]``.
        level: mean magnitude inside the whole head; None where it is not known, and then the signal's own is taken.
        warp: where a crop's voxels lie; None of a head.
        describe: of a crop, gives a caption's parts without the noise: contrast, artefacts, geometry and pathology.
    """

    signal: AnyVolume
    form: Callable[[AnyVolume], Volume]
    level: float | None = None
    warp: Warp | None = None
    describe: Callable[[], tuple[str, ...]] = lambda: ("", "")

    def clean(self) -> Volume:
        """The image without noise."""
        return self.form(self.signal)

    def noisy(self, kind: NoiseKind, strength: float, seed: int) -> Volume:
        """The image with noise that depends on the seed alone.

        Args:
            kind: ``rician`` or ``gaussian``.
            strength: the SNR, or for Gaussian noise its deviation as a share of the clean image's.
            seed: of the noise.
        """
        if kind == "rician":
            return self.form(ComplexNoise(strength, seed, level=self.level)(self.signal))
        clean = self.clean()
        _, _, deviation = standardise(clean)
        return clean + strength * deviation * torch.randn(clean.shape, generator=derive(seed, "gaussian")).to(clean)


class CleanCase(ABC):
    """One head, or one scan of it, that noise is added to."""

    name: str
    subject: str

    @abstractmethod
    def receive(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Received:
        """The training crop of this seed, step and turn."""


class SimulatedClean(CleanCase):
    """A head whose tissue is known, scanned anew for every crop.

    Args:
        head: a label map or measured maps.
        contrasts: sequences that are drawn from.
        drawn: whether each crop has a random protocol and tissue, not the clinical protocol and one person's.
    """

    def __init__(self, head: Subject, contrasts: tuple[str, ...], *, drawn: bool = False) -> None:
        self.name = self.subject = head.name
        self.head, self.contrasts, self.drawn = head, contrasts, drawn

    def receive(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Received:
        """See :class:`CleanCase`."""
        head = self.head
        generator = derive(seed, head.name, step, turn)
        sequence = draw_sequence(self.contrasts, plan, generator, drawn=self.drawn)
        person = generator if self.drawn else derive(seed, head.name, "person")
        tissue = head.draw(person, plan.pathology if self.drawn else None).on(device)
        place = draw_place(plan, head.region, head.grid, generator, device=device)
        signal, _ = resampled(tissue, sequence, place)
        bias = draw_bias(plan.artefacts.bias * uniform((0.0, 1.0), generator), generator)

        def said() -> tuple[str, ...]:
            return describe(sequence), bias.describe(), place.warp.describe(), tissue.describe()

        return Received(bias(signal), sequence.image, warp=place.warp, describe=said)


class ScannedClean(CleanCase):
    """A real scan as its own clean reference: what noise it has stays in it.

    Args:
        name: of the scan.
        subject: subject and session.
        scan: the image.
    """

    def __init__(self, name: str, subject: str, scan: ObservedScan) -> None:
        self.name, self.subject, self.scan = name, subject, scan
        image = _whole(scan)
        mask = _head(image[0, 0])
        self.level = float(image[0, 0][mask].mean())
        self.region = occupied(mask) or whole(scan.grid.shape)

    def receive(self, plan: ViewPlan, seed: int, step: int, turn: int, device: Device = "cpu") -> Received:
        """See :class:`CleanCase`; the scan is moved, and a mild bias field is added."""
        generator = derive(seed, self.name, step, turn)
        place = draw_place(plan, self.region, self.scan.grid, generator, device=device)
        image = place.read(self.scan.block(place.box).to(device)).clamp(min=0)
        bias = draw_bias(plan.artefacts.bias * uniform((0.0, 1.0), generator), generator)

        def said() -> tuple[str, ...]:
            return f"{self.scan.contrast} (observed)", bias.describe(), place.warp.describe()

        return Received(bias(image), _magnitude, self.level, place.warp, said)


class Noisy(NamedTuple):
    """What a denoiser is shown, and what it is to add.

    Args:
        image: the noisy window, normalised, ``[1, 1, x, y, z]``.
        residual: the clean window less the noisy one in the same scale.
        clean: gives the clean window in that scale, not clipped.
        warp: where their voxels lie.
        describe: gives a caption: contrast, noise, geometry and pathology, with semicolons between them.
    """

    image: Volume
    residual: Volume
    clean: Callable[[], Volume]
    warp: Warp | None
    describe: Callable[[], str]


@dataclass(frozen=True)
class NoisyMaker:
    """Examples for a loader: ``image`` ``[1, x, y, z]`` as the network sees it, and the ``residual`` that it lacks.

    Both are in the scale of the noisy window, so that ``image + residual`` is the clean window where nothing was
    clipped, and the clean window's intensities are the noisy ones' plus ``residual`` times their deviation everywhere.
    """

    cases: list[CleanCase]
    plan: ViewPlan
    noise: NoiseRanges
    seed: int
    device: Device = "cpu"

    def __call__(self, which: int, step: int, turn: int) -> dict[str, Tensor]:
        made = self.noisy(which, step, turn)
        return {"image": made.image[0], "residual": made.residual[0]}

    def noisy(self, which: int, step: int, turn: int) -> Noisy:
        """The example of a case, a step and a turn, with what was drawn for it."""
        case, noise = self.cases[which], self.noise
        received = case.receive(self.plan, self.seed, step, turn, self.device)
        own = derive(self.seed, case.name, step, turn, "noise")
        strength = log_uniform(noise.snr, own) if noise.kind == "rician" else noise.sigma
        noisy = received.noisy(noise.kind, strength, derive_seed(self.seed, case.name, step, turn, "noise"))
        image, mean, deviation = standardise(noisy)
        clean = received.clean()

        def above(values: Tensor) -> Volume:
            """The clean window less these, in the noisy one's scale."""
            return torch.where(deviation > 0, (clean - values) / deviation.clamp(min=1e-30), 0.0)

        def said() -> str:
            contrast, artefacts, *rest = received.describe()
            strong = f"SNR {strength:.0f}" if noise.kind == "rician" else f"sigma {strength:g}"
            return caption(contrast, f"{strong}, {artefacts}", *rest)

        return Noisy(image, above(noisy), partial(above, mean), received.warp, said)


@dataclass(frozen=True)
class CleanScan:
    """A whole head without noise, ready to be given some.

    Args:
        received: what the scanner receives; its level is the mean inside ``mask``.
        mask: the head, ``[x, y, z]``.
        grid: where it lies.
    """

    received: Received
    mask: Tensor
    grid: Grid


def simulate_clean(subject: Subject, contrast: str, spacing: float, seed: int) -> CleanScan:
    """A whole head's scan at ``spacing`` mm in the clinical protocol of a contrast: one person's tissue, mild bias."""
    sequence = protocol_of(contrast)
    warp, grid = whole_head(subject.grid, spacing)
    signal, _ = resampled(subject.draw(derive(seed, subject.name, "person")), sequence, Place(subject.grid, warp))
    bias = draw_bias(SCANNED_BIAS, derive(seed, subject.name, "scan", sequence.name))
    return _known(bias(signal), sequence.image, grid)


def read_clean(scan: ObservedScan, spacing: float) -> CleanScan:
    """A whole scan at ``spacing`` mm as its own reference: smaller voxels averaged, larger ones interpolated.

    Raises:
        InputError: for an image that is no magnitude.
    """
    image = _whole(scan) * scan.scale
    warp, grid = whole_head(scan.grid, spacing)
    factor = oversampling(scan.grid, spacing)
    if grid.shape != scan.grid.shape or not np.allclose(scan.grid.spacing, spacing, atol=1e-3):
        image = average_blocks(sample(image, whole(scan.grid.shape), warp.coordinates(factor)), factor)
    return _known(image, _magnitude, grid)


def _known(signal: AnyVolume, form: Callable[[AnyVolume], Volume], grid: Grid) -> CleanScan:
    """With the head found in the magnitude, and the mean inside of it."""
    magnitude = signal.abs().amax(dim=1)[0]
    mask = _head(magnitude)
    return CleanScan(Received(signal, form, float(magnitude[mask].mean())), mask, grid)


def _head(magnitude: Tensor) -> Bool[Tensor, "x y z"]:
    """The head in an image ``[x, y, z]``; everything where none is found."""
    mask = torch.from_numpy(head_mask(magnitude.numpy()))
    return mask if mask.any() else torch.ones_like(mask)


def _magnitude(signal: AnyVolume) -> Volume:
    return signal.abs() if signal.is_complex() else signal


def _whole(scan: ObservedScan) -> Volume:
    """Every voxel of a scan over its scale; the slightly negative ones that an interpolation leaves are 0.

    Raises:
        InputError: for an image that is no magnitude.
    """
    image = scan.block(whole(scan.grid.shape))
    lowest = float(image.min())
    if lowest < -LEAST:
        raise InputError(
            scan.origin,
            f"intensities down to {lowest * scan.scale:g}",
            "a magnitude image, 0 or more",
            "Noise of a scanner cannot be added to a normalised image: give the scan itself.",
        )
    return image.clamp(min=0)
