"""Documents in a run: those in force when it is set up, and the same participants after they rotated their keys."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from crypto.errors import UntrustedKey
from crypto.identifiers import ParticipantId, Role, RunId
from models.hosting.trust.home import GRACE_SECONDS as KEYS_GRACE
from models.hosting.trust.pins import DOCUMENT_GRACE_SECONDS as PINS_GRACE
from models.wire.envelope import post
from models.wire.setup import MeetRequest
from participants.clock import SystemClock
from participants.home import Home
from participants.runs.ledger import FileLedger
from participants.runs.run import Run
from simulations.online_rehearsal import OnlineRehearsal

RUN = RunId("another-run")
ADDRESS = "https://127.0.0.1:8443"


class LaterClock:
    """The machine's clock, put forward."""

    def __init__(self) -> None:
        self.later = 0.0

    def now(self) -> float:
        return SystemClock().now() + self.later


class Members:
    """Copies of the rehearsal's homes, in which a run may begin."""

    def __init__(self, rehearsal: OnlineRehearsal, directory: Path) -> None:
        self.clock = LaterClock()
        self.homes = {}
        for name, home in rehearsal.drawn.homes.items():
            shutil.copytree(home, directory / name)
            self.homes[name] = Home.open(directory / name, clock=self.clock)
        drawn = self.run(rehearsal.drawn.departments[0], RunId("drawn"))
        self.plan = replace(drawn.plan, run_id=RUN)
        self.department, self.other = rehearsal.drawn.departments[:2]

    def run(self, name: ParticipantId, run_id: RunId = RUN) -> Run:
        """A participant's side of the run, as a new process opens it."""
        home = Home.open(self.homes[name].directory, clock=self.clock)
        return Run(home, home.identity(), FileLedger(home.directory / "ledger"), run_id)

    def introduction(self) -> MeetRequest:
        """Everybody's current document and keys, as the bureau relays them."""
        keys = {
            name: home.bank_keys().public_lattice_keys().encode()
            for name, home in self.homes.items()
            if home.role is Role.BANK
        }
        documents = {name: home.document() for name, home in self.homes.items()}
        return MeetRequest(run_id=RUN, documents=post(documents), lattice_keys=post(keys), bank_features=())

    def meet(self, name: ParticipantId, met: MeetRequest) -> Run:
        """Have a participant take part, and return its side."""
        run = self.run(name)
        run.begin(self.plan)
        run.meet(met)
        return run

    def hand_over(self, name: ParticipantId, data: bytes) -> None:
        """Have everybody else pin what a participant handed over."""
        for other, home in self.homes.items():
            if other != name:
                home.pins.pin(data)


@pytest.fixture
def members(rehearsal: OnlineRehearsal, tmp_path: Path) -> Members:
    return Members(rehearsal, tmp_path)


def test_an_old_document_is_taken_by_who_pins_identities_alone_and_refused_by_us(members: Members) -> None:
    old = members.introduction()
    rotated = members.homes[members.other]
    members.hand_over(members.other, rotated.prepare_rotation(set(), address=ADDRESS))
    rotated.finish_rotation()
    members.clock.later = PINS_GRACE

    weak, _, ours = members.plan.department_ids[:3]
    members.homes[weak].pins.unpin(members.other)
    members.homes[weak].pin({members.other: rotated.identity().public})
    assert members.meet(weak, old).documents[members.other].address == ""
    with pytest.raises(UntrustedKey):
        members.meet(ours, old)
    assert members.meet(ours, members.introduction()).documents[members.other].address == ADDRESS


def test_both_documents_are_taken_while_one_takes_the_place_of_the_other(members: Members) -> None:
    rotated = members.homes[members.other]
    old = members.introduction()
    members.hand_over(members.other, rotated.prepare_rotation({"identity"}))
    assert members.meet(members.department, old).documents[members.other].serial == 1
    rotated.finish_rotation()
    third = members.plan.department_ids[2]
    assert members.meet(third, members.introduction()).documents[members.other].serial == 2


def test_a_run_goes_on_with_the_identity_that_it_began_with_until_that_is_forgotten(members: Members) -> None:
    mine, met = members.homes[members.department], members.introduction()
    began = members.meet(members.department, met).identity.public
    mine.prepare_rotation({"identity"})
    mine.finish_rotation()
    assert members.run(members.department).identity.public == began != mine.identity().public
    members.clock.later = KEYS_GRACE + 1
    with pytest.raises(UntrustedKey):
        _ = members.run(members.department).identity


def test_a_run_goes_on_with_a_peer_that_has_a_newer_document_and_not_with_one_that_has_another_identity(
    members: Members,
) -> None:
    peer, met = members.homes[members.other], members.introduction()
    members.meet(members.department, met)
    members.hand_over(members.other, peer.prepare_rotation(set(), address=ADDRESS))
    peer.finish_rotation()
    members.clock.later = PINS_GRACE
    assert members.run(members.department).documents[members.other].serial == 1
    members.hand_over(members.other, peer.prepare_rotation({"identity"}))
    assert members.run(members.department).documents[members.other].serial == 1
    members.clock.later += PINS_GRACE
    with pytest.raises(UntrustedKey):
        _ = members.run(members.department).documents
