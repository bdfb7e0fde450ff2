"""A bureau that alters, repeats or mixes up what it relays: refused, and nothing is changed.

The requests of a run that was conducted honestly are sent again with one thing wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coordinator.runs.federation import sum_of_words
from crypto.errors import (
    MalformedMessage,
    MaskContextReused,
    PeerError,
    ProtocolStateError,
    SignatureInvalid,
    TooFewMembers,
    UntrustedKey,
)
from crypto.identifiers import ParticipantId
from crypto.identity import ParticipantDocument
from crypto.lattice.keys import BankLatticeKey, LatticePublicKey
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT
from crypto.succession import HandOver
from models.block_file import block_from_bytes
from models.histogram_metrics import HISTOGRAM_WORDS
from models.wire.binning import MaskedWords
from models.wire.codec import WireMessage, unpack_words
from models.wire.envelope import Addressed, Envelope
from models.wire.outcome import EvaluateRequest
from models.wire.plan import RunPlan
from models.wire.requests import read_request
from models.wire.setup import JoinRequest, MeetRequest
from models.wire.steps import Step
from models.wire.training import IMAGE_FRACTION_BITS, DirectionReply, DirectionRequest, Turn
from participants.keys import LatticeKeys, PublicBankKeys
from participants.node import Node
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.adversaries.masks import ForgetfulLedger, difference_of_masked
from simulations.adversaries.relay import RelayingBureau
from simulations.engines.local_grid import BUREAU
from simulations.founding import FoundedFederation
from simulations.rehearsal import FinishedRun, observe
from simulations.run_federation import plan_run
from simulations.small_federation import SETTINGS

TAX, COURTS = ParticipantId("tax"), ParticipantId("courts")
EAST, NORTH = ParticipantId("bank-east"), ParticipantId("bank-north")


@dataclass(frozen=True, slots=True)
class Bureau:
    """What a bureau can do with a run that it has seen."""

    run: FinishedRun

    def request(self, to: str, step: Step, number: int = 1) -> Any:
        """The request of a step that `to` got for the `number`-th time."""
        sent = [one for one in self.run.bureau.letters if (one.sender, one.receiver, one.kind) == (BUREAU, to, step)]
        return read_request(step, sent[number - 1].payload)

    def ask(self, whom: ParticipantId, step: Step, request: WireMessage) -> bytes:
        return Node.open(self.home(whom)).handle(step, request.encode())

    def home(self, whom: ParticipantId) -> Path:
        return self.run.federation.homes[whom]

    def kept(self, whom: ParticipantId) -> dict[str, bytes]:
        """All files of a home; but how much was asked of a bank counts, whether it was answered or not.

        The index that SQLite keeps of its log is marked by whoever reads.
        """
        passing = ("opened", "-shm")
        files = (path for path in self.home(whom).rglob("*") if path.is_file() and not path.name.endswith(passing))
        return {str(path): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def bureau(federation: FoundedFederation) -> Bureau:
    return Bureau(observe(federation, plan_run(federation, SETTINGS, purpose="attacks")))


def in_turn(request: Any, **changes: Any) -> Any:
    return replace(request, turn=replace(request.turn, **changes))


def altered(post: tuple[Addressed, ...]) -> tuple[Addressed, ...]:
    """The first letter's body with one bit turned over."""
    envelope = Envelope.decode(post[0].payload)
    body = bytes([envelope.body[0] ^ 1]) + envelope.body[1:]
    return (replace(post[0], payload=replace(envelope, body=body).encode()), *post[1:])


def renamed(post: tuple[Addressed, ...]) -> tuple[Addressed, ...]:
    """The letters of two participants, each under the other's name."""
    return tuple(
        replace(one, payload=other.payload) for one, other in zip(post, (post[1], post[0], *post[2:]), strict=True)
    )


def swapped_keys(request: MeetRequest) -> MeetRequest:
    """New lattice keys in place of the first bank's; the bureau could read what is encrypted to them."""
    own = LatticeKeys(
        training=BankLatticeKey.generate(INNER_PRODUCT).public.to_bytes(),
        scoring=BankLatticeKey.generate(ADDITION).public.to_bytes(),
    )
    first, *others = request.lattice_keys
    return replace(request, lattice_keys=(replace(first, payload=own.encode()), *others))


