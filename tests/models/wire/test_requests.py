"""Every step has its request, and a request says of which run it is."""

from __future__ import annotations

import pytest

from crypto.errors import MalformedMessage, PeerError
from models.wire.requests import REQUESTS, parse_run_id, read_request, run_of
from models.wire.steps import Step
from simulations.rehearsal import FinishedRun


def test_every_step_has_a_request() -> None:
    assert set(REQUESTS) == set(Step)


def test_every_request_of_a_run_is_of_that_run(finished: FinishedRun) -> None:
    asked = [letter for letter in finished.bureau.letters if letter.sender == "bureau"]
    assert {letter.kind for letter in asked} == set(Step)
    for letter in asked:
        assert run_of(read_request(letter.kind, letter.payload)) == finished.plan.run_id


def test_an_unknown_step_and_another_steps_body_are_refused(finished: FinishedRun) -> None:
    with pytest.raises(PeerError):
        read_request("dance", b"")
    gradient = next(letter for letter in finished.bureau.letters if letter.kind == Step.GRADIENT)
    with pytest.raises(MalformedMessage):
        read_request(Step.OPEN, gradient.payload)


@pytest.mark.parametrize("text", ["", "..", "run/1", "RUN", "r" * 65, "run\x00"])
def test_a_run_id_cannot_name_another_folder(text: str) -> None:
    with pytest.raises(PeerError):
        parse_run_id(text)
