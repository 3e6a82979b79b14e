"""Small curves of what the probe said, drawn from whatever the journal holds of it."""

import base64

from qontrast.report.health import draw_health

LINES = [
    {"step": step, "loss": 1.0, "probe_rank": 2.0 + step, "probe_retrieval": 0.5, "probe_retrieval_chance": 0.125}
    for step in (0, 10)
]


def drawn(picture):
    return base64.b64decode(picture.light.partition("base64,")[2]).decode()


def test_a_journal_without_a_probe_draws_nothing():
    assert draw_health("r", []) is None
    assert draw_health("r", [{"step": 0, "loss": 1.0}]) is None
    assert draw_health("r", [{"step": 0, "probe_unheard_of": 1.0}]) is None


def test_only_the_panels_that_have_values_are_drawn_and_chance_is_dashed():
    two = draw_health("r", LINES)
    assert drawn(two.picture).count('id="axes_') == 2
    assert "stroke-dasharray" in drawn(two.picture)
    assert two.verdict.state == "untrained"  # nothing to judge by
    more = draw_health("r", [*LINES, {"step": 20, "probe_leak_sequence": 0.3}, {"step": 30, "loss": 2.0}])
    assert drawn(more.picture).count('id="axes_') == 3
    assert "At step 20: " in more.picture.alt
    assert "sequence 0.3" in more.picture.alt


def test_feature_maps_are_sorted_by_stride_and_other_keys_are_none():
    keys = ("probe_correspondence_16", "probe_correspondence_2", "probe_correspondence_near_2", "probe_correspondence")
    found = draw_health("r", [{"step": 0, **dict.fromkeys(keys, 0.5)}])
    assert found.picture.alt.endswith("stride 2 0.5, Voxel found in another contrast: stride 16 0.5.")
    assert found.picture.light != found.picture.dark


def test_values_that_are_not_numbers_are_left_out():
    found = draw_health("r", [*LINES, {"step": 20, "probe_rank": None, "probe_retrieval": float("nan")}])
    assert "At step 10: " in found.picture.alt
