"""What each task asks of the one way of fine-tuning: its examples, the outputs of the network, its loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from qontrast.engine.passes import Losses
from qontrast.losses.restoration import Restoration
from qontrast.losses.segmentation import SEGMENTATION_LOSSES
from qontrast.tasks.cases import open_cases
from qontrast.tasks.clean_scans import real_scans, tissue_heads
from qontrast.tasks.plans import FinetunePlan
from qontrast.tasks.speaking import track
from qontrast.views.denoising import CleanCase, NoisyMaker, ScannedClean, SimulatedClean
from qontrast.views.labelled import CropMaker

RESIDUAL = ("residual",)
"""Output of a denoiser: what to add to the noisy window."""


@dataclass(frozen=True)
class Assignment:
    """One task on its data.

    Args:
        kind: of the network's contract: ``segmenter`` or ``denoiser``.
        outputs: names of its output channels.
        aim: what is learned, in words.
        subjects: whose head each case is.
        make: makes an example of a case.
        losses: of the network on a batch of examples; ``loss`` is minimised.
        still: whether the network begins by giving zero: a denoiser then begins by leaving images as they are.
    """

    kind: str
    outputs: tuple[str, ...]
    aim: str
    subjects: tuple[str, ...]
    make: CropMaker | NoisyMaker
    losses: Callable[[nn.Module, dict[str, Tensor]], Losses]
    still: bool = False


def segmentation(plan: FinetunePlan, *, quiet: bool = False) -> Assignment:
    """Tissues or lesions; see :func:`qontrast.tasks.cases.open_cases`."""
    cases = open_cases(plan, quiet=quiet)
    criterion = SEGMENTATION_LOSSES[plan.chosen_loss]()

    def losses(model: nn.Module, batch: dict[str, Tensor]) -> Losses:
        return {"loss": criterion(model(batch["image"]), batch["truth"])}

    classes = cases[0].classes
    maker = CropMaker(cases, plan.views, plan.seed)
    return Assignment(
        "segmenter", classes, f"segment {', '.join(classes[1:])}", tuple(c.subject for c in cases), maker, losses
    )


def denoising(plan: FinetunePlan, *, quiet: bool = False) -> Assignment:
    """The residual between a noisy window and the clean one.

    Raises:
        InputError: for data that cannot be used; see :mod:`qontrast.tasks.clean_scans`.
    """
    scans = real_scans(plan.cohort)
    cases: list[CleanCase] = []
    if scans:
        cases += [ScannedClean(s.name, s.subject, s.open()) for s in track(scans, "reading scans", quiet=quiet)]
    else:
        heads = tissue_heads(plan.cohort, plan.contrasts, quiet=quiet)
        cases += [SimulatedClean(head, plan.contrasts, drawn=plan.protocols == "drawn") for head in heads]
    kind: Any = plan.chosen_loss
    criterion = Restoration(kind)

    def losses(model: nn.Module, batch: dict[str, Tensor]) -> Losses:
        return {"loss": criterion(model(batch["image"]), batch["residual"])}

    noise = plan.noise
    strength = f"SNR {noise.snr[0]:g} to {noise.snr[1]:g}" if noise.kind == "rician" else f"sigma {noise.sigma:g}"
    maker = NoisyMaker(cases, plan.views, noise, plan.seed)
    aim = f"take away {noise.kind} noise ({strength})"
    return Assignment("denoiser", RESIDUAL, aim, tuple(c.subject for c in cases), maker, losses, still=True)


ASSIGNMENTS: dict[str, Callable[..., Assignment]] = {
    "segment": segmentation,
    "lesion": segmentation,
    "denoise": denoising,
}
"""By the plan's task."""
