"""The demonstration runs to its end and touches no folder but its own."""

import pytest

from qontrast.anatomy import source
from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.labelled import LabelSubject
from qontrast.basics.errors import InputError
from qontrast.results.ledger import read_rows
from qontrast.scans.nifti import read_image
from qontrast.tasks import demo as module
from qontrast.tasks.demo import demo
from qontrast.views.plan import ViewPlan


@pytest.fixture
def smallest(monkeypatch, labels_folder):
    """The demonstration with two steps, on three tiny heads in the place of the embedded ones."""
    small = {"HEADS": 2, "TESTED": 1, "LABELLED": 1, "PRETRAIN_STEPS": 1, "FINETUNE_STEPS": 2}
    for name, value in (small | {"VIEWS": ViewPlan(crop=32, spacing=2.0)}).items():
        monkeypatch.setattr(module, name, value)
    image = read_image(labels_folder / "sub-01" / "anat" / "sub-01_dseg.nii.gz", labels=True)

    def head(index, seed):
        return LabelSubject(f"sub-mni{index:03d}", image.data, image.grid, BUILT_IN, f"head {index}")

    monkeypatch.setattr(source, "mni_head", head)
    source._open.cache_clear()
    yield
    source._open.cache_clear()


def test_it_replaces_an_earlier_one_and_leaves_report_and_ledger(smallest, tmp_path, capsys):
    out = tmp_path / "demo"
    out.mkdir()
    (out / module.MARK).write_text("")
    (out / "stale.txt").write_text("of an earlier demo")
    figures = demo(out, overwrite=True)
    assert not (out / "stale.txt").exists()
    assert (out / module.MARK).is_file()
    rows = read_rows(out / "results.jsonl")
    assert {(r["arm"], r["subject"], r["contrast"]) for r in rows} == {
        (arm, "sub-mni003", contrast) for arm in ("nano", "seqinv", "scratch") for contrast in ("mprage", "fse")
    }
    assert len(rows) == 18
    assert {row["train_subjects"] for row in rows} == {1}
    assert [line.split()[0] for line in figures] == ["MPRAGE", "FSE"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert all(run in page for run in ("pretrain-seqinv", "finetune-nano", "finetune-seqinv", "finetune-scratch"))
    for run in ("finetune-nano", "finetune-seqinv", "finetune-scratch"):
        assert (out / run / "model.safetensors").is_file()
        assert (out / run / "segmentations.npz").is_file()
    said = capsys.readouterr().out
    assert all(figure in said for figure in figures)
    assert "report.html" in said
    with pytest.raises(InputError, match="--overwrite"):
        demo(out, quiet=True)
    assert read_rows(out / "results.jsonl") == rows


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_folder_that_is_not_its_own_is_never_touched(overwrite, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="another --out"):
        demo(tmp_path, overwrite=overwrite, quiet=True)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert len(list(tmp_path.iterdir())) == 1


def row(arm, subject, contrast, dice):
    return {"arm": arm, "subject": subject, "contrast": contrast, "class": "grey matter", "dice": dice}


@pytest.mark.parametrize(
    ("gain", "heads", "verdict"),
    [
        (0.2, 6, "pretraining helped"),
        (-0.2, 6, "pretraining did harm"),
        (0.0, 6, "no clear difference"),
        (0.2, 5, "too few heads to say"),
    ],
)
def test_the_figures_say_which_way_they_fall(gain, heads, verdict):
    rows = [
        row(arm, f"sub-{n}", contrast, 0.5 + 0.01 * n + (gain if arm == "nano" else 0))
        for n in range(heads) for arm in ("nano", "seqinv", "scratch") for contrast in ("mprage", "fse")
    ]  # fmt: skip
    lines = module._figures(rows)
    assert len(lines) == 2
    assert all(f"the second {gain:+.3f}" in line and verdict in line for line in lines)
    assert "never seen" in lines[1]
