"""The bureau's whole view of a run, from the first message to the last score.

What must hold:
1. Nothing that a participant holds of an enterprise, nor anything that training makes of it, is in any message, in any
   encoding that we use.
2. Every masked word, and every sum of masked words that the bureau makes, is uniform.
3. No two masked vectors carry the same mask, whatever was tried again.

Some three million pieces are searched for in 17 MB; one of them is there by accident in one run of a hundred thousand.

All searches are shown to find: in noise in which something was planted, and in a run whose participants forgot their
masks, pads and seals.
"""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label
from crypto.masks import GroupPad, MaskContext, PairwiseSecrets
from models.wire.training import Turn
from participants.runs.ledger import FileLedger
from simulations.adversaries.curious_bureau import Trace, find_traces
from simulations.adversaries.mask_statistics import differences, masked_words, smallest_probability
from simulations.adversaries.masks import ForgetfulLedger
from simulations.adversaries.run_secrets import RunSecrets
from simulations.engines.faults import Fault, FaultAction
from simulations.founding import FoundedFederation
from simulations.rehearsal import FinishedRun, observe
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS

FALSE_ALARM_RATE = 1e-9
"""Of all uniformity tests of a run together: one run in a thousand million fails them for no reason."""

MASKED = {
    "bin-bank",
    "curve-bank",
    "opened products",
    "bank gradient",
    "images",
    "statistics",
    "evaluate",
}
SUMMED = MASKED - {"opened products"}


@pytest.fixture(scope="module")
def secrets_of_run(finished: FinishedRun) -> list[Trace]:
    return list(RunSecrets(finished.federation, finished.plan.run_id, rounds=finished.rounds).traces())


@pytest.fixture(scope="module")
def careless(federation: FoundedFederation) -> FinishedRun:
    """A run whose participants forget masks, pads and seals. Its result is right: nobody would notice."""

    def no_mask(_self: PairwiseSecrets, _context: MaskContext, length: int) -> NDArray[np.uint64]:
        return np.zeros(length, dtype=np.uint64)

    def no_pad(_self: GroupPad, _context: MaskContext, length: int) -> NDArray[np.uint64]:
        return np.zeros(length, dtype=np.uint64)

    def no_seal(_recipient: PublicIdentity, plaintext: bytes, *, label: Label, context: bytes) -> bytes:
        return plaintext + label.encode() + context

    def no_unseal(_identity: Identity, sealed: bytes, *, label: Label, context: bytes) -> bytes:
        return sealed.removesuffix(label.encode() + context)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PairwiseSecrets, "zero_sum_mask", no_mask)
        patch.setattr(GroupPad, "pad", no_pad)
        patch.setattr("participants.runs.run.seal", no_seal)
        patch.setattr("participants.runs.run.unseal", no_unseal)
        return observe(federation, plan_run(federation, SETTINGS, purpose="carelessness"))


def test_nothing_that_participants_hold_is_in_any_message(finished: FinishedRun, secrets_of_run: list[Trace]) -> None:
    assert {letter.kind for letter in finished.bureau.letters} >= {"join", "gradient", "newton", "open-scores"}
    assert sum(finished.result["scores"].values()) > 100
    assert finished.bureau.find(secrets_of_run) == {}


