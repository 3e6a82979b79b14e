"""The command, and the page that it writes."""

import re
import shutil
import subprocess

import pytest

from qontrast.cli.app import run

MODEL = """
import numpy as np

def brain(volume, affine):
    assert affine.shape == (4, 4)
    return (volume > 0.3 * volume.max()).astype(int)
"""
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def swept(new_labels_folder, tmp_path_factory):
    """A sweep by the command line of a function in a file of the working folder."""
    here = tmp_path_factory.mktemp("here")
    (here / "own_model.py").write_text(MODEL)
    flags = ["--model", "own_model:brain", "--fields", "3", "--points", "2", "--quiet", "--form.spacing", "2"]
    flags += ["--sequences", "mprage", "spgr", "--figures", "png", "pdf"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert run(["sweep", "--out", "out", "--maps", str(new_labels_folder()), *flags]) == 0
    return here / "out"


def test_the_command_writes_ledger_points_page_and_figures(swept):
    assert sorted(p.name for p in swept.iterdir()) == [
        "figures",
        "plan.yaml",
        "points.csv",
        "report.html",
        "sweep.jsonl",
    ]
    names = [f"{name}.{kind}" for name in ("mprage_3t", "spgr_3t", "summary") for kind in ("pdf", "png")]
    assert sorted(p.name for p in (swept / "figures").iterdir()) == names
    assert all((swept / "figures" / name).stat().st_size > 2000 for name in names)


def test_the_page_needs_nothing_else_and_tells_what_each_figure_shows(swept):
    page = (swept / "report.html").read_text()
    figures = re.findall(r"<img ([^>]*)>", page)
    assert len(figures) == 1 + 2 + 3  # the summary, two planes, three pictures of brains
    for figure in figures:
        assert re.search(r'src="data:image/', figure)
        assert len(re.search(r'alt="([^"]*)"', figure)[1]) > 40
    assert not re.findall(r'(?:src|href|srcset)="(?!data:|#)', page)
    for words in (
        "Can I trust this network on my protocol?",
        "adni3-mprage",
        "ukb-t1",
        "mpm-pdw",
        "What this cannot say",
    ):
        assert words in page
    assert "Mean Dice against the label map is" in page


@pytest.mark.skipif(BROWSER is None, reason="no chromium")
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits_its_window(swept, width, tmp_path):
    """Measured by a script that is added to a copy, whose policy is taken out for it."""
    page = re.sub(r"<meta http-equiv=.*?>", "", (swept / "report.html").read_text())
    frame = (
        f'<iframe id="f" src="page.html" style="width:{width}px;height:800px"></iframe><p id="w"></p><script>'
        'f.onload=()=>{const e=f.contentDocument.documentElement;w.textContent="width "+e.scrollWidth}</script>'
    )
    (tmp_path / "page.html").write_text(page)
    (tmp_path / "frame.html").write_text(frame)
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--allow-file-access-from-files",
        "--virtual-time-budget=4000",
    ]
    shown = subprocess.run(
        [BROWSER, *flags, f"--user-data-dir={tmp_path}/b", "--dump-dom", f"file://{tmp_path}/frame.html"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert int(re.search(r"width (\d+)", shown.stdout)[1]) <= width


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--model", "nowhere.at_all:f"], "a module that cannot be imported"),
        (["--model", "math:sqroot"], "Did you mean"),
        (["--model", "math:pi"], "a float; wanted a function"),
        (["--model", "no/such/folder/x.onnx"], "no such file; wanted an ONNX file"),
        (["--model", "math:sqrt", "--sequences", "flare"], "Did you mean 'flair'"),
        (["--model", "math:sqrt", "--planes", "flair"], "a list in YAML"),
        (["--model", "math:sqrt", "--subjects", "sub-09"], "'sub-09'; wanted a subject"),
        ([], "model: found none"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(labels_folder, tmp_path, capsys, flags, message):
    assert run(["sweep", "--out", str(tmp_path / "out"), "--maps", str(labels_folder), *flags]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "sweep.jsonl").exists()
