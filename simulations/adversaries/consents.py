"""A bank that asks under whatever it likes, the departments and the gateway that it asks, and what comes of it."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry

from coordinator.errors import DepartmentRefused
from coordinator.scores.gateway import GatewayService
from coordinator.scores.meters import GatewayMeters
from coordinator.scores.scoring import AsyncScoreGateway
from coordinator.transparency_log import places
from coordinator.transparency_log.logged import Logged
from crypto.errors import PeerError
from crypto.identifiers import ParticipantId, RequestId
from models.hosting.https.problems import problem_of
from models.wire.consent import Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.log_entry import EntryKind
from models.wire.model_approval import ModelApproval
from models.wire.online import Offer, RelayedRequest, ScoreAnswer
from models.wire.permission import Action, Subject
from models.wire.refusal import Refusal
from models.wire.signed_change import SignedChange
from participants.bank.consents import ConsentUse
from participants.bank.score_request import OpenRequest
from simulations.adversaries.log import DishonestRehearsal
from simulations.adversaries.online import opened, signed
from simulations.enterprise.signatory import ALL_ALLOWED, Bounds, Signatory
from simulations.online import OnlineFederation, served_model
from simulations.online_network import DepartmentNetwork, MemoryRecord

ANSWERED = "answered"


def new_id() -> RequestId:
    """A request id that nobody has used."""
    return RequestId(secrets.token_hex(16))


def as_if(use: ConsentUse, **changes: Any) -> ConsentUse:
    """The use, as a bank reads a consent that says something else."""
    return replace(use, consent=replace(use.consent, **changes))


class AskingBench:
    """A bank that asks under any use at all, and departments that are asked one by one."""

    def __init__(self, own: DishonestRehearsal, ours: OnlineFederation) -> None:
        self.own, self.ours = own, ours
        self.names = own.drawn.departments

    @property
    def now(self) -> int:
        """Seconds since 1970."""
        return int(self.own.clock.now())

    def signatory(self, row: int) -> Signatory:
        """Who signs for the enterprise of this row."""
        return self.ours.enterprises.signatory(self.own.enterprise(row))

    def given(self, row: int, bounds: Bounds = ALL_ALLOWED, purpose: Purpose = Purpose.APPLICATION) -> ConsentBundle:
        """What the enterprise of this row consents to; in the log, and kept by all."""
        return self.ours.enterprises.consent(self.own.enterprise(row), self.own.bank, bounds=bounds, purpose=purpose)

    @property
    def asking(self) -> Subject:
        """What the bureau permits the bank: to ask by the model when there is an application."""
        return Subject(
            action=Action.REQUEST_SCORES,
            grantor=self.own.log.home.participant_id,
            grantee=self.own.bank,
            model=self.own.drawn.version,
            purpose=Purpose.APPLICATION,
        )

    def approve(self, *, approved: bool) -> None:
        """Have the bureau approve the model, or take that back."""
        bureau = self.own.log.home
        word = ModelApproval(
            bureau=bureau.participant_id, model_version=self.own.drawn.version, approved=approved, at=self.now
        )
        self.own.log.append([Logged.of(EntryKind.MODEL_APPROVED, word.sign(bureau.identity()))])

    def change(self, bundle: ConsentBundle, what: What) -> SignedChange:
        """A change of a consent by its enterprise."""
        consent = bundle.claimed()
        return self.ours.enterprises.signatory(consent.enterprise_id).change(consent, what, at=self.now)

    def log_change(self, bundle: ConsentBundle, what: What) -> None:
        """Have it logged."""
        self.own.log.append([Logged.of(EntryKind.CONSENT_CHANGE, self.change(bundle, what).encode())])

    def ask(self, use: ConsentUse, name: RequestId | None = None, offer: Offer | None = None) -> OpenRequest:
        """A request under this use."""
        return self.ours.client.request(use, offer or self.own.offer(), name or new_id())

    def relayed(self, asked: OpenRequest, name: ParticipantId) -> RelayedRequest:
        """The request as a department gets it, once it is in the log."""
        return self.own.log.relayed(asked.request, name, self.names)

    def outcome(self, asked: OpenRequest, name: ParticipantId) -> str:
        """`ANSWERED`, or the problem with which this department refuses."""
        try:
            self.ours.scorers[name].answer(self.relayed(asked, name))
        except PeerError as fault:
            return problem_of(fault).slug
        return ANSWERED

    def outcomes(self, asked: OpenRequest) -> set[str]:
        """What came of it at all departments of S."""
        return {self.outcome(asked, name) for name in asked.statement.departments(self.names)}

    def sum_of_answers(self, asked: OpenRequest) -> int:
        """What the bank finds in the answers of all departments together."""
        answers = (self.ours.scorers[name].answer(self.relayed(asked, name)) for name in self.names)
        return signed(sum(opened(one, self.own.key) for one in answers))

    def expected(self, row: int) -> int:
        """What it finds if all is well."""
        return int(self.own.drawn.partials[:, row].sum())


class LoggingGate:
    """The bureau as it serves banks, with this log: what a department refuses is written into it."""

    def __init__(self, bench: AskingBench) -> None:
        own = bench.own
        self.log, self.bank = own.log, own.bank
        model = served_model(own.home(own.bank), own.drawn.version)
        fan_out = DepartmentNetwork(bench.ours.scorers).fan_out()
        self.record = MemoryRecord()
        self.service = GatewayService(
            AsyncScoreGateway([model], fan_out, own.log),
            record=self.record,
            meters=GatewayMeters(CollectorRegistry()),
        )

    def ask(self, asked: OpenRequest) -> str:
        """`ANSWERED`, or the problem; the bureau has written it down."""

        async def scenario() -> str:
            try:
                data = await self.service.score(self.bank, asked.request.encode())
            except DepartmentRefused as fault:
                return fault.kind.slug
            finally:
                await self.service.close()
            ScoreAnswer.decode(data)
            return ANSWERED

        return asyncio.run(asyncio.wait_for(scenario(), 30))

    def refusals(self) -> dict[bytes, str]:
        """The problem of each request that was refused, as the log has it under the bureau's signature."""
        with self.log.database.reading() as connection:
            documents = places.documents(connection, {EntryKind.REFUSAL})
        identity = self.log.home.identity().public
        read = [Refusal.verify(one, identity) for one in documents.values()]
        return {one.request: one.problem for one in read}
