import os
import subprocess
import sys
from pathlib import Path

import pytest

from crypto.identifiers import RequestId
from models.wire.transport import Refusal
from participants.flower.replies import Outcome, ReplyStore

FIRST = RequestId("run/1/gradient/0")


@pytest.fixture
def store(tmp_path: Path) -> ReplyStore:
    return ReplyStore(tmp_path / "replies")


def answered(store: ReplyStore, request: RequestId, body: bytes) -> None:
    assert store.claim(request, "step", b"question") is None
    store.settle(request, Outcome(body=body))


def test_a_request_is_handled_once_and_answered_again_from_the_disk(store: ReplyStore, tmp_path: Path) -> None:
    answered(store, FIRST, b"answer")
    assert store.claim(FIRST, "step", b"question") == Outcome(body=b"answer")
    assert ReplyStore(tmp_path / "replies").claim(FIRST, "step", b"question") == Outcome(body=b"answer")


def test_an_empty_answer_and_a_refusal_are_remembered_too(store: ReplyStore) -> None:
    answered(store, FIRST, b"")
    assert store.claim(FIRST, "step", b"question") == Outcome(body=b"")
    second = RequestId("second")
    assert store.claim(second, "step", b"question") is None
    store.settle(second, Outcome(refusal="MaskContextReused"))
    assert store.claim(second, "step", b"question") == Outcome(refusal="MaskContextReused")


def test_a_request_id_stands_for_one_request_only(store: ReplyStore) -> None:
    answered(store, FIRST, b"answer")
    assert store.claim(FIRST, "step", b"another question") == Outcome(refusal=Refusal.REQUEST_ID_REUSED)
    assert store.claim(FIRST, "other-step", b"question") == Outcome(refusal=Refusal.REQUEST_ID_REUSED)


def test_a_request_over_which_the_process_died_is_not_handled_again(tmp_path: Path) -> None:
    directory = tmp_path / "replies"
    program = (
        "import os, sys; from pathlib import Path; from participants.flower.replies import ReplyStore;"
        "ReplyStore(Path(sys.argv[1])).claim('dying', 'step', b'question'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, str(directory)], check=False).returncode == 9
    store = ReplyStore(directory)
    assert store.claim(RequestId("dying"), "step", b"question") == Outcome(refusal=Refusal.REQUEST_INTERRUPTED)


@pytest.mark.parametrize("damage", ["shortened", "altered", "gone"])
def test_a_reply_that_is_not_whole_is_never_answered(store: ReplyStore, tmp_path: Path, damage: str) -> None:
    answered(store, FIRST, b"a long enough answer")
    (body,) = (tmp_path / "replies").glob("*.body")
    if damage == "shortened":
        os.truncate(body, 5)
    elif damage == "altered":
        body.write_bytes(b"a long enough anSwer")
    else:
        body.unlink()
    assert store.claim(FIRST, "step", b"question") == Outcome(refusal=Refusal.REQUEST_INTERRUPTED)


def test_old_bodies_are_forgotten_and_their_requests_are_still_not_handled_again(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, bodies=3, body_bytes=25)
    for number in range(5):
        answered(store, RequestId(f"r{number}"), bytes(10))
    assert len(list(tmp_path.glob("*.body"))) == 2
    assert store.claim(RequestId("r4"), "step", b"question") == Outcome(body=bytes(10))
    assert store.claim(RequestId("r0"), "step", b"question") == Outcome(refusal=Refusal.REQUEST_INTERRUPTED)


def test_the_newest_body_is_kept_however_large(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, bodies=3, body_bytes=5)
    answered(store, FIRST, bytes(10))
    assert store.claim(FIRST, "step", b"question") == Outcome(body=bytes(10))


def test_rows_are_bounded(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path, rows=3)
    for number in range(6):
        answered(store, RequestId(f"r{number}"), b"x")
    assert store.claim(RequestId("r5"), "step", b"question") == Outcome(body=b"x")
    assert store.claim(RequestId("r0"), "step", b"question") is None
    assert not (tmp_path / "1.body").exists()


def test_nobody_else_may_read_the_replies(store: ReplyStore, tmp_path: Path) -> None:
    answered(store, FIRST, b"answer")
    assert (tmp_path / "replies").stat().st_mode & 0o077 == 0
    assert all(file.stat().st_mode & 0o077 == 0 for file in (tmp_path / "replies").glob("*.body"))
