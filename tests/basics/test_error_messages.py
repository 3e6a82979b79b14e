"""Errors that a user can act on."""

import pytest

from qontrast.basics.errors import (
    InputError,
    MissingMapError,
    PlanError,
    ProtocolError,
    QontrastError,
    WriteError,
    nearest,
)


def test_an_input_error_names_place_found_wanted_and_remedy():
    error = InputError("plan.yaml", "7", "at most 5", "Lower it.")
    assert str(error) == "plan.yaml: found 7; wanted at most 5. Lower it."
    assert (error.where, error.found, error.wanted, error.remedy) == ("plan.yaml", "7", "at most 5", "Lower it.")
    assert str(InputError("plan.yaml", "7", "at most 5")) == "plan.yaml: found 7; wanted at most 5."


@pytest.mark.parametrize("kind", [InputError, MissingMapError, PlanError, ProtocolError, WriteError])
def test_one_except_catches_all_that_a_user_can_mend(kind):
    assert issubclass(kind, QontrastError)


def test_the_nearest_name_is_suggested():
    assert nearest("flare", ["fse", "flair", "gre"]) == "Did you mean 'flair'?"
    assert nearest("mp2-rage", {"mprage": 1, "mp2rage": 2}) == "Did you mean 'mp2rage'?"


def test_where_nothing_is_near_every_known_name_is_listed():
    assert nearest("zzz", ["fse", "flair"]) == "Known: fse, flair."
    assert nearest("", iter([1, 2])) == "Known: 1, 2."