def test_whatever_is_planted_is_found(secrets_of_run: list[Trace]) -> None:
    # One message a trace: a piece from its middle, at an odd place between noise.
    messages, expected = {}, set()
    for number, trace in enumerate(secrets_of_run):
        places, _ = trace.telling_pieces()
        if not len(places):
            continue
        piece = trace.data[places[len(places) // 2] :][: trace.length]
        messages[os.urandom(13 + number % 8) + piece + os.urandom(9)] = f"planted-{number}"
        expected.add(trace.name)
    found = find_traces(messages, secrets_of_run)
    assert set(found) == expected
    assert {kind for kinds in found.values() for kind in kinds} == set(messages.values())
    training = ("gradients", "directions", "images", "parameters", "coefficients", "residuals")
    records = ("enterprises", "alignment tags", "features", "feature codes", "labels")
    for one in (*records, *training, "log-odds", "probabilities", "partials"):
        assert any(name.startswith(one) for name in expected), one


def test_participants_that_forget_their_masks_and_seals_are_found_out(
    careless: FinishedRun, finished: FinishedRun
) -> None:
    assert careless.objectives == pytest.approx(finished.objectives, rel=1e-9)
    traces = RunSecrets(careless.federation, careless.plan.run_id, rounds=careless.rounds).traces()
    found = careless.bureau.find(traces)
    for department in careless.federation.departments:
        assert "direction" in found[f"images of {department}"]
        assert "answer-blinded" in found[f"alignment tags of {department}"]
    assert "gradient" in found["coefficients"]
    for bank in careless.federation.banks:
        assert "ask-scores" in found[f"enterprises of {bank}'s cohort"]


def test_every_masked_word_is_uniform(finished: FinishedRun) -> None:
    words = masked_words(finished.bureau.letters)
    assert set(words) == MASKED | {f"sum of {name}" for name in SUMMED}
    improbable = {
        name: probability
        for name, (sample, bits) in words.items()
        if (probability := smallest_probability(sample, bits)) < FALSE_ALARM_RATE / len(words)
    }
    assert improbable == {}


def test_words_without_masks_are_not_uniform(careless: FinishedRun) -> None:
    words = masked_words(careless.bureau.letters)
    assert len(words) == len(MASKED) + len(SUMMED)
    striking = {
        name
        for name, (sample, bits) in words.items()
        if smallest_probability(sample, bits) < FALSE_ALARM_RATE / len(words)
    }
    # The departments masked their products inside the ciphertexts as well, and did not forget that.
    assert striking == set(words) - {"opened products"}


def disturbed(federation: FoundedFederation) -> FinishedRun:
    """A run of which one round is tried again with everybody."""
    fault = Fault(action=FaultAction.ERROR, participant=ParticipantId("land"), kind="direction", after=1, times=3)
    run = observe(federation, plan_run(federation, SETTINGS, purpose="another attempt"), faults=[fault])
    assert [record["attempts"] for record in run.result["rounds"]] == [1, 2, 1]
    return run


def repeated_masks(run: FinishedRun) -> set[str]:
    """Kinds of words of which two vectors of one participant seem to carry the same mask."""
    pairs = differences(run.bureau.letters)
    rate = FALSE_ALARM_RATE / sum(len(vectors) for vectors in pairs.values())
    assert {"images", "statistics"} <= set(pairs)
    return {name for name, vectors in pairs.items() if any(smallest_probability(one, 64) < rate for one in vectors)}


def test_no_mask_is_seen_twice_not_even_in_another_attempt(federation: FoundedFederation) -> None:
    run = disturbed(federation)
    assert repeated_masks(run) == set()
    traces = RunSecrets(federation, run.plan.run_id, rounds=run.rounds).traces()
    assert run.bureau.find(traces) == {}


def test_masks_that_do_not_depend_on_the_attempt_are_found_out(
    federation: FoundedFederation, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = MaskContext.digest
    monkeypatch.setattr(MaskContext, "digest", lambda self: honest(replace(self, attempt=0)))
    monkeypatch.setattr(Turn, "digest", lambda _self: bytes(32))  # which holds the attempt once more
    monkeypatch.setattr(FileLedger, "claim", ForgetfulLedger.claim)
    assert "images" in repeated_masks(disturbed(federation))


def test_one_bit_too_few_of_a_mask_is_noticed() -> None:
    sample = np.frombuffer(os.urandom(8 * 4000), dtype=np.uint64)
    assert smallest_probability(sample, 64) > FALSE_ALARM_RATE
    assert smallest_probability(sample & np.uint64((1 << 63) - 1), 64) < FALSE_ALARM_RATE
