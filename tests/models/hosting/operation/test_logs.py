"""Whatever is logged, and by whom: no id, no value, no other's text gets into a line."""

from __future__ import annotations

import ast
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.errors import PeerError
from models.enterprise_id import numbered_enterprise_ids
from models.hosting.errors import RemoteProblem
from models.hosting.https.problems import INTERNAL, Problem
from models.hosting.operation import logs
from models.hosting.operation.logs import FIELDS, allowed, configure_logs

ROOT = Path(__file__).parents[4]
SECRET = "91509901MA0000003X"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


class Lines(io.StringIO):
    def read_all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The log of a process that was configured; everything is put back afterwards."""
    root = logging.getLogger()
    before = root.handlers, root.level, sys.excepthook, threading.excepthook, sys.unraisablehook
    handlers = {name: logging.getLogger(name).handlers for name in logging.Logger.manager.loggerDict}
    stream = Lines()
    configure_logs(stream=stream)
    yield stream
    root.handlers, root.level, sys.excepthook, threading.excepthook, sys.unraisablehook = before
    for name, its in handlers.items():
        logging.getLogger(name).handlers = its
    logging.captureWarnings(capture=False)
    logging.raiseExceptions = True
    structlog.reset_defaults()


def raised(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_line_is_json_with_what_may_be_said(lines: Lines) -> None:
    extra = {"seconds": 0.12345678, "participant": "tax", "problem": "not-ready", "route": "/v1/scores", "ready": False}
    logging.getLogger("participants.x").warning("step %s refused after %d tries", "join", 3, extra=extra)
    (line,) = lines.read_all()
    assert line.pop("at").endswith("Z")
    assert line == {
        "event": "step join refused after 3 tries",
        "level": "warning",
        "logger": "participants.x",
        **extra,
        "seconds": 0.123457,
    }


def test_what_is_not_on_the_list_is_left_out(lines: Lines) -> None:
    extra = {"enterprise": SECRET, "participant": SECRET, "body": b"x", "seconds": "0.1", "count": True, "step": "A b"}
    logging.getLogger("yurong.x").info("asked for %s by %s", SECRET, object(), extra=extra)
    (line,) = lines.read_all()
    assert line["event"] == "asked for … by …"
    assert set(line) == {"at", "event", "level", "logger"}


def test_an_error_of_ours_says_its_message_and_any_other_its_class(lines: Lines) -> None:
    log = logging.getLogger("yurong.x")
    log.error("failed", extra={"error": raised(PeerError(f"not understood: {SECRET}"))})
    log.error("failed", extra={"error": raised(ValueError(SECRET))})
    log.error("failed because of %s", raised(KeyError(SECRET)))
    ours, other, argument = lines.read_all()
    assert (ours["error"], ours["message"]) == ("PeerError", "not understood: …")
    assert other["error"] == "ValueError"
    assert "message" not in other
    assert argument["event"] == "failed because of KeyError"
    assert SECRET not in lines.getvalue()


def test_where_an_error_comes_from_is_said() -> None:
    try:
        Problem.from_json(b"no problem")
    except PeerError as error:
        described = logs.describe_error(error)
    assert described["where"].startswith("models/hosting/https/problems.py:")


def test_what_a_remote_says_is_in_no_log(lines: Lines) -> None:
    remote = raised(RemoteProblem(Problem(kind=INTERNAL, detail="their words")))
    logging.getLogger("yurong.x").error("refused", extra={"error": remote})
    (line,) = lines.read_all()
    assert (line["error"], line["problem"]) == ("RemoteProblem", "internal")
    assert "their words" not in lines.getvalue()


def test_a_library_says_that_something_is_wrong_and_no_more(lines: Lines) -> None:
    noisy = logging.getLogger("uvicorn.error")
    noisy.info(SECRET)
    noisy.error("Exception in ASGI application %s", SECRET, exc_info=raised(ValueError(SECRET)))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(SECRET, UserWarning, stacklevel=1)
    first, second = lines.read_all()
    assert first == first | {"event": "library", "logger": "uvicorn.error", "level": "error", "error": "ValueError"}
    assert second["logger"] == "py.warnings"
    assert SECRET not in lines.getvalue()


def test_an_error_that_nobody_caught_says_its_class(lines: Lines) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    error = raised(ValueError(SECRET))
    sys.excepthook(ValueError, error, error.__traceback__)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [line["error"] for line in lines.read_all()] == ["ValueError", "ValueError"]
    assert SECRET not in lines.getvalue()


def test_structlog_goes_the_same_way(lines: Lines) -> None:
    structlog.get_logger("participants.x").info("imported", count=5, body=SECRET)
    structlog.get_logger("uvicorn").info("said", count=5)
    (line,) = lines.read_all()
    assert (line["event"], line["count"], line["logger"]) == ("imported", 5, "participants.x")
    assert SECRET not in lines.getvalue()


def test_handlers_of_libraries_are_taken_down_and_a_broken_line_stops_nobody(lines: Lines) -> None:
    log = logging.getLogger("yurong.x")
    log.info("%d tries", "not a number")
    log.info("100%")
    log.info("%s", object())
    logging.getLogger("yurong.\nforged").info("x")
    assert [line["event"] for line in lines.read_all()] == ["%d tries", "100%", "…", "x"]
    assert lines.read_all()[3]["logger"] == "…"
    lines.close()
    log.info("nobody reads this")


@settings(max_examples=200, deadline=None)
@given(
    number=st.integers(0, 31**6 - 1),
    before=st.text(max_size=5),
    after=st.text(max_size=5),
    field=st.sampled_from(sorted(FIELDS)),
    lower=st.booleans(),
)
def test_no_enterprise_id_gets_into_a_line(number: int, before: str, after: str, field: str, lower: bool) -> None:
    import numpy as np

    (enterprise,) = numbered_enterprise_ids(np.array([number]))
    hidden = enterprise.lower() if lower else str(enterprise)
    text = f"{before} {hidden} {after}"
    record = logging.makeLogRecord({"name": "yurong.x", "msg": "about %s", "args": (hidden,), field: hidden})
    assert hidden not in json.dumps(allowed(record))
    record = logging.makeLogRecord({"name": "yurong.x", "msg": text, "error": raised(PeerError(text))})
    assert hidden not in json.dumps(allowed(record), ensure_ascii=False)


def _log_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls of what a module got from `getLogger` or `get_logger`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            called = node.value.func
            if isinstance(called, ast.Attribute) and called.attr in {"getLogger", "get_logger"}:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {one.id for one in targets if isinstance(one, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            owner = node.func.value
            inline = isinstance(owner, ast.Call) and getattr(owner.func, "attr", "") in {"getLogger", "get_logger"}
            if inline or (isinstance(owner, ast.Name) and owner.id in names):
                yield node


def test_a_message_that_is_put_together_would_be_found() -> None:
    source = (
        "import logging\n_log = logging.getLogger('x')\n_log.info(f'about {name}')\nlogging.getLogger('y').error(name)"
    )
    assert [call.lineno for call in _log_calls(ast.parse(source))] == [3, 4]


def test_every_event_is_named_in_the_source() -> None:
    # What is logged of ours is the message as it stands there: a text that was put together could hold anything.
    found, put_together, unlisted = 0, [], []
    for package in ("coordinator", "crypto", "models", "participants", "simulations"):
        for path in (ROOT / package).rglob("*.py"):
            for call in _log_calls(ast.parse(path.read_text(encoding="utf-8"))):
                found += 1
                place = f"{path.relative_to(ROOT)}:{call.lineno}"
                first = call.args[0] if call.args else None
                if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
                    put_together.append(place)
                for keyword in call.keywords:
                    if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
                        keys = {str(key.value) for key in keyword.value.keys if isinstance(key, ast.Constant)}
                        unlisted += [f"{place}: {key!r}" for key in keys - FIELDS.keys() - {"error"}]
    assert found > 10
    assert put_together == []
    assert unlisted == []
