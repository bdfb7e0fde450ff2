"""Scores of a whole portfolio: a file of enterprise ids in, a Parquet file of scores out.

The file that comes in is CSV or Parquet, read as imports are, with a column `enterprise_id`. What comes out has one row
for each of its rows, in its order: the id, the score, when it was given and what it is made of, or why there is none.
It is written at the end, whole.

| what an enterprise comes to                                    | its row                 |
|----------------------------------------------------------------|-------------------------|
| a score                                                        | the score               |
| a refusal, as it was answered with another set; earlier score  | that one, and its time  |
| no enterprise id; no consent; a refusal that a try cannot undo | why, in `fault`         |
| anything else                                                  | the portfolio stops     |

Until the end a journal lies beside the file, `<name>.journal`: the scores themselves are in the bank's database, each
under a request id that follows from the journal. A portfolio that was interrupted is taken up by giving the same two
files again; what was scored is not asked a second time.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from crypto.errors import YurongError
from crypto.identifiers import EnterpriseId, ModelVersion, RequestId
from models.enterprise_id import InvalidEnterpriseId, parse_enterprise_id
from models.hosting.storage.files import private_file
from models.wire.consent import Purpose
from participants.bank.asking import ASKED_AGAIN, ASKED_ANEW
from participants.bank.client import Progress, unseen
from participants.bank.errors import (
    AnsweredWithAnotherSet,
    BureauUnreachable,
    NoConsent,
    PortfolioNotWritten,
    PortfolioRefused,
    ScoreRefused,
)
from participants.bank.score_request import Score
from participants.errors import TableRefused
from participants.records.contract import KEY_COLUMN
from participants.records.data_file import DataFile, TableLimits
from participants.records.faults import Fault
from participants.records.parquet_table import parquet_pieces
from participants.records.text_table import text_pieces

_CHUNK: Final = 256
_SCHEMA: Final[dict[str, pl.DataType]] = {
    KEY_COLUMN: pl.String(),
    "score": pl.Int64(),
    "probability_of_default": pl.Float64(),
    "log_odds_default": pl.Float64(),
    "missing_departments": pl.List(pl.String()),
    "request_id": pl.String(),
    "scored_at": pl.Datetime("ms", "UTC"),
    "fault": pl.String(),
}


class Bank(Protocol):
    """A `participants.bank.client.BankClient`."""

    @property
    def model_version(self) -> ModelVersion:
        """The model that scores are given by."""
        ...

    def score_many(
        self, enterprise_ids: Sequence[str], *, request_ids: Sequence[RequestId], purpose: Purpose, progress: Progress
    ) -> list[Score | YurongError]:
        """Scores, or why there are none, in the order of the ids."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """A row without a score. row: its number in the file, the header being row 1. It never holds the id."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioOutcome:
    """What became of a portfolio. `faults`: rows without a score, in their order."""

    rows: int
    scored: int
    faults: tuple[RowFault, ...]

    def facts(self) -> dict[str, object]:
        """The outcome in words and numbers."""
        return {"rows": self.rows, "scored": self.scored, "faults": [asdict(fault) for fault in self.faults]}


