"""`qontrast data list`, `get` and `check` at the command line."""

import io

from cohorts.trees import ARC_MASK, arc_tree, mask, serve_bucket

from qontrast.cli.app import run
from qontrast.cohorts.catalogue import COHORTS


def test_list_names_every_cohort_with_its_licence(capsys):
    assert run(["data", "list", "--details"]) == 0
    told = capsys.readouterr().out
    for name, cohort in COHORTS.items():
        assert f"{name}: {cohort.title}" in told
        assert f"licence: {cohort.licence}" in told
        assert cohort.citation in told
    assert "Guys: Philips Gyroscan Intera, 1.5 T" in told
    assert run(["data", "list"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COHORTS)


def test_get_then_check_then_a_mask_that_was_moved(server, tmp_path, capsys, monkeypatch):
    serve_bucket(server, "ds004884", arc_tree())
    monkeypatch.setenv("QONTRAST_MIRROR", server.url)
    out = str(tmp_path / "arc")
    assert run(["data", "get", "arc", "--out", out, "--only", "T1w,T2w", "--subjects", "M2001", "--yes"]) == 0
    told = capsys.readouterr().out
    assert "licence: CC0" in told
    assert "data check" in told
    assert not list((tmp_path / "arc").rglob("*FLAIR*"))
    assert run(["data", "check", out]) == 0
    told = capsys.readouterr().out
    assert "1 subjects, 2 sessions" in told
    assert "note: no T2w: sub-M2001_ses-9" in told
    assert "0 broken" in told
    (tmp_path / "arc" / ARC_MASK).write_bytes(mask(shift=2.0))
    assert run(["data", "check", out, "--digests", "--quiet"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "broken, first " in captured.err
    assert "desc-lesion_mask.nii.gz" in captured.err


def test_get_asks_nobody_where_there_is_no_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["data", "get", "ixi", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "CC BY-SA 3.0" in told
    assert "--yes" in told
    assert list(tmp_path.iterdir()) == []


def test_the_terminal_is_asked(server, tmp_path, monkeypatch):
    serve_bucket(server, "ds004884", arc_tree())

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    command = ["data", "get", "arc", "--out", str(tmp_path), "--mirror", server.url, "--quiet"]
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    assert run(command) == 1
    assert not (tmp_path / "participants.tsv").exists()
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    assert run(command) == 0
    assert (tmp_path / "participants.tsv").exists()


def test_a_cohort_on_request_says_how_to_ask(tmp_path, capsys):
    assert run(["data", "get", "atlas", "--out", str(tmp_path), "--yes"]) == 1
    assert "fill in the form" in capsys.readouterr().err
