"""Whether a pretraining learns, has collapsed, or cannot be told yet: from what its probe set said, step by step.

Untrained encoders already give every image nearly the same embedding, so a small spread alone says nothing. What is
judged is the spread against that of the first, untrained measure, whether an anatomy is found in another contrast more
often than by chance, and whether anatomies lie farther apart than one anatomy's contrasts. The thresholds were set
between a few short runs that learned and a few that did not (``docs/health.md``), and were tried on no others.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

PREFIX = "probe_"
SHRUNK = 0.05  # of the first spread: runs that learned stayed above 1, collapsed ones fell to 0.003 to 0.02
TINY = 0.02  # likewise: however well what is left finds anatomies
CLOSE = 0.3  # of the first spread: still nearly the same
FOUND = 0.3  # of the way from chance to always: collapsed runs reached 0.22
LOST = 0.25  # likewise, where embeddings do differ: 0.1 to 0.2
MIXED = 0.7  # contrasts' distance over anatomies': untrained 0.9, learned 0.2 to 0.4, differing at random 0.7 to 1.2
RISEN = 1.5  # times the voxels found before training: the dense objective has been learned
TOLD = 0.8  # of the sequence's name
TWICE = 2  # measures in a row before a run is called collapsed
EARLY = 50  # steps in which no run is called collapsed (a guess: a run that is yet to learn may dip first)
PATIENCE = 100  # steps before a run whose embeddings differ, but not by anatomy, is
STILL = 2.0  # times the first spread, or a part of it: an encoder that has hardly moved, as in a long warm-up

State = Literal["untrained", "learning", "healthy", "collapsed"]


@dataclass(frozen=True)
class Verdict:
    """How a run is doing.

    Args:
        state: ``untrained`` (one measure alone), ``learning`` (neither of the others yet), ``healthy``, ``collapsed``.
        step: of the last measure.
        sentence: the same in words, with the numbers that it rests on and, where it is bad, what to do.
    """

    state: State
    step: int
    sentence: str

    @property
    def collapsed(self) -> bool:
        """Whether somebody should look at the run."""
        return self.state == "collapsed"


def probed(journal: Sequence[Mapping[str, Any]]) -> list[dict[str, float]]:
    """The lines of a journal that hold a probe's measures: ``step`` and the finite ``probe_`` numbers, by step.

    Of a step that was journalled twice, as after a resume, the last line counts.
    """
    found: dict[float, dict[str, float]] = {}
    for row in journal:
        step = row.get("step")
        values = {key: float(value) for key, value in row.items() if key.startswith(PREFIX) and _finite(value)}
        if values and _finite(step):
            found[float(step)] = {"step": float(step), **values}  # type: ignore[arg-type]
    return [found[step] for step in sorted(found)]


def judge(measures: Sequence[Mapping[str, float]]) -> Verdict:
    """Judge a run by its measures so far, the first of them taken before any training.

    Collapsed, two measures in a row and not in the first 50 steps: the spread is below a fiftieth of the first, or
    below a twentieth and anatomies are hardly found; or, after 100 steps, embeddings have moved, but as much between
    one anatomy's contrasts as between anatomies. Where embeddings are the same but voxels are found half as often again
    as at first, a dense objective learns, and the run is not called collapsed. Healthy: the spread is at least 0.3 of
    the first, anatomies are found,
    and they lie farther apart than contrasts.

    Args:
        measures: ``step`` and the numbers of :func:`qontrast.tasks.probe_measures.measure`, by step, as
            :func:`probed` finds them in a journal. Lines without ``probe_spread``, ``probe_alignment`` or
            ``probe_retrieval`` are passed over.
    """
    known = [m for m in measures if {"probe_spread", "probe_alignment", "probe_retrieval", "step"} <= m.keys()]
    if not known:
        return Verdict("untrained", 0, "Nothing was measured yet.")
    last, step = known[-1], int(known[-1]["step"])
    if len(known) == 1:
        return Verdict(
            "untrained", step, f"Measured once, at step {step}: {_numbers(last)}. Later measures are judged."
        )
    first, recent = known[0], known[1:][-TWICE:]
    age = step - first["step"]
    if age >= EARLY and len(recent) == TWICE and all(_same(m, first) for m in recent):
        if _voxels(last) > RISEN * max(_voxels(first), 1e-300):
            return Verdict("learning", step, _dense_only(first, last, step))
        return Verdict("collapsed", step, _collapsed("all embeddings are nearly the same", last, step))
    if age >= PATIENCE and len(recent) == TWICE and all(_mixed(m, first) for m in recent):
        told = last.get("probe_leak_sequence", 0.0) >= TOLD
        what = "embeddings tell the contrast, not the anatomy" if told else "embeddings differ, but not by anatomy"
        return Verdict("collapsed", step, _collapsed(what, last, step))
    return _not_collapsed(first, last, step)


def _not_collapsed(first: Mapping[str, float], last: Mapping[str, float], step: int) -> Verdict:
    if last["probe_spread"] < CLOSE * first["probe_spread"]:
        said = "embeddings lie closer together than before training"
    elif _found(last) < LOST or _ratio(last) > MIXED:
        said = "anatomies are not told apart better than contrasts yet"
    else:
        return Verdict("healthy", step, f"Healthy at step {step}: {_numbers(last)}.")
    return Verdict("learning", step, f"Not learned yet at step {step}: {said} ({_numbers(last)}).")


def _same(measures: Mapping[str, float], first: Mapping[str, float]) -> bool:
    shrunk = measures["probe_spread"] / max(first["probe_spread"], 1e-300)
    return shrunk < TINY or (shrunk < SHRUNK and _found(measures) < FOUND)


def _mixed(measures: Mapping[str, float], first: Mapping[str, float]) -> bool:
    still = 1 / STILL <= measures["probe_spread"] / max(first["probe_spread"], 1e-300) <= STILL
    return not still and _ratio(measures) > MIXED and _found(measures) < LOST


def _voxels(measures: Mapping[str, float]) -> float:
    """Share of voxels that are found in another contrast."""
    return measures.get("probe_correspondence", 0.0)


def _dense_only(first: Mapping[str, float], last: Mapping[str, float], step: int) -> str:
    return (
        f"Voxels are learned at step {step}, whole images are not: {_voxels(last):.0%} of voxels are found in another "
        f"contrast, {_voxels(first):.0%} before training, but all pooled embeddings are nearly the same "
        f"({_numbers(last)}). Good for dense tasks; for one vector a scan give pooled objectives more weight."
    )


def _found(measures: Mapping[str, float]) -> float:
    """Retrieval on the way from chance (0) to always (1)."""
    chance = measures.get("probe_retrieval_chance", 0.0)
    return (measures["probe_retrieval"] - chance) / (1 - chance)


def _ratio(measures: Mapping[str, float]) -> float:
    """How far one anatomy's contrasts lie apart, over how far anatomies do."""
    return measures["probe_alignment"] / max(measures["probe_spread"], 1e-300)


def _collapsed(what: str, last: Mapping[str, float], step: int) -> str:
    return (
        f"Collapsed at step {step}: {what} ({_numbers(last)}). Stop the run; start anew with a lower temperature, more "
        "reconstruction, less dropout in the encoder or a larger batch."
    )


def _numbers(measures: Mapping[str, float]) -> str:
    """The numbers that a verdict rests on."""
    words = []
    if "probe_rank" in measures:
        most = f" of {measures['probe_rank_most']:.0f}" if "probe_rank_most" in measures else ""
        words.append(f"rank {measures['probe_rank']:.1f}{most}")
    chance = f", by chance {measures['probe_retrieval_chance']:.0%}" if "probe_retrieval_chance" in measures else ""
    words.append(f"{measures['probe_retrieval']:.0%} of anatomies found in another contrast{chance}")
    words.append(
        f"squared distance of anatomies {measures['probe_spread']:.2g}, of contrasts {measures['probe_alignment']:.2g}"
    )
    return "; ".join(words)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
