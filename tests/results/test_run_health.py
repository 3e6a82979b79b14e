"""Runs that learn are told from runs that collapse by what was measured of both."""

import json

import pytest

from qontrast.results.health import judge, probed


def row(step, spread, alignment, retrieval, rank=2.0, leak=0.1, chance=0.125):
    return {
        "step": step, "probe_spread": spread, "probe_alignment": alignment, "probe_retrieval": retrieval,
        "probe_retrieval_chance": chance, "probe_rank": rank, "probe_rank_most": 48.0, "probe_leak_sequence": leak,
    }  # fmt: skip


UNTRAINED = row(0, 7.8e-3, 7.2e-3, 0.41, 5.5)
# cnn-nano, 32³, temperature 100, no reconstruction: measured
HOT = [UNTRAINED, *(row(step, 2.4e-5, 1.8e-5, 0.30, 1.07) for step in range(20, 160, 20))]
# a smaller net, no dropout, temperature 0.1, reconstruction 1: measured
LEARNED = [
    row(step, spread, alignment, retrieval, rank)
    for step, spread, alignment, retrieval, rank in (
        (0, 7.05e-3, 6.5e-3, 0.221, 4.34), (20, 1.0e-2, 4.0e-3, 0.333, 1.62), (40, 3.2e-2, 1.8e-2, 0.317, 1.74),
        (60, 3.6e-2, 8.2e-3, 0.346, 1.79), (80, 4.9e-2, 1.1e-2, 0.404, 1.89), (100, 4.5e-2, 1.4e-2, 0.371, 1.99),
        (120, 2.3e-2, 9.1e-3, 0.308, 1.82), (140, 4.5e-2, 1.2e-2, 0.371, 2.10), (160, 5.7e-2, 1.3e-2, 0.446, 2.09),
        (180, 4.6e-2, 1.1e-2, 0.396, 2.06), (200, 5.1e-2, 1.2e-2, 0.379, 2.08),
    )
]  # fmt: skip
# the smaller net at temperature 100: after 150 steps its embeddings spread again, but not by anatomy: measured
SCATTERED = [
    row(0, 7.05e-3, 6.5e-3, 0.221, 4.34), row(20, 9.6e-5, 4.7e-5, 0.346, 1.15), row(40, 3.6e-5, 3.6e-5, 0.213, 1.1),
    row(60, 4.1e-5, 4.3e-5, 0.188, 1.1), row(140, 5.5e-4, 6.3e-4, 0.179, 1.2), row(160, 1.8e-2, 1.27e-2, 0.229, 1.9),
    row(180, 3.9e-2, 3.0e-2, 0.279, 2.1), row(200, 2.7e-2, 2.9e-2, 0.254, 2.0),
]  # fmt: skip
# without negatives: what little is left finds anatomies: measured
PULLED = [
    row(0, 7.05e-3, 6.5e-3, 0.221, 4.34), row(25, 8.1e-5, 5.1e-5, 0.396, 1.18), row(50, 6.5e-5, 4.2e-5, 0.404, 1.17),
]  # fmt: skip
# temperature 0.1 with dropout 0.2: embeddings draw together, yet anatomies are found: measured
CLOSE = [UNTRAINED, *(row(step, 7e-4, 2.9e-4, 0.56, 1.5) for step in range(20, 220, 20))]


def states(rows):
    """What is said at each step, with the rows up to it."""
    return {int(rows[n]["step"]): judge(rows[: n + 1]).state for n in range(len(rows))}


def test_a_run_without_contrast_is_called_collapsed_after_50_steps_and_stays_so():
    found = states(HOT)
    assert (found[0], found[20], found[40]) == ("untrained", "learning", "learning")
    assert {found[step] for step in range(60, 160, 20)} == {"collapsed"}
    said = judge(HOT).sentence
    assert said.startswith(
        "Collapsed at step 140: all embeddings are nearly the same (rank 1.1 of 48; 30% of anatomies"
    )
    assert "by chance 12%" in said
    assert "lower temperature" in said
    assert judge(HOT).collapsed


