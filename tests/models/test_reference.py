"""The pooled references of the benchmarks."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.errors import InvalidModelInput
from models.metrics import auc
from models.reference import Design, minimise_pooled, participants_alone, pooled_xgboost


def sample() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(800, 5))
    labels = (rng.random(800) < expit(columns @ [1.5, -1, 0.5, 0, 0.2] - 1)).astype(float)
    return columns, labels


def test_with_a_ridge_alone_the_optimum_is_scikit_learns() -> None:
    columns, labels = sample()
    designs = [
        Design(columns=columns[:, :2], penalty=3 * np.eye(2)),
        Design(columns=columns[:, 2:], penalty=3 * np.eye(3)),
    ]
    optimum = minimise_pooled(designs, labels)
    theirs = LogisticRegression(C=1 / 3, tol=1e-10, max_iter=1000).fit(columns, labels)
    assert np.concatenate(optimum.weights) == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert optimum.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)
    log_odds = optimum.log_odds([columns[:, :2], columns[:, 2:]])
    assert log_odds == pytest.approx(theirs.decision_function(columns), abs=1e-4)


def test_with_any_penalty_and_weights_no_better_point_is_found() -> None:
    columns, labels = sample()
    half = np.random.default_rng(1).normal(size=(5, 5))
    penalty, weights = half @ half.T + np.eye(5), np.random.default_rng(2).integers(0, 3, 800).astype(float)
    optimum = minimise_pooled([Design(columns=columns, penalty=penalty)], labels, weights)

    def objective(theta: np.ndarray) -> float:
        u = theta[0] + columns @ theta[1:]
        return float(weights @ (np.logaddexp(0, u) - labels * u) + 0.5 * theta[1:] @ penalty @ theta[1:])

    assert optimum.objective == pytest.approx(minimize(objective, np.zeros(6)).fun, rel=1e-9)


def test_participants_alone_are_ranked_by_their_held_out_auc() -> None:
    columns, labels = sample()
    training = np.arange(800) < 560
    designs = {name: Design(columns=columns[:, [k]], penalty=np.eye(1)) for k, name in enumerate("abcde")}
    alone = participants_alone(designs, labels, training, ~training)
    assert alone[0].name == "a"
    assert [result.auc for result in alone] == sorted((result.auc for result in alone), reverse=True)


def test_boosted_trees_learn_from_the_training_rows() -> None:
    pytest.importorskip("xgboost")
    columns, labels = sample()
    columns[::7, 0] = np.nan
    training = np.arange(800) < 560
    log_odds = pooled_xgboost(columns, labels, training, seed=0)
    assert log_odds.shape == (800,)
    assert auc(labels[~training], log_odds[~training]) > 0.7


def test_labels_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidModelInput):
        minimise_pooled([Design(columns=np.ones((2, 1)), penalty=np.eye(1))], np.array([0.0, 0.5]))
    with pytest.raises(InvalidModelInput):
        minimise_pooled([Design(columns=np.ones((2, 1)), penalty=np.eye(1))], np.zeros(2))
