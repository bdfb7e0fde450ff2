"""What a node writes down: one line of JSON an event to stderr, with nothing in it that identifies or values anybody.

    {"at": "2026-11-23T18:06:05.123Z", "event": "request failed", "level": "error", "logger": "yurong.requests", …}

What is not on a list of what may be said is left out, so that a careless line costs a word in a log and no secret:

| what                                     | is written                                                              |
|------------------------------------------|-------------------------------------------------------------------------|
| the message of a logger of this project  | as it stands in the source (a test holds every call to a literal)       |
| its arguments                            | numbers, and words that look like names; else `…`                       |
| `extra={...}`                            | the keys of `FIELDS`, each of its form                                  |
| an error                                 | its class and the line of ours that raised it; the message if it is ours|
| anything of a library                    | the logger and the level, from warnings on                              |

A run of characters that could be a social credit code, a key or a digest is left out wherever it stands.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import re
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from crypto.errors import YurongError
from models.hosting.errors import RemoteProblem

OURS: Final = frozenset({"coordinator", "crypto", "models", "participants", "simulations", "yurong"})
"""The first part of the names of this project's loggers and modules."""

_ROOT: Final = Path(__file__).parents[3]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_ROUTE: Final = re.compile(r"/[a-z0-9/_{}-]{0,63}")
# A social credit code has 18 characters, one without its check digits 15; a key or digest has 32 digits and more.
_TELLING: Final = re.compile(
    r"[0-9A-Z]{13,}|[0-9A-Za-z][0-9]{7}[0-9A-Za-z]{7,}|(?=[0-9a-f]*[0-9])[0-9a-f]{24,}|[A-Za-z0-9+/]{42,}=|[\w-]{43,}"
)
_MAXIMUM_CHARACTERS: Final = 300
_LEFT_OUT: Final = "…"


def _number(value: object) -> int | float | None:
    if isinstance(value, bool):
        return None
    return value if isinstance(value, int) else round(value, 6) if isinstance(value, float) else None


def _text(pattern: re.Pattern[str]) -> Callable[[object], object]:
    def form(value: object) -> object:
        good = isinstance(value, str) and pattern.fullmatch(value) and not _TELLING.search(value)
        return str(value) if good else None

    return form


def _flag(value: object) -> object:
    return value if isinstance(value, bool) else None


FIELDS: Final[dict[str, Callable[[object], object]]] = {
    **dict.fromkeys(("seconds", "count", "bytes", "status", "port", "serial", "attempt", "code"), _number),
    **dict.fromkeys(("participant", "role", "run", "step", "model_version", "problem"), _text(_SLUG)),
    **dict.fromkeys(("service", "outcome", "reason", "release", "table", "revision"), _text(_SLUG)),
    "route": _text(_ROUTE),
    "ready": _flag,
}
"""What an event may say beside its name, in `extra`, and in which form. `error` may hold an exception."""


def describe_error(error: BaseException) -> dict[str, str]:
    """An error's class, where it was raised, and its message if that is one of ours."""
    described = {"error": type(error).__name__}
    if isinstance(error, RemoteProblem):
        # What a table of ours says; the detail is the other side's.
        described["problem"] = error.problem.slug
    elif isinstance(error, YurongError) and type(error).__module__.partition(".")[0] in OURS:
        described["message"] = _safe_text(error.message)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in OURS:
            described["where"] = f"{path.relative_to(_ROOT)}:{frame.lineno}"
            break
    return described


def configure_logs(*, level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send every log of the process through the list, to `stream` (stderr). Called once, when a node's process starts.

    Handlers that libraries have hung up are taken down. What Python prints itself of an error that nobody caught goes
    the same way.
    """
    handler = _JsonHandler(stream)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in list(logging.Logger.manager.loggerDict):
        other = logging.getLogger(name)
        other.handlers, other.propagate = [], True
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False
    sys.excepthook = _uncaught
    threading.excepthook = lambda failure: _uncaught(failure.exc_type, failure.exc_value, failure.exc_traceback)
    sys.unraisablehook = lambda failure: _uncaught(failure.exc_type, failure.exc_value, failure.exc_traceback)
    # `structlog.get_logger("participants.x").info("event", seconds=1)` goes the same way.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


class _JsonHandler(logging.Handler):
    """Writes what may be said of a record, one line at a time."""

    _render = structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False)

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self._stream = stream

    def filter(self, record: logging.LogRecord) -> bool:
        """Of a library only what is wrong."""
        return _is_ours(record) or record.levelno >= logging.WARNING

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line. Whatever is wrong with a record or with the stream, its owner goes on."""
        with contextlib.suppress(Exception):
            line = str(self._render(None, record.levelname.lower(), allowed(record)))
            stream = self._stream or sys.stderr
            stream.write(line + "\n")
            stream.flush()


def allowed(record: logging.LogRecord) -> dict[str, Any]:
    """What may be said of a log record."""
    at = dt.datetime.fromtimestamp(record.created, tz=dt.UTC)
    line: dict[str, Any] = {
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name if _NAME.fullmatch(record.name) else _LEFT_OUT,
        "event": _event(record) if _is_ours(record) else "library",
    }
    for name, form in FIELDS.items():
        value = vars(record).get(name)
        if value is not None and (said := form(value)) is not None and _is_ours(record):
            line[name] = said
    error = vars(record).get("error") or (record.exc_info[1] if record.exc_info else None)
    if isinstance(error, BaseException):
        described = describe_error(error)
        line |= described if _is_ours(record) else {"error": described["error"]}
    return line


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in OURS


def _event(record: logging.LogRecord) -> str:
    if not isinstance(record.msg, str):
        return _LEFT_OUT
    arguments = record.args if isinstance(record.args, tuple) else ()
    try:
        return _safe_text(record.msg % tuple(map(_argument, arguments)) if arguments else record.msg)
    except (TypeError, ValueError):
        return _safe_text(record.msg)


def _argument(value: object) -> object:
    if isinstance(value, BaseException):
        return " ".join(describe_error(value).values())
    number = _number(value)
    if number is not None:
        return number
    return value if isinstance(value, str) and _NAME.fullmatch(value) else _LEFT_OUT


def _safe_text(text: str) -> str:
    """One bounded line without whatever looks like an id, a key or a digest."""
    printable = "".join(one if one.isprintable() else " " for one in text[:_MAXIMUM_CHARACTERS])
    return _TELLING.sub(_LEFT_OUT, printable)


def _uncaught(_kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None) -> None:
    if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit):
        logging.getLogger("yurong").critical("an error that nobody caught", extra={"error": error})
