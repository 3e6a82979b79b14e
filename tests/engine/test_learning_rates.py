"""The learning rate over a run."""

import json
from itertools import pairwise

import pytest

from qontrast.engine.schedule import polynomial


@pytest.mark.parametrize("steps", [1, 2, 300, 100_000])
def test_it_begins_whole_and_ends_at_nothing(steps):
    assert polynomial(0, steps) == 1.0
    assert polynomial(steps, steps) == 0.0
    assert polynomial(steps + 5, steps) == 0.0
    assert polynomial(steps - 1, steps) == pytest.approx((1 / steps) ** 0.9)


def test_it_falls_at_every_step_and_stays_above_nothing_until_the_end():
    rates = [polynomial(step, 50) for step in range(51)]
    assert all(one > other for one, other in pairwise(rates))
    assert min(rates[:-1]) > 0


def test_its_power_is_0_9_unless_stated():
    assert polynomial(5, 10) == pytest.approx(0.5**0.9)
    assert polynomial(5, 10, power=2) == pytest.approx(0.25)


def test_the_journal_holds_the_schedules_rates(train, tmp_path):
    train(learning_rate=0.02)
    lines = [json.loads(line) for line in (tmp_path / "run" / "journal.jsonl").read_text().splitlines()]
    assert [line["learning_rate"] for line in lines] == pytest.approx([0.02 * (1 - s / 8) ** 0.9 for s in range(8)])