def test_a_run_that_learns_is_never_called_collapsed():
    found = states(LEARNED)
    assert "collapsed" not in found.values()
    assert found[160] == "healthy"
    assert judge(LEARNED[:-2]).sentence.startswith("Healthy at step 160: rank 2.1 of 48; 45% of anatomies found")


def test_embeddings_that_spread_by_something_else_than_anatomy_are_collapsed_too():
    found = states(SCATTERED)
    assert found[60] == "collapsed"
    assert found[180] == found[200] == "collapsed"
    assert "differ, but not by anatomy" in judge(SCATTERED).sentence
    told = [*SCATTERED[:-2], *(row(step, 0.03, 0.9, 0.13, leak=0.97) for step in (180, 200))]
    assert "tell the contrast, not the anatomy" in judge(told).sentence


def test_close_embeddings_in_which_anatomies_are_found_are_not_called_collapsed():
    found = states(CLOSE)
    assert set(found.values()) == {"untrained", "learning"}
    assert "closer together than before training" in judge(CLOSE).sentence


def test_a_spread_that_is_gone_is_a_collapse_whatever_the_rest_finds():
    assert states(PULLED)[50] == "collapsed"


def test_an_encoder_that_stays_as_it_was_made_has_not_learned_and_not_collapsed():
    still = [row(step, 7e-3, 6.5e-3, 0.2, 4.3) for step in range(0, 400, 20)]
    assert set(states(still).values()) == {"untrained", "learning"}


def test_embeddings_that_scatter_are_given_100_steps():
    scattered = [row(0, 7e-3, 6.5e-3, 0.2), *(row(step, 0.5, 0.45, 0.2) for step in range(20, 140, 20))]
    found = states(scattered)
    assert {found[step] for step in range(20, 100, 20)} == {"learning"}
    assert found[100] == found[120] == "collapsed"


def test_a_single_bad_measure_is_not_enough_and_a_recovered_run_is_no_longer_flagged():
    dip = row(60, 1e-5, 1e-5, 0.125, 1.0)
    assert judge([*LEARNED[:3], dip]).state == "learning"
    assert judge([*LEARNED[:3], dip, {**dip, "step": 80}]).state == "collapsed"
    assert judge([*HOT, *LEARNED[-3:]]).state == "healthy"


def test_nothing_and_one_measure_are_no_verdict():
    assert judge([]).sentence == "Nothing was measured yet."
    assert judge([{"step": 3, "probe_rank": 2.0}]).state == "untrained"
    assert judge([UNTRAINED]).sentence.startswith("Measured once, at step 0: rank 5.5 of 48")


def test_what_counts_in_a_journal():
    lines = [
        {"plan": "begins"},
        {"step": 0, "loss": 2.0, "probe_rank": 3.0, "probe_spread": None},
        {"step": 1, "loss": 2.0},
        {"step": 40, "probe_rank": 9.0},
        {"step": 20, "probe_rank": float("nan"), "probe_note": "text", "probe_ok": True},
        {"step": 40, "probe_rank": 8.0},
        {"probe_rank": 5.0},
    ]
    assert probed(lines) == [{"step": 0.0, "probe_rank": 3.0}, {"step": 40.0, "probe_rank": 8.0}]
    assert probed(json.loads(json.dumps(HOT))) == HOT


@pytest.mark.parametrize("rows", [HOT, LEARNED, SCATTERED, CLOSE])
def test_the_order_and_scale_of_steps_is_that_of_the_journal(rows):
    assert judge(probed(list(reversed(rows)))) == judge(rows)


def test_a_run_that_learns_voxels_alone_is_not_called_collapsed_but_said():
    first = {"step": 0, "probe_spread": 7e-3, "probe_alignment": 6e-3, "probe_retrieval": 0.3}
    same = {"probe_spread": 2e-5, "probe_alignment": 1e-5, "probe_retrieval": 0.3}
    rows = [first | {"probe_correspondence": 0.11}]
    rows += [{"step": step, **same, "probe_correspondence": 0.25} for step in (50, 100)]
    verdict = judge(rows)
    assert verdict.state == "learning"
    assert "25% of voxels are found in another contrast, 11% before training" in verdict.sentence
    idle = [{**row, "probe_correspondence": 0.11} for row in rows]
    assert judge(idle).collapsed
