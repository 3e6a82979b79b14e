"""Linear models and neighbours for people, against scikit-learn's and against what is known."""

import numpy as np
import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.metrics.logistic import FOLDS, _best_penalty, _folds, logistic
from qontrast.metrics.nearest import nearest_mean
from qontrast.metrics.ridge import PENALTIES, ridge, standardised


def people(count=60, features=12, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, features)) * rng.uniform(0.1, 10, features) + 5
    told = (x[:, 0] - x[:, 0].mean()) / x[:, 0].std() + 0.7 * rng.normal(size=count)
    return torch.from_numpy(x), torch.from_numpy((told > 0.3).astype(np.int64)), torch.from_numpy(told)


@pytest.mark.parametrize("penalty", [PENALTIES[1], PENALTIES[3], PENALTIES[5]])
def test_logistic_regression_is_scikit_learns(penalty, monkeypatch):
    sklearn = pytest.importorskip("sklearn.linear_model")
    x, y, _ = people()
    monkeypatch.setattr("qontrast.metrics.logistic._best_penalty", lambda *_: penalty)
    found = logistic(x[:40], y[:40], torch.arange(40), x[40:], 2)
    trained, tested = standardised(x[:40], x[40:])
    # Softmax of two columns spreads a weight w over two of half its size: a penalty half as strong on one column.
    model = sklearn.LogisticRegression(C=2 / penalty, class_weight="balanced", tol=1e-10, max_iter=10000)
    model.fit(trained.numpy(), y[:40].numpy())
    np.testing.assert_allclose(found.numpy(), model.predict_proba(tested.numpy()), atol=2e-4)


def test_with_fewer_images_than_features_it_is_the_same():
    sklearn = pytest.importorskip("sklearn.linear_model")
    x, y, _ = people(30, features=200, seed=1)
    penalty = _penalty(x[:20], y[:20])
    found = logistic(x[:20], y[:20], torch.arange(20), x[20:], 2)
    trained, tested = standardised(x[:20], x[20:])
    model = sklearn.LogisticRegression(C=2 / penalty, class_weight="balanced", tol=1e-10, max_iter=10000)
    model.fit(trained.numpy(), y[:20].numpy())
    np.testing.assert_allclose(found.numpy(), model.predict_proba(tested.numpy()), atol=2e-4)


def _penalty(x, y):
    trained, _ = standardised(x, x)
    left, sizes, _ = torch.linalg.svd(trained, full_matrices=False)
    return _best_penalty((left * sizes).numpy(), y.numpy(), np.arange(len(y)), int(y.max()) + 1)


def test_features_without_meaning_get_a_strong_penalty_and_a_clear_one_a_weak():
    rng = np.random.default_rng(2)
    y = torch.arange(40) % 2
    assert _penalty(torch.from_numpy(rng.normal(size=(40, 30))), y) >= 10
    clear = torch.from_numpy(np.column_stack([y.numpy() + 0.01 * rng.normal(size=40), rng.normal(size=40)]))
    assert _penalty(clear, y) <= 0.01


def test_three_classes_sum_to_one_and_the_order_of_people_does_not_matter():
    rng = np.random.default_rng(3)
    y = torch.arange(30) % 3
    x = torch.from_numpy(rng.normal(size=(30, 4)) + np.eye(4)[y.numpy()] * 3)
    found = logistic(x, y, torch.arange(30), x, 3)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(30, dtype=torch.float64))
    assert float((found.argmax(dim=1) == y).double().mean()) > 0.9


def test_folds_keep_a_persons_scans_together_and_share_out_both_classes():
    classes = np.array([0] * 12 + [1] * 13)
    groups = np.concatenate([np.repeat(np.arange(6), 2), np.arange(6, 19)])
    found = _folds(classes, groups)
    for group in np.unique(groups):
        assert len(set(found[groups == group])) == 1
    per_class = [[len(set(groups[(found == f) & (classes == c)])) for f in range(FOLDS)] for c in (0, 1)]
    assert all(max(numbers) - min(numbers) <= 1 for numbers in per_class)


def test_ridge_is_scikit_learns_with_the_penalty_of_left_out_people():
    sklearn = pytest.importorskip("sklearn.linear_model")
    x, _, age = people(50)
    trained, tested = standardised(x[:40], x[40:])
    found = ridge(x[:40], age[:40, None], torch.arange(40), x[40:])[:, 0]
    model = sklearn.RidgeCV(alphas=PENALTIES).fit(trained.numpy(), age[:40].numpy())
    np.testing.assert_allclose(found.numpy(), model.predict(tested.numpy()), rtol=1e-8)


def test_neighbours_are_scikit_learns_by_cosine():
    neighbors = pytest.importorskip("sklearn.neighbors")
    x, _, age = people()
    found = nearest_mean(x[:40], age[:40, None], x[40:], 7)[:, 0]
    model = neighbors.KNeighborsRegressor(7, metric="cosine").fit(x[:40].numpy(), age[:40].numpy())
    np.testing.assert_allclose(found.numpy(), model.predict(x[40:].numpy()))


def test_more_neighbours_than_examples_are_all_of_them_and_none_are_refused():
    x, _, age = people(10)
    torch.testing.assert_close(nearest_mean(x[:4], age[:4, None], x[4:], 9), age[:4].mean().expand(6, 1))
    with pytest.raises(InputError, match="neighbours: found 0; wanted 1 or more"):
        nearest_mean(x, age[:, None], x, 0)
