"""What a participant may ask of Flower through the edge, and of Flower's own SuperLink, which takes everything."""

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto import control_pb2, fleet_pb2, heartbeat_pb2, message_pb2, node_pb2, runtime_pb2
from flwr.proto.message_pb2 import Metadata
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app
from starlette.types import Message, Scope

from coordinator.flower.bundle import app_bundle
from coordinator.flower.edge import CALLS_AT_ONCE, Edge, _Response
from coordinator.flower.fleet_calls import CALLS
from crypto.errors import UntrustedKey
from crypto.identifiers import ParticipantId, Role
from models.hosting.https.guard import PEER_CERTIFICATE

PROTOBUF = {"content-type": "application/protobuf"}
LINK = "127.0.0.1:9"


@dataclass
class Participant:
    """A pinned participant with its keys; what `Edge` reads of its document, too."""

    name: ParticipantId
    role: Role = Role.DEPARTMENT
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    node_id: int = 0

    @property
    def certificate(self) -> bytes:
        return f"certificate of {self.name}".encode()

    @property
    def node_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    @property
    def pem(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def headers(self) -> dict[str, str]:
        now = dt.datetime.now(dt.UTC).isoformat()
        return {
            **PROTOBUF,
            "flwr-public-key": base64.b64encode(self.pem).decode(),
            "flwr-timestamp": now,
            "flwr-signature": base64.b64encode(self.key.sign(now.encode(), ec.ECDSA(hashes.SHA256()))).decode(),
        }

    @property
    def node(self) -> node_pb2.Node:
        return node_pb2.Node(node_id=self.node_id)


TAX, COURTS = Participant(ParticipantId("tax")), Participant(ParticipantId("courts"))


@dataclass
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes


def ask(app: Any, path: str, body: bytes, headers: Mapping[str, str] | list[tuple[str, str]], **more: Any) -> Answer:
    """One request as uvicorn would hand it to an app, the caller's certificate included."""
    return asyncio.run(asked(app, path, body, headers, **more))


async def asked(
    app: Any,
    path: str,
    body: bytes,
    headers: Mapping[str, str] | list[tuple[str, str]],
    *,
    certificate: bytes = b"",
    method: str = "POST",
    query: bytes = b"",
    raw_path: bytes | None = None,
    parts: int = 1,
    stalls: bool = False,
    reads: bool = True,
) -> Answer:
    """`ask` beside others; one that `stalls` never sends its last byte, and one that does not read takes no answer."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else headers
    if not any(name in ("content-length", "transfer-encoding") for name, _ in pairs):
        pairs = [*pairs, ("content-length", str(len(body) + stalls))]
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode() if raw_path is None else raw_path,
        "query_string": query,
        "root_path": "",
        "server": ("127.0.0.1", 1),
        "client": ("127.0.0.1", 2),
        "state": {},
        "headers": [(name.encode(), value.encode()) for name, value in pairs],
        "extensions": {PEER_CERTIFICATE: {"der": certificate}},
    }
    size = -(-len(body) // parts) or 1
    incoming = iter([body[at : at + size] for at in range(0, len(body), size)] or [b""])
    left, sent = [len(body)], list[Message]()

    async def receive() -> Message:
        part = next(incoming, None)
        if part is None:
            await asyncio.sleep(3600)
        left[0] -= len(part or b"")
        return {"type": "http.request", "body": part, "more_body": stalls or left[0] > 0}

    async def send(message: Message) -> None:
        sent.append(message)
        if not reads:
            await asyncio.sleep(3600)

    await app(scope, receive, send)
    start, *rest = sent
    return Answer(start["status"], dict(start["headers"]), b"".join(part.get("body", b"") for part in rest))


class Recorded(httpx.AsyncBaseTransport):
    """A SuperLink that notes what reaches it."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self.bodies.append(b"".join([part async for part in request.stream]))
        headers = {**PROTOBUF, "server": "uvicorn", "set-cookie": "a=b", "connection": "keep-alive", "x-inner": "1"}
        return httpx.Response(200, headers=headers, content=b"answer")


def documents(*admitted: Participant) -> dict[ParticipantId, list[Participant]]:
    return {one.name: [one] for one in admitted}


def edge_before(transport: httpx.AsyncBaseTransport, *admitted: Participant) -> Edge:
    return Edge(lambda: documents(*(admitted or (TAX, COURTS))), link=LINK, transport=transport)


@pytest.fixture
def flower() -> Iterator[FastAPI]:
    """Flower's own SuperLink as the open build has it, in this process."""
    config = SuperLinkLifespanConfig(
        control_address="127.0.0.1:1",
        health_server_address=None,
        host="127.0.0.1",
        port=1,
        insecure=True,
        certificates=None,
        superexec_auth_secret=None,
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=True,
        fleet_api_type="grpc-rere",
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=None,
        ssl_certfile=None,
        ssl_keyfile=None,
        database=":flwr-in-memory:",
        isolation="process",
        runtime_dependency_install=False,
    )
    app = create_app(config, SuperLinkLifespan)
    state = app.state.linkstate_factory.state()
    for one in (TAX, COURTS):
        one.node_id = state.create_node("<id:none>", "none", one.pem, 30.0, name=one.name)
        state.activate_node(one.node_id, 30.0)
    yield app
    del app


def through_edge(flower: FastAPI, who: Participant, path: str, request: Any, **more: Any) -> Answer:
    edge = edge_before(httpx.ASGITransport(app=flower))
    return ask(edge, path, request.SerializeToString(), who.headers(), certificate=who.certificate, **more)


def directly(flower: FastAPI, who: Participant, path: str, request: Any) -> Answer:
    return ask(flower, path, request.SerializeToString(), who.headers())


def start_run() -> control_pb2.StartRunRequest:
    request = control_pb2.StartRunRequest()
    request.fab.content = app_bundle()
    return request


NOT_A_PARTICIPANTS: list[tuple[str, Any]] = [
    ("/v1/control/list-runs", control_pb2.ListRunsRequest()),
    ("/v1/control/list-nodes", control_pb2.ListNodesRequest()),
    ("/v1/control/start-run", start_run()),
    ("/v1/control/register-node", control_pb2.RegisterNodeRequest(public_key=Participant(ParticipantId("x")).pem)),
    ("/v1/runtime/acquire-task", runtime_pb2.AcquireTaskRequest(supported_task_types=["flwr-serverapp"])),
]


@pytest.mark.parametrize(
    ("path", "request_"), NOT_A_PARTICIPANTS, ids=lambda value: value if str(value) == value else ""
)
def test_what_is_not_a_participants_is_done_by_the_superlink_and_does_not_exist_at_the_edge(
    flower: FastAPI, path: str, request_: Any
) -> None:
    assert (directly(flower, TAX, path, request_)).status == 200
    refused = through_edge(flower, TAX, path, request_)
    assert refused.status == 404
    assert b"urn:yurong:problem:not-found" in refused.body


def test_a_run_is_neither_stopped_nor_its_log_read_through_the_edge(flower: FastAPI) -> None:
    started = control_pb2.StartRunResponse()
    started.ParseFromString((directly(flower, TAX, "/v1/control/start-run", start_run())).body)
    stop = control_pb2.StopRunRequest(run_id=started.run_id)
    log = control_pb2.StreamLogsRequest(run_id=started.run_id)
    assert (through_edge(flower, TAX, "/v1/control/stop-run", stop)).status == 404
    assert (through_edge(flower, TAX, "/v1/control/stream-logs", log)).status == 404
    assert (directly(flower, TAX, "/v1/control/stop-run", stop)).status == 200
    assert (directly(flower, TAX, "/v1/control/stream-logs", log)).status == 200


def test_a_participant_makes_its_own_fleet_calls(flower: FastAPI) -> None:
    leave = fleet_pb2.DeactivateNodeRequest(node_id=TAX.node_id)
    come = fleet_pb2.ActivateNodeRequest(public_key=TAX.pem, heartbeat_interval=30)
    beat = heartbeat_pb2.SendNodeHeartbeatRequest(node=TAX.node, heartbeat_interval=30)
    look = fleet_pb2.PullMessagesRequest(node=TAX.node)
    calls: list[tuple[str, Any]] = [
        ("deactivate-node", leave),
        ("activate-node", come),
        ("send-node-heartbeat", beat),
        ("pull-messages", look),
    ]
    for name, request in calls:
        answer = through_edge(flower, TAX, f"/v1/fleet/{name}", request)
        assert answer.status == 200, name
    # Flower itself refuses to let it speak for a node whose key it has not.
    theirs = fleet_pb2.PullMessagesRequest(node=COURTS.node)
    assert (through_edge(flower, TAX, "/v1/fleet/pull-messages", theirs)).status == 401


def running_run(flower: FastAPI) -> int:
    """A run whose server app has begun, without one."""
    state = flower.state.linkstate_factory.state()
    (task,) = state.get_tasks()
    state.claim_task(task.task_id)
    state.activate_task(task.task_id)
    return int(task.run_id)


def announcement(sender: Participant, *, run_id: int, src: int, dst: int, reply_to: str) -> Any:
    metadata = Metadata(
        run_id=run_id,
        message_id="a" * 64,
        src_node_id=src,
        dst_node_id=dst,
        reply_to_message_id=reply_to,
        ttl=3600.0,
        message_type="query.step",
        created_at=dt.datetime.now(dt.UTC).timestamp(),
    )
    message = message_pb2.Message(metadata=metadata)
    message.content.SetInParent()
    tree = message_pb2.ObjectTree(object_id="a" * 64)
    return fleet_pb2.PushMessagesRequest(node=sender.node, messages_list=[message], message_object_trees=[tree])


def test_no_participant_sends_another_a_step_as_if_it_were_the_bureau(flower: FastAPI) -> None:
    directly(flower, TAX, "/v1/control/start-run", start_run())
    run_id = running_run(flower)
    forged = announcement(COURTS, run_id=run_id, src=SUPERLINK_NODE_ID, dst=TAX.node_id, reply_to="")
    refused = through_edge(flower, COURTS, "/v1/fleet/push-messages", forged)
    assert refused.status == 403
    assert not pulled(directly(flower, TAX, "/v1/fleet/pull-messages", look_of(TAX)))
    # Flower's own SuperLink delivers it.
    assert (directly(flower, COURTS, "/v1/fleet/push-messages", forged)).status == 200
    assert pulled(directly(flower, TAX, "/v1/fleet/pull-messages", look_of(TAX)))


def test_no_participant_answers_in_anothers_place(flower: FastAPI) -> None:
    directly(flower, TAX, "/v1/control/start-run", start_run())
    run_id = running_run(flower)
    # The bureau asks tax; courts, which has learnt the id of that message, answers.
    step = announcement(COURTS, run_id=run_id, src=SUPERLINK_NODE_ID, dst=TAX.node_id, reply_to="")
    directly(flower, COURTS, "/v1/fleet/push-messages", step)
    forged = announcement(COURTS, run_id=run_id, src=TAX.node_id, dst=SUPERLINK_NODE_ID, reply_to="a" * 64)
    forged.messages_list[0].metadata.message_id = "b" * 64
    forged.message_object_trees[0].object_id = "b" * 64
    assert (through_edge(flower, COURTS, "/v1/fleet/push-messages", forged)).status == 403
    accepted = fleet_pb2.PushMessagesResponse()
    accepted.ParseFromString((directly(flower, COURTS, "/v1/fleet/push-messages", forged)).body)
    assert list(accepted.objects_to_push) == ["b" * 64]


def look_of(who: Participant) -> fleet_pb2.PullMessagesRequest:
    return fleet_pb2.PullMessagesRequest(node=who.node)


def pulled(answer: Answer) -> bool:
    response = fleet_pb2.PullMessagesResponse()
    response.ParseFromString(answer.body)
    return len(response.messages_list) == 1


@pytest.mark.parametrize("path", sorted(CALLS))
def test_only_what_was_checked_goes_on_and_comes_back(path: bytes) -> None:
    link = Recorded()
    own = announcement(TAX, run_id=1, src=7, dst=SUPERLINK_NODE_ID, reply_to="c")
    own.node.node_id = 7
    body = own.SerializeToString()
    headers = {
        **TAX.headers(),
        "flwr-package-version": "1.41.0",
        "host": "evil.example",
        "cookie": "a=b",
        "authorization": "Basic x",
        "x-forwarded-for": "1.1.1.1",
        "yurong-control-key": "k",
        "connection": "upgrade",
        "upgrade": "h2c",
        "x-http-method-override": "DELETE",
        "expect": "100-continue",
        "accept-encoding": "gzip",
        "te": "trailers",
        "flwr-task-token": "t",
    }
    answer = ask(edge_before(link), path.decode(), body, headers, certificate=TAX.certificate)
    assert (answer.status, answer.body) == (200, b"answer")
    assert set(answer.headers) == {b"content-type", b"content-length"}
    (request,) = link.requests
    assert (request.method, str(request.url)) == ("POST", f"https://{LINK}{path.decode()}")
    assert {name for name, _ in request.headers.raw} == {
        *(b"host", b"accept", b"content-type", b"content-length", b"flwr-package-version"),
        *(b"flwr-public-key", b"flwr-timestamp", b"flwr-signature"),
    }
    assert request.headers["host"] == LINK
    assert link.bodies == [body]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/v1/fleet%2fpull-messages", "/v1/fleet/pull-messages"),
        (b"/v1/%66leet/pull-messages", "/v1/fleet/pull-messages"),
        (b"/v1/fleet/pull-messages/", "/v1/fleet/pull-messages/"),
        (b"//v1/fleet/pull-messages", "//v1/fleet/pull-messages"),
        (b"/v1//fleet/pull-messages", "/v1//fleet/pull-messages"),
        (b"/v1/fleet/../control/list-runs", "/v1/fleet/../control/list-runs"),
        (b"/v1/fleet/%2e%2e/control/list-runs", "/v1/fleet/../control/list-runs"),
        (b"/v1/fleet/..%2fcontrol/list-runs", "/v1/fleet/../control/list-runs"),
        (b"/v1/fleet/pull-messages;x=1", "/v1/fleet/pull-messages;x=1"),
        (b"/v1/fleet/pull-messages%00", "/v1/fleet/pull-messages\0"),
        (b"/v1/fleet/pull-messages%20", "/v1/fleet/pull-messages "),
        (b"/V1/fleet/pull-messages", "/V1/fleet/pull-messages"),
        (b"http://127.0.0.1/v1/fleet/pull-messages", "http://127.0.0.1/v1/fleet/pull-messages"),
        (b"/v1/fleet/register-node", "/v1/fleet/register-node"),
        (b"/v1/fleet/unregister-node", "/v1/fleet/unregister-node"),
        (b"/v1/runtime/acquire-task", "/v1/runtime/acquire-task"),
        (b"/docs", "/docs"),
        (b"/openapi.json", "/openapi.json"),
        (b"/health", "/health"),
        (b"/", "/"),
        (b"*", "*"),
    ],
)
def test_every_other_spelling_is_another_path_and_does_not_exist(raw: bytes, path: str) -> None:
    link = Recorded()
    answer = ask(edge_before(link), path, b"", TAX.headers(), certificate=TAX.certificate, raw_path=raw)
    assert (answer.status, link.requests) == (404, [])


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT", "PATCH", "post"])
def test_every_other_method_does_not_exist(method: str) -> None:
    link = Recorded()
    path = "/v1/fleet/pull-messages"
    answer = ask(edge_before(link), path, b"", TAX.headers(), certificate=TAX.certificate, method=method)
    assert (answer.status, link.requests) == (404, [])


