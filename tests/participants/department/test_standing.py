"""What a round began with is what it goes on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId, RunId
from models.wire.training import Coefficients
from participants.department.standing import StandingPost
from participants.runs.run_store import RunStore

EAST, NORTH = ParticipantId("bank-east"), ParticipantId("bank-north")
HEARD = Coefficients(
    values=(0.75, -1e-6), base_rate=0.25, training_weight=900.0, took_part=(True, False), residual_fraction_bits=20
)


def standing_in(directory: Path) -> StandingPost:
    return StandingPost(RunStore(directory, RunId("run")))


def test_residuals_of_a_round_stay_the_same_over_attempts_restarts_and_losses(tmp_path: Path) -> None:
    standing_in(tmp_path).hold_residuals(2, {EAST: b"one", NORTH: b"two"})
    standing_in(tmp_path).hold_residuals(2, {EAST: b"one"})
    standing_in(tmp_path).hold_residuals(3, {EAST: b"three"})
    for attack in ({EAST: b"other"}, {EAST: b"one", NORTH: b"other"}):
        with pytest.raises(PeerError, match="other residuals"):
            standing_in(tmp_path).hold_residuals(2, attack)


def test_coefficients_of_a_round_are_those_that_came_first(tmp_path: Path) -> None:
    standing_in(tmp_path).hold_coefficients(3, HEARD.encode())
    # Another bank's, whose processor rounds otherwise.
    standing_in(tmp_path).hold_coefficients(3, replace(HEARD, values=(0.75 + 1e-15, -1e-6)).encode())
    assert standing_in(tmp_path).coefficients(3) == HEARD


@pytest.mark.parametrize(
    "changes",
    [
        {"values": (0.75001, -1e-6)},
        {"values": (0.75, -1.1e-6)},
        {"base_rate": 0.26},
        {"training_weight": 901.0},
        {"took_part": (True, True)},
        {"residual_fraction_bits": 21},
        {"values": (0.75,)},
    ],
)
def test_other_coefficients_for_the_same_round_are_refused(changes: dict[str, object], tmp_path: Path) -> None:
    standing_in(tmp_path).hold_coefficients(3, HEARD.encode())
    with pytest.raises(PeerError, match="other coefficients"):
        standing_in(tmp_path).hold_coefficients(3, replace(HEARD, **changes).encode())  # type: ignore[arg-type]
