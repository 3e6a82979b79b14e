"""Sex and age of synthetic people whose scans show them: told by a frozen encoder, scored, and refused where wrong."""

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from qontrast.basics.errors import InputError, PlanError
from qontrast.cli.app import run
from qontrast.nets.adapter import adapt
from qontrast.nets.encoder import CNNEncoder
from qontrast.results.ledger import read_rows
from qontrast.results.people_scores import score_people
from qontrast.tasks.loading import load
from qontrast.tasks.people import see_people
from qontrast.tasks.people_probe import probe_people
from qontrast.tasks.wrapping import load_any, wrap

AFFINE = np.array([[-2.0, 0, 0, 35], [0, 2, 0, -40], [0, 0, 2, -34], [0, 0, 0, 1]])
COUNT = 12


def person(number):
    """Age in years and sex of a synthetic person, which the size of the dark middle and of the head show."""
    return 20 + 5 * number % 60 + number / 10, "F" if number % 3 else "M"


def head(number, bright=1.0, shape=(36, 40, 34)):
    age, sex = person(number)
    index = np.indices(shape, dtype=float)
    radius = np.sqrt(sum(((i - (n - 1) / 2) / (0.5 * n)) ** 2 for i, n in zip(index, shape, strict=True)))
    noise = np.random.default_rng(number).normal(0, 5, shape)
    image = np.where(radius < 0.15 + age / 200, 100, 700) * bright + noise
    return (image * (radius < (0.95 if sex == "M" else 0.75))).astype(np.float32)


def table(rows):
    return "participant_id\tsex\tage\n" + "".join("\t".join(map(str, row)) + "\n" for row in rows)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Twelve people with a T1w each, three with a FLAIR too."""
    folder = tmp_path_factory.mktemp("people")
    for number in range(COUNT):
        anat = folder / f"sub-{number:02d}" / "anat"
        anat.mkdir(parents=True)
        for suffix in ("T1w", "FLAIR")[: 2 if number < 3 else 1]:
            image = head(number, 1.0 if suffix == "T1w" else 0.8)
            nib.save(nib.Nifti1Image(image, AFFINE), anat / f"sub-{number:02d}_{suffix}.nii.gz")
    people = [(f"sub-{n:02d}", person(n)[1], person(n)[0]) for n in range(COUNT)]
    (folder / "participants.tsv").write_text(table([*people, ("sub-77", "M", 33)]))
    return folder


class Shares(nn.Module):
    """Shares of a window's voxels below several levels: an encoder that sees what ages and sexes differ in."""

    def forward(self, image):
        below = [torch.sigmoid(6 * (image - level)) for level in (-1.5, -1.0, -0.5, 0.0, 0.5, 1.0)]
        return [nn.functional.avg_pool3d(torch.cat(below, dim=1), 16)]


@pytest.fixture(scope="module")
def weights():
    return wrap(adapt(Shares(), lambda net, image: net(image)), "shares", spacing=2.0, crop=32, device="cpu")


@pytest.fixture(scope="module")
def embedded(cohort, weights, tmp_path_factory):
    """The folder of their embeddings, which every test goes on with."""
    out = tmp_path_factory.mktemp("embedded") / "out"
    probe_people("age", cohort, weights, out, out.parent / "first.jsonl", quiet=True)
    return out


@pytest.fixture
def probe(cohort, embedded, weights, tmp_path):
    def run(goal, **options):
        options = {"source": cohort, "weights": weights, **options}
        return probe_people(goal, out=embedded, ledger=tmp_path / "ledger.jsonl", quiet=True, **options)

    return run


@pytest.mark.parametrize("method", ["linear", "knn"])
def test_age_that_the_scan_shows_is_told_of_people_never_trained_on(method, probe, tmp_path):
    rows = probe("age", method=method, neighbours=2, suffixes=("T1w",))
    assert sorted(row["subject"] for row in rows) == [f"sub-{n:02d}" for n in range(COUNT)]
    for row in rows:
        number = int(row["subject"][-2:])
        assert row["truth"] == pytest.approx(person(number)[0])
        assert row["absolute_error_years"] == pytest.approx(abs(row["predicted"] - row["truth"]))
        assert (row["task"], row["target"], row["contrast"]) == ("age", "age", "T1w")
    ages = [row["truth"] for row in rows]
    guess = np.abs(np.array(ages) - np.median(ages)).mean()
    assert score_people(rows)["mean_absolute_error"].mean < (0.5 if method == "linear" else 0.7) * guess
    assert read_rows(tmp_path / "ledger.jsonl") == rows


