"""The pages in a real browser, at a phone's and a desk's width; skipped where there is no Chromium on PATH."""

import json

import numpy as np
import pytest
from browser import Chromium, find_chromium
from ledgers import study_ledger

from qontrast.report.page import write_report
from qontrast.report.study import write_study_report
from qontrast.results.ledger import append_rows

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium on PATH")

WIDTHS = (360, 1280)


@pytest.fixture(scope="module")
def chromium():
    with Chromium(PROGRAM) as browser:
        yield browser


def slices(path):
    labels = np.random.default_rng(0).integers(0, 3, (1, 30, 36))
    np.savez(
        path,
        image=np.random.default_rng(1).random((1, 30, 36)),
        truth=labels,
        prediction=labels[:, ::-1],
        caption=np.array(["guys-01, T1w, a caption that is a good deal longer than a phone is wide: scratch"]),
        classes=np.array(["background", "grey", "white"]),
    )


@pytest.fixture(scope="module")
def study_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rows = study_ledger(arms=("scratch", "seqinv"), subjects=6, contrasts=("T1w",))
    rows[3]["note"] = "empty prediction"
    append_rows(folder / "ledger.jsonl", rows[:-1])
    (folder / "worst").mkdir()
    slices(folder / "worst" / "tissue.npz")
    return write_study_report(
        folder / "report.html",
        title="A study of a_rather_long_name_without_any_place_to_break_it_anywhere",
        ledger=folder / "ledger.jsonl",
        pictures=folder / "worst",
        notes=["Made up."],
    )


@pytest.fixture(scope="module")
def runs_page(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run-a"
    run.mkdir()
    (run / "plan.yaml").write_text("seed: 3\nremark: " + "x" * 300 + "\n")
    (run / "journal.jsonl").write_text("".join(json.dumps({"step": n, "loss": 1 / (n + 1)}) + "\n" for n in range(9)))
    slices(run / "segmentations.npz")
    return write_report(run.parent / "page.html", title="Runs", runs=[run])


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("page", "dark"), [("study_page", False), ("study_page", True), ("runs_page", False)])
def test_a_page_is_quiet_asks_nobody_and_fits(chromium, request, page, width, dark):
    seen = chromium.look(request.getfixturevalue(page), width, dark=dark)
    assert seen.complaints == []
    assert seen.requests == []
    measured = seen.measured
    assert (measured["width"], measured["scroll"] <= width) == (width, True), measured["wide"]
    assert measured["wide"] == []
    assert (measured["wordless"], measured["broken"]) == ([], 0)
    assert measured["images"] >= 2
    assert measured["text"] > 300


def test_a_bad_page_is_found_out(chromium, tmp_path):
    (tmp_path / "bad.html").write_text(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><body>'
        '<img src="http://example.com/a.png"><svg width="9"></svg><div style="width: 3000px">wide</div>'
        "<script>alert(1)</script>"
    )
    seen = chromium.look(tmp_path / "bad.html", 360)
    assert any("Content Security Policy" in line for line in seen.complaints)
    assert len(seen.measured["wordless"]) == 2
    assert seen.measured["broken"] == 1
    (tmp_path / "open.html").write_text(
        '<body><img src="http://example.com/a.png"><div style="width: 3000px">wide</div>'
        "<script>console.error('no'); nothing()</script>"
    )
    seen = chromium.look(tmp_path / "open.html", 360)
    assert seen.requests == ["http://example.com/a.png"]
    assert any("'no'" in line for line in seen.complaints)
    assert "Uncaught" in seen.complaints
    assert seen.measured["scroll"] > 2900
    assert len(seen.measured["wide"]) == 1
