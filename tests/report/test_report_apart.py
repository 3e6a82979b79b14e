import pytest

from qontrast.report.tables import read_scores, score_table
from qontrast.results.ledger import append_rows

ROW = {"run": "r", "arm": "seqinv", "data": "a", "snr": 30.0, "seed": 0, "train_subjects": 2, "schedule": "full"}
SCORE = {"subject": "sub-01", "contrast": "mprage", "class": "white matter", "hd95_mm": 2.0, "note": ""}


@pytest.mark.parametrize(
    ("key", "other"),
    [("data", "b"), ("snr", 5.0), ("train_subjects", 9), ("fraction", 0.1), ("schedule", "frozen")],
)
def test_scores_of_different_experiments_are_never_averaged(key, other, tmp_path):
    ledger = tmp_path / "results.jsonl"
    append_rows(ledger, [{**ROW, **SCORE, "dice": 0.9}, {**ROW, **SCORE, key: other, "dice": 0.1}])
    table = score_table(read_scores(ledger))
    assert [row[2][0] for row in table.body] == ["0.900", "0.100"]
