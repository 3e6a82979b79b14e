"""What the rows of a sweep say: the score of every protocol over its heads, the worst one, how volumes vary."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from qontrast.basics.errors import InputError
from qontrast.sweeps.plan import SweepPlan
from qontrast.sweeps.points import Point
from qontrast.sweeps.rows import Row
from qontrast.sweeps.scores import between_heads, drift, found_again, variation
from qontrast.views.contrast import describe


@dataclass(frozen=True)
class Outcome:
    """One protocol, over all heads.

    Args:
        point: the protocol.
        label: in words.
        state: ``scored``, ``failed`` (the model gave nothing that could be scored, of one head at least) or
            ``impossible`` (no scanner could run it).
        note: why it failed or is impossible, or what was assumed of a named protocol.
        value: mean Dice over classes and heads, or mean drift over heads; None unless scored.
        dice: of each class, mean over heads.
        volume: of each class, mean over heads of the predicted over the true volume; None where the truth is empty.
        volume_ml: of each class, one number per head.
        relative: drift over the mean drift between different heads at the reference; None for a single head.
        retrieval: how often a head is found again across this protocol and the reference; None for a single head.
    """

    point: Point
    label: str
    state: str
    note: str = ""
    value: float | None = None
    dice: dict[str, float] = field(default_factory=dict)
    volume: dict[str, float | None] = field(default_factory=dict)
    volume_ml: dict[str, tuple[float, ...]] = field(default_factory=dict)
    relative: float | None = None
    retrieval: float | None = None


@dataclass(frozen=True)
class Sweep:
    """A finished sweep.

    Args:
        model: its name.
        kind: ``segmenter`` or ``encoder``.
        heads: names.
        classes: that were scored, without the background; empty for an encoder.
        own_truth: whether the truth was the model's own segmentation of the reference.
        reference: the protocol that others are compared with.
        grid: every point of every plane.
        named: the named protocols.
        left_out: sequences that the maps do not suffice for, and why.
        volume_variation: coefficient of variation of each class's volume over the grid's scored protocols whose image
            shows some tissue (all where none does), mean over heads; None where there are fewer than two.
        sentence: the whole in plain words.
    """

    model: str
    kind: str
    heads: tuple[str, ...]
    classes: tuple[str, ...]
    own_truth: bool
    reference: Outcome
    grid: tuple[Outcome, ...]
    named: tuple[Outcome, ...]
    left_out: dict[str, str]
    volume_variation: dict[str, float | None]
    sentence: str = ""

    @property
    def metric(self) -> str:
        """Dice or embedding drift."""
        return "Dice" if self.kind == "segmenter" else "embedding drift"

    def scored(self, *, useful: bool = False) -> list[Outcome]:
        """The points of the grid that have a score; with ``useful`` only those whose image shows some tissue."""
        return [o for o in self.grid if o.value is not None and not (useful and o.point.useless)]

    def worst(self) -> Outcome | None:
        """The worst protocol of the grid whose image shows some tissue (of all where none does)."""
        return self._extreme(worst=True)

    def best(self) -> Outcome | None:
        """The best one."""
        return self._extreme(worst=False)

    def _extreme(self, *, worst: bool) -> Outcome | None:
        among = self.scored(useful=True) or self.scored()
        low = worst == (self.kind == "segmenter")
        return (min if low else max)(among, key=lambda o: o.value or 0.0) if among else None


def summarise(
    plan: SweepPlan,
    model: str,
    reference: Point,
    points: Sequence[Point],
    rows: dict[str, list[Row]],
    classes: tuple[str, ...],
    left_out: dict[str, str],
    *,
    own_truth: bool,
) -> Sweep:
    """Put the rows of all heads together.

    Args:
        plan: of the sweep.
        model: its name.
        reference: the reference protocol.
        points: all others, impossible ones too.
        rows: of each head, the reference's first and then one for each possible point, in order.
        classes: that were scored, background first; empty for an encoder.
        left_out: sequences that were left out, and why.
        own_truth: see :class:`Sweep`.
    """
    heads = tuple(rows)
    first = [rows[name][0] for name in heads]
    if len({len(row.get("embedding", ())) for row in first}) > 1:
        raise InputError(model, "embeddings of different lengths for different heads", "one length")
    references = np.array([row["embedding"] for row in first]) if not classes else None
    apart = between_heads(references) if references is not None else None
    by_point = iter(zip(*rows.values(), strict=True))

    def outcome(point: Point) -> Outcome:
        if point.protocol is None:
            return Outcome(point, f"{point.sequence} {point.field_strength:g} T", "impossible", point.note)
        own = list(next(by_point))
        label = describe(point.protocol)
        failed = next((row["note"] for row in own if row["state"] == "failed"), None)
        if failed is not None:
            return Outcome(point, label, "failed", failed)
        if references is None:
            return _segmented(point, label, own, classes[1:])
        return _embedded(point, label, own, references, apart)

    at_reference, *others = [outcome(point) for point in (reference, *points)]
    grid = tuple(o for o in others if o.point.plane is not None)
    shown = [o for o in grid if not o.point.useless] or grid
    named = tuple(o for o in others if o.point.plane is None)
    found = Sweep(
        model=model,
        kind="segmenter" if classes else "encoder",
        heads=heads,
        classes=classes[1:],
        own_truth=own_truth and bool(classes),
        reference=at_reference,
        grid=grid,
        named=named,
        left_out=left_out,
        volume_variation={name: volume_variation(shown, name) for name in classes[1:]},
    )
    return replace(found, sentence=sentence(found, plan))


def volume_variation(outcomes: Sequence[Outcome], name: str) -> float | None:
    """Coefficient of variation of a class's volume over protocols, mean over heads."""
    per_protocol = [o.volume_ml[name] for o in outcomes if o.state == "scored"]
    found = [variation(values) for values in zip(*per_protocol, strict=True)]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def sentence(sweep: Sweep, plan: SweepPlan) -> str:
    """The whole sweep in a few plain sentences: what failed comes first."""
    impossible = sum(o.state == "impossible" for o in sweep.grid)
    failed = [o for o in (*sweep.grid, *sweep.named) if o.state == "failed"]
    scored, worst, best = sweep.scored(useful=True), sweep.worst(), sweep.best()
    said = []
    if failed:
        said.append(f"At {len(failed)} protocols the model gave nothing that could be scored, first {failed[0].label}.")
    if worst is None or best is None:
        return " ".join([*said, "No protocol was scored."])
    values = [o.value for o in scored or sweep.scored() if o.value is not None]
    what = "Mean Dice" if sweep.kind == "segmenter" else "Embedding drift"
    at = (
        ""
        if sweep.reference.value is None
        else f"; at the reference {plan.reference} it is {sweep.reference.value:.2f}"
    )
    if sweep.kind == "encoder":
        at = f" (0 is the embedding at the reference {plan.reference})"
    against = "the model's own segmentation at the reference" if sweep.own_truth else "the label map"
    against = f" against {against}" if sweep.kind == "segmenter" else ""
    sequences = len({o.point.sequence for o in sweep.grid})
    said.append(
        f"{what}{against} is {min(values):.2f} to {max(values):.2f} over {len(values)} protocols of {sequences} "
        f"{'sequences' if sequences > 1 else 'sequence'}{at}."
    )
    said.append(f"Worst: {worst.label}, {worst.value:.2f}. Best: {best.label}, {best.value:.2f}.")
    wide = [(v, k) for k, v in sweep.volume_variation.items() if v is not None]
    if wide:
        value, name = max(wide)
        said.append(f"The volume of {name} varies most, by {value:.0%} (coefficient of variation).")
    found = [o.retrieval for o in scored if o.retrieval is not None]
    if found:
        chance = 1 / len(sweep.heads)
        said.append(f"The same head is found again in {np.mean(found):.0%} (by chance {chance:.0%}).")
    useless = len(sweep.scored()) - len(sweep.scored(useful=True))
    if useless:
        more = "protocols show" if useless > 1 else "protocol shows"
        said.append(f"{useless} more {more} hardly any tissue, not counted here.")
    if impossible:
        said.append(f"{impossible} points are blank: no scanner could run them.")
    return " ".join(said)