@pytest.mark.parametrize("method", ["linear", "knn"])
def test_sex_that_the_scan_shows_is_told(method, probe):
    rows = probe("sex", method=method, neighbours=1, fold_count=4, suffixes=("T1w",))
    assert score_people(rows)["auc"].mean > 0.9
    assert {row["correct"] for row in rows if row["predicted"] != row["truth"]} <= {False}
    assert {row["truth"] for row in rows} == {"female", "male"}
    for fold in range(4):  # each fold has one of the four men
        assert [row["truth"] for row in rows if row["fold"] == fold].count("male") == 1


def test_all_scans_of_a_person_are_on_one_side_and_the_named_are_trained_on(probe):
    train = tuple(f"sub-{n:02d}" for n in range(2, COUNT))
    rows = probe("age", train=train)
    assert {(row["subject"], row["contrast"]) for row in rows} == {
        (f"sub-0{n}", contrast) for n in (0, 1) for contrast in ("T1w", "FLAIR")
    }
    assert {row["train_subjects"] for row in rows} == {10}


def test_truth_of_tested_people_is_not_used(probe, cohort, tmp_path):
    """With other ages of the tested people, their predictions are the same."""
    other = tmp_path / "participants.tsv"
    people = [(f"sub-{n:02d}", person(n)[1], person(n)[0] if n > 1 else 90 - n) for n in range(COUNT)]
    other.write_text(table(people))
    train = tuple(f"sub-{n:02d}" for n in range(2, COUNT))
    first, second = probe("age", train=train), probe("age", train=train, table=other, name="other")
    assert [row["predicted"] for row in first] == [row["predicted"] for row in second]
    assert [row["truth"] for row in first] != [row["truth"] for row in second]


def test_contrasts_that_are_not_trained_on_are_tested(probe):
    rows = probe("age", train_on=("T1w",))
    assert {row["contrast"] for row in rows} == {"T1w", "FLAIR"}
    assert {tuple(row["trained_on_contrasts"]) for row in rows} == {("T1w",)}


def test_rows_that_are_there_are_not_written_again(probe, tmp_path):
    first = probe("sex", fold_count=4)
    assert probe("sex", fold_count=4) == first
    assert len(read_rows(tmp_path / "ledger.jsonl")) == len(first)
    assert len(probe("sex", fold_count=4, seed=1)) == len(first)
    assert len(read_rows(tmp_path / "ledger.jsonl")) == 2 * len(first)


def test_corrected_ages_are_not_mixed_with_the_old_ones(probe, tmp_path):
    other = tmp_path / "participants.tsv"
    other.write_text(table([(f"sub-{n:02d}", person(n)[1], person(n)[0] + (n == 3)) for n in range(COUNT)]))
    first = probe("age")
    with pytest.raises(InputError, match=r"another age of these people.*another --ledger"):
        probe("age", table=other)
    second = probe("age", table=other, name="corrected")
    corrected = [after["truth"] - before["truth"] for before, after in zip(first, second, strict=True)]
    assert sorted(set(corrected)) == pytest.approx([0, 1])


def test_people_without_a_scan_or_a_truth_are_counted_aloud(cohort, tmp_path, capsys, weights, embedded):
    unknown = tmp_path / "participants.tsv"
    people = [
        (f"sub-{n:02d}", person(n)[1], "n/a" if n == 4 else "nan" if n == 5 else person(n)[0]) for n in range(COUNT)
    ]
    unknown.write_text(table([*people, ("sub-90", "M", 30), ("sub-91", "M", 31)]))
    rows = probe_people("age", cohort, weights, embedded, tmp_path / "l.jsonl", table=unknown)
    said = capsys.readouterr().out
    assert "2 people of the table have no scan (sub-90, sub-91); left out" in said
    assert "2 scans of people whose age is not known; left out" in said
    assert {"sub-04", "sub-05"} & {row["subject"] for row in rows} == set()


