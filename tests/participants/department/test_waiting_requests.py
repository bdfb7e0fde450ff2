"""What becomes untrue while a request waits for an obfuscator is refused, and what was shown of the log is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import func, select, update

from coordinator.transparency_log.logged import Logged
from crypto.errors import PeerError, YurongError
from crypto.transparency.errors import OtherStateSeen
from models.hosting.https.problems import problem_of
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.log_entry import EntryKind
from models.wire.online import RelayedRequest
from models.wire.permission import Permission, signing_with
from participants.department.database import open_database
from participants.department.database.tables import answered, data_uses, log_seen, mask_contexts, requests
from participants.department.errors import (
    ClockDisputed,
    ConsentUnusable,
    LogStopped,
    ModelNotApproved,
    NotPermitted,
    ObfuscatorsExhausted,
)
from participants.department.log.alarms import AlarmKind, raise_alarm
from participants.department.scorer import Waiting
from simulations.adversaries.consents import AskingBench
from simulations.adversaries.log import DishonestRehearsal
from simulations.enterprise.signatory import ALL_ALLOWED, Bounds
from simulations.enterprise.willing import the_use
from simulations.online import OnlineFederation


class Wait(AskingBench):
    """One department that is asked about enterprises that nobody has asked about."""

    def __init__(self, own: DishonestRehearsal, ours: OnlineFederation) -> None:
        super().__init__(own, ours)
        self.me = self.names[1]
        self.scorer = ours.scorers[self.me]

    def under(self, bundle: ConsentBundle) -> RelayedRequest:
        return self.relayed(self.ask(the_use(bundle, 0)), self.me)

    def good(self, bounds: Bounds = ALL_ALLOWED) -> RelayedRequest:
        return self.under(self.given(self.own.unused(), bounds))


@pytest.fixture
def wait(tmp_path: Path) -> Iterator[Wait]:
    with DishonestRehearsal(tmp_path / "own") as own, own.online() as ours:
        yield Wait(own, ours)
        own.log.close()


def rows(wait: Wait) -> list[int]:
    """What requests leave behind."""
    with open_database(wait.own.home(wait.me)).reading() as connection:
        tables = (requests, data_uses, answered, mask_contexts)
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


def stop_the_log(wait: Wait) -> None:
    with open_database(wait.own.home(wait.me)).begin() as connection:
        raise_alarm(connection, AlarmKind.FORKED, now=wait.now, seen=b"seen", shown=b"shown")


def dispute_the_clock(wait: Wait) -> None:
    with open_database(wait.own.home(wait.me)).begin() as connection:
        connection.execute(update(log_seen), {"clock_ahead_seconds": 3600})


def hand_a_revocation_in(wait: Wait, bundle: ConsentBundle) -> None:
    wait.scorer.evidence.consents.hand_in(wait.change(bundle, What.REVOKE))


def withdraw_the_passkey(wait: Wait, bundle: ConsentBundle) -> None:
    binding = bundle.binding.claimed()
    word = Permission(subject=signing_with(binding.tag, binding.registrar), granted=False, at=wait.now)
    document = word.sign(wait.own.home(binding.registrar).identity())
    wait.own.log.append([Logged.of(EntryKind.PERMISSION, document)])


def let_it_expire(wait: Wait, bundle: ConsentBundle) -> None:
    wait.own.clock.seconds = bundle.claimed().expires_at


MEANWHILE: dict[str, tuple[Callable[[Wait, ConsentBundle], None], type[YurongError], str]] = {
    "the log is stopped": (lambda wait, _: stop_the_log(wait), LogStopped, "log-stopped"),
    "the clock is disputed": (lambda wait, _: dispute_the_clock(wait), ClockDisputed, "clock-disputed"),
    "the model is taken back": (lambda wait, _: wait.approve(approved=False), ModelNotApproved, "model-not-approved"),
    "the permission is withdrawn": (
        lambda wait, _: wait.own.log.say(wait.asking, granted=False),
        NotPermitted,
        "not-permitted",
    ),
    "the consent is revoked": (
        lambda wait, bundle: wait.log_change(bundle, What.REVOKE),
        ConsentUnusable,
        "consent-not-active",
    ),
    "the consent is revoked here": (hand_a_revocation_in, ConsentUnusable, "consent-not-active"),
    "the passkey is withdrawn": (withdraw_the_passkey, ConsentUnusable, "consent-invalid"),
    "the consent expires": (let_it_expire, ConsentUnusable, "consent-not-active"),
}


@pytest.mark.parametrize("tried", [False, True], ids=["first try", "tried before"])
@pytest.mark.parametrize("what", MEANWHILE)
def test_what_becomes_untrue_while_a_request_waits_for_an_obfuscator_is_refused(
    wait: Wait, monkeypatch: pytest.MonkeyPatch, what: str, *, tried: bool
) -> None:
    happen, error, slug = MEANWHILE[what]
    bundle = wait.given(wait.own.unused(), Bounds(valid_for_seconds=90))
    waiting = wait.scorer.begin(wait.under(bundle))
    assert isinstance(waiting, Waiting)
    if tried:
        with monkeypatch.context() as patch:
            patch.setattr(wait.scorer.obfuscators, "take", dry)
            with pytest.raises(ObfuscatorsExhausted):
                wait.scorer.conclude(waiting)
    obfuscator, before = wait.scorer.obfuscator(waiting), rows(wait)
    wait.scorer.evidence.view.take_in(wait.own.log.newest())
    happen(wait, bundle)
    if error is not LogStopped:
        wait.scorer.evidence.view.take_in(wait.own.log.newest())
    with pytest.raises(error) as fault:
        wait.scorer.conclude(waiting, obfuscator)
    assert problem_of(fault.value).slug == slug
    assert rows(wait) == before


def dry(*_: object, **__: object) -> NoReturn:
    raise ObfuscatorsExhausted


def test_a_proof_of_another_length_is_none_of_the_place(wait: Wait) -> None:
    request = wait.good()
    for inclusion in (b"", request.inclusion[32:], request.inclusion + bytes(32)):
        with pytest.raises(PeerError) as fault:
            wait.scorer.answer(replace(request, inclusion=inclusion))
        assert problem_of(fault.value).slug == "not-in-log"
    with pytest.raises(OtherStateSeen):
        wait.scorer.answer(replace(request, index=request.extension.start + len(request.extension.entries)))
    wait.scorer.answer(request)


def test_what_was_shown_of_the_log_is_kept_although_the_request_is_refused(wait: Wait) -> None:
    wait.own.log.say(wait.asking, granted=False)
    request = wait.good()
    with pytest.raises(NotPermitted):
        wait.scorer.answer(request)
    with open_database(wait.own.home(wait.me)).reading() as connection:
        size = connection.execute(select(log_seen.c.size)).scalar_one()
    assert size == request.extension.start + len(request.extension.entries)
