"""A bank takes the steps of one attempt in order and once each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import PeerError, ProtocolStateError
from crypto.identifiers import RunId
from models.wire.training import Turn
from participants.bank.attempts import Attempts
from participants.bank.evaluations import MAXIMUM_EVALUATIONS, Evaluations
from participants.runs.run_store import RunStore

TURN = Turn(run_id="run", round=2, attempt=7, departments=("courts", "land", "tax"), banks=("east", "north"))


def attempts_in(directory: Path) -> Attempts:
    return Attempts(RunStore(directory, RunId("run")))


def evaluations_in(directory: Path) -> Evaluations:
    return Evaluations(RunStore(directory, RunId("run")))


def test_an_attempt_is_opened_searched_and_taken_on_step_by_step_even_over_restarts(tmp_path: Path) -> None:
    attempts_in(tmp_path).open(TURN)
    attempts_in(tmp_path).search(TURN)
    for step in range(3):
        attempts_in(tmp_path).take(TURN, step)
    for again in (0, 2, 4):
        with pytest.raises(ProtocolStateError):
            attempts_in(tmp_path).take(TURN, again)
    with pytest.raises(ProtocolStateError):
        attempts_in(tmp_path).search(TURN)


def test_what_was_not_opened_is_neither_searched_nor_taken_on(tmp_path: Path) -> None:
    with pytest.raises(ProtocolStateError):
        attempts_in(tmp_path).search(TURN)
    attempts_in(tmp_path).open(TURN)
    with pytest.raises(ProtocolStateError):
        attempts_in(tmp_path).take(TURN, 0)
    for changes in ({"attempt": 8}, {"round": 1}, {"banks": ("east",)}):
        with pytest.raises(ProtocolStateError):
            attempts_in(tmp_path).search(replace(TURN, **changes))


def test_a_new_attempt_ends_the_one_before(tmp_path: Path) -> None:
    attempts_in(tmp_path).open(TURN)
    attempts_in(tmp_path).open(replace(TURN, attempt=8))
    with pytest.raises(ProtocolStateError):
        attempts_in(tmp_path).search(TURN)


def test_evaluations_are_of_the_banks_and_the_round_of_the_end(tmp_path: Path) -> None:
    evaluations_in(tmp_path).check(TURN, ("east", "north"))
    with pytest.raises(PeerError):
        evaluations_in(tmp_path).check(TURN, ("east", "north", "west"))
    evaluations_in(tmp_path).take(TURN)
    with pytest.raises(PeerError):
        evaluations_in(tmp_path).check(replace(TURN, round=1), ("east", "north"))


def test_one_sum_is_concluded_and_as_often_as_it_takes(tmp_path: Path) -> None:
    with pytest.raises(PeerError):
        evaluations_in(tmp_path).conclude(TURN, b"sum")
    evaluations_in(tmp_path).take(TURN)
    for _ in range(2):
        evaluations_in(tmp_path).conclude(TURN, b"sum")
    with pytest.raises(PeerError, match="another sum"):
        evaluations_in(tmp_path).conclude(TURN, b"other")


def test_there_are_few_evaluations(tmp_path: Path) -> None:
    for attempt in range(MAXIMUM_EVALUATIONS):
        evaluations_in(tmp_path).check(TURN, TURN.banks)
        evaluations_in(tmp_path).take(replace(TURN, attempt=attempt))
    with pytest.raises(PeerError, match="too often"):
        evaluations_in(tmp_path).check(TURN, TURN.banks)
