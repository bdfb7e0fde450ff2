"""Scores of a file of ids: whole or not at all, taken up where they stopped, faults named by row and not by id."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from crypto.errors import PeerError, YurongError
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId
from models.enterprise_id import make_enterprise_ids
from models.hosting.errors import DatabaseUnusable
from models.hosting.https import problems
from models.hosting.https.problems import Problem
from models.wire.consent import Purpose
from participants.bank.asking import ASKED_AGAIN, ASKED_ANEW
from participants.bank.client import Progress
from participants.bank.errors import (
    AnsweredWithAnotherSet,
    BureauUnreachable,
    NoConsent,
    PortfolioNotWritten,
    PortfolioRefused,
    ScoreRefused,
)
from participants.bank.portfolio import RowFault, score_portfolio
from participants.bank.score_request import Score
from participants.errors import StoreUnusable

IDS = make_enterprise_ids(np.random.default_rng(3), 600)
DEPARTMENT = ParticipantId("tax")
SCORED_AT = 1_800_000_000


def score_of(enterprise_id: str, request_id: RequestId) -> Score:
    return Score(
        request_id=request_id,
        model_version=ModelVersion("0" * 32),
        enterprise_id=EnterpriseId(enterprise_id),
        points=600 + IDS.index(EnterpriseId(enterprise_id)) % 100,
        probability_of_default=0.05,
        log_odds_default=-2.9,
        departments=(),
        missing=(DEPARTMENT,),
        scored_at=SCORED_AT,
    )


class Bank:
    """Gives scores; remembers them by request, as a bank's database does."""

    def __init__(self) -> None:
        self.model_version = ModelVersion("0" * 32)
        self.asked: list[str] = []
        self.kept: dict[RequestId, Score] = {}
        self.gone_after = 10_000
        self.faults: dict[str, YurongError] = {}
        self.purposes: set[Purpose] = set()

    def score_many(
        self, enterprise_ids: Sequence[str], *, request_ids: Sequence[RequestId], purpose: Purpose, progress: Progress
    ) -> list[Score | YurongError]:
        self.purposes.add(purpose)
        results = []
        for done, (name, request_id) in enumerate(zip(enterprise_ids, request_ids, strict=True), start=1):
            results.append(self._score(name, request_id))
            progress(done, len(enterprise_ids))
        return results

    def _score(self, name: str, request_id: RequestId) -> Score | YurongError:
        if request_id not in self.kept:
            if len(self.asked) >= self.gone_after:
                return BureauUnreachable("no answer from the bureau")
            if name in self.faults:
                return self.faults[name]
            self.asked.append(name)
            self.kept[request_id] = score_of(name, request_id)
        return self.kept[request_id]


