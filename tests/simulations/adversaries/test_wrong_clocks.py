"""A department's clock that is wrong by an hour neither opens nor jams anything unseen.

What must hold: the first checkpoint that others have cosigned too shows it, with an alarm; the department refuses and
says that it is not ready, the others go on; it answers again when a later one shows the clocks to agree. A clock that
is set back wakes no consent that has ended. What the bureau shows of clocks it cannot make up, and one department that
lies about the time stops no other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

import pytest

from crypto.errors import PeerError
from crypto.identifiers import ParticipantId
from crypto.transparency.note import KeyUse, NoteKey, NoteSignature
from models.hosting.https.problems import problem_of
from models.log.names import witness_name
from models.wire.log_view import WitnessRequest
from participants.department.database import open_database
from participants.department.errors import ClockDisputed
from participants.department.log import clocks as clocks_module
from participants.department.log.alarms import Alarm, AlarmKind
from participants.department.log.status import settle_alarm, witness_status
from participants.department.log.view import LogView
from participants.department.log_service import LogService
from participants.department.scorer import Scorer
from participants.home import Home
from simulations.adversaries.consents import AskingBench
from simulations.adversaries.log import DishonestRehearsal
from simulations.enterprise.signatory import Bounds
from simulations.enterprise.willing import the_use
from simulations.local_log import EVIDENCE
from simulations.online import OnlineFederation
from simulations.online_rehearsal import SetClock

HOUR = 3600.0


class Clocks(AskingBench):
    """Departments each with a clock of its own; what the bureau asks of them as witnesses."""

    def __init__(self, own: DishonestRehearsal, ours: OnlineFederation, stack: ExitStack) -> None:
        super().__init__(own, ours)
        self.clocks = {name: SetClock(own.clock.seconds) for name in self.names}
        self.services: dict[ParticipantId, LogService] = {}
        for name, clock in self.clocks.items():
            home = Home.open(own.drawn.homes[name], clock=clock)
            scorer = Scorer(home, clock=clock, evidence=EVIDENCE, new_pool=own.pool)
            ours.scorers[name].close()
            ours.scorers[name] = stack.enter_context(scorer)
            self.services[name] = LogService(
                scorer.evidence, open_database(home), me=name, bureau=own.log.home.participant_id, clock=clock
            )

    def pass_on(self, seconds: float) -> None:
        """Time passes, on every clock."""
        for clock in (self.own.clock, *self.clocks.values()):
            clock.seconds += seconds

    def cosigned(self, *names: ParticipantId) -> bytes:
        """The log as it is, a little longer than before, cosigned by these (all)."""
        self.own.log.say(self.asking, granted=True)
        lines = []
        for name in names or self.names:
            request = WitnessRequest(extension=self.own.log.newest(), attested=b"")
            key = NoteKey(witness_name(name), KeyUse.COSIGNATURE, self.own.home(name).identity().public.signing_key)
            lines.append(NoteSignature(key.name, key.key_id, self.services[name].see(request).cosignature))
        return self.own.log.head.with_signatures(lines).encode()

    def show(self, attested: bytes) -> None:
        """Show every department what was cosigned."""
        for service in self.services.values():
            service.see(WitnessRequest(extension=self.own.log.newest(), attested=attested))

    def compare(self) -> None:
        """Have all cosign the log, and show it to all."""
        self.show(self.cosigned())

    def alarms(self, name: ParticipantId) -> tuple[Alarm, ...]:
        return witness_status(self.ours.scorers[name].evidence.view, open_database(self.own.home(name))).alarms

    def answers(self, name: ParticipantId) -> str:
        """What comes of a good request at one department."""
        bundle = self.given(self.own.unused())
        scorer = self.ours.scorers[name]
        try:
            scorer.answer(self.relayed(self.ask(the_use(bundle, 0)), name))
        except (PeerError, ClockDisputed) as fault:
            with pytest.raises(ClockDisputed):
                scorer.ready(self.own.drawn.version)
            return problem_of(fault).slug
        scorer.ready(self.own.drawn.version)
        return "answered"


@pytest.fixture
def clocks(own: DishonestRehearsal, ours: OnlineFederation) -> Iterator[Clocks]:
    with ExitStack() as stack:
        yield Clocks(own, ours, stack)


@pytest.mark.parametrize("wrong_by", [HOUR, -HOUR], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong_by_an_hour_raises_an_alarm_and_stops_its_department_alone(
    clocks: Clocks, wrong_by: float
) -> None:
    wrong, *right = clocks.names
    clocks.compare()
    assert [clocks.answers(name) for name in clocks.names] == ["answered"] * 4
    clocks.clocks[wrong].seconds += wrong_by
    clocks.pass_on(2 * HOUR)  # so that the clock that is behind has not gone back
    clocks.compare()
    (alarm,) = clocks.alarms(wrong)
    assert (alarm.kind, alarm.settled_at) == (AlarmKind.CLOCK, None)
    status = witness_status(clocks.ours.scorers[wrong].evidence.view, open_database(clocks.own.home(wrong)))
    assert (status.clock_ahead_seconds, status.is_alarmed) == (int(wrong_by), True)
    clocks.clocks[wrong].seconds = clocks.own.clock.seconds  # for a request that has not expired by it
    assert [clocks.answers(name) for name in clocks.names] == ["clock-disputed", *["answered"] * 3]
    assert all(clocks.alarms(name) == () for name in right)
    # Scores go on without it, and the alarm is raised once however often it is shown.
    bundle = clocks.given(clocks.own.unused())
    assert clocks.outcomes(clocks.ask(the_use(bundle, 0), offer=clocks.own.offer(wrong))) == {"answered"}


def test_a_clock_that_was_behind_is_right_again_with_the_next_checkpoint_and_the_alarm_settled(clocks: Clocks) -> None:
    wrong = clocks.names[2]
    clocks.clocks[wrong].seconds -= HOUR
    clocks.compare()
    clocks.pass_on(10)
    clocks.compare()
    assert len(clocks.alarms(wrong)) == 1
    clocks.clocks[wrong].seconds += HOUR
    assert clocks.answers(wrong) == "clock-disputed"
    clocks.compare()
    assert clocks.answers(wrong) == "answered"
    (alarm,) = clocks.alarms(wrong)
    assert alarm.settled_at == int(clocks.own.clock.seconds)


def test_two_clocks_of_four_that_are_ahead_by_an_hour_stop_everybody_and_not_silently(clocks: Clocks) -> None:
    """Each is held against the median of the three others, and nobody can tell who is right."""
    for name in clocks.names[:2]:
        clocks.clocks[name].seconds += HOUR
    clocks.compare()
    for name in clocks.names[:2]:
        clocks.clocks[name].seconds -= HOUR
    assert {clocks.answers(name) for name in clocks.names} == {"clock-disputed"}
    assert all(len(clocks.alarms(name)) == 1 for name in clocks.names)


def test_a_clock_that_was_ahead_and_is_right_stays_disputed_until_its_operator_settles_that(clocks: Clocks) -> None:
    """Its last cosignature is of a time to come: it says no earlier one by itself."""
    wrong = clocks.names[0]
    clocks.clocks[wrong].seconds += HOUR
    clocks.compare()
    clocks.clocks[wrong].seconds -= HOUR
    clocks.compare()
    assert clocks.answers(wrong) == "clock-disputed"
    (alarm,) = clocks.alarms(wrong)
    database, view = open_database(clocks.own.home(wrong)), clocks.ours.scorers[wrong].evidence.view
    settle_alarm(database, view.origin, alarm.alarm_id, now=int(clocks.own.clock.seconds))
    assert clocks.answers(wrong) == "answered"
    clocks.compare()
    assert clocks.answers(wrong) == "answered"


def test_a_clock_that_was_ahead_and_is_right_is_no_longer_disputed_when_that_time_has_come(clocks: Clocks) -> None:
    wrong = clocks.names[0]
    clocks.clocks[wrong].seconds += HOUR
    clocks.compare()
    clocks.clocks[wrong].seconds -= HOUR
    clocks.pass_on(HOUR)
    clocks.compare()
    assert clocks.answers(wrong) == "answered"
    assert clocks.alarms(wrong)[0].settled_at is not None


def test_an_expired_consent_wakes_when_a_clock_is_set_back_only_where_what_was_cosigned_is_forgotten(
    clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, other = clocks.names[:2]
    bundle = clocks.given(0, Bounds(valid_for_seconds=90))
    clocks.pass_on(200)
    clocks.compare()
    clocks.pass_on(-200)
    asked = clocks.ask(the_use(bundle, 0))
    assert [clocks.outcome(asked, one) for one in (name, other)] == ["consent-not-active"] * 2
    monkeypatch.setattr(LogView, "now", lambda view, _connection: int(view._home.clock.now()))
    assert clocks.outcome(asked, name) == "answered"


def test_a_bureau_makes_no_times_up(clocks: Clocks) -> None:
    wrong = clocks.names[3]
    attested = clocks.cosigned()
    ahead = clocks.own.log.head
    key = NoteKey(witness_name(wrong), KeyUse.COSIGNATURE, clocks.own.home(wrong).identity().public.signing_key)
    honest = clocks.services[wrong].see(WitnessRequest(extension=clocks.own.log.newest(), attested=b"")).cosignature
    later = (int.from_bytes(honest[:8], "big") + 3600).to_bytes(8, "big") + honest[8:]
    forged = ahead.with_signatures([NoteSignature(key.name, key.key_id, later)]).encode()
    few = clocks.cosigned(*clocks.names[2:])
    unsigned = replace(ahead, signatures=()).with_signatures([NoteSignature(key.name, key.key_id, honest)]).encode()
    for shown in (forged, few, unsigned, b"", b"no note"):
        clocks.show(shown)
        assert clocks.answers(wrong) == "answered"
    clocks.show(attested)
    assert all(clocks.alarms(name) == () for name in clocks.names)


def test_a_department_that_lies_about_the_time_stops_another_only_where_the_mean_of_two_is_taken(
    clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quorum of four is three: a bureau that helps it shows the one between it and an honest one."""
    liar, victim, honest = clocks.names[:3]
    clocks.clocks[liar].seconds += 2 * HOUR
    attested = clocks.cosigned(liar, victim, honest)
    clocks.services[victim].see(WitnessRequest(extension=clocks.own.log.newest(), attested=attested))
    assert clocks.answers(victim) == "answered"
    for name in ("median_low", "median_high"):
        monkeypatch.setattr(clocks_module, name, lambda times: int(median(times)))
    clocks.services[victim].see(WitnessRequest(extension=clocks.own.log.newest(), attested=attested))
    assert clocks.answers(victim) == "clock-disputed"
