"""Nothing behind the guard runs for a request whose sender is not known, and its refusals say so."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import PeerError, UntrustedKey
from models.hosting.errors import CertificateMismatch
from models.hosting.https import guard as guard_module
from models.hosting.https.guard import CALLER, PEER_CERTIFICATE, Guard, caller_of
from models.hosting.https.problems import KINDS, STATE_KEY, Problem

AUTHORITY = "127.0.0.1:8443"
PATH = "/v1/scores"
BODY = b"a request"


class App:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert message["more_body"] is False
        self.calls.append((scope["state"][CALLER], message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})


class Exchange:
    """One request through the interface between server and app."""

    def __init__(self, scope: dict[str, Any], parts: list[bytes], *, then: str = "hang") -> None:
        self.scope, self.parts, self.then = scope, parts, then
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if self.parts:
            part = self.parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(self.parts) or self.then == "hang-more"}
        if self.then == "disconnect":
            return {"type": "http.disconnect"}
        await asyncio.sleep(3600)
        return {}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def problem(self) -> str:
        body = b"".join(one.get("body", b"") for one in self.sent[1:])
        assert dict(self.sent[0]["headers"])[b"content-type"] == b"application/problem+json"
        problem = Problem.from_json(body)
        assert problem.status == self.status
        assert self.scope["state"][STATE_KEY] == problem.slug
        return problem.slug


def request(world: Any, *, sender: Any = None, connection: Any = None, body: bytes = BODY, **changes: Any) -> Exchange:
    """A request of the bureau over its own connection, or with other parts."""
    sender, connection = sender or world.bureau, connection or sender or world.bureau
    signature = sender.signer(world.clock).sign("POST", f"https://{AUTHORITY}{PATH}", body)
    headers = {"host": AUTHORITY, "content-length": str(len(body)), **signature} | changes.pop("headers", {})
    raw = [(name.encode(), value.encode()) for name, value in headers.items() if value is not None]
    scope = {
        "type": "http",
        "method": "POST",
        "path": PATH,
        "raw_path": PATH.encode(),
        "query_string": b"",
        "headers": raw + changes.pop("more_headers", []),
        "extensions": {PEER_CERTIFICATE: {"der": connection.certificate}},
        "state": {},
    } | changes.pop("scope", {})
    return Exchange(scope, changes.pop("parts", [body]), **changes)


def through(world: Any, exchange: Exchange, app: Any = None, **changes: Any) -> App:
    app = app or App()
    parts = {"verifier": world.verifier(), "parties": world.parties, "maximum_body_bytes": 1000, "body_seconds": 0.05}
    guard = Guard(app, **(parts | changes))
    asyncio.run(asyncio.wait_for(guard(exchange.scope, exchange.receive, exchange.send), 5))  # type: ignore[arg-type]
    return app  # type: ignore[no-any-return]


def test_a_pinned_partys_request_reaches_the_app(world: Any) -> None:
    exchange = request(world)
    assert through(world, exchange).calls == [("bureau", BODY)]
    assert exchange.status == 200


def test_a_body_in_pieces_reaches_the_app_whole(world: Any) -> None:
    assert through(world, request(world, parts=[b"a ", b"", b"request"])).calls == [("bureau", BODY)]


def test_the_certificate_of_one_with_the_signature_of_another_is_refused(world: Any) -> None:
    # The bank has a request that the bureau signed, and hands it in over its own connection.
    stolen = {"sender": world.bureau, "connection": world.bank}

    class AnyPinned:
        def certificates(self, _name: str) -> frozenset[bytes]:
            return frozenset(world.parties.anchors())

    assert through(world, request(world, **stolen), parties=AnyPinned()).calls == [("bureau", BODY)]
    exchange = request(world, **stolen)
    assert through(world, exchange).calls == []
    assert (exchange.status, exchange.problem) == (403, "certificate-mismatch")


def test_both_certificates_of_a_rotation_are_taken_and_the_old_one_ends_with_it(world: Any, new_world: Any) -> None:
    old, fresh = world.bureau.document, new_world().bureau
    new = type(old)(role=old.role, identity=old.identity, certificate=fresh.certificate)
    world.pinned[world.bureau.name] = [old, new]
    for connection in (world.bureau, fresh):
        assert through(world, request(world, connection=connection)).calls
    world.pinned[world.bureau.name] = [new]
    assert not through(world, request(world, connection=world.bureau)).calls


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"scope": {"extensions": {}}}, "certificate-mismatch"),
        ({"scope": {"extensions": None}}, "certificate-mismatch"),
        ({"scope": {"extensions": {PEER_CERTIFICATE: {"der": b""}}}}, "certificate-mismatch"),
        ({"scope": {"query_string": b"a=1"}}, "malformed"),
        ({"scope": {"method": "PUT"}}, "signature-invalid"),
        ({"scope": {"raw_path": b"/v1/offers"}}, "signature-invalid"),
        ({"scope": {"raw_path": b"/v1/%73cores"}}, "malformed"),
        ({"scope": {"raw_path": b""}}, "malformed"),
        ({"headers": {"host": "police.example:8443"}}, "misdirected"),
        ({"headers": {"host": None}}, "malformed"),
        ({"more_headers": [(b"Host", b"other")]}, "malformed"),
        ({"headers": {"signature": None}}, "signature-invalid"),
        ({"more_headers": [(b"Signature", b"x")]}, "signature-invalid"),
        ({"parts": [b"another"], "headers": {"content-length": "7"}}, "signature-invalid"),
        ({"headers": {"content-length": None}}, "length-required"),
        ({"headers": {"content-length": None, "transfer-encoding": "chunked"}}, "length-required"),
        ({"headers": {"transfer-encoding": "chunked"}}, "length-required"),
        ({"more_headers": [(b"content-length", b"9")]}, "length-required"),
        ({"headers": {"content-length": "-9"}}, "malformed"),
        ({"headers": {"content-length": "+9"}}, "malformed"),
        ({"headers": {"content-length": "9" * 5000}}, "malformed"),
        ({"headers": {"content-length": "8"}}, "malformed"),
        ({"headers": {"content-length": "10"}}, "malformed"),
        ({"headers": {"content-length": "1001"}, "parts": []}, "body-too-large"),
        ({"parts": [b"a" * 600, b"a" * 600]}, "body-too-large"),
        ({"parts": [], "then": "hang"}, "body-too-slow"),
        ({"parts": [b"a req"], "then": "hang-more"}, "body-too-slow"),
    ],
)
def test_every_other_request_is_refused_with_its_problem(world: Any, change: dict[str, Any], slug: str) -> None:
    exchange = request(world, **change)
    assert through(world, exchange).calls == []
    assert exchange.problem == slug
    assert exchange.status == KINDS[slug].status
    assert dict(exchange.sent[0]["headers"])[b"connection"] == b"close"


def test_strangers_stale_and_repeated_requests_are_refused(world: Any) -> None:
    exchange = request(world, sender=world.stranger)
    assert through(world, exchange).calls == []
    assert exchange.problem == "untrusted-key"
    verifier = world.verifier()
    first = request(world)
    again = Exchange(dict(first.scope, state={}), [BODY])
    assert through(world, first, verifier=verifier).calls
    assert through(world, again, verifier=verifier).calls == []
    assert again.problem == "signature-replayed"
    late = request(world)
    world.clock.time += 100
    assert through(world, late, verifier=verifier).calls == []
    assert late.problem == "signature-stale"


def test_a_body_without_bounds_would_be_read_by_a_guard_without_them(world: Any) -> None:
    large = b"a" * 5000
    weak = {"maximum_body_bytes": 1 << 40}
    assert through(world, request(world, body=large), **weak).calls == [("bureau", large)]
    exchange = request(world, body=large, parts=[large])
    assert through(world, exchange).calls == []
    assert exchange.problem == "body-too-large"
    with pytest.raises(TimeoutError):  # it waits for as long as the test lets it
        asyncio.run(
            asyncio.wait_for(_drive(world, request(world, parts=[b"a"], then="hang-more"), body_seconds=3600), 0.2)
        )


async def _drive(world: Any, exchange: Exchange, **changes: Any) -> None:
    parts = {"verifier": world.verifier(), "parties": world.parties, "maximum_body_bytes": 1000}
    await Guard(App(), **(parts | changes))(exchange.scope, exchange.receive, exchange.send)  # type: ignore[arg-type]


def test_a_lying_length_would_be_taken_without_the_check_of_it(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Whoever stands between and reads the length would see another request than we do.
    lying: dict[str, Any] = {"headers": {"content-length": "5"}}
    assert through(world, request(world, **lying)).calls == []
    monkeypatch.setattr(guard_module, "_length", lambda _scope: len(BODY))
    assert through(world, request(world, **lying)).calls == [("bureau", BODY)]


def test_nothing_is_verified_before_the_cheap_checks(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def verifies(*_: object) -> bool:
        raise AssertionError("a signature was looked at")

    monkeypatch.setattr("models.hosting.https.signatures._verifies", verifies)
    for change in ({"connection": world.bank}, {"sender": world.stranger}, {"headers": {"content-length": "9999"}}):
        assert through(world, request(world, **change)).calls == []


def test_a_caller_that_goes_away_is_not_answered(world: Any) -> None:
    exchange = request(world, parts=[], then="disconnect")
    assert through(world, exchange).calls == []
    assert exchange.sent == []


def failing(error: Exception, *, before: int) -> Callable[..., Any]:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        messages = [
            {"type": "http.response.start", "status": 200, "headers": []},
            {"type": "http.response.body", "body": b"", "more_body": False},
        ]
        for message in messages[:before]:
            await send(message)
        raise error

    return app


def test_an_error_of_the_app_is_a_problem_without_its_words(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    for error, slug in ((ValueError("a secret"), "internal"), (PeerError("a secret"), "request-refused")):
        exchange = request(world)
        through(world, exchange, failing(error, before=0))
        assert exchange.problem == slug
        assert "secret" not in json.dumps([str(one) for one in exchange.sent])
    assert [(one.message, one.levelno, vars(one)["participant"]) for one in caplog.records] == [
        ("request failed", logging.ERROR, "bureau"),
        ("request refused", logging.WARNING, "bureau"),
    ]


def test_who_is_refused_before_the_app_is_in_the_log_by_name_if_its_certificate_says_it(
    world: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stale = request(world)
    world.clock.time += 3600
    through(world, stale)
    through(world, request(world, parts=[bytes(len(BODY))]))
    said = [(one.levelname, vars(one)["problem"], vars(one)["participant"]) for one in caplog.records]
    assert said == [("WARNING", "signature-stale", None), ("WARNING", "signature-invalid", "bureau")]


def test_pins_that_cannot_be_read_refuse_everybody(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def certificates(self, _name: str) -> frozenset[bytes]:
            raise OSError("/a/path")

    exchange = request(world)
    assert through(world, exchange, parties=Broken()).calls == []
    assert exchange.problem == "internal"
    assert caplog.messages == ["request failed"]


def test_what_is_broken_off_at_the_end_may_be_asked_again(world: Any) -> None:
    async def slow(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        await asyncio.sleep(3600)

    async def end(exchange: Exchange) -> None:
        parts = {"verifier": world.verifier(), "parties": world.parties, "maximum_body_bytes": 1000}
        guard = Guard(slow, **parts)
        task = asyncio.create_task(guard(exchange.scope, exchange.receive, exchange.send))  # type: ignore[arg-type]
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    exchange = request(world)
    asyncio.run(end(exchange))
    assert exchange.problem == "not-ready"


def test_an_answer_that_fails_in_the_middle_is_cut_and_a_whole_one_stays(world: Any) -> None:
    exchange = request(world)
    with pytest.raises(guard_module._Broken) as caught:
        through(world, exchange, failing(ValueError("a secret"), before=1))
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert len(exchange.sent) == 1
    whole = request(world)
    through(world, whole, failing(ValueError("a secret"), before=2))
    assert len(whole.sent) == 2


def test_the_start_and_end_of_the_app_go_through_and_other_protocols_do_not(world: Any) -> None:
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    socket = Exchange({"type": "websocket"}, [])
    through(world, Exchange({"type": "lifespan"}, []), app)
    through(world, socket, app)
    assert seen == ["lifespan"]
    assert socket.sent == [{"type": "websocket.close", "code": 1008}]


def test_who_called_is_known_behind_a_guard_alone() -> None:
    assert caller_of({"state": {CALLER: "bank"}}) == "bank"
    scopes: list[dict[str, Any]] = [{}, {"state": {}}, {"state": {CALLER: None}}]
    for scope in scopes:
        with pytest.raises(CertificateMismatch):
            caller_of(scope)
    assert issubclass(CertificateMismatch, UntrustedKey)


HEADER = st.tuples(
    st.sampled_from([b"content-length", b"host", b"signature", b"transfer-encoding", b"Content-Length"]),
    st.binary(max_size=12) | st.sampled_from([b"9", b"009", AUTHORITY.encode(), b"chunked"]),
)


@settings(max_examples=150, deadline=None)
@given(
    more=st.lists(HEADER, min_size=1, max_size=3),
    parts=st.lists(st.binary(max_size=20), max_size=3),
    raw_path=st.binary(max_size=8),
)
def test_whatever_comes_the_answer_is_a_problem(
    shared_world: Any, more: list[tuple[bytes, bytes]], parts: list[bytes], raw_path: bytes
) -> None:
    exchange = request(shared_world, more_headers=more, parts=[*parts, b"."], scope={"raw_path": raw_path})
    assert through(shared_world, exchange).calls == []
    assert exchange.problem in KINDS
    assert 400 <= exchange.status < 500
