import base64
import json
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from qontrast.basics.errors import InputError
from qontrast.report.page import write_report
from qontrast.results.ledger import append_rows

EVIL = '<script>alert("x")</script> & $a$'
VOID = {"meta", "img", "source", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects what a page holds, and checks that its tags close in order."""

    def __init__(self):
        super().__init__()
        self.tags, self.links, self.images, self.ids, self.open, self.text = [], [], [], [], [], ""

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.links += [found[key] for key in ("src", "href", "srcset", "data", "action", "poster") if key in found]
        if tag == "img":
            self.images.append(found)
        if "id" in found:
            self.ids.append(found["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.text += " "

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    reader.close()
    assert reader.open == []
    return reader


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run-a"
    folder.mkdir()
    rng = np.random.default_rng(0)
    (folder / "plan.yaml").write_text(f"seed: 3\nremark: {EVIL}\n")
    lines = [{"plan": "begins"}, *({"step": n, "loss": 2.0 / (n + 1), "loss_local": 1.0, "rank": 4} for n in range(60))]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    np.savez(folder / "pairs.npz", views=rng.random((2, 2, 6, 8, 7)), captions=np.array([["T1w", EVIL]] * 2))
    labels = rng.integers(0, 3, (1, 9, 8))
    np.savez(
        folder / "segmentations.npz",
        image=rng.random((1, 9, 8)),
        truth=labels,
        prediction=labels[:, ::-1],
        caption=np.array(["sub-01, FLAIR"]),
        classes=np.array(["background", "grey", "white"]),
    )
    return folder


@pytest.fixture
def ledger(tmp_path):
    rows = [
        {
            "run": "r", "arm": arm, "subject": f"s{n}", "contrast": contrast, "class": kind,
            "dice": 0.5 + 0.01 * n + shift, "hd95_mm": 3.0, "truth_voxels": 5, "predicted_voxels": 5,
            "note": "empty prediction" if (arm, n, kind) == ("scratch", 0, "grey") else "", "seed": 0,
            "train_subjects": 4, "model_digest": "d",
        }
        for arm, shift in (("ours", 0.1), ("scratch", 0.0))
        for contrast in ("T1w", "FLAIR")
        for n in range(7)
        for kind in ("grey", "white")
    ]  # fmt: skip
    path = tmp_path / "ledger.jsonl"
    append_rows(path, rows)
    return path


def test_the_page_needs_nothing_else_and_hides_nothing(tmp_path, run, ledger):
    out = write_report(tmp_path / "new" / "page.html", title=EVIL, runs=[run], ledger=ledger, notes=["First.", EVIL])
    page = read(out)
    assert "script" not in page.tags
    assert "link" not in page.tags
    assert all(link.startswith(("data:image/png;base64,", "data:image/svg+xml;base64,", "#")) for link in page.links)
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors <= set(page.ids)
    assert {"notes", "training", "run-1", "scores"} == anchors
    assert len(page.ids) == len(set(page.ids))
    style = out.read_text().split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style
    assert 'name="viewport"' in out.read_text()
    assert page.text.count(EVIL) == 6  # title twice, note, plan, two captions


def test_every_picture_decodes_and_says_what_it_shows(tmp_path, run, ledger):
    page = read(write_report(tmp_path / "page.html", title="t", runs=[run], ledger=ledger))
    assert len(page.images) == 2 + 2 + 1 + 2  # losses, pairs, slices, metrics
    for image in page.images:
        assert len(image["alt"]) > 40
        kind, _, content = image["src"].partition(";base64,")
        head = base64.b64decode(content, validate=True)[:300]
        assert head.startswith(b"\x89PNG") if kind == "data:image/png" else b"<?xml" in head
    assert page.tags.count("figcaption") == len(page.images)


def test_the_numbers_of_the_ledger_are_on_the_page(tmp_path, ledger):
    text = " ".join(read(write_report(tmp_path / "page.html", title="t", runs=[], ledger=ledger)).text.split())
    assert "ours T1w 0.630" in text
    assert "scratch FLAIR 0.530" in text
    assert "ours minus scratch +0.100 +0.100 to +0.100" in text
    assert "1 of 14" in text
    assert "With few subjects intervals are wide" in text


def test_runs_are_drawn_together_and_told_apart(tmp_path, run):
    other = tmp_path / "elsewhere" / "run-a"
    other.mkdir(parents=True)
    (other / "journal.jsonl").write_text('{"step": 1, "loss": 3.0}\n{"step": 2, "loss": NaN}\n{"step": 3, "lo')
    page = read(write_report(tmp_path / "page.html", title="t", runs=[run, other]))
    (loss, local, *_) = page.images
    assert "elsewhere/run-a from 3" in loss["alt"]
    assert "elsewhere" not in local["alt"]
    assert "steps left out since their loss was not a number: 1" in page.text
    assert "Scores" not in page.text


def test_a_run_without_losses_yet_is_still_reported(tmp_path):
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / "journal.jsonl").write_text("")
    page = read(write_report(tmp_path / "page.html", title="t", runs=[tmp_path / "young"]))
    assert "Run young has journalled no loss yet." in page.text


@pytest.mark.parametrize("name", ["pairs.npz", "segmentations.npz", "journal.jsonl"])
@pytest.mark.parametrize("content", [b"garbled\n", b"PK\x03\x04 torn\n"])
def test_a_garbled_file_is_named_and_nothing_is_written(tmp_path, run, name, content):
    (run / name).write_bytes(content)
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        write_report(tmp_path / "page.html", title="t", runs=[run])
    assert not (tmp_path / "page.html").exists()


def test_a_torn_npz_is_named(tmp_path, run):
    content = (run / "pairs.npz").read_bytes()
    (run / "pairs.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"pairs\.npz"):
        write_report(tmp_path / "page.html", title="t", runs=[run])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"views": np.zeros((2, 3, 4, 4, 4))}, r"pairs\.npz, views: found shape \(2, 3, 4, 4, 4\)"),
        ({"views": np.full((2, 2, 4, 4, 4), np.nan)}, "not finite"),
        ({"captions": np.array([["a", "b"]])}, "captions: found shape"),
        ({"captions": np.array([[1, 2], [3, 4]])}, "wanted text"),
        ({"captions": np.array([["a", None], ["b", "c"]], dtype=object)}, "plain arrays"),
        ({"captions": None}, "wanted an array 'captions'"),
    ],
)
def test_misshapen_pairs_are_refused(tmp_path, run, change, word):
    arrays = {"views": np.zeros((2, 2, 4, 4, 4)), "captions": np.array([["a", "b"]] * 2), **change}
    np.savez(run / "pairs.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=word):
        write_report(tmp_path / "page.html", title="t", runs=[run])


def test_a_label_without_a_name_is_refused(tmp_path, run):
    labels = np.full((1, 4, 4), 2)
    words = {"caption": np.array(["c"]), "classes": np.array(["background", "grey"])}
    np.savez(run / "segmentations.npz", image=np.zeros((1, 4, 4)), truth=labels, prediction=labels, **words)
    with pytest.raises(InputError, match="labels from 2 to 2"):
        write_report(tmp_path / "page.html", title="t", runs=[run])


def test_nothing_to_report_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "half.jsonl").write_text('{"arm": "ours", "dice": 0.5}\n')
    for request, word in [
        ({"runs": []}, "neither a run nor a ledger"),
        ({"runs": [tmp_path / "empty"]}, "nothing to report; wanted at least one of plan.yaml"),
        ({"runs": [tmp_path / "absent"]}, "no such folder"),
        ({"runs": [], "ledger": tmp_path / "absent.jsonl"}, "no such file"),
        ({"runs": [], "ledger": tmp_path / "empty.jsonl"}, "no rows"),
        ({"runs": [], "ledger": tmp_path / "half.jsonl"}, "a row without subject, contrast, class, hd95_mm"),
    ]:
        with pytest.raises(InputError, match=word):
            write_report(tmp_path / "page.html", title="t", **request)


def test_the_report_starts_without_torch_and_without_pyplot():
    code = (
        "import sys, qontrast.report.page, qontrast.results.compare; "
        "print([m for m in ('torch', 'monai', 'matplotlib.pyplot') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def probe_line(step, spread, found):
    return {
        "step": step, "probe_rank": 1.1, "probe_rank_most": 48.0, "probe_spread": spread, "probe_alignment": spread,
        "probe_uniformity": -0.01, "probe_retrieval": found, "probe_retrieval_chance": 0.125,
        "probe_leak_sequence": -0.05, "probe_correspondence_1": 0.1, "probe_correspondence_16": 0.2,
        "probe_correspondence_near_16": 0.3, "probe_correspondence_chance": 0.01, "probe_correspondence_place": 0.3,
    }  # fmt: skip


def test_a_run_that_was_probed_shows_its_curves_and_the_verdict(tmp_path, run):
    with (run / "journal.jsonl").open("a") as stream:
        for step, spread in ((0, 0.01), (40, 1e-5), (80, 1e-5)):
            stream.write(json.dumps(probe_line(step, spread, 0.13)) + "\n")
    page = read(write_report(tmp_path / "page.html", title="t", runs=[run]))
    assert "Collapsed at step 80: all embeddings are nearly the same (rank 1.1 of 48" in page.text
    (health,) = (image for image in page.images if "Small line plots" in image["alt"])
    assert "At step 80: Directions used (RankMe): effective rank 1.1" in health["alt"]
    assert "stride 1 0.1, Voxel found in another contrast: stride 16 0.2" in health["alt"]
    assert health["src"].startswith("data:image/svg+xml;base64,")


def test_a_run_that_was_not_probed_has_no_verdict(tmp_path, run):
    text = read(write_report(tmp_path / "page.html", title="t", runs=[run])).text
    assert "Health of the encoder" not in text
