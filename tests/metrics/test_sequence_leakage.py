"""What a linear probe reads of the scanner in an embedding: nothing in noise, all of what is planted there."""

import math

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.metrics.leakage import echo_time_leakage, predict_unseen, sequence_leakage
from qontrast.metrics.ridge import PENALTIES

ANATOMIES, SEQUENCES = 8, 6
SEQUENCE = torch.arange(SEQUENCES).repeat(ANATOMIES)
ANATOMY = torch.arange(ANATOMIES).repeat_interleave(SEQUENCES)
ECHO_TIME = torch.tensor([2.98e-3, 0.1, 0.09, 0.02, 8e-3, 2.3e-3]).repeat(ANATOMIES)
N = ANATOMIES * SEQUENCES


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def hot():
    return torch.nn.functional.one_hot(SEQUENCE).float()


def of_anatomy(seed, features=32):
    """The same vector in all sequences of an anatomy: what an encoder is meant to give."""
    return noise(ANATOMIES, features, seed=seed).repeat_interleave(SEQUENCES, dim=0)


@pytest.mark.parametrize("features", [4, 192])
def test_noise_leaks_nothing_on_average(features, one_thread):
    found = torch.tensor([sequence_leakage(noise(N, features, seed=s), SEQUENCE, ANATOMY) for s in range(12)])
    # 0 is chance whether or not there are more features than images; one draw scatters by about 0.065.
    assert float(found.mean()) == pytest.approx(0, abs=0.05)
    assert float(found.min()) < 0
    assert float(found.max()) < 0.25
    times = [echo_time_leakage(noise(N, features, seed=s), ECHO_TIME, ANATOMY) for s in range(12)]
    assert sum(times) / 12 < 0.02


def test_an_anatomy_that_is_known_by_heart_does_not_help(one_thread):
    found = [sequence_leakage(of_anatomy(s), SEQUENCE, ANATOMY) for s in range(5)]
    assert sum(found) / 5 == pytest.approx(0, abs=0.02)
    assert max(echo_time_leakage(of_anatomy(s), ECHO_TIME, ANATOMY) for s in range(5)) < 0.05


@pytest.mark.parametrize("strength", [1.0, 1e-3, 1e3])
def test_a_planted_sequence_is_read_whatever_its_scale(strength):
    planted = torch.cat((strength * hot(), of_anatomy(0, 16)), dim=1)
    assert sequence_leakage(planted, SEQUENCE, ANATOMY) == pytest.approx(1)
    assert echo_time_leakage(planted, ECHO_TIME, ANATOMY) > 0.95


def test_what_is_planted_in_turned_features_is_read_and_gone_once_projected_out():
    mixed = torch.cat((3 * hot(), noise(N, 40)), dim=1) @ torch.linalg.qr(noise(46, 46, seed=1)).Q
    assert sequence_leakage(mixed, SEQUENCE, ANATOMY) > 0.9
    basis = torch.linalg.qr(hot()).Q
    without = mixed - basis @ (basis.T @ mixed)  # every sequence now has the same mean
    assert sequence_leakage(without, SEQUENCE, ANATOMY) < 0.1
    assert echo_time_leakage(without, ECHO_TIME, ANATOMY) < 0.05


def test_two_of_six_sequences_told_apart_are_a_fifth_of_the_way():
    two = torch.stack((SEQUENCE == 0, SEQUENCE == 1), dim=1).float()
    # Right in both, and in one of the other four, whichever the tie goes to: (3/6 - 1/6) / (5/6).
    assert sequence_leakage(two, SEQUENCE, ANATOMY) == pytest.approx(0.4)


def test_the_logarithm_of_the_echo_time_itself_is_read_fully():
    assert echo_time_leakage(ECHO_TIME.log()[:, None], ECHO_TIME, ANATOMY) > 0.999
    assert echo_time_leakage(torch.ones(N, 3), ECHO_TIME, ANATOMY) == pytest.approx(0, abs=1e-9)


def test_constant_and_all_zero_embeddings_leak_exactly_nothing():
    for constant in (torch.zeros(N, 5), torch.full((N, 5), 3.7)):
        assert sequence_leakage(constant, SEQUENCE, ANATOMY) == pytest.approx(0, abs=1e-12)


def test_the_order_of_images_does_not_matter():
    embeddings, order = hot() @ noise(6, 9) + noise(N, 9, seed=1), torch.randperm(N)
    shuffled = sequence_leakage(embeddings[order], SEQUENCE[order], ANATOMY[order])
    assert shuffled == pytest.approx(sequence_leakage(embeddings, SEQUENCE, ANATOMY))


def test_the_penalty_is_the_one_that_a_search_by_training_anew_finds():
    """The closed form of leaving anatomies out against the obvious loop."""
    x = (hot() @ noise(6, 60, seed=3) + 2 * noise(N, 60)).double()
    y = ECHO_TIME.double().log()[:, None]
    test = ANATOMY == 0
    train, groups = ~test, ANATOMY[~test]
    mean, deviation = x[train].mean(0), x[train].std(0, correction=0)
    z = (x - mean) / deviation / math.sqrt(60)

    def fitted(rows, new, penalty):
        centre, middle = z[rows].mean(0), y[rows].mean(0)
        a = z[rows] - centre
        weights = torch.linalg.solve(a.T @ a + penalty * torch.eye(60, dtype=a.dtype), a.T @ (y[rows] - middle))
        return middle + (z[new] - centre) @ weights

    def error(penalty):
        total = 0.0
        for group in groups.unique():
            left = train & (group == ANATOMY)
            total += float((y[left] - fitted(train & ~left, left, penalty)).square().sum())
        return total

    best = min(PENALTIES, key=error)
    assert PENALTIES[0] < best < PENALTIES[-1]
    found = predict_unseen(x, y, ANATOMY)[test]
    torch.testing.assert_close(found, fitted(train, test, best))


def test_two_anatomies_suffice_and_one_is_refused():
    few = slice(0, 2 * SEQUENCES)
    assert sequence_leakage(hot()[few], SEQUENCE[few], ANATOMY[few]) == pytest.approx(1)
    with pytest.raises(InputError, match="1 anatomy"):
        sequence_leakage(hot()[:6], SEQUENCE[:6], ANATOMY[:6])


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(InputError, match="1 sequence"):
        sequence_leakage(noise(N, 3), torch.zeros(N, dtype=torch.long), ANATOMY)
    for times in (torch.full((N,), 0.1), ECHO_TIME - 0.01):
        with pytest.raises(InputError, match="echo times of"):
            echo_time_leakage(noise(N, 3), times, ANATOMY)
    with pytest.raises(InputError, match="48 of 48 that are not finite"):
        sequence_leakage(torch.full((N, 2), math.nan), SEQUENCE, ANATOMY)