def test_bad_input_is_named(probe, cohort, tmp_path):
    without = tmp_path / "participants.tsv"
    without.write_text("participant_id\tsex\nsub-00\tM\n")
    with pytest.raises(
        InputError, match=r"participants.tsv: found the columns participant_id, sex; wanted a column age"
    ):
        probe("age", table=without)
    women = tuple(f"sub-{n:02d}" for n in range(COUNT) if n % 3)
    with pytest.raises(InputError, match="train: found 8 training subjects, none of them male; wanted both sexes"):
        probe("sex", train=women)
    with pytest.raises(InputError, match="train: found 1 training subjects of one age"):
        probe("age", train=("sub-03",))
    with pytest.raises(PlanError, match="train: found 'sub-77'; wanted a subject with a scan and a known age"):
        probe("age", train=("sub-77", "sub-01"))
    with pytest.raises(PlanError, match="all 12 people; wanted some left to test on"):
        probe("age", train=tuple(f"sub-{n:02d}" for n in range(COUNT)))
    with pytest.raises(PlanError, match="folds: found 13; wanted 2 to 12"):
        probe("age", fold_count=13)
    with pytest.raises(PlanError, match="train_on: found 'T2w'"):
        probe("age", train_on=("T2w",))
    others = tmp_path / "others.tsv"
    others.write_text(table([("sub-a", "M", 3), ("sub-b", "F", 5)]))
    with pytest.raises(InputError, match="age known of nobody in both"):
        probe("age", table=others)
    with pytest.raises(InputError, match="embeddings of other weights"):
        probe("age", weights=wrap(CNNEncoder((2, 2, 4, 4, 6)), "other", spacing=3.0, crop=32, device="cpu"))


def test_an_encoder_without_a_contract_is_wrapped(cohort, tmp_path):
    torch.manual_seed(0)
    encoder = CNNEncoder((2, 2, 4, 4, 6))
    wrapped = wrap(encoder, "mine", spacing=3.0, crop=32, device="cpu")
    rows = probe_people(
        "age", cohort, wrapped, tmp_path / "out", tmp_path / "l.jsonl", suffixes=("FLAIR",), fold_count=3, quiet=True
    )
    assert {(row["run"], row["arm"], row["model_digest"]) for row in rows} == {("mine", "external", wrapped.digest)}
    with torch.no_grad():
        encoder.conv_0.conv_0.conv.weight.mul_(2)
    assert wrap(encoder, "mine", spacing=3.0, crop=32, device="cpu").digest != wrapped.digest
    assert wrapped.embed(head(0), AFFINE).shape == (6,)


def test_what_a_name_of_weights_needs_is_said(packed):
    with pytest.raises(InputError, match="weights that say spacing and crop themselves"):
        load_any(str(packed), spacing=1.0, crop=32)
    with pytest.raises(InputError, match="weights without a contract; wanted a spacing and a crop"):
        load_any("own:net", spacing=1.0)
    for crop, spacing, message in ((40, 2.0, "a multiple of 16, 32 or more"), (32, 0.0, "0.1 to 10 mm")):
        with pytest.raises(InputError, match=message):
            wrap(CNNEncoder((2, 2, 4, 4, 6)), "x", spacing=spacing, crop=crop)
    assert load_any(str(packed), device="cpu").digest == load(packed, device="cpu").digest


def test_the_command_prints_scores_for_each_contrast(cohort, packed, tmp_path, capsys):
    ledger = tmp_path / "l.jsonl"
    arguments = ["probe", "age", str(cohort), "--weights", str(packed), "--ledger", str(ledger)]
    arguments += ["--out", str(tmp_path / "out")]
    assert run([*arguments, "--train-on", "T1w", "--device", "cpu"]) == 0
    said = capsys.readouterr().out
    assert "T1w: mean absolute error " in said
    assert "FLAIR: mean absolute error " in said
    assert len(read_rows(ledger)) == COUNT + 3
    assert run(["probe", "weight", *arguments[2:]]) == 2


def test_a_scan_that_shares_another_ones_name_is_left_out(weights, tmp_path):
    anat = tmp_path / "raw" / "sub-01" / "anat"
    anat.mkdir(parents=True)
    for number, ending in enumerate((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(head(number), AFFINE), anat / f"sub-01_T1w{ending}")
    (tmp_path / "raw" / "participants.tsv").write_text(table([("sub-01", "M", 40)]))
    seen = see_people(tmp_path / "raw", weights, tmp_path / "out", "age", quiet=True)
    assert [one.image for one in seen] == ["sub-01_T1w.nii"]