def swapped_identity(request: MeetRequest) -> MeetRequest:
    first, *others = request.documents
    return replace(request, documents=(replace(first, payload=RelayingBureau().swap(first.payload)), *others))


Change = Callable[[Any, Bureau], WireMessage]
ATTACKS: dict[str, tuple[ParticipantId, Step, int, Change, type[Exception]]] = {
    "another plan for a run that has one": (
        *(TAX, Step.JOIN, 1),
        lambda r, _: JoinRequest(plan=replace(RunPlan.decode(r.plan), ridge=1.0).encode()),
        PeerError,
    ),
    "a plan of two departments": (
        *(TAX, Step.JOIN, 1),
        lambda r, _: JoinRequest(
            plan=replace(RunPlan.decode(r.plan), run_id="run-two", departments=("courts", "tax")).encode()
        ),
        TooFewMembers,
    ),
    "a plan that names a department as a bank": (
        *(TAX, Step.JOIN, 1),
        lambda r, _: JoinRequest(
            plan=replace(
                RunPlan.decode(r.plan), run_id="run-role", departments=("courts", "land", "power"), banks=("tax",)
            ).encode()
        ),
        PeerError,
    ),
    "an identity of the bureau's": (TAX, Step.MEET, 1, lambda r, _: swapped_identity(r), UntrustedKey),
    "lattice keys of the bureau's": (TAX, Step.MEET, 1, lambda r, _: swapped_keys(r), UntrustedKey),
    "the banks' keys exchanged": (
        *(TAX, Step.MEET, 1),
        lambda r, _: replace(r, lattice_keys=renamed(r.lattice_keys)),
        UntrustedKey,
    ),
    "one document for two": (
        *(EAST, Step.MEET, 1),
        lambda r, _: replace(r, documents=renamed(r.documents)),
        UntrustedKey,
    ),
    "other features than a bank has": (
        *(EAST, Step.MEET, 1),
        lambda r, _: replace(r, bank_features=("turnover",)),
        PeerError,
    ),
    "no document of a participant": (
        *(TAX, Step.MEET, 1),
        lambda r, _: replace(r, documents=r.documents[1:]),
        MalformedMessage,
    ),
    "residuals of the round before": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, b: replace(r, residuals=b.request(TAX, Step.GRADIENT, 1).residuals),
        PeerError,
    ),
    "residuals under another bank's name": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, _: replace(r, residuals=renamed(r.residuals)),
        PeerError,
    ),
    "residuals that were altered": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, _: replace(r, residuals=altered(r.residuals)),
        SignatureInvalid,
    ),
    "residuals of one bank missing": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, _: replace(r, residuals=r.residuals[1:]),
        MalformedMessage,
    ),
    "residuals of one bank twice": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, _: replace(r, residuals=(*r.residuals, r.residuals[-1])),
        MalformedMessage,
    ),
    "coefficients of the round before": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, b: replace(r, coefficients=b.request(TAX, Step.GRADIENT, 1).coefficients),
        PeerError,
    ),
    "coefficients for another department": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, b: replace(r, coefficients=b.request(COURTS, Step.GRADIENT, 2).coefficients),
        PeerError,
    ),
    "a round beyond the plan's": (TAX, Step.GRADIENT, 2, lambda r, _: in_turn(r, round=4), ProtocolStateError),
    "a set of two departments": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, _: in_turn(r, departments=("courts", "tax")),
        TooFewMembers,
    ),
    "a department twice in the set": (
        *(TAX, Step.GRADIENT, 2),
        lambda r, _: in_turn(r, departments=("courts", "courts", "tax")),
        PeerError,
    ),
    "a set with a stranger": (
        *(TAX, Step.DIRECTION, 2),
        lambda r, _: in_turn(r, departments=("courts", "stranger", "tax")),
        PeerError,
    ),
    "opened products of the round before": (
        *(TAX, Step.DIRECTION, 2),
        lambda r, b: replace(r, opened=b.request(TAX, Step.DIRECTION, 1).opened),
        PeerError,
    ),
    "the same direction again": (TAX, Step.DIRECTION, 2, lambda r, _: r, MaskContextReused),
    "an attempt that was not begun": (
        *(TAX, Step.DIRECTION, 2),
        lambda r, _: in_turn(r, attempt=r.turn.attempt + 1),
        ProtocolStateError,
    ),
    "products of the round before": (
        *(EAST, Step.OPEN, 2),
        lambda r, b: replace(r, products=b.request(EAST, Step.OPEN, 1).products),
        PeerError,
    ),
    "products under another department's name": (
        *(EAST, Step.OPEN, 2),
        lambda r, _: replace(r, products=renamed(r.products)),
        PeerError,
    ),
    "the same products opened again": (EAST, Step.OPEN, 2, lambda r, _: r, MaskContextReused),
    "the same sum searched again": (EAST, Step.SEARCH, 2, lambda r, _: r, MaskContextReused),
    "a sum that is too short": (EAST, Step.SEARCH, 2, lambda r, _: replace(r, image=r.image[8:]), MalformedMessage),
    "statistics that are too short": (
        *(EAST, Step.NEWTON, 2),
        lambda r, _: replace(r, statistics=r.statistics[8:]),
        MalformedMessage,
    ),
    "the same scores counted again": (NORTH, Step.EVALUATE, 1, lambda r, _: r, MaskContextReused),
    "a manifest with another block": (
        *(TAX, Step.ACTIVATE, 1),
        lambda r, b: replace(r, manifest=r.manifest.replace(b.run.plan.run_id.encode(), b"run-other")),
        PeerError,
    ),
    "the same list of enterprises again": (TAX, Step.GIVE_PARTIALS, 1, lambda r, _: r, MaskContextReused),
    "a list for a smaller set of departments": (
        *(TAX, Step.GIVE_PARTIALS, 1),
        lambda r, _: replace(r, departments=("courts", "land", "tax")),
        PeerError,
    ),
    "a list for two departments": (
        *(TAX, Step.GIVE_PARTIALS, 1),
        lambda r, _: replace(r, departments=("courts", "tax")),
        TooFewMembers,
    ),
    "a step of the other role": (TAX, Step.OPEN, 0, lambda _r, b: b.request(EAST, Step.OPEN, 1), PeerError),
    "a run that was never begun": (
        *(TAX, Step.GRADIENT, 1),
        lambda r, _: in_turn(r, run_id="run-unknown"),
        ProtocolStateError,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_refused_and_nothing_changed(attack: str, bureau: Bureau) -> None:
    whom, step, number, change, error = ATTACKS[attack]
    request = bureau.request(whom, step, number) if number else None
    if step is Step.MEET:  # once a run: of a new one it is the first
        request = join(bureau, whom, f"run-met-{list(ATTACKS).index(attack)}")
    before = bureau.kept(whom)
    with pytest.raises(error) as refused:
        bureau.ask(whom, step, change(request, bureau))
    assert type(refused.value) is error
    assert bureau.kept(whom) == before


def join(bureau: Bureau, whom: ParticipantId, run_id: str) -> MeetRequest:
    """Have one participant join a new run; return the request that introduces everybody."""
    plan = RunPlan.decode(bureau.request(whom, Step.JOIN).plan)
    bureau.ask(whom, Step.JOIN, JoinRequest(plan=replace(plan, run_id=run_id).encode()))
    request: MeetRequest = bureau.request(whom, Step.MEET)
    return replace(request, run_id=run_id)


def test_a_swapped_bank_key_is_taken_by_who_does_not_check_and_refused_by_us(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trusting(data: bytes, _fingerprint: bytes) -> PublicBankKeys:
        keys = LatticeKeys.decode(data)
        return PublicBankKeys(LatticePublicKey.from_bytes(keys.training), LatticePublicKey.from_bytes(keys.scoring))

    with monkeypatch.context() as weakened:
        weakened.setattr(PublicBankKeys, "verify", trusting)
        bureau.ask(TAX, Step.MEET, swapped_keys(join(bureau, TAX, "run-swap")))
    with pytest.raises(UntrustedKey):
        bureau.ask(TAX, Step.MEET, swapped_keys(join(bureau, TAX, "run-swap-again")))


def test_an_identity_that_was_not_pinned_is_taken_by_who_trusts_the_relay_and_refused_by_us(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trusting(_self: Run, _name: ParticipantId, data: bytes) -> ParticipantDocument:
        return HandOver(data).verify_signed_by_itself()

    with monkeypatch.context() as weakened:
        weakened.setattr(Run, "_introduced", trusting)
        weakened.setattr(Run, "_known", trusting)
        bureau.ask(TAX, Step.MEET, swapped_identity(join(bureau, TAX, "run-identity")))
    with pytest.raises(UntrustedKey):
        bureau.ask(TAX, Step.MEET, swapped_identity(join(bureau, TAX, "run-identity-again")))


def test_a_bureau_cannot_have_the_banks_leave_out_their_pad(bureau: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each bank is told that the other one is the first, so neither adds the pad that hides the sum from the bureau.
    honest: Turn = bureau.request(EAST, Step.EVALUATE).turn

    def counts(attempt: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
        shares = []
        for bank, banks in ((EAST, (NORTH, EAST)), (NORTH, (EAST, NORTH))):
            request = EvaluateRequest(turn=replace(honest, attempt=attempt, banks=banks))
            shares.append(MaskedWords.decode(bureau.ask(bank, Step.EVALUATE, request)).words)
        return unpack_words(sum_of_words(shares), 2 * HISTOGRAM_WORDS)

    with monkeypatch.context() as weakened:
        weakened.setattr(Run, "check_turn", lambda _self, _turn: None)
        weakened.setattr(Turn, "digest", lambda _self: bytes(32))
        assert counts(honest.attempt + 1).sum() < 2000, "the bureau reads how many have each score"
    with pytest.raises(PeerError, match="not sorted"):
        counts(honest.attempt + 2)


def test_two_answers_under_one_mask_give_their_difference_away_and_ours_are_never_given(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    direction: DirectionRequest = bureau.request(TAX, Step.DIRECTION, 3)
    store = Run(Node.open(bureau.home(TAX)).home, *_keys_of(bureau), bureau.run.plan.run).store
    seen = [one for one in bureau.run.bureau.letters if (one.sender, one.kind) == (TAX, Step.DIRECTION)]
    first_vector = store.read_arrays("direction/0003")["vector"]

    # The round is run again under the same attempt, and its gradient is a little different.
    pending = f"pending/0003-{direction.turn.attempt}"
    store.write_arrays(pending, {bank: mask + np.uint64(1 << 24) for bank, mask in store.read_arrays(pending).items()})
    with monkeypatch.context() as weakened:
        weakened.setattr(FileLedger, "claim", ForgetfulLedger.claim)
        second = bureau.ask(TAX, Step.DIRECTION, direction)
    block, codes = block_from_bytes(store.read_bytes("block")), store.read_arrays(f"codes/{EAST}")["codes"]
    rows = len(codes)
    first_words, second_words = (
        unpack_words(DirectionReply.decode(one).images[0].payload, rows + 3)[:rows] for one in (seen[2].payload, second)
    )
    difference = store.read_arrays("direction/0003")["vector"] - first_vector
    # Rounding of the fixed point in both, and nothing else.
    np.testing.assert_allclose(
        difference_of_masked(first_words, second_words, IMAGE_FRACTION_BITS),
        block.image(codes, difference),
        atol=2.0 ** (1 - IMAGE_FRACTION_BITS),
        rtol=1e-9,
    )
    with pytest.raises(MaskContextReused):
        bureau.ask(TAX, Step.DIRECTION, direction)


def _keys_of(bureau: Bureau) -> tuple[Any, FileLedger]:
    home = Node.open(bureau.home(TAX)).home
    return home.identity(), FileLedger(home.directory / "ledger")
