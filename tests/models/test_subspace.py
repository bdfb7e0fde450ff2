"""The minimiser's own state: order of calls, safeguards, saving."""

import numpy as np
import pytest

from crypto.errors import ProtocolStateError
from models.errors import InvalidModelInput, MinimisationFailed
from models.optimizer import RestrictedObjective
from models.restricted import RestrictedStatistics
from models.subspace import SubspaceMinimiser


def one_bank(rng: np.random.Generator, directions: int) -> tuple[RestrictedObjective, SubspaceMinimiser]:
    objective = RestrictedObjective((rng.random(500) < 0.2).astype(float), np.ones(500))
    minimiser = SubspaceMinimiser(-1.4)
    for k in range(directions):
        objective.add_image(rng.normal(size=500))
        minimiser.add_direction(np.eye(directions)[k, : k + 1] * 2.0)
    return objective, minimiser


def search(objective: RestrictedObjective, minimiser: SubspaceMinimiser) -> int:
    measurements = 1
    while not minimiser.update(objective.statistics(minimiser.propose())):
        measurements += 1
    return measurements


def test_a_finished_round_stands_where_the_gradient_vanishes() -> None:
    objective, minimiser = one_bank(np.random.default_rng(1), 3)
    assert search(objective, minimiser) <= 4
    at = minimiser.coefficients
    gradient = objective.statistics(at).gradient + np.array([0, 2, 2, 2]) * at
    # A round ends within a thousandth of what it won, which the next round wins back; another search finishes it.
    minimiser.add_direction(np.zeros(4))
    objective.add_image(np.zeros(500))
    search(objective, minimiser)
    again = minimiser.coefficients[:4]
    finished = objective.statistics(minimiser.coefficients).gradient[:4] + np.array([0, 2, 2, 2]) * again
    assert np.abs(finished).max() <= np.abs(gradient).max() + 1e-9
    assert np.abs(finished).max() < 1e-2


def test_a_newton_step_that_overshoots_is_halved_until_the_objective_falls() -> None:
    # From far out on a saturated loss the curvature is tiny and the plain Newton step flies off.
    objective = RestrictedObjective(np.array([0.0, 1.0, 0.0, 1.0]), np.ones(4))
    objective.add_image(np.array([1.0, -1.0, 2.0, -0.5]))
    minimiser = SubspaceMinimiser(12.0)
    minimiser.add_direction(np.array([1e-3]))
    search(objective, minimiser)
    at = minimiser.coefficients
    assert minimiser.objectives[-1] < minimiser.objectives[0]
    assert np.abs(at[0]) < 12


def test_statistics_that_contradict_themselves_end_the_search() -> None:
    minimiser = SubspaceMinimiser(0.0)
    minimiser.add_direction(np.array([1.0]))
    lying = RestrictedStatistics(loss=1.0, gradient=np.array([1.0, 1.0]), hessian=np.eye(2))
    minimiser.update(lying)
    higher = RestrictedStatistics(loss=5.0, gradient=np.ones(2), hessian=np.eye(2))
    for _ in range(20):
        assert not minimiser.update(higher)
    with pytest.raises(MinimisationFailed):
        minimiser.update(higher)


def test_a_loss_that_is_not_convex_is_refused() -> None:
    minimiser = SubspaceMinimiser(0.0)
    minimiser.add_direction(np.array([1.0]))
    with pytest.raises(MinimisationFailed):
        minimiser.update(RestrictedStatistics(loss=1.0, gradient=np.ones(2), hessian=-5 * np.ones((2, 2))))


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_statistics_that_are_no_numbers_are_refused(loss: float) -> None:
    minimiser = SubspaceMinimiser(0.0)
    minimiser.add_direction(np.array([1.0]))
    with pytest.raises(InvalidModelInput):
        minimiser.update(RestrictedStatistics(loss=loss, gradient=np.ones(2), hessian=np.eye(2)))


