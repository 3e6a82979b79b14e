"""A study opened: who is where, what is there and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qontrast.basics.errors import InputError
from qontrast.results.ledger import read_rows
from qontrast.studies.digests import Digest, Digests, fingerprint, session_digest
from qontrast.studies.encoders import encoder_digest, known_cohorts
from qontrast.studies.folder import SCORES, cell_folder, open_folder, same_plan
from qontrast.studies.grid import (
    PRETRAIN,
    Cell,
    cells_of,
    check_plans,
    finetune_plan,
    idle,
    pretrain_plan,
    pretraining_key,
)
from qontrast.studies.leaks import check_pretraining, check_split
from qontrast.studies.people import Place, find_places
from qontrast.studies.plan import StudyPlan
from qontrast.studies.scans import TestScan, is_kept, test_scans
from qontrast.studies.splits import Split, counted, load_split, make_split, save_split
from qontrast.tasks.plan_file import NOT_IN_DIGEST, plan_text, plan_values
from qontrast.tasks.plans import FinetunePlan, PretrainPlan
from qontrast.tasks.speaking import say
from qontrast.weights.encoder import ENCODER

FORMAT = 1
"""Of the scores: another one makes every cell anew."""
SCAN = "scans_"
"""Before a person's name: the making of all test scans of that person."""
NOT_OF_A_CELL = (*NOT_IN_DIGEST, "cohort.data", "cohort.labels", "encoder")
"""Fields that say where something lies; what lies there has a digest."""


@dataclass
class Study:
    """A study whose split has been checked.

    Args:
        plan: of it.
        out: its folder.
        places: its sites.
        split: who is trained and who is tested on.
        digests: of all files.
        scans: to test on.
        cells: all of them, by key.
    """

    plan: StudyPlan
    out: Path
    places: dict[str, Place]
    split: Split
    digests: Mapping[Path, Digest]
    scans: list[TestScan]
    cells: dict[str, Cell]
    _encoders: dict[str, str] = field(default_factory=dict)

    def finetune_plan(self, cell: Cell) -> FinetunePlan:
        """The cell's fine-tuning."""
        return finetune_plan(self.plan, cell, self.split, self.places, self.out)

    def pretrain_plan(self, arm: str) -> PretrainPlan:
        """The arm's pretraining."""
        return pretrain_plan(self.plan, arm, self.split, self.places)

    def encoder(self, cell: Cell) -> str | None:
        """Digest of the weights that the cell begins with; None from scratch.

        Raises:
            InputError: if they are not there (yet).
        """
        arm = self.plan.arms[cell.arm]
        if not (arm.pretrained_here or arm.given):
            return None
        if cell.arm not in self._encoders:
            file = str(self.out / PRETRAIN / cell.arm / ENCODER) if arm.pretrained_here else str(arm.given)
            if arm.pretrained_here and not Path(file).is_file():
                remedy = f"Run the study, or this with --cell {pretraining_key(cell.arm)}."
                raise InputError(file, "no such file", f"the encoder of the arm {cell.arm}", remedy)
            self._encoders[cell.arm] = encoder_digest(file)
        return self._encoders[cell.arm]

    def digest(self, cell: Cell) -> str:
        """Of everything that the cell's scores depend on: its plan, weights, training data and tests.

        Raises:
            InputError: see :meth:`encoder`.
        """
        plan = self.finetune_plan(cell)
        values = {key: value for key, value in plan_values(plan).items() if key not in NOT_OF_A_CELL}
        tests = [(s.session.site, s.contrast, s.session.name, s.digest) for s in self.scans]
        return fingerprint(FORMAT, cell.task, values, self.encoder(cell), self.train_data(cell, plan), tests)

    def train_data(self, cell: Cell, plan: FinetunePlan) -> str:
        """Digest of the labelled subjects' data."""
        sessions = {session.name: session for session in self.places[cell.site].sessions}
        table = plan.cohort.labels and Digests(self.out).of(Path(plan.cohort.labels)).sha256
        names = plan.cohort.subjects
        return fingerprint(table, [[name, session_digest(sessions[name], self.digests)] for name in names])

    def is_done(self, key: str) -> bool:
        """Whether a cell's scores, a pretraining's encoder or a person's test scans are there."""
        if key.startswith(SCAN):
            return all(self._kept(scan) for scan in self.scans if SCAN + scan.session.person == key)
        if key not in self.cells:
            run = self.out / PRETRAIN / self.arm_of(key)
            return (run / ENCODER).is_file() and same_plan(run, self.pretrain_plan(self.arm_of(key)))
        file = cell_folder(self.out, key) / SCORES
        if not file.is_file():
            return False
        try:
            rows = read_rows(file)
            return bool(rows) and rows[0].get("cell_digest") == self.digest(self.cells[key])
        except InputError:
            return False

    def arm_of(self, key: str) -> str:
        """The arm that a pretraining's key names."""
        return key.removeprefix(f"{PRETRAIN}_")

    def pretrainings(self) -> list[str]:
        """Keys of the pretrainings that the study runs."""
        used = {cell.arm for cell in self.cells.values()}
        return [pretraining_key(arm) for arm, how in self.plan.arms.items() if how.pretrained_here and arm in used]

    def missing(self) -> list[str]:
        """Keys of what is not there yet: pretrainings, then cells."""
        return [key for key in (*self.pretrainings(), *self.cells) if not self.is_done(key)]

    def missing_scans(self) -> list[str]:
        """Keys of the people whose test scans are not all there yet."""
        people = sorted({SCAN + scan.session.person for scan in self.scans if scan.source is None})
        return [key for key in people if not self.is_done(key)]

    def needs(self, key: str) -> str | None:
        """The pretraining that a cell waits for."""
        cell = self.cells.get(key)
        return pretraining_key(cell.arm) if cell and self.plan.arms[cell.arm].pretrained_here else None

    def spacings(self) -> list[float]:
        """Voxel sizes of the tests."""
        cells = {cell.task: cell for cell in self.cells.values()}
        return sorted({self.finetune_plan(cell).views.spacing for cell in cells.values()})

    def _kept(self, scan: TestScan) -> bool:
        return all(is_kept(scan, self.out, spacing) for spacing in self.spacings())


