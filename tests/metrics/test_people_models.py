"""Linear models and neighbours for people: ridge and neighbours against scikit-learn's, all against what is known."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor

from qontrast.basics.errors import InputError
from qontrast.metrics.logistic import logistic
from qontrast.metrics.nearest import nearest_mean
from qontrast.metrics.ridge import PENALTIES, ridge, standardised


def people(count=60, features=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, features)) * rng.uniform(0.1, 10, features) + 5
    told = (x[:, 0] - x[:, 0].mean()) / x[:, 0].std() + 0.7 * rng.normal(size=count)
    return torch.from_numpy(x), torch.from_numpy((told > 0.3).astype(np.int64)), torch.from_numpy(told)


def test_a_clear_class_is_told_and_noise_is_not():
    rng = np.random.default_rng(2)
    y = torch.arange(40) % 2
    noise = torch.from_numpy(rng.normal(size=(40, 30)))
    told = logistic(noise[:30], y[:30], torch.arange(30), noise[30:], 2)
    assert float((told - 0.5).abs().max()) < 0.15
    clear = torch.from_numpy(np.column_stack([y.numpy() + 0.01 * rng.normal(size=40), rng.normal(size=40)]))
    told = logistic(clear[:30], y[:30], torch.arange(30), clear[30:], 2)
    assert torch.equal(told.argmax(dim=1), y[30:])
    assert float(told.amax(dim=1).min()) > 0.95


def test_both_classes_weigh_the_same_however_many_there_are():
    x = torch.zeros(30, 3, dtype=torch.float64)
    y = (torch.arange(30) < 3).long()
    torch.testing.assert_close(
        logistic(x, y, torch.arange(30), x[:2], 2), torch.full((2, 2), 0.5).double(), atol=1e-4, rtol=0
    )


def test_what_tells_persons_apart_but_not_classes_is_not_trusted():
    """Three scans of each person, told apart perfectly: were scans left out one by one, any penalty would do."""
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(20), 3)
    x = torch.from_numpy(rng.normal(size=(20, 40))[person] + 0.01 * rng.normal(size=(60, 40)))
    y, stranger = torch.from_numpy(person % 2), torch.from_numpy(rng.normal(size=(50, 40)))
    by_person = logistic(x, y, torch.from_numpy(person), stranger, 2)
    by_scan = logistic(x, y, torch.arange(60), stranger, 2)
    assert float((by_person - 0.5).abs().mean()) < 0.5 * float((by_scan - 0.5).abs().mean())


def test_with_one_person_of_a_class_nobody_can_be_left_out():
    x, y = torch.eye(4, dtype=torch.float64), torch.tensor([0, 1, 1, 1])
    assert logistic(x, y, torch.arange(4), x, 2).argmax(dim=1).tolist() == y.tolist()


def test_three_classes_sum_to_one_and_the_order_of_people_does_not_matter():
    rng = np.random.default_rng(3)
    y = torch.arange(30) % 3
    x = torch.from_numpy(rng.normal(size=(30, 4)) + np.eye(4)[y.numpy()] * 3)
    found = logistic(x, y, torch.arange(30), x, 3)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(30, dtype=torch.float64))
    assert float((found.argmax(dim=1) == y).double().mean()) > 0.9


def test_ridge_is_scikit_learns_with_the_penalty_of_left_out_people():
    x, _, age = people(50)
    trained, tested = standardised(x[:40], x[40:])
    found = ridge(x[:40], age[:40, None], torch.arange(40), x[40:])[:, 0]
    model = RidgeCV(alphas=PENALTIES).fit(trained.numpy(), age[:40].numpy())
    np.testing.assert_allclose(found.numpy(), model.predict(tested.numpy()), rtol=1e-8)


def test_neighbours_are_scikit_learns_by_cosine():
    x, _, age = people()
    found = nearest_mean(x[:40], age[:40, None], x[40:], 7)[:, 0]
    model = KNeighborsRegressor(7, metric="cosine").fit(x[:40].numpy(), age[:40].numpy())
    np.testing.assert_allclose(found.numpy(), model.predict(x[40:].numpy()))


def test_more_neighbours_than_examples_are_all_of_them_and_none_are_refused():
    x, _, age = people(10)
    torch.testing.assert_close(nearest_mean(x[:4], age[:4, None], x[4:], 9), age[:4].mean().expand(6, 1))
    with pytest.raises(InputError, match="neighbours: found 0; wanted 1 or more"):
        nearest_mean(x, age[:, None], x, 0)
