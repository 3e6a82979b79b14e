"""The contrastive loss, against its definition written out."""

import math

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.losses.nt_xent import nt_xent


def embeddings(count=5, width=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, width), generator=generator), torch.randn((count, width), generator=generator)


def by_hand(a, b, temperature):
    rows = [row.double() for row in (*a, *b)]
    count = len(rows)
    total = 0.0
    for i in range(count):
        partner = (i + len(a)) % count

        def similarity(k, i=i):
            return math.exp(float(rows[i] @ rows[k] / (rows[i].norm() * rows[k].norm())) / temperature)

        total -= math.log(similarity(partner) / sum(similarity(k) for k in range(count) if k != i))
    return total / count


@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_it_is_its_definition(count, temperature):
    a, b = embeddings(count, seed=count)
    assert float(nt_xent(a, b, temperature)) == pytest.approx(by_hand(a, b, temperature), rel=1e-5)


def test_its_temperature_is_one_half_unless_stated():
    a, b = embeddings()
    assert float(nt_xent(a, b)) == pytest.approx(by_hand(a, b, 0.5), rel=1e-5)


def test_without_agreement_it_is_about_the_logarithm_of_the_others():
    a, b = embeddings(64, 4096)
    assert float(nt_xent(a, b)) == pytest.approx(math.log(2 * 64 - 1), abs=0.05)


def test_with_all_embeddings_alike_it_is_exactly_that_logarithm():
    same = torch.ones(6, 3)
    assert float(nt_xent(same, same)) == pytest.approx(math.log(11), abs=1e-6)


def test_agreement_of_unlike_subjects_brings_it_near_zero():
    apart = torch.eye(8)
    assert float(nt_xent(apart, apart, 0.05)) < 1e-6
    assert float(nt_xent(apart, apart)) < float(nt_xent(apart, apart.roll(1, dims=0)))


def test_the_views_may_be_swapped():
    a, b = embeddings()
    torch.testing.assert_close(nt_xent(a, b), nt_xent(b, a))


def test_the_order_of_subjects_does_not_matter_but_their_pairing_does():
    a, b = embeddings()
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(nt_xent(a[order], b[order]), nt_xent(a, b))
    assert float((nt_xent(a[order], b) - nt_xent(a, b)).abs()) > 1e-3


def test_only_directions_matter():
    a, b = embeddings()
    torch.testing.assert_close(nt_xent(100 * a, 0.01 * b), nt_xent(a, b))


@pytest.mark.parametrize("temperature", [0.01, 0.5])
def test_gradients_are_finite_and_a_step_along_them_helps(temperature):
    a, b = (e.requires_grad_() for e in embeddings())
    loss = nt_xent(a, b, temperature)
    loss.backward()
    assert torch.isfinite(a.grad).all()
    assert torch.isfinite(b.grad).all()
    step = 1e-3 * temperature
    with torch.no_grad():
        assert nt_xent(a - step * a.grad, b - step * b.grad, temperature) < loss


def test_an_embedding_of_zeros_stays_finite():
    a, b = embeddings()
    a[0] = 0
    a.requires_grad_()
    nt_xent(a, b).backward()
    assert torch.isfinite(a.grad).all()


def test_half_precision_is_reckoned_in_single():
    a, b = embeddings(16, 32)
    low = nt_xent(a.bfloat16(), b.bfloat16(), 0.1)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, nt_xent(a.bfloat16().float(), b.bfloat16().float(), 0.1), rtol=0, atol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = nt_xent(a, b, 0.1)
    torch.testing.assert_close(inside, nt_xent(a, b, 0.1), rtol=0, atol=0)


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_subjects_are_refused(count):
    with pytest.raises(InputError, match=rf"\({count}, 7\).*2 rows or more"):
        nt_xent(*embeddings(count))


@pytest.mark.parametrize("temperature", [0.0, -0.5, float("nan")])
def test_temperatures_that_are_not_positive_are_refused(temperature):
    with pytest.raises(InputError, match=r"temperature of .*wanted one above 0"):
        nt_xent(*embeddings(), temperature)