def open_study(plan: StudyPlan, out: Path, *, quiet: bool = False) -> Study:
    """Find everybody, make the split or take the one that is there, and refuse what leaks.

    Raises:
        InputError: for data that is not there or changed, or a folder of something else.
        LeakError: if a test would see what training saw.
        PlanError: for a plan that cannot be carried out.
    """
    check_plans(plan)
    places = find_places(plan, quiet=quiet)
    open_folder(out, plan_text(plan))
    store = Digests(out)
    digests = store.of_sessions((s for place in places.values() for s in place.sessions), quiet=quiet)
    split = load_split(out)
    if split is None:
        split = make_split(plan, places, digests)
        _check(plan, out, split, places, digests, store, quiet=quiet)
        save_split(out, split)  # jobs that begin at the same time make the same one
    else:
        _check(plan, out, split, places, digests, store, quiet=quiet)
    store.save()
    cells = {cell.key: cell for cell in cells_of(plan)}
    return Study(plan, out, places, split, digests, test_scans(plan, split, places, digests), cells)


def _check(
    plan: StudyPlan,
    out: Path,
    split: Split,
    places: dict[str, Place],
    digests: Mapping[Path, Digest],
    store: Digests,
    *,
    quiet: bool,
) -> None:
    check_split(out, plan, split, places, digests)
    for site in dict.fromkeys(site for site, _ in plan.trained_at):
        people = len({split.members[site, name].person for name in split.names(site, "train")})
        for fraction in plan.fractions:
            counted(fraction, people, site)
    for arm, how in plan.arms.items():
        if how.pretrained_here:
            made = pretrain_plan(plan, arm, split, places)
            check_pretraining(arm, [made.cohort, *made.others], split, places, store)
        elif how.given:
            cohorts, note = known_cohorts(how.given)
            if note:
                say(f"note: arm {arm}: {note}", quiet=quiet)
            remedy = "Test on others (split.test_subjects), or pretrain without them."
            check_pretraining(arm, cohorts, split, places, store, remedy=remedy)


def about(study: Study) -> Sequence[str]:
    """What a study is, in a few lines."""
    split, plan = study.split, study.plan
    sides = ", ".join(f"{len(split.people(side))} to {words}" for side, words in SIDES_IN_WORDS)
    lines = [f"{len(study.cells)} cells of {len(plan.arms)} arms at {len(plan.sites)} sites; people: {sides}"]
    lines += [
        f"note: {schedule} keeps an encoder as it is, and {arm} has none: left out"
        for schedule in plan.schedules
        for arm in plan.arms
        if idle(plan, arm, schedule)
    ]
    newer = [s for p in study.places.values() for s in p.sessions if (s.site, s.name) not in split.members]
    if newer:
        lines.append(f"note: {len(newer)} sessions are newer than the split and play no part")
    return lines


SIDES_IN_WORDS = (("train", "train on"), ("validation", "keep for choices"), ("test", "test on"))
