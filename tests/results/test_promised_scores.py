"""The table "Every case counts" of docs/evaluation.md, line by line."""

import math
from pathlib import Path

import pytest
import torch
from ledgers import study_ledger

from qontrast.metrics.segmentation import score_segmentation
from qontrast.results.study_rows import study_rows
from qontrast.results.study_table import study_table

PAGE = Path(__file__).parents[2] / "docs" / "evaluation.md"
SHAPE, SPACING = (20, 24, 18), (1.0, 1.5, 2.0)
DIAGONAL = math.hypot(20.0, 36.0, 36.0)


def ball():
    axes = torch.meshgrid(*(torch.arange(n) - n / 2 for n in SHAPE), indexing="ij")
    return (sum(a**2 for a in axes) < 25).long()


def maps():
    nothing, everywhere = torch.zeros(SHAPE, dtype=torch.long), torch.ones(SHAPE, dtype=torch.long)
    return {
        "a ball": ball(),
        "the same ball": ball(),
        "nothing": nothing,
        "a ball, a share p of the image": ball(),
        "the class everywhere": everywhere,
    }


def promised():
    section = PAGE.read_text(encoding="utf-8").split("## Every case counts")[1].split("\n\n")[1]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[2:]]


@pytest.mark.parametrize(("truth", "prediction", "dice", "distance", "note"), promised())
def test_each_line_holds(truth, prediction, dice, distance, note):
    found = maps()
    (score,) = score_segmentation(found[prediction], found[truth], ["background", "lesion"], SPACING)
    p = float(found[truth].float().mean())
    assert score.dice == pytest.approx({"1": 1.0, "0": 0.0, "2p / (1 + p)": 2 * p / (1 + p)}[dice])
    if distance == "at most the diagonal":
        assert 0 < score.hd95_mm <= DIAGONAL
    else:
        assert score.hd95_mm == pytest.approx({"0 mm": 0.0, "the image's diagonal": DIAGONAL}[distance])
    assert score.note == note.strip("`")


def test_the_page_promises_five_lines():
    assert len(promised()) == 5


def test_a_constant_prediction_is_empty_for_all_other_classes():
    truth = ball() * (1 + (torch.arange(SHAPE[0]) % 2))[:, None, None]
    grey, white = score_segmentation(torch.ones_like(truth), truth, ["background", "grey", "white"], SPACING)
    p = float((truth == 1).float().mean())
    assert (grey.dice, grey.note) == (pytest.approx(2 * p / (1 + p)), "")
    assert (white.dice, white.hd95_mm, white.note) == (0.0, pytest.approx(DIAGONAL), "empty prediction")


def test_an_empty_prediction_pulls_the_mean_of_its_table_and_is_counted():
    scores = [
        score_segmentation(prediction, ball(), ["background", "lesion"], SPACING)[0]
        for prediction in (ball(), torch.zeros_like(ball()))
    ]
    rows = study_ledger(arms=("a",), subjects=2, sites=("x",), contrasts=("FLAIR",), fractions=(1,), seeds=1)
    rows = [
        {**row, "class": "lesion", "dice": score.dice, "hd95_mm": score.hd95_mm, "note": score.note}
        for row, score in zip(rows[::2], scores, strict=True)
    ]
    for metric, mean in (("dice", 0.5), ("hd95_mm", DIAGONAL / 2)):
        table = study_table(study_rows(rows), metric)
        score = table.scores[("x", "FLAIR"), "1 subject", "a"]
        assert score.interval.mean == pytest.approx(mean)
        assert (score.empty, score.scores) == (1, 2)
