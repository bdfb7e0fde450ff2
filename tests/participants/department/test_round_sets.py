from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.identifiers import RunId
from participants.department.round_sets import MAXIMUM_SETS, RoundSets
from participants.runs.run_store import RunStore

EVERYBODY = ("courts", "tax", "water")


def sets_in(directory: Path) -> RoundSets:
    return RoundSets(RunStore(directory, RunId("run")))


def test_the_first_set_of_a_round_gets_the_direction_itself(tmp_path: Path) -> None:
    assert sets_in(tmp_path).factor(1, EVERYBODY) == 1.0


def test_the_same_set_gets_the_same_direction_even_after_a_restart(tmp_path: Path) -> None:
    sets_in(tmp_path).factor(1, EVERYBODY)
    other = sets_in(tmp_path).factor(1, EVERYBODY[:2])
    assert sets_in(tmp_path).factor(1, EVERYBODY[:2]) == other
    assert sets_in(tmp_path).factor(1, EVERYBODY) == 1.0


def test_another_round_starts_afresh(tmp_path: Path) -> None:
    sets_in(tmp_path).factor(1, EVERYBODY)
    assert sets_in(tmp_path).factor(2, EVERYBODY[:2]) == 1.0


def test_more_sets_than_a_few_are_refused(tmp_path: Path) -> None:
    for size in range(MAXIMUM_SETS):
        sets_in(tmp_path).factor(1, EVERYBODY[: size + 1])
    with pytest.raises(PeerError, match="more than 3 sets"):
        sets_in(tmp_path).factor(1, (*EVERYBODY, "land"))


def test_the_difference_of_two_sets_is_a_departments_direction_without_factors_and_not_with_ours(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(42)
    images = {name: rng.normal(size=5_000) for name in EVERYBODY}

    def summed(members: tuple[str, ...], *, protected: bool) -> NDArray[np.float64]:
        factors = [sets_in(tmp_path / name).factor(1, members) if protected else 1.0 for name in members]
        parts = [factor * images[name] for factor, name in zip(factors, members, strict=True)]
        return np.asarray(np.sum(parts, axis=0), dtype=np.float64)

    def recovered(*, protected: bool) -> float:
        """The share of the left-out department's variance that the difference explains."""
        difference = summed(EVERYBODY, protected=protected) - summed(EVERYBODY[:2], protected=protected)
        return 1 - float(np.var(images["water"] - difference) / np.var(images["water"]))

    assert recovered(protected=False) > 0.999999
    # The factors of two others lie within 1/2 of 1: all but surely not both within a thousandth.
    assert recovered(protected=True) < 0.999999
