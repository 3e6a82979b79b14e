"""Splits: by person, stratified, nested, the same every time."""

import json

import pytest

from qontrast.basics.errors import PlanError
from qontrast.studies.people import find_places
from qontrast.studies.splits import divided, labelled, load_split
from qontrast.studies.study import open_study


@pytest.mark.parametrize("count", [1, 2, 3, 5, 12, 14, 20, 101])
@pytest.mark.parametrize("shares", [(0.7, 0.1, 0.2), (0.5, 0.0, 0.5), (1 / 3, 1 / 3, 1 / 3)])
def test_shares_add_up_and_err_by_less_than_one(count, shares):
    parts = divided(count, shares)
    assert sum(parts) == count
    assert all(abs(part - count * share) < 1 for part, share in zip(parts, shares, strict=True))


def test_the_usual_shares_of_twenty():
    assert divided(20, (0.7, 0.1, 0.2)) == [14, 2, 4]


def test_every_site_is_divided_by_the_shares(study_plan, people, tmp_path):
    """Three cohorts of different people under the same names, of 10, 20 and 5."""
    sizes = {"a": 10, "b": 20, "c": 5}
    sites = {
        name: {"data": str(people(name, size, first=1 + 40 * i)), "contrasts": {"T1w": "mprage"}}
        for i, (name, size) in enumerate(sizes.items())
    }
    shares = {"train": 0.6, "validation": 0.2, "test": 0.2}
    plan = study_plan("embedded", sites=sites, train=["a/T1w"], split=shares)
    split = open_study(plan, tmp_path / "study", quiet=True).split
    for name, size in sizes.items():
        found = [len(split.names(name, side)) for side in shares]
        assert found == [0.6 * size, 0.2 * size, 0.2 * size]
    assert len({member.person for member in split.members.values()}) == 35  # sub-01 of a is not sub-01 of b


def test_all_sessions_of_a_person_lie_on_one_side_at_every_site(study_plan, people, tmp_path):
    data = people(count=6, sessions=2)
    sites = {name: {"contrasts": {"T1w": what}} for name, what in (("here", "mprage"), ("there", "spgr"))}
    split = open_study(study_plan(data, sites=sites), tmp_path / "study", quiet=True).split
    assert len(split.members) == 24
    sides = {}
    for member in split.members.values():
        sides.setdefault(member.person, set()).add(member.side)
    assert len(sides) == 6
    assert all(len(found) == 1 for found in sides.values())


def test_one_group_of_people_in_two_folders_shares_their_names(study_plan, people, tmp_path):
    sites = {
        name: {"data": str(people(name, 6, first=first)), "people": "travellers", "contrasts": {"T1w": "mprage"}}
        for name, first in (("a", 1), ("b", 41))
    }
    split = open_study(study_plan("embedded", sites=sites, train=["a/T1w"]), tmp_path / "study", quiet=True).split
    assert {member.person for member in split.members.values()} == {f"sub-{i:02d}" for i in range(1, 7)}
    assert split.names("a", "test") == split.names("b", "test")


def test_the_seed_alone_decides(study_plan, tmp_path):
    splits = [open_study(study_plan("embedded", seed=s), tmp_path / f"s{i}", quiet=True).split
              for i, s in enumerate((0, 0, 1))]  # fmt: skip
    assert splits[0] == splits[1]
    assert splits[0].people("test") != splits[2].people("test")


@pytest.mark.parametrize("fractions", [[1, 3, 10], [0.1, 0.5, 1.0]])
def test_fewer_labels_are_a_part_of_more_labels(study_plan, tmp_path, fractions):
    plan = study_plan("embedded", fractions=fractions)
    split = open_study(plan, tmp_path / "study", quiet=True).split
    train = set(split.names("here", "train"))
    seen = set()
    for seed in range(6):
        small, middle, large = (set(labelled(plan, split, "here", f, seed)) for f in fractions)
        assert small < middle < large or middle == large
        assert large <= train
        assert len(small) == 1
        seen |= small
    assert len(seen) > 1  # another seed takes another subject


