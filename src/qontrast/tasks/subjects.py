"""The subjects of a plan, opened."""

import re
from pathlib import Path

from qontrast.anatomy.cohort import SubjectSource, find_subjects
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
    found = find_subjects(cohort.data, embedded=cohort.embedded, labels=labels, seed=EMBEDDED_SEED)
    if not cohort.subjects:
        return found
    by_name = {s.name: s for s in found}
    for name in cohort.subjects:
        if name not in by_name:
            raise PlanError("cohort.subjects", repr(name), f"a subject of {cohort.data}", nearest(name, by_name))
    return [by_name[name] for name in cohort.subjects]


def open_subjects(sources: list[SubjectSource], *, quiet: bool = False) -> list[Head]:
    """Read them, with a progress bar; what was inferred of their maps is said once for each kind of note."""
    subjects = [source.open() for source in track(sources, "reading heads", quiet=quiet)]
    said: set[str] = set()
    for subject in subjects:
        for note in getattr(subject, "notes", []):
            kind = re.sub(r"[\d.]+", "#", note.replace(subject.name, ""))
            if kind not in said:
                said.add(kind)
                say(f"{subject.name}: {note}", quiet=quiet)
    return subjects
