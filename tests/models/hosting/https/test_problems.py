"""Every refusal is a problem of one closed table, and nothing of an error's text is in it."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import ClassVar

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from crypto import errors as crypto_errors
from crypto.errors import MalformedMessage, PeerError, YurongError
from models.enterprise_id import InvalidEnterpriseId
from models.hosting import errors
from models.hosting.https import problems, proof_problems
from models.hosting.https.problems import KINDS, Problem, ProblemKind, problem_of, remote_problem
from models.hosting.https.refusals import answer_error

DOCUMENT = Path(__file__).parents[4] / "docs" / "problems.md"


def test_the_table_is_the_document() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert rows == [(kind.slug, str(kind.status), kind.title, kind.advice) for kind in KINDS.values()]


def test_every_kind_is_in_the_table_once_and_makes_sense() -> None:
    tables = [*vars(problems).items(), *vars(proof_problems).items()]
    kinds = list(dict(one for one in tables if isinstance(one[1], ProblemKind)).values())
    assert {kind.slug for kind in kinds} == set(KINDS)
    assert len(kinds) == len(KINDS)
    statuses = [kind.status for kind in KINDS.values()]
    assert all(400 <= status <= 504 for status in statuses)
    for kind in KINDS.values():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.slug)
        assert kind.title.isascii()
        assert "\n" not in kind.title + kind.advice
        assert kind.advice.endswith(".")
        assert len(Problem(kind=kind, detail="万" * 1000).to_json()) <= problems.MAXIMUM_PROBLEM_BYTES


def test_a_problem_reads_back() -> None:
    for kind in KINDS.values():
        problem = Problem(kind=kind, detail="a department: tax")
        assert Problem.from_json(problem.to_json()) == problem
        assert set(json.loads(problem.to_json())) == {"type", "title", "status", "detail", "advice"}


@pytest.mark.parametrize(
    ("error", "slug"),
    [
        (MalformedMessage("x"), "malformed"),
        (InvalidEnterpriseId("x"), "invalid-enterprise-id"),
        (crypto_errors.InvalidCiphertext("x"), "invalid-ciphertext"),
        (crypto_errors.SignatureInvalid("x"), "signature-invalid"),
        (errors.SignatureStale("x"), "signature-stale"),
        (errors.SignatureReplayed("x"), "signature-replayed"),
        (crypto_errors.UntrustedKey("x"), "untrusted-key"),
        (errors.CertificateMismatch("x"), "certificate-mismatch"),
        (errors.Misdirected("x"), "misdirected"),
        (errors.TooManyRequests("x"), "too-many-requests"),
        (crypto_errors.MaskContextReused("x"), "request-used"),
        (PeerError("x"), "request-refused"),
        (crypto_errors.TooFewMembers("x"), "too-few-departments"),
        (crypto_errors.ProtectionUnavailable("x"), "not-ready"),
        (errors.DatabaseUnusable("x"), "not-ready"),
        (errors.SchemaOutdated("x"), "not-ready"),
        (errors.BodyRefused(problems.BODY_TOO_LARGE), "body-too-large"),
        (TimeoutError("x"), "deadline-exceeded"),
        (RequestValidationError([]), "malformed"),
        (YurongError("x"), "internal"),
        (ValueError("x"), "internal"),
        (asyncio.CancelledError(), "internal"),
    ],
)
def test_an_error_has_its_problem_and_leaves_its_words_behind(error: BaseException, slug: str) -> None:
    problem = problem_of(error)
    assert problem.slug == slug
    assert problem.detail == ""


def test_an_error_of_a_higher_layer_names_its_own_problem() -> None:
    class Conflict(PeerError):
        problem_kind: ClassVar[ProblemKind] = problems.REQUEST_CONFLICT

    class NearerConflict(Conflict):
        pass

    assert problem_of(NearerConflict("x")).slug == "request-conflict"


def test_an_error_that_has_one_of_several_problems_names_it_for_itself() -> None:
    class Unusable(PeerError):
        def __init__(self, kind: ProblemKind) -> None:
            super().__init__("x")
            self.problem_kind = kind

    for kind in (proof_problems.CONSENT_UNKNOWN, proof_problems.USE_TAKEN):
        assert problem_of(Unusable(kind)).slug == kind.slug


def test_what_is_said_on_purpose_is_said() -> None:
    refused = errors.RequestRefused(problems.DEPARTMENT_UNAVAILABLE, "tax")
    assert problem_of(refused).detail == "tax"
    assert problem_of(refused).status == 503


def test_a_hostile_server_has_three_hundred_printable_characters() -> None:
    told = json.loads(Problem(kind=problems.INTERNAL).to_json())
    told |= {"detail": "\x1b[2J\n\u202e" + "a" * 2000, "title": "\nforged line", "advice": "rm -rf"}
    remote = remote_problem(500, problems.MEDIA_TYPE, json.dumps(told).encode())
    assert remote.problem.detail.isprintable()
    assert len(remote.problem.detail) == 300
    assert remote.problem.title == problems.INTERNAL.title
    assert "a" * 10 not in remote.message + remote.advice


@pytest.mark.parametrize(
    "change",
    [
        {"type": "urn:yurong:problem:unheard-of"},
        {"type": "https://evil.example/"},
        {"type": 3},
        {"status": 200},
        {"status": True},
        {"detail": None},
        {"more": 1},
    ],
)
def test_what_is_no_problem_of_ours_is_refused(change: dict[str, object]) -> None:
    told = json.loads(Problem(kind=problems.INTERNAL).to_json()) | change
    with pytest.raises(MalformedMessage):
        Problem.from_json(json.dumps(told).encode())
    assert remote_problem(500, problems.MEDIA_TYPE, json.dumps(told).encode()).problem.slug == "unexplained"


def test_a_problem_under_another_status_or_media_type_is_unexplained() -> None:
    body = Problem(kind=problems.NOT_READY).to_json()
    assert remote_problem(503, problems.MEDIA_TYPE, body).problem.slug == "not-ready"
    assert remote_problem(500, problems.MEDIA_TYPE, body).problem.slug == "unexplained"
    assert remote_problem(503, "text/html", body).problem.slug == "unexplained"


@settings(deadline=None)
@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_only_our_error_escapes_the_reader(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Problem.from_json(data)
    assert remote_problem(500, problems.MEDIA_TYPE, data).problem.slug == "unexplained"


@pytest.mark.parametrize("data", [b"[" * 100_000, b"[" * 4000, b'{"a":' * 800, b"1" * 4096, b"\xff" * 10])
def test_a_reader_is_not_drowned(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        Problem.from_json(data)


def test_starlette_answers_with_problems_and_says_in_the_log_what_was_amiss(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_request: object) -> None:
        raise PeerError("an enterprise's secret")

    app = Starlette(
        routes=[Route("/fail", fail)],
        exception_handlers={YurongError: answer_error, 404: answer_error, 405: answer_error},
    )
    client = TestClient(app)
    for path, method, slug in (
        ("/fail", "GET", "request-refused"),
        ("/fail", "PUT", "method-not-allowed"),
        ("/", "GET", "not-found"),
    ):
        response = client.request(method, path)
        assert response.headers["content-type"] == problems.MEDIA_TYPE
        assert Problem.from_json(response.content).slug == slug
        assert response.status_code == KINDS[slug].status
        assert "secret" not in response.text
    assert [(one.levelname, one.message) for one in caplog.records] == [("WARNING", "request refused")]
    assert isinstance(vars(caplog.records[0])["error"], PeerError)


def test_when_to_come_back_is_said_where_it_helps() -> None:
    assert ("retry-after", "1") in Problem(kind=problems.NOT_READY).headers()
    assert "retry-after" not in dict(Problem(kind=problems.MALFORMED).headers())
