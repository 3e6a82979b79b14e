"""The heads of a sweep, each with what the model made of it at the reference protocol."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from qontrast.anatomy.classes import in_words_of
from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.source import SubjectSource
from qontrast.anatomy.subject import Subject
from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.basics.shapes import Volume
from qontrast.physics.sequence import Sequence
from qontrast.sweeps.model import Model
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.rows import head_digest
from qontrast.sweeps.scene import Scene, open_scene, truth_classes
from qontrast.tasks.speaking import say


@dataclass(frozen=True)
class Head:
    """A head of the sweep.

    Args:
        scene: ready to be scanned.
        digest: of its files.
        classes: that are scored, background first; empty for an encoder.
        truth: indices into ``classes`` ``[x, y, z]``; None for an encoder.
    """

    scene: Scene
    digest: str
    classes: tuple[str, ...]
    truth: np.ndarray | None


def choose_heads(plan: SweepPlan, *, quiet: bool = False) -> list[SubjectSource]:
    """The subjects of a plan.

    Raises:
        InputError: if there is none.
        PlanError: if one that the plan names is not there.
    """
    labels = Path(plan.labels) if plan.labels else None
    found = find_subjects(plan.maps, embedded=plan.heads, labels=labels)
    if plan.subjects:
        by_name = {source.name: source for source in found}
        for name in plan.subjects:
            if name not in by_name:
                raise PlanError("subjects", repr(name), f"a subject of {plan.maps}", nearest(name, by_name))
        return [by_name[name] for name in plan.subjects]
    if len(found) > plan.heads:
        say(f"of {len(found)} subjects the first {plan.heads}; more with --heads", quiet=quiet)
    return found[: plan.heads]


def own_truth(plan: SweepPlan, subjects: list[Subject]) -> bool:
    """Whether segmentations are compared with the model's own one of the reference, for want of a label map.

    Raises:
        PlanError: if the plan wants label maps that are not there.
    """
    without = next((s.name for s in subjects if not isinstance(s, LabelSubject)), None)
    if plan.truth == "labels" and without is not None:
        raise PlanError("truth", f"labels, which {without} has not", "own", "Measured maps have no label map.")
    return plan.truth == "own" or without is not None


def at_reference(
    network: Model, subject: Subject, source: SubjectSource, reference: Sequence, plan: SweepPlan, *, own: bool
) -> Head:
    """Open the head's scene and look at the model's first answer: it says whether it segments or embeds.

    Args:
        network: the model.
        subject: the head.
        source: where it comes from.
        reference: protocol.
        plan: of the sweep.
        own: whether this answer is the truth of a segmenter.

    Raises:
        InputError: if the answer cannot be scored, or no class of it occurs in the truth.
    """
    scene = open_scene(subject, network.spacing, plan.seed)
    first = network.answer(image_of(scene, reference, plan, reference), scene.grid)
    if first.ndim == 1:
        return Head(scene, head_digest(source), (), None)
    names = label_names(network, first)
    if own:
        return Head(scene, head_digest(source), names, first)
    truth, known = scene.truth, truth_classes()
    assert truth is not None
    classes = ("background", *(name for name in known[1:] if name in in_words_of(names, known)))
    if len(classes) == 1:
        raise InputError(
            network.name,
            f"the classes {', '.join(names[1:]) or 'none'}",
            f"one of the truth's: {', '.join(known[1:])}",
            "Name them alike with --form.classes, or compare with the model's own segmentation: --truth own.",
        )
    return Head(scene, head_digest(source), classes, in_terms_of(truth.numpy(), known, classes))


def image_of(scene: Scene, protocol: Sequence, plan: SweepPlan, reference: Sequence) -> Volume:
    """The scanner's image of a protocol, with the plan's noise."""
    return scene.image(protocol, plan.snr, reference if plan.noise == "same_noise" else None)


def label_names(network: Model, answer: np.ndarray) -> tuple[str, ...]:
    """Names of the model's labels, background first: its own, or those of the truth where it has none.

    Raises:
        InputError: for labels beyond the truth's, of a model that names none.
    """
    if network.classes:
        return network.classes
    known, high = truth_classes(), int(answer.max())
    if high >= len(known):
        wanted = f"0 to {len(known) - 1} ({', '.join(known)}) where no names are given"
        remedy = "Name the labels with --form.classes, or say --form.classes [freesurfer]."
        raise InputError(network.name, f"the label {high}", wanted, remedy)
    return known


def in_terms_of(labels: np.ndarray, names: tuple[str, ...], classes: tuple[str, ...]) -> np.ndarray:
    """Labels called ``names`` as indices into ``classes``; what is not among them is background."""
    own = in_words_of(names, classes)
    return np.array([classes.index(name) if name in classes else 0 for name in own])[labels]
