from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qontrast.report.curves import Curve, loss_curves, running_mean, spans_decades, thin
from qontrast.report.runs import Run
from qontrast.report.slices import lay_over, middle_slices, window
from qontrast.report.tables import (
    interval_cell,
    p_cell,
    paired_table,
    read_scores,
    score_lanes,
    score_table,
    subjects_cell,
)
from qontrast.results.compare import paired
from qontrast.results.intervals import Interval
from qontrast.results.ledger import append_rows


def journalled(*rows):
    return Run("r", None, rows, None, None)


def row(arm, subject, dice, size=4, contrast="T1w"):
    return {
        "arm": arm, "subject": subject, "contrast": contrast, "class": "grey", "dice": dice, "hd95_mm": 1.0,
        "note": "", "seed": 0, "train_subjects": size,
    }  # fmt: skip


def test_middle_slices_put_right_front_and_top_where_they_belong():
    view = np.zeros((4, 6, 8))
    view[3, 5, 7] = 1.0
    view[2, 5, 4], view[3, 3, 4], view[2, 3, 7] = 2.0, 3.0, 4.0
    axial, coronal, sagittal = middle_slices(view)
    assert (axial.shape, coronal.shape, sagittal.shape) == ((4, 6), (4, 8), (6, 8))
    assert (axial[2, 5], axial[3, 3]) == (2.0, 3.0)
    assert (coronal[3, 4], coronal[2, 7]) == (3.0, 4.0)
    assert (sagittal[5, 4], sagittal[3, 7]) == (2.0, 4.0)


@given(st.floats(0.1, 50), st.floats(-50, 50))
def test_the_window_ignores_scale_and_offset(scale, offset):
    image = np.random.default_rng(0).normal(size=(9, 9))
    found = window(scale * image + offset)
    assert found == pytest.approx(window(image), abs=1e-3)
    assert (found.min(), found.max()) == (0.0, 1.0)


def test_the_window_of_rare_and_of_constant_values():
    rare = np.zeros((50, 50))
    rare[0, 0] = 3.0
    assert window(rare)[0, 0] == 1.0
    assert not window(np.full((3, 3), 7.0)).any()


def test_labels_are_tinted_inside_strong_along_borders_and_absent_outside():
    grey, labels = np.full((7, 7, 3), 0.5), np.zeros((7, 7), dtype=int)
    labels[1:6, 1:6] = 1
    found = np.abs(lay_over(grey, labels) - grey).sum(axis=2)
    assert not found[labels == 0].any()
    assert found[1, 3] > 2 * found[3, 3] > 0
    assert np.ptp(found[2:5, 2:5]) == 0


@given(st.integers(1, 300), st.floats(-5, 5), st.floats(-1, 1))
def test_the_running_mean_keeps_constants_and_inner_lines(count, start, slope):
    line = start + slope * np.arange(count)
    found, half = running_mean(line), count // 50
    assert found[half : count - half] == pytest.approx(line[half : count - half], abs=1e-9)
    assert running_mean(np.full(count, start)) == pytest.approx(np.full(count, start))


def test_thinning_keeps_spikes_and_order():
    values = np.zeros(10_000)
    values[1234], values[7777] = 9.0, -9.0
    steps, kept = thin(np.arange(10_000.0), values)
    assert len(kept) <= 600
    assert (steps[kept.argmax()], steps[kept.argmin()]) == (1234, 7777)
    assert (np.diff(steps) > 0).all()


def test_losses_are_found_by_name_and_a_resumed_step_counts_once():
    run = journalled(
        {"step": 2, "loss": 5.0},
        {"step": 1, "loss": 4.0, "loss_a": 1, "loss_kind": "nt_xent", "loss_ok": True, "rank": 3},
        {"step": 2, "loss": 3.0},
        {"step": 3, "loss": float("inf")},
        {"loss": 9.0},
    )
    curves = loss_curves([run])
    assert set(curves) == {"loss", "loss_a"}
    (loss,) = curves["loss"]
    assert (loss.steps.tolist(), loss.values.tolist(), loss.missing) == ([1, 2], [4.0, 3.0], 1)


def test_a_logarithmic_axis_only_for_positive_losses_of_many_sizes():
    def curve(*values):
        return [Curve("r", np.arange(len(values)), np.array(values), 0)]

    assert spans_decades(curve(1000.0, 1.0))
    assert not spans_decades(curve(50.0, 1.0))
    assert not spans_decades(curve(1000.0, -1.0))
    assert not spans_decades(curve())


def test_cells_read_plainly():
    assert interval_cell(Interval(0.81249, 0.79, 0.8312, 9), 3) == ("0.812", "0.790 to 0.831")
    assert interval_cell(Interval(-0.5, -1.0, 0.25, 9), 2, signed=True) == ("\u22120.50", "\u22121.00 to +0.25")
    assert interval_cell(Interval(0.5, None, None, 1), 1) == ("0.5", "too few subjects for an interval")
    compared = paired({str(n): 1.0 + n for n in range(6)}, dict.fromkeys(map(str, range(7)), 0.0))
    assert p_cell(compared) == ("0.031", "")
    assert p_cell(replace(compared, wilcoxon_p=0.0004)) == ("< 0.001", "")
    assert p_cell(replace(compared, wilcoxon_p=None)) == ("none", "fewer than 6 pairs differ")
    assert subjects_cell(compared) == ("6", "in one arm only: 6")


def test_arms_are_paired_within_a_contrast_only():
    rows = [row("a", "s1", 0.5), row("b", "s1", 0.4), row("c", "s2", 0.4), row("a", "s1", 0.1, contrast="FLAIR")]
    table = paired_table(rows)
    assert [(line[0][0], line[1][0], line[2][0]) for line in table.body] == [("T1w", "a minus b", "+0.100")]
    assert paired_table(rows[2:]) is None


def test_arms_are_paired_by_the_classes_that_both_know():
    both = [row(arm, f"s{n}", 0.5 + 0.01 * n) | {"class": "grey"} for arm in "ab" for n in range(6)]
    more = [row("a", f"s{n}", 0.1) | {"class": "fluid"} for n in range(6)]
    ((_, _, difference, *_),) = paired_table(both + more).body
    assert difference == ("+0.000", "+0.000 to +0.000")


def test_arms_of_different_training_sizes_are_never_mixed(tmp_path):
    append_rows(tmp_path / "ledger.jsonl", [row("a", "s1", 0.9, size=20), row("a", "s1", 0.3, size=1)])
    rows = read_scores(tmp_path / "ledger.jsonl")
    body = score_table(rows).body
    assert [(line[0][0], line[2][0]) for line in body] == [
        ("a, training subjects: 20", "0.900"),
        ("a, training subjects: 1", "0.300"),
    ]


def test_a_lane_has_one_dot_per_subject():
    rows = [row("a", "s1", 0.2), row("a", "s1", 0.4), row("a", "s2", 0.9), row("b", "s1", 0.5)]
    first, second = score_lanes(rows, "dice")
    assert (first.contrast, first.arm, first.values) == ("T1w", "a", (pytest.approx(0.3), 0.9))
    assert first.mean.mean == pytest.approx(0.6)
    assert (second.arm, second.values) == ("b", (0.5,))
