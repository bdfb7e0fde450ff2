"""Scores of a whole portfolio: a file of enterprise ids in, a Parquet file of scores out.

The file that comes in is CSV or Parquet with a column `enterprise_id`. What comes out has one row for each of its rows,
in its order: the id, the score and what it is made of, or why there is none. It is written at the end, whole.

Until then a journal lies beside it, `<name>.journal`: the scores themselves are in the bank's database, each under a
request id that follows from the journal. A portfolio that was interrupted is taken up by giving the same two files
again; what was scored is not asked a second time.
"""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from crypto.errors import YurongError
from crypto.identifiers import EnterpriseId, ModelVersion, RequestId
from models.enterprise_id import InvalidEnterpriseId, parse_enterprise_id
from models.hosting.storage.files import private_file
from participants.bank.client import Progress, unseen
from participants.bank.errors import AnsweredWithAnotherSet, BureauUnreachable, PortfolioRefused, ScoreRefused
from participants.bank.score_request import Score

COLUMN: Final = "enterprise_id"
_CHUNK: Final = 256
_SCHEMA: Final[dict[str, pl.DataType]] = {
    COLUMN: pl.String(),
    "score": pl.Int64(),
    "probability_of_default": pl.Float64(),
    "log_odds_default": pl.Float64(),
    "missing_departments": pl.List(pl.String()),
    "request_id": pl.String(),
    "fault": pl.String(),
}


class Bank(Protocol):
    """A `participants.bank.client.BankClient`."""

    @property
    def model_version(self) -> ModelVersion:
        """The model that scores are given by."""
        ...

    def score_many(
        self, enterprise_ids: Sequence[str], *, request_ids: Sequence[RequestId], progress: Progress
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


def score_portfolio(bank: Bank, source: Path, out: Path, *, progress: Progress = unseen) -> PortfolioOutcome:
    """Score the ids in `source` into `out`, which must not exist; progress counts different ids.

    Raises `PortfolioRefused` before anything is asked; `BureauUnreachable` or `ScoreRefused` if scores cannot be had at
    this time, in which case the same call goes on later where it stopped.
    """
    if out.exists():
        raise PortfolioRefused(f"{out} is there already", advice="Choose another name, or move it away.")
    texts = _read(source)
    checked = [_checked(text) for text in texts]
    asked = list(dict.fromkeys(one for one in checked if not isinstance(one, InvalidEnterpriseId)))
    journal = _Journal.open(out.with_name(f"{out.name}.journal"), bank.model_version, asked)
    results: dict[EnterpriseId, Score | YurongError] = {}
    for start in range(0, len(asked), _CHUNK):
        ids = asked[start : start + _CHUNK]

        def chunk_progress(done: int, _total: int, start: int = start) -> None:
            progress(start + done, len(asked))

        found = bank.score_many(ids, request_ids=[journal.request_id(one) for one in ids], progress=chunk_progress)
        for fault in found:
            _stop_if_temporary(fault)
        results |= zip(ids, map(_or_earlier, found), strict=True)
    outcome, table = _table(texts, checked, results)
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    private_file(out, buffer.getvalue())
    journal.path.unlink()
    return outcome


@dataclass(frozen=True, slots=True)
class _Journal:
    """What makes the request ids of one portfolio: the same in every process that goes on with it."""

    path: Path
    secret: bytes

    @classmethod
    def open(cls, path: Path, version: ModelVersion, ids: Sequence[EnterpriseId]) -> _Journal:
        """The journal that lies there, or a new one; `PortfolioRefused` if it is of another portfolio or model."""
        of = hashlib.sha256("\n".join((version, *ids)).encode()).hexdigest()
        if not path.exists():
            private_file(path, json.dumps({"of": of, "secret": secrets.token_hex(16)}).encode())
        try:
            kept = json.loads(path.read_bytes())
            if kept["of"] == of:
                return cls(path, bytes.fromhex(kept["secret"]))
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise PortfolioRefused(
            f"{path} is the journal of another portfolio or model", advice="Remove it, or choose another output file."
        )

    def request_id(self, enterprise_id: EnterpriseId) -> RequestId:
        """The id of the request about one enterprise."""
        return RequestId(hashlib.sha256(self.secret + enterprise_id.encode()).hexdigest()[:32])


def _read(source: Path) -> list[str]:
    """The column of ids as text, not checked."""
    try:
        if source.suffix.lower() == ".parquet":
            table = pl.read_parquet(source, columns=[COLUMN])
        else:
            table = pl.read_csv(source, columns=[COLUMN], infer_schema=False)
        texts: list[str | None] = table[COLUMN].cast(pl.String).to_list()
    except (OSError, pl.exceptions.PolarsError) as fault:
        raise PortfolioRefused(
            f"{source} cannot be read: {type(fault).__name__}",
            advice=f"It is CSV (with a header) or Parquet, with a column {COLUMN}.",
        ) from None
    return [text or "" for text in texts]


def _checked(text: str) -> EnterpriseId | InvalidEnterpriseId:
    try:
        return parse_enterprise_id(text)
    except InvalidEnterpriseId as fault:
        return fault


def _stop_if_temporary(result: Score | YurongError) -> None:
    """Raise what will be over some time: the portfolio is then not finished, and goes on later."""
    if isinstance(result, BureauUnreachable):
        raise result
    if isinstance(result, ScoreRefused) and result.problem.kind.retry_after_seconds is not None:
        raise result


def _or_earlier(result: Score | YurongError) -> Score | YurongError:
    """An enterprise that was answered with another set keeps its earlier score."""
    if isinstance(result, AnsweredWithAnotherSet) and result.earlier is not None:
        return result.earlier
    return result


def _table(
    texts: Sequence[str],
    checked: Sequence[EnterpriseId | InvalidEnterpriseId],
    results: Mapping[EnterpriseId, Score | YurongError],
) -> tuple[PortfolioOutcome, pl.DataFrame]:
    faults: list[RowFault] = []
    rows: list[tuple[object, ...]] = []
    for number, (text, one) in enumerate(zip(texts, checked, strict=True), start=2):
        result = one if isinstance(one, InvalidEnterpriseId) else results[one]
        if isinstance(result, Score):
            numbers = (result.points, result.probability_of_default, result.log_odds_default)
            rows.append((text, *numbers, list(result.missing), result.request_id, None))
        else:
            reason = result.problem.slug if isinstance(result, ScoreRefused) else result.message
            faults.append(RowFault(row=number, reason=reason))
            rows.append((text, None, None, None, None, None, reason))
    outcome = PortfolioOutcome(rows=len(rows), scored=len(rows) - len(faults), faults=tuple(faults))
    return outcome, pl.DataFrame(rows, schema=_SCHEMA, orient="row")
