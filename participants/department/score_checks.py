"""What must hold before a department answers a score request, in the one order in which it is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from crypto.identity import Identity
from crypto.labels import Label
from crypto.masks import PairwiseSecrets
from crypto.paillier import PaillierPublicKey
from crypto.sealed import unseal
from models.enterprise_id import parse_enterprise_id
from models.wire.online import RelayedRequest
from models.wire.plan import MINIMUM_DEPARTMENTS, require_enough_departments
from models.wire.score_statement import (
    MAXIMUM_LIFETIME_SECONDS,
    ScoreStatement,
    SignedStatement,
    box_context,
    request_digest,
)
from models.wire.steps import Purpose
from models.wire.training import Turn
from participants.department.errors import RequestExpired
from participants.department.request_record import RequestRecord
from participants.department.scored_model import KeysInForce, ScoredModel


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Asked:
    """One request while it is checked. What is read from it is verified by the very reading."""

    relayed: RelayedRequest
    signed: SignedStatement
    model: ScoredModel
    keys: KeysInForce
    record: RequestRecord
    now: float
    minimum_departments: int = MINIMUM_DEPARTMENTS

    @property
    def bank(self) -> ParticipantId:
        """Whom the request says that it is from; `signed_by_the_pinned_bank` holds it to that."""
        return self.signed.claimed.bank

    @cached_property
    def statement(self) -> ScoreStatement:
        """What the bank signed."""
        self.model.require_bank(self.bank)
        document = self.keys.document(self.bank, Role.BANK, self.signed.claimed.bank_serial)
        return self.signed.verify(document.identity)

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of what the bank signed."""
        return request_digest(self.relayed.document)

    @cached_property
    def departments(self) -> tuple[ParticipantId, ...]:
        """The set S."""
        return self.statement.departments(self.model.departments)

    @cached_property
    def place(self) -> int:
        """This department's place in S."""
        return self.departments.index(self.model.run.me)

    @cached_property
    def identity(self) -> Identity:
        """This department's own keys of the serial that it is asked under."""
        return self.keys.identity(self.statement.serials[self.place])

    @cached_property
    def secrets(self) -> PairwiseSecrets:
        """What this department shares with the others of S, under the pinned documents that they are asked under."""
        return self.model.secrets(self.keys, self.statement)

    @cached_property
    def key(self) -> PaillierPublicKey:
        """The bank's key that the answer is encrypted under."""
        return self.keys.key(self.bank, self.statement.key_fingerprint)

    @cached_property
    def enterprise_id(self) -> EnterpriseId:
        """Whom the bank asks about."""
        context = box_context(self.statement.request_id, self.bank, self.model.version, self.model.run.me)
        plaintext = unseal(self.identity, self.relayed.box, label=Label.SEALED_REQUEST, context=context)
        try:
            return parse_enterprise_id(plaintext.decode("ascii"))
        except UnicodeDecodeError:
            raise MalformedMessage("a sealed enterprise id is no text") from None

    @cached_property
    def turn(self) -> Turn:
        """The turn that stands for an online request: its place in the run is the mask's direction."""
        return Turn(
            run_id=self.model.run.plan.run_id, round=0, attempt=0, departments=self.departments, banks=(self.bank,)
        )


def signed_by_the_pinned_bank(asked: Asked) -> None:
    """The bank that is named signed these very bytes, under a document of its that is pinned and in force."""
    _ = asked.statement


def not_expired(asked: Asked) -> None:
    """The request is still valid, and not for longer than any may be."""
    left = asked.statement.expires_at - asked.now
    if left <= 0:
        raise RequestExpired("a score request has expired")
    if left > MAXIMUM_LIFETIME_SECONDS:
        raise RequestExpired("a score request is valid for too long")


def under_the_bank_s_own_key(asked: Asked) -> None:
    """The bank wants its answer under a key that one of its documents in force names."""
    _ = asked.key


def set_is_large_enough(asked: Asked) -> None:
    """S is of this model's departments, this one among them, and not below what is set here: at least three."""
    require_enough_departments(len(asked.departments), minimum=asked.minimum_departments)
    asked.model.run.check_turn(asked.turn)


def documents_are_in_force(asked: Asked) -> None:
    """S is asked under documents that are pinned here and in force, and this department under keys that it has."""
    _ = asked.identity, asked.secrets


def box_is_the_signed_one(asked: Asked) -> None:
    """The sealed enterprise id is the one that the bank put in; anybody could seal another."""
    if not asked.statement.holds_box(asked.relayed.box, asked.place, asked.relayed.path):
        raise PeerError("a score request came with another box than the bank signed")


def enterprise_id_is_readable(asked: Asked) -> None:
    """The box opens here, for this request, and holds an enterprise id."""
    _ = asked.enterprise_id


def same_set_as_before(asked: Asked) -> None:
    """This enterprise was never answered to this bank, by this model, with another set."""
    asked.record.claim_set(asked.model.version, asked.bank, asked.enterprise_id, asked.departments)


CHECKS: Final[tuple[Callable[[Asked], None], ...]] = (
    signed_by_the_pinned_bank,
    not_expired,
    under_the_bank_s_own_key,
    set_is_large_enough,
    documents_are_in_force,
    box_is_the_signed_one,
    enterprise_id_is_readable,
    # Consent of the enterprise and the proof of inclusion in the log belong here: they need who asks, about whom and
    # through which departments, and come before anything is recorded.
    same_set_as_before,
)
"""All that must hold before a partial is looked up, in this order."""

RECORDED: Final = frozenset({same_set_as_before})
"""Those that write down what they find: they run in the transaction in which the answer is kept, after the others."""


def masked_partial(asked: Asked) -> int:
    """This department's partial with its mask for this request, mod 2^64. Its context is claimed in the record."""
    direction = f"{asked.bank}/{asked.statement.request_id}/{asked.digest.hex()}/{asked.enterprise_id}"
    model = asked.model
    context = model.run.mask_context(asked.turn, Purpose.ONLINE, direction, asked.departments)
    word = model.table.words((asked.enterprise_id,), asked.record.connection) + asked.secrets.zero_sum_mask(context, 1)
    return int(np.uint64(word[0]))
