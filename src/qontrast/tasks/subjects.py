"""The subjects of a plan: found, opened, and how often each is drawn."""

import math
import re
from collections import Counter
from pathlib import Path

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.source import KEPT_IN_MEMORY, SubjectSource
from qontrast.anatomy.subject import Head
from qontrast.basics.errors import PlanError, nearest
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import say, track

EMBEDDED_SEED = 0  # the embedded heads are the same people in every run


def sources_of(cohort: Cohort) -> list[SubjectSource]:
    """The cohort's subjects that the plan names, or all of them.

    Raises:
        InputError: if there is none.
        PlanError: if the plan names one that is not there.
    """
    labels = Path(cohort.labels) if cohort.labels else None
    found = find_subjects(cohort.data, embedded=cohort.embedded, labels=labels, seed=EMBEDDED_SEED, kind=cohort.kind)
    if not cohort.subjects:
        return found
    by_name = {s.name: s for s in found}
    for name in cohort.subjects:
        if name not in by_name:
            raise PlanError("cohort.subjects", repr(name), f"a subject of {cohort.data}", nearest(name, by_name))
    return [by_name[name] for name in cohort.subjects]


def shares_of(cohorts: list[Cohort], sources: list[list[SubjectSource]]) -> list[float] | None:
    """How often each subject of all cohorts is drawn; None where all are drawn alike.

    Each cohort has its weight, each subject of it the same share, or each site where sites are balanced.
    """
    if len(cohorts) == 1 and cohorts[0].balance == "subjects":
        return None
    shares: list[float] = []
    total = sum(c.weight for c in cohorts)
    for cohort, found in zip(cohorts, sources, strict=True):
        sites = Counter(s.site for s in found)
        for source in found:
            alike = len(sites) * sites[source.site] if cohort.balance == "sites" else len(found)
            shares.append(cohort.weight / total / alike)
    return shares


def most_in_a_batch(subjects: int, batch: int, shares: list[float] | None) -> int:
    """How often one subject may come into a batch: the largest share of the slots, rounded up."""
    return math.ceil(batch / subjects if shares is None else batch * max(shares) / sum(shares) - 1e-9)


def open_subjects(sources: list[SubjectSource], *, quiet: bool = False) -> list[Head]:
    """Read them, with a progress bar; what was inferred of their maps is said once for each kind of note."""
    subjects: list[Head] = []
    said: set[str] = set()
    for source in track(sources, "reading heads", quiet=quiet):
        head = source.open()
        subjects.append(head)
        for note in getattr(head, "notes", []):
            kind = re.sub(r"[\d.]+", "#", note.replace(head.name, ""))
            if kind not in said:
                said.add(kind)
                say(f"{head.name}: {note}", quiet=quiet)
    return subjects


def say_if_unprepared(sources: list[SubjectSource], *, quiet: bool = False) -> None:
    """Advise a cache where subjects would be read from their files again and again."""
    files = sum(s.kind != "prepared" for s in sources)
    if files > KEPT_IN_MEMORY:
        say(
            f"note: {files} subjects are read from their files, of which {KEPT_IN_MEMORY} are kept at a time; "
            "`qontrast data prepare` makes a cache that is read by the crop",
            quiet=quiet,
        )
