"""The labelled heads of a plan, opened: real scans where there are any, else scans simulated from label maps."""

from pathlib import Path

from qontrast.anatomy.cohort import EMBEDDED
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.labelled_scans import LabelledScanSource, find_labelled_scans
from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import track
from qontrast.tasks.subjects import open_subjects, sources_of
from qontrast.views.labelled import Case, ScannedCase, SimulatedCase


def labelled_scans(cohort: Cohort) -> list[LabelledScanSource]:
    """The cohort's scans with a truth beside them; none for label maps alone.

    Raises:
        PlanError: if the plan names a subject that is not there.
    """
    if cohort.data == EMBEDDED:
        return []
    found = find_labelled_scans(cohort.data, Path(cohort.labels) if cohort.labels else None)
    found = [s for s in found if not cohort.suffixes or s.scan.suffix in cohort.suffixes]
    if not found or not cohort.subjects:
        return found
    known = {s.subject for s in found}
    for name in cohort.subjects:
        if name not in known:
            raise PlanError("cohort.subjects", repr(name), f"a subject of {cohort.data}", nearest(name, known))
    return [s for s in found if s.subject in cohort.subjects]


def label_maps(cohort: Cohort, *, quiet: bool = False) -> list[LabelSubject]:
    """The cohort's label maps.

    Raises:
        InputError: if a subject has tissue maps but no labels.
    """
    heads = []
    for subject in open_subjects(sources_of(cohort), quiet=quiet):
        if not isinstance(subject, LabelSubject):
            raise InputError(
                f"{cohort.data}, {subject.name}",
                "tissue maps without labels",
                "a scan with its truth (dseg, probseg, label-..._mask), or a label map (dseg)",
                "Segmentation needs labels; pretraining does not.",
            )
        heads.append(subject)
    return heads


def open_cases(cohort: Cohort, contrasts: tuple[str, ...], *, drawn: bool = False, quiet: bool = False) -> list[Case]:
    """Open every labelled head of the cohort.

    Raises:
        InputError: for data that cannot be used, or truths that do not name the same classes.
    """
    scans = labelled_scans(cohort)
    cases: list[Case] = []
    if scans:
        cases += [ScannedCase(s.open()) for s in track(scans, "reading scans", quiet=quiet)]
    else:
        cases += [SimulatedCase(head, contrasts, drawn=drawn) for head in label_maps(cohort, quiet=quiet)]
    for case in cases:
        if case.classes != cases[0].classes:
            raise InputError(
                case.name,
                f"the classes {', '.join(case.classes[1:])}",
                f"those of {cases[0].name}: {', '.join(cases[0].classes[1:])}",
                "Train on subjects with one set of classes: name them in cohort.subjects.",
            )
    return cases
