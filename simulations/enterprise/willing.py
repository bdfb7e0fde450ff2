"""Enterprises that consent to whatever a bank asks, for simulations in which consent is not the point.

Each consent is a real one: a passkey that a registrar bound, in the log, verified by every department that it names.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coordinator.transparency_log.logged import Logged
from crypto.identifiers import EnterpriseId, ParticipantId, RequestId
from crypto.passkeys import RelyingParty
from models.consent.uses import uses_left
from models.hosting.clock import Clock
from models.wire.consent import Computation, Purpose, ReasonsOpenedBy
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import use_tag
from participants.bank.consents import ConsentUse
from participants.department.consents.keeping import ConsentStore
from participants.home import Home
from simulations.enterprise.signatory import ALL_ALLOWED, Bounds, Signatory
from simulations.local_log import PAGES, LocalLog

_AGO_SECONDS: Final = 60
"""Consents are given a little before they are used."""


@dataclass(slots=True)
class _Given:
    """A consent, and the requests under it in the order of their numbers. used_at: seconds since 1970."""

    bundle: ConsentBundle
    requests: list[RequestId] = field(default_factory=list)
    used_at: list[int] = field(default_factory=list)


class WillingEnterprises:
    """Enterprises that consent, and the registrar that knows them.

    stores: of the departments that are named in consents, each of which keeps them at once.
    """

    def __init__(
        self,
        log: LocalLog,
        stores: Mapping[ParticipantId, ConsentStore],
        registrar: Home,
        *,
        clock: Clock,
        relying_party: RelyingParty = PAGES,
    ) -> None:
        self._log, self._stores, self._registrar = log, stores, registrar
        self._clock, self._relying_party = clock, relying_party
        self._signatories: dict[EnterpriseId, Signatory] = {}

    def signatory(self, enterprise_id: EnterpriseId) -> Signatory:
        """Who signs for an enterprise, with a passkey that is bound."""
        if enterprise_id not in self._signatories:
            person = Signatory.create(enterprise_id, self._relying_party)
            binding = person.binding(
                self._registrar.identity(), self._registrar.participant_id, at=self._now() - _AGO_SECONDS
            )
            self._log.append([Logged(binding.entry())])
            self._signatories[enterprise_id] = person
        return self._signatories[enterprise_id]

    def consent(
        self,
        enterprise_id: EnterpriseId,
        bank: ParticipantId,
        *,
        providers: Sequence[ParticipantId] | None = None,
        purpose: Purpose = Purpose.APPLICATION,
        computation: Computation = Computation.SCORE,
        reasons_opened_by: ReasonsOpenedBy | None = None,
        bounds: Bounds = ALL_ALLOWED,
    ) -> ConsentBundle:
        """A consent that is in the log, and that every department it names keeps."""
        bundle = self.signatory(enterprise_id).consent(
            bank,
            providers or tuple(self._stores),
            created_at=self._now() - _AGO_SECONDS,
            purpose=purpose,
            computation=computation,
            reasons_opened_by=reasons_opened_by,
            bounds=bounds,
        )
        return self.hand_in(bundle)

    def hand_in(self, bundle: ConsentBundle) -> ConsentBundle:
        """Have a consent logged and kept."""
        self._log.append([Logged(bundle.consent_entry)])
        for name in bundle.claimed().providers:
            if name in self._stores:
                self._stores[name].keep(bundle)
        return bundle

    def _now(self) -> int:
        return int(self._clock.now())


class WillingConsents:
    """A bank's `participants.bank.consents.Consents` that asks a willing enterprise whenever it has no use left."""

    def __init__(self, enterprises: WillingEnterprises, bank: ParticipantId) -> None:
        self._enterprises, self._bank = enterprises, bank
        self._given: dict[tuple[EnterpriseId, Purpose], _Given] = {}
        self._uses: dict[RequestId, ConsentUse] = {}
        self._first: dict[RequestId, bytes] = {}
        self._lock = threading.Lock()

    def hold(self, bundle: ConsentBundle) -> None:
        """Use this consent from now on, as long as it has uses left."""
        consent = bundle.claimed()
        self._given[consent.enterprise_id, consent.purpose] = _Given(bundle)

    def use(self, enterprise_id: EnterpriseId, purpose: Purpose, request_id: RequestId, *, now: float) -> ConsentUse:
        """A use for this request; the same one for the same id."""
        with self._lock:
            self._take(enterprise_id, purpose, request_id, int(now))
        return the_use_that_follows(self._uses[request_id], self._first.get(request_id, b""))

    def _take(self, enterprise_id: EnterpriseId, purpose: Purpose, request_id: RequestId, now: int) -> None:
        if request_id not in self._uses:
            given = self._given.get((enterprise_id, purpose))
            if given is None or not uses_left(given.bundle.claimed(), given.used_at, now).this_month:
                bundle = self._enterprises.consent(enterprise_id, self._bank, purpose=purpose)
                given = self._given[enterprise_id, purpose] = _Given(bundle)
            given.requests.append(request_id)
            given.used_at.append(now)
            self._uses[request_id] = the_use(given.bundle, len(given.requests) - 1)

    def made(self, request_id: RequestId, digest: bytes) -> None:
        """A request of this digest is about to be sent under this id."""
        self._first.setdefault(request_id, digest)

    def refused(self, request_id: RequestId, why: str) -> None:  # noqa: ARG002 - as a bank's book
        """A request was refused for its consent: another one is asked for the next time."""
        use = self._uses.get(request_id)
        if use is not None:
            self._given.pop((use.consent.enterprise_id, use.consent.purpose), None)


def the_use(bundle: ConsentBundle, number: int) -> ConsentUse:
    """The use of this number of a consent."""
    consent = bundle.claimed()
    return ConsentUse(consent=consent, digest=consent.digest(), number=number, tag=use_tag(bundle.use_key, number))


def the_use_that_follows(use: ConsentUse, first: bytes) -> ConsentUse:
    """The same use, for a request in the place of one of this digest."""
    return ConsentUse(consent=use.consent, digest=use.digest, number=use.number, tag=use.tag, follows=first)
