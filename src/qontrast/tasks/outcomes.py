"""Many subjects in many processes, of which any may be killed: what became of each."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass

from joblib import Parallel, delayed

from qontrast.anatomy.source import SubjectSource


@dataclass(frozen=True)
class Outcome:
    """What became of one subject.

    Args:
        name: of the subject.
        state: ``made``, ``kept`` (it was there already), ``mended`` (it was there, changed or damaged), ``left out``,
            ``set aside`` (it is in the folder, but not listed: the cohort has no such subject any more).
        why: why it was left out, mended or set aside.
        stuck: whether the cache could not be written.
    """

    name: str
    state: str
    why: str = ""
    stuck: bool = False


Work = Callable[[SubjectSource], Outcome]


def outcomes_of(work: Work, sources: list[SubjectSource], workers: int) -> Iterator[Outcome]:
    """The outcomes as they come; a subject that kills its process costs itself alone."""
    left = {source.name: source for source in sources}
    if workers > 1:
        try:
            for outcome in Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(
                map(delayed(work), sources)
            ):
                del left[outcome.name]
                yield outcome
        except BrokenExecutor:
            yield from _one_by_one(work, list(left.values()))
        return
    yield from map(work, sources)


def _one_by_one(work: Work, sources: list[SubjectSource]) -> Iterator[Outcome]:
    """The same, each in a process that may die."""
    context = multiprocessing.get_context("spawn")
    while sources:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                while sources:
                    yield pool.submit(work, sources[0]).result()
                    del sources[0]
            except BrokenExecutor:
                why = "the process that prepared it was killed, perhaps for want of memory: try again with fewer --jobs"
                yield Outcome(sources.pop(0).name, "left out", why)
