"""A public cohort to a folder: its licence first, then its files, whole and checked, then its archives unpacked."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx2

from qontrast.basics.errors import InputError, WriteError
from qontrast.basics.holding import hold
from qontrast.cohorts.download import PAUSE, Wanted, differs, digest, download, new_client, part_of
from qontrast.cohorts.extract import names_in, unpack
from qontrast.cohorts.names import chosen_subjects, subject_of
from qontrast.cohorts.order import Order, find_cohort, place_order, trusted
from qontrast.cohorts.receipt import Entry, Receipt, read_receipt
from qontrast.cohorts.sources import Cohort
from qontrast.tasks.speaking import byte_bar, say

LOCK = ".qontrast-download.lock"
MIRROR = "QONTRAST_MIRROR"
ALL = ["*"]
SAVE_EVERY = 5.0  # seconds
Ask = Callable[[str], bool]


def get(
    name: str,
    out: Path,
    *,
    only: Iterable[str] = (),
    subjects: Iterable[str] = (),
    yes: bool = False,
    mirror: str = "",
    keep_archives: bool = False,
    quiet: bool = False,
    ask: Ask | None = None,
    pause: float = PAUSE,
) -> Receipt:
    """Download a cohort; run again, it goes on where it stopped, and fetches nothing that is there.

    Args:
        name: of the cohort in the catalogue.
        out: its folder.
        only, subjects: see :func:`place_order`.
        yes: the licence is accepted without asking.
        mirror: base address that stands for all others, else that of ``QONTRAST_MIRROR``.
        keep_archives: keep an archive after all of it was unpacked.
        quiet: print nothing but the question.
        ask: asks whether to go on; by default the terminal, if there is one.
        pause: seconds before a transfer is tried again, doubled each time.

    Returns:
        What is in the folder now.

    Raises:
        PlanError: for a cohort, contrast or subject that is not known.
        InputError: if the cohort is on request, nobody can be asked, the licence is not accepted, or a transfer fails.
        WriteError: if the disk is full.
    """
    cohort = find_cohort(name)
    asking = ask or _terminal()
    if cohort.sources and not yes and asking is None:
        raise InputError(
            name,
            f"no terminal to ask whether its licence ({cohort.licence}) is accepted",
            "--yes",
            f"Read {cohort.page}, then run again with --yes.",
        )
    mirror = mirror or os.environ.get(MIRROR, "")
    with new_client() as client:
        order = place_order(name, client, only=only, subjects=subjects, mirror=mirror, pause=pause)
        with hold(out / LOCK) as alone:
            if not alone:
                raise InputError(out, "a folder that another process downloads into", "one at a time", "Wait.")
            receipt = _receipt_of(name, out)
            missing = [w for w in order.files if not _is_there(w, out, receipt, order)]
            _introduce(cohort, order, missing, quiet=quiet and yes)
            if missing and not yes and asking is not None and not asking("Accept this licence and go on? [y/N] "):
                raise InputError(name, "a licence that was not accepted", "consent", "Nothing was downloaded.")
            try:
                _fetch(missing, out, client, receipt, pause=pause, quiet=quiet)
                for archive, folder in order.unpack.items():
                    _unpack(archive, folder, out, receipt, order, keep_archives=keep_archives, quiet=quiet)
            finally:
                receipt.save(out)
    say(
        f"{out}: {len(receipt.files)} files. Look them over with: qontrast data check {out} --cohort {name}",
        quiet=quiet,
    )
    return receipt


def _terminal() -> Ask | None:
    if not (sys.stdin and sys.stdin.isatty()):
        return None
    return lambda question: input(question).strip().lower() in ("y", "yes")


def _receipt_of(name: str, out: Path) -> Receipt:
    receipt = read_receipt(out)
    if receipt is not None and receipt.cohort != name:
        raise InputError(out, f"the cohort {receipt.cohort}", f"a folder for {name}", "Choose another --out.")
    return receipt or Receipt(name)


def _is_there(wanted: Wanted, out: Path, receipt: Receipt, order: Order) -> bool:
    """Whether a file need not be fetched; one that lies there without being known is looked at, and then trusted."""
    target, entry = out / wanted.path, receipt.files.get(wanted.path)
    if wanted.path in order.unpack and _is_unpacked(wanted.path, out, receipt, order):
        return True
    if not target.is_file():
        return False
    if entry is not None and entry.size == target.stat().st_size:
        return True
    found = digest(target)
    wrong = differs(found, trusted(wanted, entry.sha256 if entry else ""))
    if wrong:
        raise InputError(target, f"a file with {wrong}", "the cohort's own", "Move it away, then run again.")
    receipt.files[wanted.path] = Entry(wanted.url, found.size, found.sha256, found.md5)
    return True


def _is_unpacked(archive: str, out: Path, receipt: Receipt, order: Order) -> bool:
    """Whether all that is wanted of an archive lies there. Of subjects by number, those taken first count."""
    taken = receipt.unpacked.get(archive)
    if taken is None or (taken != ALL and (not order.subjects or not _same(order.subjects, taken))):
        return False
    members = [(p, e) for p, e in receipt.files.items() if e.archive == archive]
    return all((out / p).is_file() and (out / p).stat().st_size == e.size for p, e in members)


def _same(words: tuple[str, ...], taken: list[str]) -> bool:
    if len(words) == 1 and words[0].isdecimal() and int(words[0]) <= len(taken):
        return True
    return all(any(word in (t, t.removeprefix("sub-")) for t in taken) for word in words)


def _introduce(cohort: Cohort, order: Order, missing: list[Wanted], *, quiet: bool) -> None:
    say(f"{cohort.title}: {cohort.holds}", quiet=quiet)
    say(f"licence: {order.licence}", quiet=quiet)
    say(f"please cite: {cohort.citation}", quiet=quiet)
    say(f"its own page: {cohort.page}", quiet=quiet)
    unknown = sum(w.size == 0 for w in missing)
    told = f"{sum(w.size for w in missing) / 1e9:.2f} GB" if unknown < len(missing) else "of unknown size"
    rough = f", {unknown} of them of unknown size (all of it is about {cohort.gigabytes:g} GB)" if unknown else ""
    say(
        f"{len(order.files)} files, {len(missing)} to fetch, {told}{rough}" if missing else "all files are there",
        quiet=quiet,
    )


def _fetch(
    missing: list[Wanted], out: Path, client: httpx2.Client, receipt: Receipt, *, pause: float, quiet: bool
) -> None:
    free, needed = shutil.disk_usage(out).free, sum(w.size for w in missing)
    parts = [part_of(out / wanted.path) for wanted in missing if wanted.size]
    lacking = needed - sum(part.stat().st_size for part in parts if part.is_file())
    if lacking > free:
        raise WriteError(
            f"{out}: {lacking / 1e9:.2f} GB are to be fetched and {free / 1e9:.2f} GB are free. Free some space, "
            "choose another --out, or fewer --subjects."
        )
    done, saved = 0, time.monotonic()
    with byte_bar(needed, quiet=quiet) as told:
        for wanted in missing:
            before = receipt.files.get(wanted.path)
            known = trusted(wanted, before.sha256 if before else "")

            def tell(here: int, wanted: Wanted = wanted, done: int = done) -> None:
                told(wanted.path, done + here)

            found = download(known, out / wanted.path, client, told=tell, pause=pause)
            receipt.files[wanted.path] = Entry(wanted.url, found.size, found.sha256, found.md5)
            receipt.unpacked.pop(wanted.path, None)
            done += found.size
            if time.monotonic() - saved > SAVE_EVERY:
                receipt.save(out)
                saved = time.monotonic()


def _unpack(
    archive: str, folder: str, out: Path, receipt: Receipt, order: Order, *, keep_archives: bool, quiet: bool
) -> None:
    if _is_unpacked(archive, out, receipt, order):
        return
    path, people = out / archive, ALL
    if order.subjects:
        people = _people_in(archive, path, receipt, order)
        say(f"{archive} holds all subjects; {len(people)} are unpacked, and it is kept", quiet=quiet)
    say(f"unpacking {archive}", quiet=quiet)
    wanted = set(people)
    members = unpack(path, out / folder, keep=lambda name: people == ALL or subject_of(name) in wanted | {""})
    url = receipt.files[archive].url
    for name, member in members.items():
        place = name if folder == "." else f"{folder}/{name}"
        receipt.files[place] = Entry(url, member.size, member.sha256, archive=archive)
    before = receipt.unpacked.get(archive, [])
    receipt.unpacked[archive] = people if people == ALL else sorted({*before, *people})
    receipt.save(out)
    if people == ALL and not keep_archives:
        path.unlink()


def _people_in(archive: str, path: Path, receipt: Receipt, order: Order) -> list[str]:
    """The subjects to take out of an archive: of a number, those that another archive gave."""
    there = {subject_of(n) for n in names_in(path)} - {""}
    if len(order.subjects) == 1 and order.subjects[0].isdecimal():
        count = int(order.subjects[0])
        for other, taken in receipt.unpacked.items():
            if other != archive and taken != ALL and len(taken) == count:
                return [s for s in taken if s in there]
    return list(chosen_subjects(order.subjects, there))


def unfinished(folder: Path) -> list[Path]:
    """Files of a download that stopped midway."""
    return sorted(p for p in folder.rglob(".*.part") if p.is_file() and part_of(p.with_name(p.name[1:-5])) == p)