@pytest.mark.parametrize(
    ("change", "status", "slug"),
    [
        ({"content-length": "65537"}, 413, "body-too-large"),
        ({"content-length": "-1"}, 411, "length-required"),
        ({"content-length": "9999999999"}, 411, "length-required"),
        ({"transfer-encoding": "chunked"}, 411, "length-required"),
        ({"content-length": "4"}, 400, "malformed"),
        ({"content-length": "2"}, 400, "malformed"),
        ({"content-type": "application/json"}, 415, "unsupported-media-type"),
        ({"content-type": ""}, 415, "unsupported-media-type"),
        ({"content-encoding": "gzip"}, 415, "unsupported-media-type"),
        ({"flwr-public-key": "AAAA"}, 403, "untrusted-key"),
        ({"flwr-public-key": COURTS.headers()["flwr-public-key"]}, 403, "untrusted-key"),
    ],
)
def test_a_call_that_is_not_in_its_form_goes_nowhere(change: dict[str, str], status: int, slug: str) -> None:
    link = Recorded()
    headers = {**TAX.headers(), **change}
    answer = ask(edge_before(link), "/v1/fleet/pull-messages", b"abc", headers, certificate=TAX.certificate, parts=3)
    assert answer.status == status
    assert f"urn:yurong:problem:{slug}".encode() in answer.body
    assert answer.headers[b"connection"] == b"close"
    assert link.bodies == []


