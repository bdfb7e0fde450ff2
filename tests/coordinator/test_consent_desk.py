"""Consents at the bureau: logged once, cosigned by a majority, and each department's box where it belongs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from coordinator.consents import ConsentDesk
from coordinator.errors import GatewayBusy, LogNotWitnessed
from coordinator.scores.fair_queue import FairQueue
from coordinator.transparency_log.sequencer import Sequencer
from coordinator.transparency_log.witnesses import Witnesses
from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from crypto.transparency.receipt import Receipt, TrustedLog
from models.hosting.errors import RequestRefused
from models.log.names import witness_keys
from models.wire.consent_change import ConsentChange, Reason, What
from models.wire.deposit import ConsentDeposit, Deposited
from models.wire.envelope import post
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.signed_change import SignedChange
from simulations.log_rehearsal import DEPARTMENTS, NOW, LogRehearsal

BANK = ParticipantId("bank")
PASSKEY = LogEntry(kind=EntryKind.PASSKEY, digest=bytes([1]) * 32, tag=bytes(16)).encode()
CONSENT = LogEntry(kind=EntryKind.CONSENT, digest=bytes([2]) * 32).encode()
BOXES = {name: f"for {name}".encode() for name in DEPARTMENTS[:4]}
CHANGE = ConsentChange(consent_digest=bytes([2]) * 32, what=What.REVOKE, at=NOW, reason=Reason.OTHER)


def deposit(**changed: Any) -> bytes:
    fields = {"passkey": PASSKEY, "consent": CONSENT, "boxes": post(BOXES)} | changed
    return ConsentDeposit(**fields).encode()


def desk_of(bureau: LogRehearsal, sequencer: Sequencer, witnesses: Witnesses) -> ConsentDesk:
    return ConsentDesk(sequencer, witnesses, bureau.peer, lambda: frozenset(bureau.departments), deadline_seconds=0.2)


def trusted(bureau: LogRehearsal) -> TrustedLog:
    return TrustedLog(log_keys=(bureau.signer.key,), witnesses=witness_keys(bureau.pinned), quorum=3)


@pytest.fixture
def bureau(tmp_path: Path) -> LogRehearsal:
    return LogRehearsal(tmp_path)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 30))


def test_a_consent_gets_a_receipt_and_each_department_its_own_box(bureau: LogRehearsal) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            desk = desk_of(bureau, sequencer, witnesses)
            answer = Deposited.decode(await desk.consent(BANK, deposit()))
            receipt = Receipt.decode(answer.receipt)
            assert (receipt.index, receipt.verify(CONSENT, trusted(bureau)).size) == (1, 2)
            assert answer.missing == ()
            for name, department in bureau.departments.items():
                kept = [(one.bank, one.box) for one in department.consents]
                assert kept == ([(BANK, BOXES[name])] if name in BOXES else [])

    run(scenario())


@pytest.mark.parametrize("fault", ["is down", "hangs", "refuses", "babbles"])
def test_who_does_not_take_its_box_is_named_and_gets_it_when_the_same_is_sent_again(
    bureau: LogRehearsal, fault: str
) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            desk = desk_of(bureau, sequencer, witnesses)
            bureau.fail(fault, *DEPARTMENTS[:2])
            answer = Deposited.decode(await desk.consent(BANK, deposit()))
            assert answer.missing == DEPARTMENTS[:2]
            bureau.fail("", *DEPARTMENTS)
            again = Deposited.decode(await desk.consent(BANK, deposit()))
            assert again.missing == ()
            assert Receipt.decode(again.receipt).index == 1
            # Nothing came into the log twice.
            assert sequencer.state.size == 2

    run(scenario())


def test_a_consent_that_no_majority_has_seen_has_no_receipt(bureau: LogRehearsal) -> None:
    bureau.fail("is down", *DEPARTMENTS[:3])

    async def scenario() -> None:
        async with bureau.running(deadline_seconds=0.1) as (sequencer, witnesses):
            with pytest.raises(LogNotWitnessed):
                await desk_of(bureau, sequencer, witnesses).consent(BANK, deposit())
            assert not any(one.consents for one in bureau.departments.values())

    run(scenario())


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"passkey": CONSENT}, MalformedMessage),
        ({"consent": PASSKEY}, MalformedMessage),
        ({"consent": CONSENT[:-1]}, MalformedMessage),
        ({"boxes": ()}, MalformedMessage),
        ({"boxes": post(BOXES)[::-1]}, MalformedMessage),
        ({"boxes": post(BOXES)[:1] * 2}, MalformedMessage),
        ({"boxes": post({DEPARTMENTS[0]: bytes(1 << 16)})}, MalformedMessage),
        ({"boxes": post({ParticipantId("stranger"): b"box"})}, RequestRefused),
    ],
    ids=["two consents", "two passkeys", "no entry", "no box", "out of order", "twice", "too long", "a stranger's"],
)
def test_what_is_no_deposit_leaves_nothing_in_the_log(
    bureau: LogRehearsal, changed: dict[str, Any], error: type[Exception]
) -> None:
    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            with pytest.raises(error):
                await desk_of(bureau, sequencer, witnesses).consent(BANK, deposit(**changed))
            assert sequencer.state.size == 0

    run(scenario())


def test_a_change_comes_into_the_log_once_with_its_document_for_all_departments(bureau: LogRehearsal) -> None:
    signed = SignedChange(change=CHANGE.encode(), assertion=b"of a passkey")

    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            desk = desk_of(bureau, sequencer, witnesses)
            for _ in range(2):
                answer = Deposited.decode(await desk.change(BANK, signed.encode()))
                receipt = Receipt.decode(answer.receipt)
                assert receipt.verify(signed.entry().encode(), trusted(bureau)).size == 1
            shown = sequencer.extension(0, 1, sequencer.state.note)
            assert shown.documents == (signed.encode(),)
            with pytest.raises(MalformedMessage):
                await desk.change(BANK, b"no change")

    run(scenario())


def test_a_bank_that_floods_waits_and_is_then_sent_away_and_another_is_served(
    bureau: LogRehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau.fail("hangs", DEPARTMENTS[0])

    async def scenario() -> None:
        async with bureau.running() as (sequencer, witnesses):
            desk = desk_of(bureau, sequencer, witnesses)
            monkeypatch.setattr(desk, "_queue", FairQueue(in_flight=1, waiting_per_bank=1))
            flood = [asyncio.create_task(desk.consent(BANK, deposit())) for _ in range(3)]
            other = asyncio.create_task(desk.consent(ParticipantId("other"), deposit()))
            outcomes = await asyncio.gather(*flood, other, return_exceptions=True)
            assert [isinstance(one, GatewayBusy) for one in outcomes] == [False, False, True, False]

    run(scenario())
