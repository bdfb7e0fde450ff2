"""What must hold before a department answers a score request, in the one order in which it is checked.

No consent and proof, no answer. `CHECKS` at the end is the list. Each step fails with an error of its own, and those of
the log and of consents with a problem of their own.

What a department answers is masked under the state of the log that it was shown, so the answers of S cancel only if all
of S were shown one log: departments that were shown two give noise. That is why those of S count as witnesses of the
state before they have cosigned it (`LogView.require_stood_for`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label
from crypto.masks import PairwiseSecrets
from crypto.merkle import leaf_digest, root_of_path
from crypto.paillier import PaillierPublicKey
from crypto.sealed import unseal
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.errors import NotIncluded, OtherStateSeen
from crypto.transparency.note import Note
from models.wire.online import RelayedRequest
from models.wire.plan import MINIMUM_DEPARTMENTS, require_enough_departments
from models.wire.score_statement import (
    MAXIMUM_LIFETIME_SECONDS,
    Question,
    ScoreStatement,
    SignedStatement,
    box_context,
    request_digest,
)
from models.wire.training import Turn
from participants.department.consents import checks as consent_checks
from participants.department.consents.checks import Claimed
from participants.department.consents.keeping import KeptConsent
from participants.department.errors import RequestExpired
from participants.department.evidence import Evidence
from participants.department.log.clocks import require_clock
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
    evidence: Evidence
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
        return self.signed.verify(self.bank_identity)

    @cached_property
    def bank_identity(self) -> PublicIdentity:
        """The keys of the bank's document that the request names; pinned here and in force."""
        return self.keys.document(self.bank, Role.BANK, self.signed.claimed.bank_serial).identity

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
    def question(self) -> Question:
        """Whom the bank asks about, and under which consent."""
        context = box_context(self.statement.request_id, self.bank, self.model.version, self.model.run.me)
        return Question.decode(unseal(self.identity, self.relayed.box, label=Label.SEALED_REQUEST, context=context))

    @property
    def enterprise_id(self) -> EnterpriseId:
        """Whom the bank asks about."""
        return self.question.enterprise_id

    @cached_property
    def note(self) -> Note:
        """The checkpoint as it came, signatures and all."""
        return Note.decode(self.relayed.extension.checkpoint)

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The state of the log that the request is in: signed by the log, and one that this department has seen."""
        return self.evidence.view.see(self.record.connection, self.relayed.extension)

    def look_at_the_log_again(self) -> None:
        """Forget that the log was looked at: while a request waits for an obfuscator it may have been stopped."""
        vars(self).pop("checkpoint", None)

    @cached_property
    def claimed(self) -> Claimed:
        """What the bank asks under a consent."""
        return Claimed(
            statement=self.statement,
            question=self.question,
            bank=self.bank,
            me=self.model.run.me,
            digest=self.digest,
            index=self.relayed.index,
        )

    @cached_property
    def consent(self) -> KeptConsent:
        """The consent that the request is under."""
        return consent_checks.known_consent(self.evidence.consents, self.record.connection, self.claimed)

    @property
    def time(self) -> int:
        """The time for what is in force, seconds since 1970."""
        return self.evidence.view.now(self.record.connection)

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
    """The sealed question is the one that the bank put in; anybody could seal another."""
    if not asked.statement.holds_box(asked.relayed.box, asked.place, asked.relayed.path):
        raise PeerError("a score request came with another box than the bank signed")


def question_is_readable(asked: Asked) -> None:
    """The box opens here, for this request, and names an enterprise and a consent."""
    _ = asked.question


def log_goes_on_from_what_was_seen(asked: Asked) -> None:
    """The log's checkpoint, and the entries before it, go on from what this department has seen; there is no fork."""
    _ = asked.checkpoint


def witnesses_stand_for_it(asked: Asked) -> None:
    """A quorum of all departments has cosigned that checkpoint, or is of S."""
    asked.evidence.view.require_stood_for(asked.note, asked.departments)


