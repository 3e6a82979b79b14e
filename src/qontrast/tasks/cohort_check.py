"""A cohort's folder looked over: what is there, what is missing, what is broken."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from qontrast.anatomy.grouping import LABEL_SUFFIXES
from qontrast.anatomy.labelled_scans import DIFFUSION, kind_of
from qontrast.anatomy.observed import IMAGE_SUFFIXES
from qontrast.anatomy.qmri import TARGETS
from qontrast.basics.errors import InputError, QontrastError
from qontrast.basics.grid import Grid
from qontrast.cohorts.download import digest
from qontrast.cohorts.order import find_cohort
from qontrast.cohorts.people import Field, find_table, read_people
from qontrast.cohorts.receipt import Receipt, read_receipt
from qontrast.scans.names import Named, named_images
from qontrast.scans.nifti import read_grid
from qontrast.scans.walk import walk
from qontrast.scans.whole import damage
from qontrast.tasks.cohort_get import unfinished
from qontrast.tasks.cohort_rules import check_ixi, check_lesions, missing_contrasts
from qontrast.tasks.findings import Finding, broken, note
from qontrast.tasks.speaking import say, say_table, track

READ = {*IMAGE_SUFFIXES, *LABEL_SUFFIXES, *TARGETS, "mask", "probseg"}
SHOWN = 12  # of a kind of note, in the terminal


@dataclass
class Checked:
    """What a folder holds.

    Args:
        folder: that was looked over.
        cohort: its name in the catalogue; empty for any other BIDS tree.
        images: what was found, by what their names say.
        grids: of those whose header could be read.
        findings: what is broken, and what is worth knowing.
    """

    folder: Path
    cohort: str
    images: list[Named]
    grids: dict[Path, Grid] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def broken(self) -> list[Finding]:
        """What has to be mended."""
        return [f for f in self.findings if f.broken]


def check_cohort(folder: Path, cohort: str = "", *, digests: bool = False, quiet: bool = False) -> Checked:
    """Look a cohort's folder over. Headers and lengths are read, voxels of lesion masks, and no more.

    Args:
        folder: of the cohort.
        cohort: its name in the catalogue; by default that of its receipt, else told by IXI's file names, else any BIDS.
        digests: read every downloaded file and compare its SHA-256.
        quiet: print nothing.

    Raises:
        PlanError: for a cohort that is not known.
        InputError: if there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "a cohort's folder", "`qontrast data get` makes one.")
    receipt = read_receipt(folder)
    index = walk(folder)
    images = named_images((f for f in index.files() if ".unpack-" not in str(f)), folder)
    cohort = cohort or (receipt.cohort if receipt else "") or _told_by(images)
    if cohort:
        find_cohort(cohort)
    checked = Checked(folder, cohort, images)
    checked.findings += [broken(str(t.path), t.why) for t in index.troubles]
    checked.findings += [
        broken(_short(p, folder), "a download that stopped midway: get it again") for p in unfinished(folder)
    ]
    if receipt is not None:
        checked.findings += _against(receipt, folder, digests=digests, quiet=quiet)
    if not images:
        checked.findings.append(broken(str(folder), "no image in it"))
    _read_headers(checked, quiet=quiet)
    checked.findings += _people(checked)
    checked.findings += missing_contrasts(images, cohort)
    if cohort == "ixi":
        checked.findings += check_ixi(folder, images, checked.grids)
    checked.findings += check_lesions(images, checked.grids, drawn_on="T2w" if cohort == "arc" else "")
    tell(checked, quiet=quiet)
    return checked


def tell(checked: Checked, *, quiet: bool = False) -> None:
    """Print what was found: a table of images, then what is broken, then notes."""
    title = find_cohort(checked.cohort).title if checked.cohort else "a BIDS tree"
    subjects = {f.subject for f in checked.images}
    sessions = {f.session for f in checked.images}
    say(f"{checked.folder}: {title}; {len(subjects)} subjects, {len(sessions)} sessions", quiet=quiet)
    rows = []
    for kind, count in sorted(Counter(kind_of(f) for f in checked.images).items()):
        files = [f for f in checked.images if kind_of(f) == kind]
        sites = Counter(f.entities.get("site", "") for f in files)
        told = ", ".join(f"{n} {s}" for s, n in sorted(sites.items()) if s)
        rows.append(
            (kind, str(count), str(len({f.subject for f in files})), str(len({f.session for f in files})), told)
        )
    say_table(("image", "files", "subjects", "sessions", "sites"), rows, quiet=quiet)
    wrong = checked.broken
    say_table(("broken", "what is wrong"), [(f.where, f.what) for f in wrong], quiet=quiet or not wrong)
    notes = [f for f in checked.findings if not f.broken]
    for what, own in _grouped(notes).items():
        names = [f.where for f in own]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        say(f"note: {what}: {', '.join(names[:SHOWN])}{more}", quiet=quiet)
    say(f"{len(wrong)} broken, {len(notes)} notes", quiet=quiet)


def _grouped(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.what, []).append(finding)
    return groups


def _told_by(images: list[Named]) -> str:
    return "ixi" if any(f.path.name.startswith("IXI") and f.entities.get("site") for f in images) else ""


def _short(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _against(receipt: Receipt, folder: Path, *, digests: bool, quiet: bool) -> list[Finding]:
    """What is not as it was downloaded. An archive that was unpacked may be gone."""
    found = []
    for path, entry in track(sorted(receipt.files.items()), "comparing files", quiet=quiet or not digests):
        file = folder / path
        if not file.is_file():
            if path not in receipt.unpacked:
                found.append(broken(path, "was downloaded and is gone: get it again"))
        elif file.stat().st_size != entry.size:
            found.append(broken(path, f"{file.stat().st_size} bytes; {entry.size} were downloaded"))
        elif digests and digest(file).sha256 != entry.sha256:
            found.append(broken(path, "its SHA-256 is not that of the download: delete it and get it again"))
    return found


def _read_headers(checked: Checked, *, quiet: bool) -> None:
    for file in track(checked.images, "reading headers", quiet=quiet):
        where = _short(file.path, checked.folder)
        wrong = damage(file.path)
        if wrong:
            checked.findings.append(broken(where, wrong))
            continue
        if file.suffix not in READ and kind_of(file) not in DIFFUSION:
            continue
        try:
            checked.grids[file.path] = read_grid(file.path)
        except InputError as error:
            checked.findings.append(broken(where, f"{error.found}; wanted {error.wanted}"))


def _people(checked: Checked) -> list[Finding]:
    """What the table of subjects says, and how it fits the scans."""
    own = find_cohort(checked.cohort) if checked.cohort else None
    try:
        table = find_table(checked.folder)
    except InputError:
        return [note(str(checked.folder), "no table of sex and age")] if own is None or "age" in own.holds else []
    needs: tuple[Field, ...] = ("sex", "age") if checked.cohort == "ixi" else ()
    try:
        people = read_people(checked.folder, needs=needs)
    except QontrastError as error:
        return [broken(table.name, str(error))]
    found = []
    for told in people.notes:
        where, _, what = told.partition(": ")
        found.append(note(where, what) if what else note(table.name, told))
    scanned = {f.subject for f in checked.images}
    found += [note(p.subject, "no age") for p in people if p.age is None and p.subject in scanned]
    found += [note(p.subject, f"a row in {table.name} without a scan") for p in people if p.subject not in scanned]
    # Those whose rows disagree have been named already.
    named = {p.subject for p in people} | {told.partition(":")[0] for told in people.notes}
    return found + [note(s, f"a scan without a row in {table.name}") for s in sorted(scanned - named)]
