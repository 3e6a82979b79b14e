"""Pictures of the reference, the best and the worst protocol, with what the model made of them."""

import numpy as np

from qontrast.basics.shapes import Volume
from qontrast.report.paint import Picture
from qontrast.report.runs import Pairs, Segmentations
from qontrast.report.slices import draw_pairs, draw_segmentations
from qontrast.sweeps.heads import Head, image_of, in_terms_of, label_names
from qontrast.sweeps.model import Model
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.summary import Outcome, Sweep

_SEGMENTED = (
    "One slice of the first head at the reference, the best and the worst protocol of the grid: the image, the truth "
    "over it, and what the model found. Grey from the 1st to the 99th percentile of each slice."
)
_EMBEDDED = "The first head at the reference (A) and at the best or the worst protocol of the grid (B)."


def brains(plan: SweepPlan, sweep: Sweep, network: Model, head: Head) -> tuple[list[Picture], str]:
    """The pictures, and how to read them; none where no protocol was scored."""
    best, worst = sweep.best(), sweep.worst()
    if best is None or worst is None:
        return [], ""
    shown = {"reference": sweep.reference, "best": best, "worst": worst}
    images = {word: _image(plan, sweep, head, outcome) for word, outcome in shown.items()}
    captions = {word: f"{word}: {_told(outcome)}" for word, outcome in shown.items()}
    if head.truth is None:
        views = np.stack([np.stack([images["reference"], images[word]]) for word in ("best", "worst")])
        pairs = Pairs(views, tuple((captions["reference"], captions[word]) for word in ("best", "worst")))
        return draw_pairs(sweep.model, pairs), _EMBEDDED
    depth = int((head.truth > 0).sum(axis=(0, 1)).argmax())
    predicted = [_predicted(plan, sweep, network, head, outcome) for outcome in shown.values()]
    found = Segmentations(
        image=np.stack([image[:, :, depth] for image in images.values()]),
        truth=np.stack([head.truth[:, :, depth]] * len(shown)),
        prediction=np.stack([labels[:, :, depth] for labels in predicted]),
        captions=tuple(captions.values()),
        classes=head.classes,
    )
    return draw_segmentations(sweep.model, found), _SEGMENTED


def _image(plan: SweepPlan, sweep: Sweep, head: Head, outcome: Outcome) -> np.ndarray:
    return _scanned(plan, sweep, head, outcome)[0, 0].numpy()


def _predicted(plan: SweepPlan, sweep: Sweep, network: Model, head: Head, outcome: Outcome) -> np.ndarray:
    answer = network.answer(_scanned(plan, sweep, head, outcome), head.scene.grid)
    return in_terms_of(answer, label_names(network, answer), head.classes)


def _scanned(plan: SweepPlan, sweep: Sweep, head: Head, outcome: Outcome) -> Volume:
    protocol, reference = outcome.point.protocol, sweep.reference.point.protocol
    assert protocol is not None
    assert reference is not None
    return image_of(head.scene, protocol, plan, reference)


def _told(outcome: Outcome) -> str:
    return outcome.label if outcome.value is None else f"{outcome.label}, {outcome.value:.2f}"