def _segmented(point: Point, label: str, rows: list[Row], classes: tuple[str, ...]) -> Outcome:
    dice = {name: float(np.mean([row["dice"][name] for row in rows])) for name in classes}
    volume: dict[str, float | None] = {}
    for name in classes:
        ratios = [row["volume_ml"][name] / row["truth_ml"][name] for row in rows if row["truth_ml"][name] > 0]
        volume[name] = float(np.mean(ratios)) if ratios else None
    volumes = {name: tuple(row["volume_ml"][name] for row in rows) for name in classes}
    mean = float(np.mean(list(dice.values()))) if dice else None
    return Outcome(point, label, "scored", point.note, mean, dice, volume, volumes)


def _embedded(point: Point, label: str, rows: list[Row], references: np.ndarray, apart: float | None) -> Outcome:
    if len({len(row["embedding"]) for row in rows} | {references.shape[1]}) != 1:
        return Outcome(point, label, "failed", "embeddings of different lengths")
    embeddings = np.array([row["embedding"] for row in rows])
    moved = float(np.mean([drift(a, b) for a, b in zip(embeddings, references, strict=True)]))
    relative = moved / apart if apart else None
    found = found_again(references, embeddings)
    return Outcome(point, label, "scored", point.note, moved, relative=relative, retrieval=found)
