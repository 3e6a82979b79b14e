"""The order of examples depends on the seed alone, and their bits on nothing that the machine chooses."""

import itertools

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.views.loader import Examples, batches, default_prefetch, default_workers
from qontrast.views.maker import PairMaker
from qontrast.views.pair import make_pair

TENSORS = ("a", "b", "clean_a", "clean_b")


def numbers(which, step, turn):
    return {"subject": torch.tensor(which), "step": torch.tensor(step), "turn": torch.tensor(turn)}


def order(subjects, batch, steps, seed=0, workers=0, start=0):
    examples = Examples(numbers, subjects, batch, seed)
    return [b["subject"].tolist() for b in batches(examples, start, steps, workers)]


def alike(one, other):
    assert len(one) == len(other) > 0
    return all(torch.equal(x[name], y[name]) for x, y in zip(one, other, strict=True) for name in x)


@pytest.mark.parametrize(("subjects", "batch"), [(4, 4), (7, 3), (12, 4), (9, 1), (100, 16)])
def test_a_batch_never_holds_one_subject_twice(subjects, batch):
    assert all(len(set(found)) == batch for found in order(subjects, batch, 40))


@pytest.mark.parametrize(("subjects", "batch"), [(4, 4), (12, 4), (9, 1), (32, 16)])
def test_every_epoch_visits_every_subject_once_in_an_order_of_its_own(subjects, batch):
    each = subjects // batch
    found = order(subjects, batch, 4 * each)
    epochs = [[s for batch in found[i : i + each] for s in batch] for i in range(0, len(found), each)]
    assert all(sorted(epoch) == list(range(subjects)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_subjects_that_fill_no_batch_wait_for_another_epoch():
    found = order(7, 3, 60)
    for epoch in range(30):
        assert len(set(found[2 * epoch] + found[2 * epoch + 1])) == 6
    assert {s for batch in found for s in batch} == set(range(7))


@pytest.mark.parametrize(("subjects", "batch"), [(2, 5), (1, 3)])
def test_few_subjects_fill_a_batch_evenly(subjects, batch):
    for found in order(subjects, batch, 10):
        counts = [found.count(s) for s in range(subjects)]
        assert sum(counts) == batch
        assert max(counts) - min(counts) <= 1


def test_another_seed_gives_another_order():
    assert order(12, 4, 6, seed=0) == order(12, 4, 6, seed=0)
    assert order(12, 4, 6, seed=0) != order(12, 4, 6, seed=1)


def test_examples_are_told_their_step_and_which_of_the_subjects_turns_it_is():
    for step, batch in enumerate(batches(Examples(numbers, 5, 3, 0), 0, 4, 0)):
        assert batch["step"].tolist() == [step] * 3
        assert batch["turn"].tolist() == [0, 0, 0]
    for batch in batches(Examples(numbers, 2, 5, 0), 0, 4, 0):
        for subject in (0, 1):
            turns = [
                turn
                for turn, who in zip(batch["turn"].tolist(), batch["subject"].tolist(), strict=True)
                if who == subject
            ]
            assert turns == list(range(len(turns)))


@pytest.mark.parametrize("shares", [None, [0.2] * 5])
def test_a_subjects_views_of_a_step_are_the_same_in_a_batch_of_any_size(heads, plan, shares):
    def seen(batch):
        examples = Examples(PairMaker([*heads, *heads, heads[0]], plan(), 3), 5, batch, 3, shares)
        return {(s, examples.subject(s, i)): examples[s * batch + i] for s in range(4) for i in range(batch)}

    small, large = seen(2), seen(4)
    shared = small.keys() & large.keys()
    assert len(shared) >= 4
    assert alike([small[key] for key in shared], [large[key] for key in shared])


@pytest.mark.parametrize("start", [1, 3, 5])
def test_starting_late_goes_on_as_if_begun_at_the_first_step(heads, plan, start):
    examples = Examples(PairMaker(heads, plan(), 3), 2, 2, 3)
    whole = list(batches(examples, 0, 6, 0))
    assert alike(list(batches(examples, start, 6, 0)), whole[start:])
    assert list(batches(examples, 6, 6, 0)) == []


def test_loader_processes_do_not_change_a_bit(heads, plan):
    examples = Examples(PairMaker(heads, plan(crop=48, spacing=1.7), 3), 2, 2, 3)
    here = list(batches(examples, 0, 3, 0))
    assert here[0].keys() == set(TENSORS)
    assert here[0]["a"].shape == (2, 1, 48, 48, 48)
    for workers in (1, 3):
        assert alike(list(batches(examples, 0, 3, workers)), here)


@pytest.mark.parametrize("workers", [0, 1])
def test_two_ranks_see_together_what_one_sees(heads, plan, workers):
    examples = Examples(PairMaker(heads, plan(), 3), 2, 4, 3)
    alone = list(batches(examples, 1, 4, 0))
    shares = [list(batches(examples, 1, 4, workers, rank=rank, ranks=2)) for rank in (0, 1)]
    for step, whole in enumerate(alone):
        for name, values in whole.items():
            assert torch.equal(shares[0][step][name], values[0::2])
            assert torch.equal(shares[1][step][name], values[1::2])


def test_ranks_that_do_not_divide_a_batch_are_refused(heads, plan):
    with pytest.raises(InputError, match="3 slots for 2 processes"):
        batches(Examples(numbers, 5, 3, 0), 0, 1, 0, ranks=2)


@pytest.mark.parametrize("size", [1, 3])
def test_a_batch_is_its_examples_one_by_one(heads, plan, size):
    examples = Examples(PairMaker(heads, plan(), 3), 2, size, 3)
    for step, batch in enumerate(batches(examples, 0, 2, 0)):
        for slot in range(size):
            subjects = [examples.subject(step, before) for before in range(slot + 1)]
            pair = make_pair(heads[subjects[-1]], plan(), 3, step, subjects[:-1].count(subjects[-1]))
            assert torch.equal(batch["a"][slot], pair.a.image[0])
            assert torch.equal(batch["clean_b"][slot], pair.b.clean[0])


def test_shares_are_kept_without_epochs_and_without_doubles():
    shares = [0.25, 0.25, *[0.05] * 10]
    examples = Examples(numbers, 12, 2, 0, shares)
    found = [[examples.subject(step, slot) for slot in range(2)] for step in range(3000)]
    assert all(len(set(batch)) == 2 for batch in found)
    for slot, subject in itertools.product((0, 1), (0, 1, 7)):
        expected = 3000 * shares[subject]
        assert abs([batch[slot] for batch in found].count(subject) - expected) < 4 * expected**0.5
    assert [examples.subject(7, 0), examples.subject(7, 1)] == found[7]


@pytest.mark.parametrize(
    ("counts", "weights", "batch"), [((20, 500), (2, 1), 64), ((4, 2000), (2, 1), 8), ((10, 500), (2, 1), 8)]
)
def test_a_cohorts_share_of_the_slots_is_its_weight_however_few_its_subjects(counts, weights, batch):
    shares = [weight / count for count, weight in zip(counts, weights, strict=True) for _ in range(count)]
    examples, steps = Examples(numbers, sum(counts), batch, 0, shares), 400
    slots = [[who < counts[0] for who in examples.of_step(step)] for step in range(steps)]
    wanted = batch * weights[0] / sum(weights)
    assert sum(map(sum, slots)) / steps == pytest.approx(wanted, abs=4 * (0.25 * batch / steps) ** 0.5)
    for slot in (0, batch - 1):
        assert sum(own[slot] for own in slots) / steps == pytest.approx(wanted / batch, abs=4 * (0.25 / steps) ** 0.5)


def test_a_subject_comes_as_often_as_its_share_rounded_up_or_down():
    shares = [5.0, 1.0, 1.0, 1.0]
    examples = Examples(numbers, 4, 4, 0, shares)
    for step in range(50):
        counts = [examples.of_step(step).count(who) for who in range(4)]
        for share, count in zip(shares, counts, strict=True):
            assert abs(count - 4 * share / 8) < 1


def test_fewer_subjects_with_shares_than_slots_come_again():
    examples = Examples(numbers, 3, 5, 0, [0.5, 0.5, 0.0])
    for step in range(20):
        batch = [examples.subject(step, slot) for slot in range(5)]
        assert set(batch) == {0, 1}
        assert {batch.count(0), batch.count(1)} == {2, 3}


def test_threads_of_this_process_do_not_change_a_bit(heads, plan):
    examples = Examples(PairMaker(heads, plan(crop=48, spacing=1.7), 3), 2, 2, 3)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append([examples[i] for i in range(4)])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert alike(found[0], found[1])
    assert alike(found[0], found[2])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_global_random_state_is_left_alone(heads, plan, workers):
    torch.manual_seed(4)
    before = torch.get_rng_state()
    for _ in batches(Examples(PairMaker(heads, plan(), 3), 2, 2, 3), 0, 2, workers):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_the_global_random_state_does_not_reach_the_batches(heads, plan):
    examples = Examples(PairMaker(heads, plan(), 3), 2, 2, 3)
    torch.manual_seed(1)
    one = list(batches(examples, 0, 2, 0))
    torch.manual_seed(2)
    assert alike(one, list(batches(examples, 0, 2, 0)))


def test_a_failure_in_a_loader_process_reaches_the_caller():
    def fail(which, step, slot):
        raise ValueError("no such head")

    with pytest.raises(ValueError, match="no such head"):
        list(batches(Examples(fail, 2, 2, 0), 0, 1, 1))


def test_one_core_is_left_to_the_network(monkeypatch):
    monkeypatch.setattr("qontrast.views.loader.free_memory", lambda: 1e12)
    for cores, expected in ((1, 0), (2, 1), (8, 7), (96, 16)):
        monkeypatch.setattr("qontrast.views.loader.cpu_count", lambda n=cores: n)
        assert default_workers() == expected


def test_batches_ahead_fit_the_memory(monkeypatch):
    monkeypatch.setattr("qontrast.views.loader.free_memory", lambda: 1.0e9)
    assert [default_prefetch(w, b) for w, b in ((1, 1000), (2, 20_000_000), (10, 20_000_000))] == [4, 2, 1]


def test_no_more_loaders_than_the_free_memory_holds(monkeypatch):
    monkeypatch.setattr("qontrast.views.loader.cpu_count", lambda: 8)
    monkeypatch.setattr("qontrast.views.loader.free_memory", lambda: 2.0e9)
    assert default_workers() == 2