def request_is_in_the_log(asked: Asked) -> None:
    """The request's own entry is at its place before that checkpoint."""
    index, size, path = asked.relayed.index, asked.checkpoint.size, asked.relayed.inclusion
    entry = asked.statement.entry(asked.relayed.document).encode()
    if index >= size:  # this department was shown as much as fits in one message
        raise OtherStateSeen(size)
    try:
        root = root_of_path(leaf_digest(entry), index, size, path)
    except PeerError as fault:  # a path of another length
        raise NotIncluded(fault.message) from None
    if root != asked.checkpoint.root:
        raise NotIncluded("a score request is not where its proof says that it is in the log")


def clock_is_not_disputed(asked: Asked) -> None:
    """This department's clock is that of the other witnesses, as far as it was compared."""
    require_clock(asked.record.connection, asked.evidence.view.origin)


def model_is_approved(asked: Asked) -> None:
    """The log has the bureau's approval of the model, and it is in force."""
    asked.evidence.permissions.require_approved(asked.record.connection, asked.model.version)


def bank_is_permitted(asked: Asked) -> None:
    """The log has a permission in force for the bank to ask by this model for this purpose."""
    permissions, purpose = asked.evidence.permissions, asked.statement.purpose
    permissions.require_permitted(asked.record.connection, asked.bank, asked.model.version, purpose)


def consent_is_kept(asked: Asked) -> None:
    """The consent was handed in here, and verified."""
    _ = asked.consent


def consent_is_in_the_log(asked: Asked) -> None:
    """Consent and passkey are in the log before the request, and the passkey's registrar was permitted to register."""
    permissions, connection = asked.evidence.permissions, asked.record.connection
    consent_checks.require_logged(permissions, connection, asked.claimed, asked.consent)


def consent_is_to_this_bank(asked: Asked) -> None:
    """The enterprise consented to this bank."""
    consent_checks.require_bank(asked.claimed, asked.consent)


def consent_is_of_this_enterprise(asked: Asked) -> None:
    """The enterprise that the bank asks about is the one that consented."""
    consent_checks.require_enterprise(asked.claimed, asked.consent)


def consent_is_for_this_purpose(asked: Asked) -> None:
    """The enterprise consented to this purpose and computation."""
    consent_checks.require_purpose(asked.claimed, asked.consent)


def consent_names_this_department(asked: Asked) -> None:
    """The enterprise consented to this department's part."""
    consent_checks.require_provider(asked.claimed, asked.consent)


def consent_keeps_the_rules(asked: Asked) -> None:
    """The consent keeps the fair-use rules that are in force."""
    consent_checks.require_within_bounds(asked.consent)


def consent_is_active(asked: Asked) -> None:
    """The consent has begun, and is neither paused nor at its end."""
    consent_checks.require_in_force(asked.evidence.consents, asked.record.connection, asked.consent, asked.time)


def consent_has_this_use(asked: Asked) -> None:
    """The use is one of the consent's, the request is the first of it in the log, and not too many came before."""
    consent_checks.require_use(asked.record.connection, asked.claimed, asked.consent, asked.time)


def same_set_as_before(asked: Asked) -> None:
    """This enterprise was never answered to this bank, by this model, with another set."""
    asked.record.claim_set(asked.model.version, asked.bank, asked.enterprise_id, asked.departments)


OF_THE_REQUEST: Final[tuple[Callable[[Asked], None], ...]] = (
    signed_by_the_pinned_bank,
    not_expired,
    under_the_bank_s_own_key,
    set_is_large_enough,
    documents_are_in_force,
    box_is_the_signed_one,
    question_is_readable,
)
"""What is looked at first: it takes the request and the pinned keys, and no database."""

OF_THE_RECORD: Final[tuple[Callable[[Asked], None], ...]] = (
    log_goes_on_from_what_was_seen,
    witnesses_stand_for_it,
    request_is_in_the_log,
    clock_is_not_disputed,
    model_is_approved,
    bank_is_permitted,
    consent_is_kept,
    consent_is_in_the_log,
    consent_is_to_this_bank,
    consent_is_of_this_enterprise,
    consent_is_for_this_purpose,
    consent_names_this_department,
    consent_keeps_the_rules,
    consent_is_active,
    consent_has_this_use,
    same_set_as_before,
)
"""What is looked at in the transaction in which the answer is kept, so that nothing becomes untrue in between."""

CHECKS: Final = (*OF_THE_REQUEST, *OF_THE_RECORD)
"""All that must hold before a partial is looked up, in this order."""
