"""The commands that learn a task: one set of flags for all of them, and the few that a task has of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cyclopts import App, Parameter

from qontrast.cli.dotted import plan_flags
from qontrast.cli.lists import Words

app = App(name="finetune", help="Learn a task from few examples, on a pretrained encoder or from scratch.")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Fields of the plan that every task has.

    Parameters
    ----------
    out
        New folder for plan, journal, checkpoints and model.
    data
        BIDS folder, table or cache of label maps, of scans with their truth (to denoise: of scans or maps), or
        "embedded".
    labels
        TSV with the tissue of each label, for label maps that are not FreeSurfer's.
    encoder
        Pretraining run's folder, encoder file, a fine-tuned model to go on from (tissue-nano), or
        package.module:function of your own code, which is run; without one, from scratch.
    schedule
        What learns when: full, frozen, linear-probe, knn, warm-up or sawtooth.
    net
        Encoder to train from scratch: cnn, cnn-small, cnn-nano, cnn-pico, residual or vit.
    dropout
        Share of the encoder's activations dropped in training; the network's own without it.
    decoder
        Take over the light decoder that the encoder was pretrained with, where there is one.
    contrasts
        Sequences or named protocols (`qontrast protocols`) that label maps and maps are scanned with (mprage).
    protocols
        Each sequence's clinical protocol (preset), or one drawn for each crop.
    classes
        What is told apart in label maps: tissues or structures.
    loss
        dice-ce, dice-focal or tversky; to denoise mse or l1. Without it, the task's own.
    steps
        Optimiser steps.
    batch
        Crops per step.
    seed
        All randomness of the run comes from it.
    device
        auto, cpu or cuda.
    precision
        auto, 32 or bf16.
    workers
        Processes that make crops; -1 for one per core but one.
    resume
        Go on from the folder's last checkpoint.
    quiet
        Print nothing.
    """

    out: Path
    data: str | None = None
    labels: str | None = None
    encoder: str | None = None
    schedule: str | None = None
    net: str | None = None
    dropout: float | None = None
    decoder: bool | None = None
    contrasts: Words | None = None
    protocols: Literal["preset", "drawn"] | None = None
    classes: Literal["tissues", "structures"] | None = None
    loss: str | None = None
    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    device: str | None = None
    precision: str | None = None
    workers: int | None = None
    resume: bool = False
    quiet: bool = False


@app.command
def segment(plan: Path | None = None, /, *, flags: Flags) -> None:
    """Learn to segment from label maps (scanned in silico) or from real scans with their truth.

    The truth may be hard labels (dseg), probability maps (probseg, or SPM's c1, c2, c3) or labelled masks.
    Any other field of the plan is a flag too: --cohort.subjects [sub-01,sub-02], --views.crop 96 (see `qontrast plan`).

    Parameters
    ----------
    plan
        YAML file; without one, the defaults.
    """
    _learn("segment", plan, flags)


@app.command
def lesion(
    plan: Path | None = None, /, *, flags: Flags, lesions: Path | None = None, centred: float | None = None
) -> None:
    """Learn to find lesions: in label maps that are given some, or in real scans with masks (label-lesion_mask).

    Any other field of the plan is a flag too: --views.pathology.kinds [ms], --views.crop 96 (see `qontrast plan`).

    Parameters
    ----------
    plan
        YAML file; without one, the defaults.
    lesions
        Folder of lesion masks in MNI space, for strokes in label maps; without it shapes are drawn.
    centred
        Share of the crops about a voxel of a lesion.
    """
    own = plan_flags(views__pathology__folder=None if lesions is None else str(lesions), lesion__centred=centred)
    _learn("lesion", plan, flags, own)


@app.command
def denoise(
    plan: Path | None = None,
    /,
    *,
    flags: Flags,
    noise: Literal["rician", "gaussian"] | None = None,
    snr: tuple[float, float] | None = None,
    sigma: float | None = None,
) -> None:
    """Learn to take noise away: from scans simulated of label maps or maps, or real scans as their own reference.

    Any other field of the plan is a flag too: --cohort.kind scans, --views.crop 96 (see `qontrast plan`).

    Parameters
    ----------
    plan
        YAML file; without one, the defaults.
    noise
        Rician, of the complex image's two channels; or Gaussian, added to the normalised image.
    snr
        Lowest and highest signal-to-noise ratio of Rician noise.
    sigma
        Standard deviation of Gaussian noise, in standard deviations of the image; the method's is 0.2.
    """
    _learn("denoise", plan, flags, plan_flags(noise__kind=noise, noise__snr=snr, noise__sigma=sigma))


def _learn(task: str, plan: Path | None, flags: Flags, own: dict[str, str] | None = None) -> None:
    """Run the task by the plan, with the flags laid over it."""
    from qontrast.tasks.finetune import finetune
    from qontrast.tasks.plan_file import read_plan
    from qontrast.tasks.plans import FinetunePlan

    shared = plan_flags(
        task=task,
        cohort__data=flags.data,
        cohort__labels=flags.labels,
        encoder=flags.encoder,
        schedule__kind=flags.schedule,
        net=flags.net,
        dropout=flags.dropout,
        decoder=flags.decoder,
        contrasts=flags.contrasts,
        protocols=flags.protocols,
        classes=flags.classes,
        loss=flags.loss,
        optimisation__steps=flags.steps,
        batch=flags.batch,
        seed=flags.seed,
        compute__device=flags.device,
        compute__precision=flags.precision,
        compute__workers=flags.workers,
    )
    finetune(
        read_plan(FinetunePlan, plan, {**shared, **(own or {})}), flags.out, resume=flags.resume, quiet=flags.quiet
    )
