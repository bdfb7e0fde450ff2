"""A participant's Flower app, the same for a department and a bank: one door for every step of the protocols.

A message that is not shaped as `models/wire/transport.py` says is refused at the door. All others go to the
participant's node, which knows the protocols; a repeated one is answered from the stored reply. Nothing but an answer
or an error code leaves: Flower itself would send the text of an exception to the coordinator.

The app keeps nothing in memory that it needs (stock Flower starts a process for every message) and nothing in
Flower's own state (which the coordinator's carrier loses beyond some size, and which dies with the SuperNode).
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from crypto.errors import YurongError
from crypto.identifiers import RequestId
from models.wire import transport
from models.wire.transport import Refusal, ReplyHeader, RequestHeader, TransportRefused
from participants.flower.replies import Outcome, ReplyStore
from participants.flower.training import HOME_KEY

_log = logging.getLogger(__name__)


class Handler(Protocol):
    """What takes part in the protocols: `participants.node.Node`."""

    def handle(self, kind: str, body: bytes) -> bytes:
        """Answer one step."""


def client_app(open_node: Callable[[Path], Handler]) -> ClientApp:
    """An app whose steps are handled by the node that `open_node` finds in a participant's home."""
    flower_app = ClientApp()

    @flower_app.query(transport.MESSAGE_ACTION)
    def step(message: Message, context: Context) -> Message:
        header, outcome = _answer(message, context, open_node)
        return Message(_records(header, outcome), reply_to=message)

    return flower_app


def _answer(
    message: Message, context: Context, open_node: Callable[[Path], Handler]
) -> tuple[RequestHeader | None, Outcome]:
    try:
        header, body = _read(message)
    except TransportRefused as fault:
        return None, Outcome(refusal=fault.code)
    home = context.node_config.get(HOME_KEY)
    if not isinstance(home, str) or not Path(home).is_dir():
        return header, Outcome(refusal=Refusal.NOT_CONFIGURED)
    try:
        return header, _handle_once(header, body, Path(home), open_node)
    except Exception:  # noqa: BLE001 - nothing but a code may leave, whatever happens
        _log.exception("step %s could not be handled", header.kind)
        return header, Outcome(refusal=Refusal.INTERNAL)


def _handle_once(header: RequestHeader, body: bytes, home: Path, open_node: Callable[[Path], Handler]) -> Outcome:
    replies = ReplyStore(home / "replies")
    known = replies.claim(header.request_id, header.kind, body)
    if known is not None:
        return known
    outcome = _handle(header.kind, body, home, open_node)
    replies.settle(RequestId(header.request_id), outcome)
    return outcome


def _handle(kind: str, body: bytes, home: Path, open_node: Callable[[Path], Handler]) -> Outcome:
    try:
        answer = open_node(home).handle(kind, body)
    except YurongError as fault:
        _log.warning("step %s refused: %s", kind, fault.message, extra={"error": fault})
        return Outcome(refusal=type(fault).__name__)
    except Exception:  # noqa: BLE001 - see above
        # Whatever it says may quote a record: it stays in this participant's log.
        _log.exception("step %s failed", kind)
        return Outcome(refusal=Refusal.INTERNAL)
    if len(answer) > transport.MAXIMUM_BODY_BYTES:
        return Outcome(refusal=Refusal.REPLY_TOO_LARGE)
    return Outcome(body=answer)


def _read(message: Message) -> tuple[RequestHeader, bytes]:
    if not message.has_content():
        raise TransportRefused("a request without content", code=Refusal.MALFORMED)
    content = message.content
    header, body = content.get(transport.HEADER_RECORD), content.get(transport.BODY_RECORD)
    if len(content) != 2 or not isinstance(header, ConfigRecord) or not isinstance(body, ArrayRecord):
        raise TransportRefused("a request has other records than ours", code=Refusal.MALFORMED)
    array = body.get(transport.BODY_ARRAY)
    if len(body) != 1 or array is None:
        raise TransportRefused("a request's body is not one array", code=Refusal.MALFORMED)
    request = RequestHeader.parse(dict(header))
    data = transport.check_body(array.dtype, array.shape, array.stype, array.data, too_large=Refusal.TOO_LARGE)
    return request, data


def _records(request: RequestHeader | None, outcome: Outcome) -> RecordDict:
    kind, request_id = (request.kind, str(request.request_id)) if request else ("", "")
    header = ReplyHeader(kind=kind, request_id=request_id, refusal=outcome.refusal)
    array = Array(transport.BODY_DTYPE, (len(outcome.body),), transport.BODY_STYPE, outcome.body)
    return RecordDict(
        {
            transport.HEADER_RECORD: ConfigRecord({**header.values()}),
            transport.BODY_RECORD: ArrayRecord({transport.BODY_ARRAY: array}),
        }
    )


def open_home(home: Path) -> Handler:
    """The node of the participant whose directory is `home`; opened once a process."""
    from participants.node import Node  # imports what the protocols need, which takes seconds

    return Node.open(home)


app = client_app(open_home)
