"""Who would learn more than a score from online scoring, and the weakened departments with whom it works."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from crypto.documents import parse_canonical_json, split_document
from crypto.errors import YurongError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId
from crypto.identity import Identity, PublicIdentity
from crypto.labels import Label
from crypto.paillier import BankPaillierKey
from crypto.sealed import seal
from models.enterprise_id import parse_enterprise_id
from models.wire.consent import Computation, Purpose
from models.wire.log_entry import TAG_BYTES
from models.wire.online import DepartmentAnswer, RelayedRequest, ScoreRequest
from models.wire.score_statement import (
    Question,
    ScoreStatement,
    SignedStatement,
    bits_of,
    box_context,
    tree_of_boxes,
)
from models.wire.steps import Purpose as Mask
from participants.bank.consents import Consents, ConsentUse
from participants.department.scorer import Asked
from simulations.local_log import LocalLog


def forged_requests(
    identity: Identity,
    key: BankPaillierKey,
    bank: ParticipantId,
    version: ModelVersion,
    asked: Mapping[ParticipantId, tuple[PublicIdentity, EnterpriseId]],
    *,
    of: Sequence[ParticipantId],
    expires_at: int,
    log: LocalLog,
    consents: Consents,
    serials: Mapping[ParticipantId, int] | None = None,
    request_id: RequestId | None = None,
) -> dict[ParticipantId, RelayedRequest]:
    """Requests in the name of `bank`, signed by whoever has `identity`, that may ask each department about another.

    of: the departments of the model. serials: of the documents that they are asked under, 1 where it is left out.
    Everybody that is asked about has consented, and the request is in the log; its tag is of the first one's consent.

    A dishonest bank makes them with its own identity and key, a bureau with those that it put in a bank's place.
    """
    request_id = request_id or RequestId(secrets.token_hex(16))
    about = {enterprise_id: _question(enterprise_id, consents, expires_at) for _, enterprise_id in asked.values()}
    questions = {name: about[enterprise_id] for name, (_, enterprise_id) in asked.items()}
    boxes = {
        name: seal(
            asked[name][0],
            questions[name][0],
            label=Label.SEALED_REQUEST,
            context=box_context(request_id, bank, version, name),
        )
        for name in sorted(asked)
    }
    tree = tree_of_boxes(boxes.values())
    statement = ScoreStatement(
        request_id=request_id,
        bank=bank,
        bank_serial=1,
        model_version=version,
        key_fingerprint=key.public.fingerprint(),
        expires_at=expires_at,
        bits=bits_of(boxes, of),
        serials=tuple((serials or {}).get(name, 1) for name in boxes),
        boxes=tree.root,
        purpose=Purpose.APPLICATION,
        computation=Computation.SCORE,
        use_tag=questions[min(asked)][1],
    )
    document = statement.sign(identity)
    shown = log.shown(document, statement.use_tag)
    return {
        name: RelayedRequest(document=document, box=box, path=path, **shown)
        for (name, box), path in zip(boxes.items(), tree.paths, strict=True)
    }


def _question(enterprise_id: EnterpriseId, consents: Consents, now: int) -> tuple[bytes, bytes]:
    """What is sealed to a department, under a consent of this enterprise, and the tag of that use."""
    try:
        parse_enterprise_id(enterprise_id)
    except YurongError:
        return enterprise_id.encode(), bytes(TAG_BYTES)
    use = consents.use(enterprise_id, Purpose.APPLICATION, RequestId(secrets.token_hex(16)), now=now)
    return Question(enterprise_id=enterprise_id, consent=use.digest, use=use.number).encode(), use.tag


def restated(document: bytes, identity: Identity, **changes: Any) -> bytes:
    """The document with other fields of its `ScoreStatement`, signed by `identity`."""
    return replace(SignedStatement.read(document).claimed, **changes).sign(identity)


def with_another_enterprise(
    relayed: RelayedRequest, department: ParticipantId, recipient: PublicIdentity, use: ConsentUse
) -> RelayedRequest:
    """A bureau's change of a request: anybody can seal, and all that a box is bound to stands in the document."""
    claimed = SignedStatement.read(relayed.document).claimed
    context = box_context(claimed.request_id, claimed.bank, claimed.model_version, department)
    question = Question(enterprise_id=use.consent.enterprise_id, consent=use.digest, use=use.number).encode()
    box = seal(recipient, question, label=Label.SEALED_REQUEST, context=context)
    return replace(relayed, box=box)


def with_a_later_expiry(request: ScoreRequest, seconds: int) -> ScoreRequest:
    """A bureau's change of a request: the document says another time, the signature is the old one."""
    body, _ = split_document(request.document)
    before = parse_canonical_json(body)["expires_at"]
    document = request.document.replace(str(before).encode(), str(before + seconds).encode(), 1)
    return replace(request, document=document)


def opened(answer: DepartmentAnswer, key: BankPaillierKey) -> int:
    """What a bank and a bureau together find in one department's answer: a word mod 2^64."""
    return key.decrypt(key.public.decode_ciphertext(answer.ciphertext)) % (1 << 64)


def partial_masked_for_the_request_id_alone(asked: Asked) -> int:
    """The weakened department: its mask is bound to what the bank calls the request, and used whenever it says so."""
    model = asked.model
    context = model.run.mask_context(
        asked.turn, Mask.ONLINE, f"{asked.bank}/{asked.statement.request_id}", asked.departments
    )
    word = model.table.words((asked.enterprise_id,), asked.record.connection)
    return int(np.uint64((word + asked.secrets.zero_sum_mask(context, 1))[0]))


def signed(word: int) -> int:
    """A word mod 2^64 as a signed number."""
    return int(np.uint64(word % (1 << 64)).view(np.int64))


def partial_without_a_mask(asked: Asked) -> int:
    """The weakened department: it trusts the encryption alone."""
    return int(asked.model.table.words((asked.enterprise_id,), asked.record.connection)[0])


def partial_masked_for_the_request_alone(asked: Asked) -> int:
    """The weakened department: its mask is bound to the signed document and not to whom it was asked about."""
    model = asked.model
    context = model.run.mask_context(asked.turn, Mask.ONLINE, f"{asked.bank}/{asked.digest.hex()}", asked.departments)
    partial = model.table.words((asked.enterprise_id,), asked.record.connection)
    word = partial + asked.secrets.zero_sum_mask(context, 1)
    return int(np.uint64(word[0]))
