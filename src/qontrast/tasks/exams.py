"""What every test of a model has in common: images that are scored one at a time, each giving rows of a ledger."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from qontrast.anatomy.pathology import PathologyRanges
from qontrast.anatomy.source import EMBEDDED
from qontrast.basics.errors import PlanError
from qontrast.cohorts.people import has_table, read_people
from qontrast.tasks.plans import Cohort
from qontrast.views.denoising import NoiseKind

Row = dict[str, Any]
Done = set[tuple[str, str, float | None]]
"""Subject, image and SNR of what a ledger holds already."""


@dataclass(frozen=True)
class Conditions:
    """Under which images are tested; the same for every model at one seed.

    Args:
        contrasts: sequences that label maps and maps are scanned with.
        snrs: of those scans, or of the noise that a denoiser is to take away; None for the task's own.
        seed: of tissue, lesions and noise.
        noise: that a denoiser is to take away; None for the kind that it learned.
        sigma: of Gaussian noise; None for the one that it learned.
        pathology: lesions that label maps are given; None for those that the model learned.
        masks: folder of lesion masks instead of the one that the model learned with; None for that one.
    """

    contrasts: tuple[str, ...] = ("mprage",)
    snrs: tuple[float, ...] | None = None
    seed: int = 0
    noise: NoiseKind | None = None
    sigma: float | None = None
    pathology: PathologyRanges | None = None
    masks: str | None = None

    def __post_init__(self) -> None:
        for snr in self.snrs or ():
            if not snr > 0:
                raise PlanError("snr", f"{snr:g}", "a number above 0")


@dataclass(frozen=True)
class Trial:
    """One image to be scored.

    Args:
        subject: subject and session.
        contrast: sequence, or BIDS suffix of a real scan.
        name: of the scan's file, or the sequence.
        snr: of a simulated scan, or of the added noise; None where none is stated.
        site: where it was scanned, if the scan's name says so; else empty.
    """

    subject: str
    contrast: str
    name: str
    snr: float | None
    site: str


T = TypeVar("T", bound=Trial)


class Exam(ABC, Generic[T]):
    """All images of a cohort for one kind of model."""

    about: Row
    """What every row says of the data and the conditions; rows that say otherwise are of another test."""
    snrs: tuple[float | None, ...]
    """Signal-to-noise ratios that are tested."""

    @abstractmethod
    def trials(self, done: Done, *, quiet: bool = False) -> Iterator[T]:
        """The images that are not done yet, one at a time."""

    @abstractmethod
    def rows(self, trial: T) -> list[Row]:
        """The scores of one image: what distinguishes its rows from each other, and the metrics."""

    def keep(self, folder: Path) -> None:
        """Write what the report shows of the images that were scored; nothing by default."""


def sites_of(cohort: Cohort) -> dict[str, str]:
    """Where each subject was scanned, as far as the cohort's table of subjects says it.

    Raises:
        InputError: if there is a table and it cannot be read.
    """
    if cohort.data == EMBEDDED or not has_table(Path(cohort.data)):
        return {}
    return {person.subject: person.site for person in read_people(Path(cohort.data), needs=()) if person.site}