@pytest.mark.parametrize("name", ["flwr-public-key", "flwr-signature", "flwr-timestamp"])
def test_a_header_of_flowers_signature_is_there_once(name: str) -> None:
    link = Recorded()
    headers = TAX.headers()
    for pairs in (
        [pair for pair in headers.items() if pair[0] != name],
        [*headers.items(), (name, COURTS.headers()[name])],
    ):
        answer = ask(edge_before(link), "/v1/fleet/get-run", b"", pairs, certificate=TAX.certificate)
        assert (answer.status, link.requests) == (400, [])


def test_a_query_is_refused() -> None:
    link = Recorded()
    answer = ask(edge_before(link), "/v1/fleet/get-run", b"", TAX.headers(), certificate=TAX.certificate, query=b"a=1")
    assert (answer.status, link.requests) == (404, [])


def test_who_is_not_pinned_any_more_is_cut_off_with_the_next_call() -> None:
    link, admitted = Recorded(), [TAX, COURTS]
    edge = Edge(lambda: documents(*admitted), link=LINK, transport=link)
    call = ("/v1/fleet/pull-messages", b"", TAX.headers())
    assert (ask(edge, *call, certificate=TAX.certificate)).status == 200
    admitted.remove(TAX)
    assert (ask(edge, *call, certificate=TAX.certificate)).status == 403
    for certificate in (b"", b"unknown"):
        assert (ask(edge, *call, certificate=certificate)).status == 403
    assert len(link.requests) == 1