def score_portfolio(
    bank: Bank, source: Path, out: Path, *, purpose: Purpose = Purpose.APPLICATION, progress: Progress = unseen
) -> PortfolioOutcome:
    """Score the ids in `source` into `out`, which must not exist; progress counts different ids.

    purpose: of the consents that are used. Raises `PortfolioRefused` before anything is asked. Raises what keeps an
    enterprise from its score at this time (`BureauUnreachable`, `ScoreRefused`, or another `YurongError`): the same
    call goes on later where it stopped.
    """
    rows = _read(source)
    first_rows: dict[EnterpriseId, int] = {}
    for row in rows:
        if not isinstance(row.checked, InvalidEnterpriseId):
            first_rows.setdefault(row.checked, row.number)
    asked = list(first_rows)
    journal = _Journal.open(out, bank.model_version, purpose, asked)
    results: dict[EnterpriseId, Score | YurongError] = {}
    for start in range(0, len(asked), _CHUNK):
        ids = asked[start : start + _CHUNK]

        def chunk_progress(done: int, _total: int, start: int = start) -> None:
            progress(start + done, len(asked))

        request_ids = [journal.request_id(one) for one in ids]
        found = bank.score_many(ids, request_ids=request_ids, purpose=purpose, progress=chunk_progress)
        results |= {one: _final(result, first_rows[one]) for one, result in zip(ids, found, strict=True)}
    outcome, table = _table(rows, results)
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    try:
        private_file(out, buffer.getvalue())
    except OSError as fault:
        raise PortfolioNotWritten(
            f"{out} cannot be written ({fault.strerror})", advice="The scores are kept: type the same again."
        ) from None
    journal.path.unlink()
    return outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One row of the file. number: in the file. text: without blanks around it."""

    number: int
    text: str
    checked: EnterpriseId | InvalidEnterpriseId


@dataclass(frozen=True, slots=True)
class _Journal:
    """What makes the request ids of one portfolio: the same in every process that goes on with it."""

    path: Path
    secret: bytes

    @classmethod
    def open(cls, out: Path, version: ModelVersion, purpose: Purpose, ids: Sequence[EnterpriseId]) -> _Journal:
        """The journal that lies beside `out`, or a new one.

        `PortfolioRefused` if it is of another portfolio, model or purpose.

        `PortfolioRefused` as well if `out` is there. A journal of the same portfolio then outlived its end: who moved
        `out` away would get these scores once more, as if they were new.
        """
        path = out.with_name(f"{out.name}.journal")
        of = hashlib.sha256("\n".join((version, purpose, *ids)).encode()).hexdigest()
        try:
            if out.exists():
                if cls._read(path, of) is not None:
                    path.unlink()
                raise PortfolioRefused(f"{out} is there already", advice="Choose another name, or move it away.")
            if not path.exists():
                private_file(path, json.dumps({"of": of, "secret": secrets.token_hex(16)}).encode())
        except OSError as fault:
            raise PortfolioRefused(
                f"{path} cannot be written ({fault.strerror})", advice="Choose another output file."
            ) from None
        if (journal := cls._read(path, of)) is None:
            raise PortfolioRefused(
                f"{path} is the journal of another portfolio, model or purpose",
                advice="Remove it, or choose another output file.",
            )
        return journal

    @classmethod
    def _read(cls, path: Path, of: str) -> _Journal | None:
        """The journal in a file, if it is one of this portfolio."""
        try:
            kept = json.loads(path.read_bytes())
            return cls(path, bytes.fromhex(kept["secret"])) if kept["of"] == of else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def request_id(self, enterprise_id: EnterpriseId) -> RequestId:
        """The id of the request about one enterprise."""
        return RequestId(hashlib.sha256(self.secret + enterprise_id.encode()).hexdigest()[:32])


def _read(source: Path) -> list[_Row]:
    """The rows of the column of ids."""
    rows: list[_Row] = []
    try:
        with DataFile(source, TableLimits()) as file:
            if file.is_parquet:
                pieces = parquet_pieces(file, _header_faults, columns=(KEY_COLUMN,))
            else:
                pieces = text_pieces(file, _header_faults)
            for piece in pieces:
                texts = piece.frame[KEY_COLUMN].cast(pl.String).fill_null("").to_list()
                numbers = piece.row_numbers.tolist()
                rows += [
                    _Row(number=n, text=text, checked=_checked(text)) for n, text in zip(numbers, texts, strict=True)
                ]
    except TableRefused as fault:
        raise PortfolioRefused(
            fault.message, advice=f"It is CSV (with a header) or Parquet, with a column {KEY_COLUMN}."
        ) from None
    return rows


def _header_faults(header: list[str]) -> list[Fault]:
    return [] if KEY_COLUMN in header else [Fault(column=KEY_COLUMN, reason="it is missing")]


def _checked(text: str) -> EnterpriseId | InvalidEnterpriseId:
    try:
        return parse_enterprise_id(text)
    except InvalidEnterpriseId as fault:
        return fault


def _final(result: Score | YurongError, row: int) -> Score | YurongError:
    """What becomes of a row for good; raises what may be otherwise when it is asked again."""
    if isinstance(result, Score):
        return result
    if isinstance(result, AnsweredWithAnotherSet):
        if result.earlier is not None:
            return result.earlier
    elif _is_final(result):
        return result
    if not isinstance(result, BureauUnreachable):
        result.advice = f"It is about row {row}. {result.advice}".strip()
    raise result


def _is_final(fault: YurongError) -> bool:
    if isinstance(fault, ScoreRefused):
        return fault.problem.kind not in ASKED_AGAIN | ASKED_ANEW
    return isinstance(fault, InvalidEnterpriseId | NoConsent)


def _table(
    rows: Sequence[_Row], results: Mapping[EnterpriseId, Score | YurongError]
) -> tuple[PortfolioOutcome, pl.DataFrame]:
    faults: list[RowFault] = []
    values: list[tuple[object, ...]] = []
    for row in rows:
        result = row.checked if isinstance(row.checked, InvalidEnterpriseId) else results[row.checked]
        if isinstance(result, Score):
            numbers = (result.points, result.probability_of_default, result.log_odds_default)
            made = (list(result.missing), result.request_id, datetime.fromtimestamp(result.scored_at, UTC))
            values.append((row.text, *numbers, *made, None))
        else:
            reason = result.problem.slug if isinstance(result, ScoreRefused) else result.message
            faults.append(RowFault(row=row.number, reason=reason))
            values.append((row.text, *[None] * (len(_SCHEMA) - 2), reason))
    outcome = PortfolioOutcome(rows=len(rows), scored=len(rows) - len(faults), faults=tuple(faults))
    return outcome, pl.DataFrame(values, schema=_SCHEMA, orient="row")
