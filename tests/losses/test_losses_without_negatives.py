"""Barlow Twins and VICReg, against their definitions written out."""

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.losses.barlow_twins import barlow_twins
from qontrast.losses.dense_vicreg import dense_vicreg
from qontrast.losses.vicreg import redundancy, spread, vicreg


def embeddings(count=6, width=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((count, width), generator=generator), torch.randn((count, width), generator=generator)


@pytest.mark.parametrize("redundant", [0.0, 5e-3, 1.0])
def test_barlow_twins_is_its_definition(redundant):
    a, b = embeddings()
    wanted = 0.0
    for i in range(5):
        for j in range(5):
            x, y = a[:, i].double(), b[:, j].double()
            correlation = ((x - x.mean()) * (y - y.mean())).mean() / (x.std(correction=0) * y.std(correction=0))
            wanted += float((1 - correlation) ** 2) if i == j else redundant * float(correlation**2)
    assert float(barlow_twins(a, b, redundant)) == pytest.approx(wanted, rel=1e-4)


def test_barlow_twins_is_zero_for_equal_views_of_uncorrelated_features():
    signs = torch.tensor([[1.0, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]])
    assert float(barlow_twins(3 * signs, 2 * signs + 7)) == pytest.approx(0, abs=1e-6)


def test_vicreg_is_its_definition():
    a, b = embeddings()
    one, other = a.double(), b.double()
    invariance = ((one - other) ** 2).mean()
    variance = covariance = 0.0
    for z in (one, other):
        variance += float((1 - (z.var(dim=0) + 1e-4).sqrt()).clamp(min=0).mean())
        matrix = torch.cov(z.T)
        covariance += float((matrix**2).sum() - (matrix.diagonal() ** 2).sum()) / 5
    wanted = 25 * float(invariance) + 25 * variance / 2 + covariance
    assert float(vicreg(a, b)) == pytest.approx(wanted, rel=1e-5)


def test_a_constant_embedding_costs_its_missing_variance():
    same = torch.ones(4, 3)
    assert float(spread(same)) == pytest.approx(1 - 0.01, rel=1e-6)
    assert float(redundancy(same)) == 0
    assert float(vicreg(same, same)) == pytest.approx(25 * 0.99, rel=1e-6)


def test_enough_variance_costs_nothing_and_copies_of_a_feature_do():
    wide = 10 * embeddings(50)[0]
    assert float(spread(wide)) == 0
    assert float(redundancy(wide[:, :1].expand(-1, 4))) == pytest.approx(3 * float(wide[:, 0].var()) ** 2, rel=1e-4)


def test_dense_vicreg_of_all_points_is_vicreg_of_the_points():
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.randn((3, 7, 4), generator=generator) for _ in range(2))
    wanted = vicreg(a.flatten(0, 1), b.flatten(0, 1))
    assert float(dense_vicreg(a, b, (a, b))) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("loss", [barlow_twins, vicreg])
def test_a_single_row_is_refused(loss):
    a, b = embeddings()
    with pytest.raises(InputError, match=r"\(1, 5\).*2 rows or more"):
        loss(a[:1], b[:1])


@pytest.mark.parametrize("loss", [barlow_twins, vicreg])
def test_half_precision_is_reckoned_in_single_precision(loss):
    a, b = (z.bfloat16() for z in embeddings())
    torch.testing.assert_close(loss(a, b), loss(a.float(), b.float()), rtol=0, atol=0)