def test_the_bureaus_own_certificate_and_a_participant_without_a_node_have_no_entry() -> None:
    class NoNode(Participant):
        node_key = b""

    for who in (Participant(ParticipantId("bureau"), Role.BUREAU), NoNode(ParticipantId("scores-only"))):
        link = Recorded()
        answer = ask(edge_before(link, who), "/v1/fleet/get-run", b"", who.headers(), certificate=who.certificate)
        assert (answer.status, link.requests) == (403, [])


def test_an_announcement_that_is_none_is_malformed() -> None:
    empty = fleet_pb2.PushMessagesRequest(node=TAX.node).SerializeToString()
    for body in (b"\xff\xff", empty, b""):
        link = Recorded()
        answer = ask(edge_before(link), "/v1/fleet/push-messages", body, TAX.headers(), certificate=TAX.certificate)
        assert (answer.status, link.requests) == (400, [])


class Failing(httpx.AsyncBaseTransport):
    def __init__(self, fault: Exception | None) -> None:
        self.fault = fault

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0 if self.fault else 3600)
        raise self.fault or TimeoutError


@pytest.mark.parametrize(
    ("fault", "status"),
    [(httpx.ConnectError("refused at /a/secret/path"), 503), (None, 408), (ValueError("a secret"), 500)],
)
def test_a_superlink_that_fails_is_a_problem_without_a_word_of_it(fault: Exception | None, status: int) -> None:
    edge = Edge(lambda: documents(TAX), link=LINK, transport=Failing(fault), call_seconds=0.05)
    answer = ask(edge, "/v1/fleet/get-run", b"", TAX.headers(), certificate=TAX.certificate)
    assert answer.status == status
    assert b"secret" not in answer.body