def test_labels_are_counted_in_people_not_sessions(study_plan, people, tmp_path):
    plan = study_plan(people(count=6, sessions=2))
    split = open_study(plan, tmp_path / "study", quiet=True).split
    names = labelled(plan, split, "here", 2, 0)
    assert len(names) == 4
    assert len({name.split("_ses-")[0] for name in names}) == 2


@pytest.mark.parametrize(
    ("fraction", "said"),
    [
        (0.01, r"0\.01 of the 10 training subjects of here, which is 0\.1: nobody.*Say 0\.1 or more"),
        (11, r"11 of the 10 training subjects"),
    ],
)
def test_a_fraction_of_nobody_or_of_too_many_is_refused_with_the_numbers(study_plan, tmp_path, fraction, said):
    with pytest.raises(PlanError, match=said):
        open_study(study_plan("embedded", fractions=[fraction]), tmp_path / "study", quiet=True)


def test_named_subjects_go_where_the_plan_says(study_plan, people, tmp_path):
    shares = {"train": 0.5, "validation": 0.0, "test": 0.5, "test_subjects": ["sub-02", "sub-03_ses-1"]}
    shares["train_subjects"] = ["sub-01"]
    plan = study_plan(people(count=6, sessions=2), split=shares)
    split = open_study(plan, tmp_path / "study", quiet=True).split
    assert {"sub-02_ses-1", "sub-02_ses-2", "sub-03_ses-1", "sub-03_ses-2"} <= set(split.names("here", "test"))
    assert "sub-01_ses-2" in split.names("here", "train")


def test_a_site_without_anybody_to_test_on_is_refused(study_plan, people, tmp_path):
    plan = study_plan(people(count=1))
    with pytest.raises(PlanError, match=r"nobody of the 1 subjects of here to test on.*split\.test_subjects"):
        open_study(plan, tmp_path / "study", quiet=True)


def test_the_split_is_made_once_and_read_again(study_plan, people, tmp_path):
    plan, out = study_plan(people()), tmp_path / "study"
    first = open_study(plan, out, quiet=True).split
    text = (out / "splits.json").read_text()
    people(count=7)  # another one joins
    assert open_study(plan, out, quiet=True).split == first == load_split(out)
    assert (out / "splits.json").read_text() == text
    assert json.loads(text)["made_with"]["seed"] == 0


def test_sites_of_one_folder_are_told_apart_by_the_names(study_plan, people, tmp_path):
    data = people(count=8)
    for number, file in enumerate(sorted(data.rglob("*_dseg.nii.gz"))):
        site = "Guys" if number % 2 else "HH"
        file.rename(file.with_name(file.name.replace("_dseg", f"_site-{site}_dseg")))
    sites = {name: {"where": name, "contrasts": {"T1w": "mprage"}} for name in ("Guys", "HH")}
    places = find_places(study_plan(data, sites=sites, train=["HH/T1w"]), quiet=True)
    assert [s.name for s in places["Guys"].sessions] == ["sub-02", "sub-04", "sub-06", "sub-08"]
    assert len(places["HH"].sessions) == 4


def test_a_cohort_that_is_not_there_is_replaced_aloud_or_refused(study_plan, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NO_SUCH_DATA", raising=False)
    plan = study_plan("$NO_SUCH_DATA/anatomies", otherwise="embedded")
    places = find_places(plan)
    assert len(places["here"].sessions) == 20
    assert "$NO_SUCH_DATA/anatomies is not there; taken instead: embedded" in capsys.readouterr().out
    from qontrast.basics.errors import InputError

    with pytest.raises(InputError, match=r"sites\.here\.data.*NO_SUCH_DATA.*otherwise"):
        find_places(study_plan("$NO_SUCH_DATA/anatomies"))
