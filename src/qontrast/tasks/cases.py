"""The heads of a task, opened: real scans where there are any with a truth, else scans simulated from label maps."""

from pathlib import Path

from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.labelled_scans import LabelledScanSource, Truth, find_labelled_scans
from qontrast.anatomy.lesion_masks import masks_in
from qontrast.anatomy.observed import ObservedHead
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.anatomy.prepared import is_cache
from qontrast.anatomy.source import EMBEDDED
from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.tasks.plans import Cohort, FinetunePlan
from qontrast.tasks.speaking import track
from qontrast.tasks.subjects import open_subjects, sources_of
from qontrast.views.labelled import Case, ScannedCase, SimulatedCase
from qontrast.views.lesioned import LesionedCase


def labelled_scans(cohort: Cohort, wanted: Truth = "tissue") -> list[LabelledScanSource]:
    """The cohort's scans with a truth beside them; none for label maps alone.

    Raises:
        InputError: for automatic truths beside others, unless the cohort says that they may be mixed.
        PlanError: if the plan names a subject that is not there.
    """
    if cohort.data == EMBEDDED or cohort.kind in ("maps", "labels") or is_cache(Path(cohort.data)):
        return []
    found = find_labelled_scans(cohort.data, Path(cohort.labels) if cohort.labels else None, wanted)
    found = [s for s in found if not cohort.suffixes or s.scan.suffix in cohort.suffixes]
    known = {s.subject for s in found}
    for name in cohort.subjects if found else ():
        if name not in known:
            raise PlanError("cohort.subjects", repr(name), f"a subject of {cohort.data}", nearest(name, known))
    chosen = [s for s in found if not cohort.subjects or s.subject in cohort.subjects]
    automatic = [s.automatic for s in chosen]
    if any(automatic) and not all(automatic) and not cohort.mixed_truths:
        one, other = (chosen[automatic.index(kind)].truth[0].path.name for kind in (True, False))
        raise InputError(
            cohort.data,
            f"truths that a programme made ({one}, by its sidecar) beside others ({other})",
            "one kind of truth",
            "Name subjects in cohort.subjects, or say cohort.mixed_truths: true.",
        )
    return chosen


def label_maps(cohort: Cohort, *, quiet: bool = False) -> list[LabelSubject]:
    """The cohort's label maps.

    Raises:
        InputError: if a subject has no labels.
    """
    heads = []
    for subject in open_subjects(sources_of(cohort), quiet=quiet):
        if not isinstance(subject, LabelSubject):
            raise InputError(
                f"{cohort.data}, {subject.name}",
                "scans without a truth" if isinstance(subject, ObservedHead) else "tissue maps without labels",
                "a scan with its truth (dseg, probseg, label-..._mask), or a label map (dseg)",
                "This task needs labels; pretraining and denoising do not.",
            )
        heads.append(subject)
    return heads


def open_cases(plan: FinetunePlan, *, quiet: bool = False) -> list[Case]:
    """Open every labelled head of the plan's cohort.

    Raises:
        InputError: for data that cannot be used, truths that do not name the same classes, or a class that no truth
            holds.
        PlanError: for lesions in label maps where the plan draws none.
    """
    lesion, drawn = plan.task == "lesion", plan.protocols == "drawn"
    scans = labelled_scans(plan.cohort, "lesion" if lesion else "tissue")
    cases: list[Case] = []
    if scans:
        centred = {"centred": plan.lesion.centred} if lesion else {}
        cases += [ScannedCase(s, **centred) for s in track(scans, "reading scans", quiet=quiet)]
    elif lesion:
        check_lesions_are_drawn(plan.views.pathology)
        heads = label_maps(plan.cohort, quiet=quiet)
        cases += [LesionedCase(h, plan.contrasts, drawn=drawn, centred=plan.lesion.centred) for h in heads]
    else:
        heads = label_maps(plan.cohort, quiet=quiet)
        cases += [SimulatedCase(h, plan.contrasts, drawn=drawn, scheme=plan.classes) for h in heads]
    for case in cases:
        if case.classes != cases[0].classes:
            raise InputError(
                case.name,
                f"the classes {', '.join(case.classes[1:])}",
                f"those of {cases[0].name}: {', '.join(cases[0].classes[1:])}",
                "Train on subjects with one set of classes: name them in cohort.subjects.",
            )
    _refuse_absent_classes(cases, plan.cohort)
    return cases


def check_lesions_are_drawn(ranges: PathologyRanges) -> None:
    """Refuse to look for lesions in label maps that are given none.

    Raises:
        PlanError: naming the field.
        InputError: if there is no folder of masks, or none of its masks is for this use.
    """
    if ranges.folder is not None:
        masks_in(ranges.folder, ranges.masks)
    if ranges.lesions == 0:
        remedy = "Label maps have no lesions of their own."
        raise PlanError("views.pathology.lesions", "0", "a probability above 0", remedy)


def _refuse_absent_classes(cases: list[Case], cohort: Cohort) -> None:
    absent = set(range(1, len(cases[0].classes)))
    for case in cases:
        absent -= case.present()
        if not absent:
            return
    names = ", ".join(cases[0].classes[i] for i in sorted(absent))
    count = len({case.subject for case in cases})
    raise InputError(
        cohort.data,
        f"no voxel of {names} in {'any of ' if count > 1 else ''}{count} training subject{'s' if count > 1 else ''}",
        "at least one subject that has it",
        "Add such a subject to cohort.subjects; or is a label missing from the table (--labels)?",
    )