def csv(path: Path, ids: Sequence[str]) -> Path:
    path.write_text("enterprise_id,note\n" + "".join(f"{name},x\n" for name in ids), encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_comes_back_with_a_score_for_each_row(tmp_path: Path, kind: str) -> None:
    source = tmp_path / f"ids.{kind}"
    if kind == "csv":
        csv(source, IDS[:5])
    else:
        pl.DataFrame({"enterprise_id": IDS[:5]}).write_parquet(source)
    outcome = score_portfolio(Bank(), source, tmp_path / "scores.parquet")
    table = pl.read_parquet(tmp_path / "scores.parquet")
    assert (outcome.rows, outcome.scored, outcome.faults) == (5, 5, ())
    assert table["enterprise_id"].to_list() == list(IDS[:5])
    assert table["score"].to_list() == [600, 601, 602, 603, 604]
    assert table["missing_departments"].to_list() == [["tax"]] * 5
    assert table["fault"].null_count() == 5
    assert (tmp_path / "scores.parquet").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [source.name, "scores.parquet"]


def test_bad_ids_are_reported_by_row_and_the_others_scored(tmp_path: Path) -> None:
    wrong = IDS[1][:-1] + ("0" if IDS[1][-1] != "0" else "1")
    source = csv(tmp_path / "ids.csv", [IDS[0], wrong, IDS[2], "", IDS[0]])
    bank = Bank()
    outcome = score_portfolio(bank, source, tmp_path / "scores.parquet")
    assert [fault.row for fault in outcome.faults] == [3, 5]
    assert all(wrong not in fault.reason for fault in outcome.faults)
    assert (outcome.rows, outcome.scored) == (5, 3)
    assert bank.asked == [IDS[0], IDS[2]]  # an id that stands twice is asked about once
    table = pl.read_parquet(tmp_path / "scores.parquet")
    assert table["score"].to_list() == [600, None, 602, None, 600]


def test_an_interrupted_portfolio_asks_nobody_a_second_time(tmp_path: Path) -> None:
    source, out, bank = csv(tmp_path / "ids.csv", IDS), tmp_path / "scores.parquet", Bank()
    bank.gone_after = 300
    with pytest.raises(BureauUnreachable):
        score_portfolio(bank, source, out)
    assert not out.exists()
    bank.gone_after = 10_000
    seen: list[tuple[int, int]] = []
    outcome = score_portfolio(bank, source, out, progress=lambda done, total: seen.append((done, total)))
    assert outcome.scored == len(IDS)
    assert bank.asked == list(IDS)
    assert seen == [(done, len(IDS)) for done in range(1, len(IDS) + 1)]


def test_the_same_portfolio_later_is_scored_anew(tmp_path: Path) -> None:
    source, bank = csv(tmp_path / "ids.csv", IDS[:3]), Bank()
    score_portfolio(bank, source, tmp_path / "january.parquet")
    score_portfolio(bank, source, tmp_path / "february.parquet")
    assert len(bank.asked) == 6


def test_a_refusal_is_a_row_s_fault_and_an_earlier_score_is_a_score(tmp_path: Path) -> None:
    bank = Bank()
    refused = Problem(kind=problems.UNTRUSTED_KEY)
    conflict = Problem(kind=problems.REQUEST_CONFLICT)
    bank.faults = {
        IDS[0]: ScoreRefused(refused),
        IDS[1]: AnsweredWithAnotherSet(conflict, score_of(IDS[1], RequestId("a" * 32))),
        IDS[2]: ScoreRefused(Problem(kind=problems.REQUEST_REFUSED)),
        IDS[3]: NoConsent(Purpose.MONITORING),
    }
    source, out = csv(tmp_path / "ids.csv", IDS[:5]), tmp_path / "scores.parquet"
    outcome = score_portfolio(bank, source, out, purpose=Purpose.MONITORING)
    assert bank.purposes == {Purpose.MONITORING}
    assert outcome.faults[:2] == (RowFault(row=2, reason="untrusted-key"), RowFault(row=4, reason="request-refused"))
    assert (outcome.faults[2].row, "no consent" in outcome.faults[2].reason) == (5, True)
    assert outcome.facts()["scored"] == 2


@pytest.mark.parametrize(
    "fault",
    [
        *(ScoreRefused(Problem(kind=kind)) for kind in sorted(ASKED_AGAIN | ASKED_ANEW, key=lambda kind: kind.slug)),
        AnsweredWithAnotherSet(Problem(kind=problems.REQUEST_CONFLICT), None),
        PeerError("the masks of a score did not cancel", advice="Ask again."),
        DatabaseUnusable("the database cannot be used"),
        StoreUnusable("the store's files are damaged"),
    ],
    ids=lambda fault: fault.problem.slug if isinstance(fault, ScoreRefused) else type(fault).__name__,
)
def test_what_may_pass_stops_a_portfolio_and_the_same_command_goes_on(tmp_path: Path, fault: YurongError) -> None:
    bank, source, out = Bank(), csv(tmp_path / "ids.csv", IDS[:4]), tmp_path / "scores.parquet"
    bank.faults = {IDS[1]: fault}
    with pytest.raises(type(fault)) as stopped:
        score_portfolio(bank, source, out)
    assert "row 3" in stopped.value.advice
    assert not out.exists()
    bank.faults = {}
    assert score_portfolio(bank, source, out).scored == 4
    assert sorted(bank.asked) == sorted(IDS[:4])  # each of them once


def test_a_score_says_when_it_was_given(tmp_path: Path) -> None:
    bank = Bank()
    earlier = replace(score_of(IDS[1], RequestId("a" * 32)), scored_at=SCORED_AT - 40 * 24 * 3600)
    bank.faults = {IDS[1]: AnsweredWithAnotherSet(Problem(kind=problems.REQUEST_CONFLICT), earlier)}
    score_portfolio(bank, csv(tmp_path / "ids.csv", IDS[:2]), tmp_path / "scores.parquet")
    table = pl.read_parquet(tmp_path / "scores.parquet")
    assert table["scored_at"].dt.epoch("s").to_list() == [SCORED_AT, SCORED_AT - 40 * 24 * 3600]
    assert table.schema["scored_at"] == pl.Datetime("ms", "UTC")


def test_a_file_is_read_as_imports_are(tmp_path: Path) -> None:
    name = tmp_path / "a[1].csv"
    name.write_bytes(f"备注,enterprise_id\n\n 工商, {IDS[0]} \n,\n".encode("gb18030"))
    csv(tmp_path / "a1.csv", IDS[5:9])  # what the name would be, were it a pattern
    outcome = score_portfolio(Bank(), name, tmp_path / "scores.parquet")
    assert (outcome.rows, outcome.scored) == (2, 1)
    assert [fault.row for fault in outcome.faults] == [4]  # as an editor shows it
    assert pl.read_parquet(tmp_path / "scores.parquet")["enterprise_id"].to_list() == [IDS[0], ""]


def test_the_scores_of_a_month_can_be_asked_for_in_the_next_by_their_own_file(tmp_path: Path) -> None:
    bank, january = Bank(), tmp_path / "january.parquet"
    score_portfolio(bank, csv(tmp_path / "ids.csv", IDS[:3]), january)
    renamed = january.rename(tmp_path / "january[1].pq")  # its first bytes tell what it is
    assert score_portfolio(bank, renamed, tmp_path / "february.parquet").scored == 3


def test_a_journal_that_outlived_its_portfolio_gives_no_old_scores_as_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, bank, out = csv(tmp_path / "ids.csv", IDS[:3]), Bank(), tmp_path / "scores.parquet"
    with monkeypatch.context() as killed:
        killed.setattr(Path, "unlink", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            score_portfolio(bank, source, out)
    assert out.exists()
    with pytest.raises(PortfolioRefused, match="there already"):
        score_portfolio(bank, source, out)
    out.rename(tmp_path / "january.parquet")
    score_portfolio(bank, source, out)
    assert len(bank.asked) == 6


def test_nothing_is_asked_for_if_the_scores_could_not_be_written(tmp_path: Path) -> None:
    bank, source = Bank(), csv(tmp_path / "ids.csv", IDS[:2])
    for out in (tmp_path / "nodir" / "x.parquet", source / "x.parquet"):
        with pytest.raises(PortfolioRefused, match="cannot be written"):
            score_portfolio(bank, source, out)
    assert bank.asked == []


def test_scores_that_cannot_be_written_at_the_end_are_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, source, out = Bank(), csv(tmp_path / "ids.csv", IDS[:2]), tmp_path / "scores.parquet"
    bank.gone_after = 0
    with pytest.raises(BureauUnreachable):
        score_portfolio(bank, source, out)
    bank.gone_after = 10_000

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("participants.bank.portfolio.private_file", full)
        with pytest.raises(PortfolioNotWritten, match="No space left"):
            score_portfolio(bank, source, out)
    assert score_portfolio(bank, source, out).scored == 2
    assert len(bank.asked) == 2


def test_nothing_is_asked_for_a_file_that_cannot_be_read_or_would_be_written_over(tmp_path: Path) -> None:
    bank, out = Bank(), tmp_path / "scores.parquet"
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("id\n1\n")
    (tmp_path / "no.parquet").write_bytes(b"PAR1")
    for name in ("missing.csv", "empty.csv", "other.csv", "no.parquet"):
        with pytest.raises(PortfolioRefused):
            score_portfolio(bank, tmp_path / name, out)
    source = csv(tmp_path / "ids.csv", IDS[:2])
    score_portfolio(bank, source, out)
    with pytest.raises(PortfolioRefused, match="there already"):
        score_portfolio(bank, source, out)
    assert len(bank.asked) == 2


def test_a_journal_of_another_portfolio_is_not_taken_up(tmp_path: Path) -> None:
    bank, out = Bank(), tmp_path / "scores.parquet"
    bank.gone_after = 1
    with pytest.raises(BureauUnreachable):
        score_portfolio(bank, csv(tmp_path / "ids.csv", IDS[:3]), out)
    with pytest.raises(PortfolioRefused, match="journal"):
        score_portfolio(bank, csv(tmp_path / "ids.csv", IDS[:4]), out)
    with pytest.raises(PortfolioRefused, match="purpose"):
        score_portfolio(bank, csv(tmp_path / "ids.csv", IDS[:3]), out, purpose=Purpose.MONITORING)
    journal = tmp_path / "scores.parquet.journal"
    journal.write_bytes(b"[]")
    with pytest.raises(PortfolioRefused, match="journal"):
        score_portfolio(bank, csv(tmp_path / "ids.csv", IDS[:3]), out)
