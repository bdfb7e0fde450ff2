"""What a department answers a checked request with: its partial and, with a consent to reasons, its points lost.

    masked partial      partial + zero-sum mask among S            under the bank's Paillier key, by the scorer
    masked reasons      points lost by family + another such mask  sealed to the bank, the enterprise or both

Both masks are for this request, consent and state of the log alone: departments that differ in any of it make masks
that do not cancel. So what departments answer that were shown two logs opens to nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from crypto.masks import MaskContext
from models.wire.consent import Computation, ReasonsOpenedBy
from models.wire.reasons import Opener, SealedReasons
from models.wire.steps import Purpose
from participants.department.reasons import sealed_reasons
from participants.department.score_checks import Asked

_OPENERS: Final = {
    ReasonsOpenedBy.BANK: (Opener.BANK,),
    ReasonsOpenedBy.ENTERPRISE: (Opener.ENTERPRISE,),
    ReasonsOpenedBy.BOTH: (Opener.BANK, Opener.ENTERPRISE),
}


def masked_partial(asked: Asked) -> int:
    """This department's partial with its mask for this request, mod 2^64. Its context is claimed in the record."""
    words = asked.model.table.words((asked.enterprise_id,), asked.record.connection)
    word = words + asked.secrets.zero_sum_mask(_context(asked, Purpose.ONLINE), 1)
    return int(np.uint64(word[0]))


def masked_reasons(asked: Asked) -> tuple[SealedReasons, ...]:
    """This department's points lost with their mask, sealed to each whom the consent names; nothing without reasons."""
    if asked.statement.computation is not Computation.SCORE_WITH_REASONS:
        return ()
    words = asked.model.table.lost_words(asked.enterprise_id, asked.record.connection)
    masked = words + asked.secrets.zero_sum_mask(_context(asked, Purpose.ONLINE_REASONS), len(words))
    return sealed_reasons(masked, _keys(asked), request=asked.digest, department=asked.model.run.me)


def _keys(asked: Asked) -> dict[Opener, bytes]:
    """The key of each who may open the reasons: the bank's of the document that it asks under, the consent's own."""
    consent = asked.consent.consent
    keys = {Opener.BANK: asked.bank_identity.agreement_key}
    if consent.reasons_key is not None:
        keys[Opener.ENTERPRISE] = consent.reasons_key
    openers = _OPENERS[consent.reasons_opened_by] if consent.reasons_opened_by else ()
    return {opener: keys[opener] for opener in openers}


def _context(asked: Asked, purpose: Purpose) -> MaskContext:
    question, checkpoint = asked.question, asked.checkpoint
    parts = (asked.bank, asked.statement.request_id, asked.digest.hex(), question.enterprise_id, question.consent.hex())
    direction = "/".join((*parts, str(checkpoint.size), checkpoint.root.hex()))
    return asked.model.run.mask_context(asked.turn, purpose, direction, asked.departments)