class FirstMatch(Edge):
    """An edge that takes the first participant with the caller's certificate for the caller."""

    def _caller(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ParticipantId:
        shown = scope["extensions"][PEER_CERTIFICATE]["der"]
        for name, (document,) in self._documents().items():
            if document.certificate == shown:
                if headers[b"flwr-public-key"] != base64.b64encode(cast("Participant", document).pem):
                    raise UntrustedKey("a participant speaks for another node than its own")
                return name
        raise AssertionError


@pytest.mark.parametrize(("kind", "status"), [(FirstMatch, 403), (Edge, 200)])
def test_nobody_is_shut_out_by_one_that_names_its_certificate_as_well(kind: type[Edge], status: int) -> None:
    class Envious(Participant):
        certificate = TAX.certificate

    envious, link = Envious(ParticipantId("a-neighbour")), Recorded()
    edge = kind(lambda: documents(envious, TAX), link=LINK, transport=link)
    call = ("/v1/fleet/pull-messages", b"")
    assert ask(edge, *call, TAX.headers(), certificate=TAX.certificate).status == status
    # Nor does anybody speak for another's node with a certificate of its own.
    assert ask(edge, *call, COURTS.headers(), certificate=TAX.certificate).status == 403


class Narrow(Recorded):
    """A SuperLink to which there is one connection; each call is under way for a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = asyncio.Semaphore(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self.connection.acquire()
        response = await super().handle_async_request(request)
        answered = response.stream
        assert isinstance(answered, httpx.AsyncByteStream)
        return httpx.Response(200, headers=PROTOBUF, stream=Held(answered, self.connection.release))


class Held(httpx.AsyncByteStream):
    def __init__(self, parts: httpx.AsyncByteStream, release: Callable[[], None]) -> None:
        self._parts, self._release = parts, release

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            yield part

    async def aclose(self) -> None:
        self._release()


class Streaming(Edge):
    """An edge that passes on what it gets as it gets it."""

    async def _pass_on(self, _scope: Scope, receive: Any, answer: Any) -> None:
        class Body(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                while (message := await receive()).get("more_body"):
                    yield message["body"]
                yield message["body"]

        response = await self._transport.handle_async_request(httpx.Request("POST", f"https://{LINK}", stream=Body()))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await answer.give(_Response(200, [], [part async for part in response.stream]))
        await response.aclose()


@pytest.mark.parametrize(("kind", "is_answered"), [(Streaming, False), (Edge, True)])
@pytest.mark.parametrize("slow", [{"stalls": True}, {"reads": False}])
def test_one_that_sends_or_reads_slowly_keeps_nobody_waiting(
    kind: type[Edge], is_answered: bool, slow: dict[str, Any]
) -> None:
    async def scene() -> bool:
        edge = kind(lambda: documents(TAX, COURTS), link=LINK, transport=Narrow())
        call = ("/v1/fleet/push-object", b"abc")
        idle = [asked(edge, *call, COURTS.headers(), certificate=COURTS.certificate, **slow) for _ in range(20)]
        tasks = [asyncio.create_task(one) for one in idle]
        await asyncio.sleep(0.05)
        try:
            async with asyncio.timeout(0.5):
                return (await asked(edge, *call, TAX.headers(), certificate=TAX.certificate)).status == 200
        except TimeoutError:
            return False
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    assert asyncio.run(scene()) is is_answered


def test_a_participant_has_so_many_calls_at_once_and_no_more() -> None:
    class Counting(Recorded):
        now = most = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.now += 1
            self.most = max(self.now, self.most)
            await asyncio.sleep(0.01)
            self.now -= 1
            return await super().handle_async_request(request)

    async def scene() -> list[Answer]:
        edge = edge_before(link)
        call = ("/v1/fleet/push-object", b"abc", TAX.headers())
        return await asyncio.gather(*(asked(edge, *call, certificate=TAX.certificate) for _ in range(20)))

    link = Counting()
    assert [answer.status for answer in asyncio.run(scene())] == [200] * 20
    assert link.most == CALLS_AT_ONCE


def test_a_body_and_its_answer_go_on_in_the_parts_in_which_they_came() -> None:
    taken: list[int] = []

    class Reading(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert isinstance(request.stream, httpx.AsyncByteStream)
            taken.extend([len(part) async for part in request.stream])
            return httpx.Response(200, headers=PROTOBUF, stream=Answering())

    class Answering(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"one"
            yield b"two"

    answer = ask(
        edge_before(Reading()),
        "/v1/fleet/push-object",
        bytes(8 << 20),
        TAX.headers(),
        certificate=TAX.certificate,
        parts=128,
    )
    assert answer.body == b"onetwo"
    assert taken == [65536] * 128
