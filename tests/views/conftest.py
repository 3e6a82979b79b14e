"""One head of each kind, opened once, and a small plan for views of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.qmri import QuantitativeSubject
from qontrast.views.plan import ViewPlan


@pytest.fixture(scope="session")
def measured(maps_folder: Callable[..., Path]) -> QuantitativeSubject:
    """A head given as measured maps, 24 x 28 x 22 voxels of 2 mm at 3 T."""
    return find_subjects(str(maps_folder()))[0].open()


@pytest.fixture(scope="session")
def heads(new_labels_folder: Callable[[], Path]) -> list[LabelSubject]:
    """Two heads given as label maps, 40³ voxels of 2 mm."""
    return [source.open() for source in find_subjects(str(new_labels_folder()))]


@pytest.fixture(scope="session")
def head(heads: list[LabelSubject]) -> LabelSubject:
    """The first of them."""
    return heads[0]


@pytest.fixture(params=["maps", "labels"])
def subject(request: pytest.FixtureRequest, measured: QuantitativeSubject, head: LabelSubject) -> Any:
    """A head of either kind."""
    return measured if request.param == "maps" else head


@pytest.fixture(scope="session")
def plan() -> Callable[..., ViewPlan]:
    """``plan("seqinv", ...)``: views of 16³ voxels of 3 mm."""

    def make(arm: Any = "seqinv", **changes: Any) -> ViewPlan:
        return ViewPlan(**{"arm": arm, "crop": 16, "spacing": 3.0, **changes})

    return make
