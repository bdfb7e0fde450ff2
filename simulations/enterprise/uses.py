"""Every use of an enterprise's consents, from a copy of the log: complete, as the copy is.

A use's entry carries HMAC(use key, number), which the enterprise computes for each number that a consent allows. So it
finds its own uses among those of all, and nobody who has not the use key can tell whose they are. A bank cannot use a
consent under another tag: departments answer none that is not the consent's.

| outcome    | the entry                                                                                         |
|------------|---------------------------------------------------------------------------------------------------|
| `used`     | the first with this tag                                                                           |
| `repeated` | one that says it is the same request made anew, with other departments: no further use            |
| `refused`  | another one with a tag that was used, or of a number beyond what the consent allows: departments  |
|            | answer neither                                                                                    |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crypto.errors import PeerError
from crypto.identifiers import ConsentId
from models.wire.consent_bundle import ConsentBundle
from models.wire.log_entry import EntryKind, LogEntry, use_tag
from models.wire.score_statement import ScoreStatement, SignedStatement
from simulations.enterprise.log_copy import LogCopy

_BEYOND: Final = 16
"""So many uses more than a consent allows are looked for: attempts that departments refuse."""


class Outcome(StrEnum):
    """What an entry with one of a consent's tags is."""

    USED = "used"
    REPEATED = "repeated"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One entry of the log under a consent. number: of the use, from 0 on.

    statement: what the request says; None if its document was not published.
    """

    index: int
    consent_id: ConsentId
    number: int
    outcome: Outcome
    statement: ScoreStatement | None


def uses_of(bundles: Iterable[ConsentBundle], copy: LogCopy) -> list[Use]:
    """All entries under these consents, in the order of the log."""
    numbers = {tag: found for bundle in bundles for tag, found in _tags(bundle)}
    first: dict[bytes, bytes] = {}
    uses = []
    for index, entry in copy.of_kind(EntryKind.REQUEST):
        if entry.tag in numbers:
            consent_id, number, allowed = numbers[entry.tag]
            statement = _statement(copy, index, entry)
            outcome = _outcome(entry, statement, first.setdefault(entry.tag, entry.digest), allowed=allowed)
            uses.append(Use(index=index, consent_id=consent_id, number=number, outcome=outcome, statement=statement))
    return uses


def _tags(bundle: ConsentBundle) -> Iterator[tuple[bytes, tuple[ConsentId, int, bool]]]:
    consent = bundle.claimed()
    for number in range(consent.maximum_uses + _BEYOND):
        yield use_tag(bundle.use_key, number), (consent.consent_id, number, number < consent.maximum_uses)


def _outcome(entry: LogEntry, statement: ScoreStatement | None, first: bytes, *, allowed: bool) -> Outcome:
    if not allowed:
        return Outcome.REFUSED
    if entry.digest == first:
        return Outcome.USED
    return Outcome.REPEATED if statement is not None and statement.follows == first else Outcome.REFUSED


def _statement(copy: LogCopy, index: int, entry: LogEntry) -> ScoreStatement | None:
    """What a request says, if its document was published and is a request with this tag."""
    document = copy.documents.get(index)
    if document is None:
        return None
    try:
        statement = SignedStatement.read(document).claimed
    except PeerError:
        return None
    return statement if statement.use_tag == entry.tag else None
