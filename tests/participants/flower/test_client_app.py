"""The participants' app as stock Flower runs it: each message in a process of its own, nothing kept but the home."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from crypto.errors import InvalidCiphertext
from participants.flower.client_app import Handler, client_app


@pytest.fixture(autouse=True)
def _inside_a_run() -> None:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1


def request(kind: str = "step", body: bytes = b"question", request_id: str = "r1") -> Message:
    header = ConfigRecord({"version": 1, "kind": kind, "request": request_id})
    array = Array("bytes", (len(body),), "yurong", body)
    content = RecordDict({"header": header, "body": ArrayRecord({"bytes": array})})
    return Message(content, 2, "query.step")


def context(home: object) -> Context:
    return Context(1, 2, {"home": home} if home else {}, RecordDict(), {})  # type: ignore[dict-item]  # also wrong ones


def header(reply: Message) -> dict[str, object]:
    record = reply.content["header"]
    assert isinstance(record, ConfigRecord)
    return dict(record)


def body(reply: Message) -> bytes:
    record = reply.content["body"]
    assert isinstance(record, ArrayRecord)
    return record["bytes"].data


class Counting(Handler):
    def __init__(self) -> None:
        self.calls = 0

    def handle(self, kind: str, body: bytes) -> bytes:
        self.calls += 1
        if kind == "forged":
            raise InvalidCiphertext("a ciphertext of 91500000MA5U4TE42D is not one")
        if kind == "broken":
            raise KeyError("91500000MA5U4TE42D")
        return b"%d:" % self.calls + body


@pytest.fixture
def node() -> Counting:
    return Counting()


def test_an_answer_says_what_it_answers(node: Counting, tmp_path: Path) -> None:
    reply = client_app(lambda _: node)(request(), context(str(tmp_path)))
    assert header(reply) == {"version": 1, "kind": "step", "request": "r1", "refusal": ""}
    assert body(reply) == b"1:question"


def test_a_repeated_request_gets_the_same_answer_without_being_handled(node: Counting, tmp_path: Path) -> None:
    first, second = (client_app(lambda _: node)(request(), context(str(tmp_path))) for _ in range(2))
    assert body(first) == body(second)
    assert node.calls == 1


@pytest.mark.parametrize(("kind", "code"), [("forged", "InvalidCiphertext"), ("broken", "InternalError")])
def test_an_error_leaves_as_a_code_and_so_does_its_repetition(
    node: Counting, tmp_path: Path, kind: str, code: str
) -> None:
    for _ in range(2):
        reply = client_app(lambda _: node)(request(kind), context(str(tmp_path)))
        assert header(reply)["refusal"] == code
        assert body(reply) == b""
        assert "91500000MA5U4TE42D" not in str(reply)
    assert node.calls == 1


@pytest.mark.parametrize("home", [None, 5, "/no/such/home"])
def test_a_participant_without_its_home_refuses(node: Counting, home: object) -> None:
    reply = client_app(lambda _: node)(request(), context(home))
    assert header(reply)["refusal"] == "ParticipantNotConfigured"


def test_a_store_that_cannot_be_written_is_a_refusal(node: Counting, tmp_path: Path) -> None:
    (tmp_path / "replies").write_text("not a directory")
    reply = client_app(lambda _: node)(request(), context(str(tmp_path)))
    assert header(reply)["refusal"] == "InternalError"
    assert node.calls == 0


PROGRAM = """
import json, os, sys
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity
from participants.flower.client_app import client_app
TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1
class Node:
    def handle(self, kind, body):
        if kind == "dies":
            os._exit(9)
        return str(os.getpid()).encode()
kind, request_id, home = sys.argv[1:]
array = Array("bytes", (0,), "yurong", b"")
records = {"header": ConfigRecord({"version": 1, "kind": kind, "request": request_id})}
message = Message(RecordDict({**records, "body": ArrayRecord({"bytes": array})}), 2, "query.step")
reply = client_app(lambda home: Node())(message, Context(1, 2, {"home": home}, RecordDict(), {}))
print(json.dumps([reply.content["header"]["refusal"], reply.content["body"]["bytes"].data.decode()]))
"""


def in_a_process(kind: str, request_id: str, home: Path) -> list[str] | None:
    command = [sys.executable, "-c", PROGRAM, kind, request_id, str(home)]
    done = subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[3])
    return list(json.loads(done.stdout)) if done.returncode == 0 else None


def test_a_reply_outlives_the_process_that_gave_it(tmp_path: Path) -> None:
    first, second = in_a_process("step", "r1", tmp_path), in_a_process("step", "r1", tmp_path)
    assert first is not None
    assert first == second


def test_a_step_over_which_the_process_died_is_not_taken_again(tmp_path: Path) -> None:
    assert in_a_process("dies", "r1", tmp_path) is None
    assert in_a_process("dies", "r1", tmp_path) == ["RequestInterrupted", ""]
