"""What a bank keeps of its requests and scores: one request or score under each request id, whoever is first."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from crypto.identifiers import RequestId, Role
from participants.bank.score_request import OpenRequest, Score
from participants.bank.score_store import ANSWERS_KEPT_SECONDS, ScoreStore
from participants.department.request_record import KEPT_SECONDS
from participants.node_database import new_database
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal

NAMED = RequestId("fedcba9876543210" * 2)


class Requests:
    """Makes requests and scores that nobody is asked for."""

    def __init__(self, rehearsal: OnlineRehearsal, online: OnlineFederation) -> None:
        self._rehearsal = rehearsal
        self._online = online
        self.enterprise = rehearsal.enterprise(0)

    @property
    def now(self) -> float:
        return self._rehearsal.clock.now()

    def make(self, request_id: RequestId = NAMED) -> OpenRequest:
        return self._online.ask(self.enterprise, self._rehearsal.offer(), request_id=request_id)

    def score(self, asked: OpenRequest, points: int = 600) -> Score:
        return Score(
            request_id=RequestId(asked.statement.request_id),
            model_version=self._online.client.version,
            enterprise_id=self.enterprise,
            points=points,
            probability_of_default=0.05,
            log_odds_default=-2.9,
            departments=self._rehearsal.drawn.departments,
            missing=(),
            scored_at=int(self.now),
        )


@pytest.fixture
def requests(rehearsal: OnlineRehearsal, online: OnlineFederation) -> Requests:
    return Requests(rehearsal, online)


@pytest.fixture
def store(database_url: str) -> Iterator[ScoreStore]:
    database = new_database(database_url, Role.BANK)
    database.migrate()
    yield ScoreStore(database)
    database.close()


def test_a_bank_waits_as_long_as_departments_remember() -> None:
    assert ANSWERS_KEPT_SECONDS == KEPT_SECONDS


def test_the_first_request_under_an_id_is_the_one_that_is_kept(store: ScoreStore, requests: Requests) -> None:
    first, second = requests.make(), requests.make()
    assert first.digest != second.digest
    assert store.keep(first, now=requests.now) == first
    assert store.keep(second, now=requests.now) == first
    assert store.keep(first, now=requests.now) == first
    assert store.open() == [first]
    assert store.keep(second, now=requests.now, instead_of=(first.digest,)) == second
    assert store.open() == [second]


def test_of_many_who_keep_at_once_all_get_the_same_request(store: ScoreStore, requests: Requests) -> None:
    made = [requests.make() for _ in range(8)]
    with ThreadPoolExecutor(len(made)) as threads:
        kept = {one.digest for one in threads.map(lambda one: store.keep(one, now=requests.now), made)}  # type: ignore[union-attr]
    assert kept == {one.digest for one in store.open()}
    assert len(kept) == 1


def test_whoever_comes_after_the_score_gets_the_score(store: ScoreStore, requests: Requests) -> None:
    first, late = requests.make(), requests.make()
    store.keep(first, now=requests.now)
    score = store.scored(requests.score(first))
    assert store.keep(late, now=requests.now) == score
    assert store.open() == []


def test_a_score_is_kept_once_under_its_id(store: ScoreStore, requests: Requests) -> None:
    asked = requests.make()
    store.keep(asked, now=requests.now)
    with ThreadPoolExecutor(8) as threads:
        kept = set(threads.map(lambda points: store.scored(requests.score(asked, points)), range(600, 608)))
    assert kept == {store.score(NAMED)}
    assert store.latest_score(requests.enterprise, requests.score(asked).model_version) == store.score(NAMED)
    assert store.open() == []


def test_a_later_score_of_an_enterprise_is_its_latest(store: ScoreStore, requests: Requests) -> None:
    early = store.scored(requests.score(requests.make()))
    late = store.scored(
        replace(early, request_id=RequestId("0" * 32), points=early.points + 1, scored_at=early.scored_at + 1)
    )
    assert store.latest_score(requests.enterprise, early.model_version) == late


def test_requests_of_which_departments_know_no_more_are_forgotten(
    store: ScoreStore, requests: Requests, rehearsal: OnlineRehearsal
) -> None:
    old = requests.make(RequestId("1" * 32))
    store.keep(old, now=requests.now)
    rehearsal.clock.seconds = old.statement.expires_at + ANSWERS_KEPT_SECONDS
    new = requests.make(RequestId("2" * 32))
    store.keep(new, now=requests.now)
    assert store.open() == [old, new]
    rehearsal.clock.seconds += 1
    store.keep(new, now=requests.now)
    assert store.open() == [new]