def test_calls_out_of_order_are_refused() -> None:
    minimiser = SubspaceMinimiser(0.0)
    with pytest.raises(ProtocolStateError):
        minimiser.propose()
    objective, minimiser = one_bank(np.random.default_rng(2), 2)
    with pytest.raises(ProtocolStateError):
        minimiser.state()
    minimiser.update(objective.statistics(minimiser.propose()))
    with pytest.raises(ProtocolStateError):
        minimiser.add_direction(np.zeros(3))


def test_penalty_products_that_do_not_fit_are_refused() -> None:
    minimiser = SubspaceMinimiser(0.0)
    for products in (np.ones(2), np.array([-1.0]), np.array([np.nan])):
        with pytest.raises(InvalidModelInput):
            minimiser.add_direction(products)


def test_two_banks_with_the_same_totals_stay_in_step() -> None:
    objective, first = one_bank(np.random.default_rng(3), 3)
    _, second = one_bank(np.random.default_rng(3), 3)
    done = False
    while not done:
        assert np.array_equal(first.propose(), second.propose())
        total = objective.statistics(first.propose())
        done = first.update(total)
        assert second.update(total) == done


def test_a_saved_minimiser_goes_on_as_if_it_had_never_stopped() -> None:
    rng = np.random.default_rng(4)
    objective, minimiser = one_bank(rng, 2)
    search(objective, minimiser)
    restored = SubspaceMinimiser.restore(*minimiser.state())
    assert restored.objectives == minimiser.objectives
    objective.add_image(rng.normal(size=500))
    for each in (minimiser, restored):
        each.add_direction(np.array([0.1, 0.2, 3.0]))
        search(objective, each)
    assert np.array_equal(minimiser.coefficients, restored.coefficients)


def test_a_saved_minimiser_with_parts_that_disagree_is_refused() -> None:
    objective, minimiser = one_bank(np.random.default_rng(5), 2)
    search(objective, minimiser)
    arrays, values = minimiser.state()
    with pytest.raises(InvalidModelInput):
        SubspaceMinimiser.restore({**arrays, "scales": np.ones(2)}, values)
    with pytest.raises(InvalidModelInput):
        SubspaceMinimiser.restore(arrays, {})


def test_a_direction_lost_in_rounding_is_left_where_it_is_and_no_step_is_wild() -> None:
    minimiser = SubspaceMinimiser(0.0)
    minimiser.add_direction(np.array([0.0]))
    minimiser.update(RestrictedStatistics(loss=1.0, gradient=np.array([0.5, 0.1]), hessian=np.diag([1.0, 0.0])))
    assert minimiser.propose() == pytest.approx([-0.5, 0.0])
    minimiser = SubspaceMinimiser(0.0)
    minimiser.add_direction(np.array([1e-20]))
    minimiser.update(RestrictedStatistics(loss=1.0, gradient=np.array([0.5, 1e-9]), hessian=np.diag([1.0, 0.0])))
    assert np.abs(minimiser.propose() / minimiser.scales).max() <= 100


def test_a_direction_that_its_penalty_products_hardly_resolve_is_counted_and_never_moved_along() -> None:
    objective, minimiser = one_bank(np.random.default_rng(6), 1)
    minimiser.add_direction(np.array([-0.3e-9, 1e-9]), resolution=2.0**-30)
    objective.add_image(np.random.default_rng(7).normal(size=500) * 1e-5)
    search(objective, minimiser)
    assert minimiser.directions == 2
    assert minimiser.coefficients[1] != 0
    assert minimiser.coefficients[2] == 0


def test_a_search_that_never_ends_is_ended() -> None:
    minimiser = SubspaceMinimiser(0.0)
    minimiser.add_direction(np.array([1.0]))

    def lie(step: int) -> RestrictedStatistics:
        return RestrictedStatistics(loss=-(2.0**step), gradient=2.0**step * np.ones(2), hessian=np.eye(2))

    for step in range(100):
        assert not minimiser.update(lie(step))
    with pytest.raises(MinimisationFailed):
        minimiser.update(lie(100))
