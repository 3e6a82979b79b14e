"""What of a cohort is to be fetched: its files by address, those of the contrasts and subjects that were asked for."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import httpx2

from qontrast.basics.errors import InputError, PlanError, nearest
from qontrast.cohorts.catalogue import COHORTS
from qontrast.cohorts.download import PAUSE, Wanted, mirrored
from qontrast.cohorts.listing import list_bucket, list_record
from qontrast.cohorts.names import chosen_contrasts, chosen_subjects, contrast_of, subject_of
from qontrast.cohorts.sources import Bucket, Cohort, File, Record

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


@dataclass(frozen=True)
class Order:
    """What is to be fetched.

    Args:
        files: each with its address.
        unpack: folder that an archive is unpacked into, by the archive's path; ``.`` for the cohort's own.
        licence: of the data.
        subjects: as the user named them, if archives have to be searched for them.
    """

    files: tuple[Wanted, ...]
    unpack: dict[str, str]
    licence: str
    subjects: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes, as far as they are known."""
        return sum(w.size for w in self.files)


def find_cohort(name: str) -> Cohort:
    """An entry of the catalogue.

    Raises:
        PlanError: for a name that it does not have.
    """
    if name not in COHORTS:
        raise PlanError("cohort", repr(name), f"one of {', '.join(COHORTS)}", nearest(name, COHORTS))
    return COHORTS[name]


def place_order(
    name: str,
    client: httpx2.Client,
    *,
    only: Iterable[str] = (),
    subjects: Iterable[str] = (),
    mirror: str = "",
    pause: float = PAUSE,
) -> Order:
    """List a cohort's files and choose among them; nothing is fetched but listings.

    Args:
        name: of the cohort.
        client: that asks for listings.
        only: contrasts; all where none is named. Tables, texts and masks always come along.
        subjects: names, or a number of them; all where none is named.
        mirror: base address that stands for all others.
        pause: seconds between attempts.

    Raises:
        PlanError: for a contrast or subject that the cohort does not have.
        InputError: if the cohort is on request, or a listing cannot be had.
    """
    cohort = find_cohort(name)
    if not cohort.sources:
        raise InputError(name, "a cohort on request", "one that can be fetched", f"{cohort.ask} ({cohort.page})")
    contrasts, subjects = chosen_contrasts(only, cohort.contrasts), tuple(subjects)
    files: list[tuple[Wanted, str, str]] = []
    unpack: dict[str, str] = {}
    licence = cohort.licence
    for source in cohort.sources:
        if isinstance(source, File):
            url = mirrored(source.url, mirror)
            wanted = Wanted(url, source.path, source.size, source.md5, source.sha256)
            files.append((wanted, source.contrast, source.subject))
            unpack |= {source.path: source.unpack} if source.unpack else {}
        elif isinstance(source, Bucket):
            listed = list_bucket(source, client, mirror=mirror, pause=pause)
            files += [(w, contrast_of(w.path), subject_of(w.path)) for w in listed]
        elif isinstance(source, Record):
            listed, licence = list_record(source, client, mirror=mirror, pause=pause)
            files += [(w, "", "") for w in listed]
            unpack |= {w.path: "." for w in listed if w.path.endswith(ARCHIVES)}
    known = {subject for _, _, subject in files if subject}
    people = chosen_subjects(subjects, known) if subjects and known else ()
    allowed = {c.lower() for c in contrasts}
    chosen = [
        wanted
        for wanted, contrast, subject in files
        if (not allowed or not contrast or contrast.lower() in allowed)
        and (not people or not subject or subject in people)
    ]
    kept = {path: folder for path, folder in unpack.items() if path in {w.path for w in chosen}}
    return Order(tuple(chosen), kept, licence, subjects if kept else ())


def trusted(wanted: Wanted, sha256: str) -> Wanted:
    """The same file, with the digest that it had when it was first downloaded, unless a digest is publicly known."""
    return wanted if wanted.sha256 or wanted.md5 else replace(wanted, sha256=sha256)
