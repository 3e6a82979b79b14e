"""The sheet of view pairs: every panel in its place, every word whole and apart from the others."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from qontrast.report.pair_sheet import PairRow, checkerboard, pair_sheet
from qontrast.report.sheet import PANELS, wrapped, write_figure
from qontrast.report.slices import middle_slices, window

LONG = (
    "MP2RAGE 11.7 T, TR 5000, TE 2.98, TI 1035/2214 ms, flip 4/5°; SNR 17, 12 coils, dropout TE 21 ms 3.2 mm, "
    "bias ±11%, 18 loops, shading 48%, motion 10.0 mm 10.9° superior interleaved, slices superior 5.1 mm, gap 1.3 mm, "
    "3.1 mm right, filtered 45%, phase ±45°, partial Fourier 0.62 anterior homodyne, 2 erased; flipped, turned 14°; "
    "85 years, svd"
)


def row(seed=0, captions=("FSE 3 T; SNR 9", "GRE 3 T; SNR 9"), **more):
    return PairRow(f"{seed} · sub-01", np.random.default_rng(seed).random((2, 6, 6, 6)), captions, **more)


def images(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_a_pair_is_three_planes_of_each_view_and_both_in_turn():
    pair = row()
    shown = images(pair_sheet("t", [pair]))
    planes = [[plane.T for plane in middle_slices(window(view))] for view in pair.views]
    expected = [*planes[0], *planes[1], checkerboard(planes[0][0].T, planes[1][0].T).T]
    assert len(shown) == PANELS == 7
    assert all(np.array_equal(one, other) for one, other in zip(shown, expected, strict=True))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_pair_has_its_panels_below_the_one_before(count):
    figure = pair_sheet("t", [row(n) for n in range(count)])
    assert len(figure.axes) == PANELS * count
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    width, height = figure.get_size_inches()
    assert all(width * box.width == pytest.approx(height * box.height) for box in boxes)


def test_the_squares_alternate():
    board = checkerboard(np.zeros((12, 12)), np.ones((12, 12)), squares=6)
    assert (board[0, 0], board[2, 0], board[0, 2], board[2, 2], board[1, 1]) == (0, 1, 1, 0, 0)
    assert board.mean() == 0.5


def test_tissue_that_lies_elsewhere_in_the_second_view_is_brought_over():
    places = np.full((6, 6), -1)
    places[0, 1] = 17
    found = images(pair_sheet("t", [row(places=places)]))[-1].T
    alone = images(pair_sheet("t", [row()]))
    assert found[0, 1] == window(row().views[1]).reshape(-1)[17]
    assert found[0, 0] == alone[0].T[0, 0]
    assert found[1, 0] == 0


def test_letters_follow_a_flip():
    figure = pair_sheet("t", [row(mirrored=(True, False))])
    sides = ["".join(text.get_text() for text in axes.texts) for axes in figure.axes]
    assert sides == ["RL", "RL", "PA", "LR", "LR", "PA", "RL"]


@pytest.mark.parametrize("crowded", [LONG, "x" * 400, "$a$ and _b^", ""], ids=["long", "one word", "maths", "nothing"])
def test_words_neither_leave_the_page_nor_touch_others_or_pictures(crowded):
    rows = [row(0, (crowded, "FSE 3 T")), row(1, (crowded, crowded), note=crowded), row(2, note="squares of 16 mm")]
    figure = pair_sheet(crowded, rows)
    figure.canvas.draw()
    words = [text.get_window_extent() for text in figure.texts if text.get_text()]
    words = [box for box in words if box.width]
    panels = [axes.get_window_extent() for axes in figure.axes]
    page = figure.bbox
    for box in words:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    for one, other in (*itertools.combinations(words, 2), *itertools.product(words, panels)):
        # Letters of neighbouring lines may come as close as their boxes, by less than a pixel.
        apart = max(one.x0 - other.x1, other.x0 - one.x1, one.y0 - other.y1, other.y0 - one.y1)
        assert apart > -1.0


def test_every_word_of_the_captions_is_there():
    figure = pair_sheet("the cohort", [row(0, (LONG, "FSE 3 T; SNR 8"))])
    said = " ".join(text.get_text() for text in figure.texts)
    for part in (
        "the cohort",
        "0 · sub-01",
        *LONG.replace("; ", ", ").split(", "),
        "B: FSE 3 T",
        "SNR 8",
        "neurological convention",
    ):
        assert part in said


@settings(deadline=None, max_examples=50)
@given(st.text("ab,. \u00e9W", max_size=80), st.floats(0.4, 3.0), st.booleans())
def test_wrapping_keeps_every_letter_and_the_width(text, width, phrases):
    lines = wrapped(text, width, 7.0, phrases=phrases)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    for line in lines:
        measured = TextToPath().get_text_width_height_descent(line, FontProperties(size=7.0), ismath=False)[0]
        assert measured <= 72 * width


def test_phrases_keep_numbers_with_their_units():
    lines = wrapped("bias ±11%, slices superior 5.1 mm, gap 1.3 mm", 1.3, 7.0, phrases=True)
    assert lines == ["bias ±11%,", "slices superior 5.1 mm,", "gap 1.3 mm"]


@pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_the_ending_says_the_kind_and_the_bytes_repeat(ending, start, tmp_path):
    for name in ("one", "two"):
        write_figure(pair_sheet("t", [row()]), tmp_path / f"{name}{ending}")
    one, two = ((tmp_path / f"{name}{ending}").read_bytes() for name in ("one", "two"))
    assert one.startswith(start)
    assert one == two
