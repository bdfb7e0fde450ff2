"""The calls of Flower's that a participant's SuperNode makes, and what must hold of each before it is passed on.

| call                     | what the participant does                                     | body at most |
|--------------------------|---------------------------------------------------------------|--------------|
| activate-node            | connects                                                      | 64 KiB       |
| deactivate-node          | leaves                                                        | 64 KiB       |
| send-node-heartbeat      | says that it is there                                         | 64 KiB       |
| pull-messages            | asks for a step of a run                                      | 64 KiB       |
| pull-object              | fetches a part of that step                                   | 64 KiB       |
| confirm-message-received | says that it has all parts                                    | 64 KiB       |
| get-run, get-fab         | fetches a run's configuration and bundle                      | 64 KiB       |
| push-messages            | announces its reply                                           | 1 MiB        |
| push-object              | delivers a part of the reply                                  | 8 MiB        |

Nodes are registered by the bureau, never by themselves; so two more calls of Flower's are not among these.

The SuperLink checks that a caller has the key of the node that it names. It does not check whose reply a caller
delivers: a node could answer in another's place, or, with a message that is no reply, send the others a step of a run
as if it were the bureau. So what a caller announces is read here: one reply, from its own node, to the SuperLink.
"""

from dataclasses import dataclass
from typing import Final

from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto.fleet_pb2 import PushMessagesRequest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from models.hosting.errors import RequestRefused
from models.hosting.https.problems import FORBIDDEN, MALFORMED

_SMALL: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class Call:
    """One call: `path` as it is sent, `maximum_bytes` of its body, and whether the body is read before it goes on."""

    path: str
    maximum_bytes: int = _SMALL
    is_read: bool = False


_NAMES: Final = (
    *("activate-node", "deactivate-node", "send-node-heartbeat", "pull-messages", "pull-object"),
    *("confirm-message-received", "get-run", "get-fab"),
)
CALLS: Final = {
    call.path.encode(): call
    for call in (
        *(Call(f"/v1/fleet/{name}") for name in _NAMES),
        Call("/v1/fleet/push-messages", 1 << 20, is_read=True),
        # Flower cuts arrays into chunks of 5 MB.
        Call("/v1/fleet/push-object", 8 << 20),
    )
}
"""All calls, by their path's bytes: a path that is written otherwise is another path."""


def check_announcement(body: bytes) -> None:
    """Raise `RequestRefused` unless a push-messages call announces one reply of the very node that it names."""
    try:
        request = PushMessagesRequest.FromString(body)
    except DecodeError:
        raise RequestRefused(MALFORMED) from None
    if len(request.messages_list) != 1 or len(request.message_object_trees) != 1:
        raise RequestRefused(MALFORMED)
    about = request.messages_list[0].metadata
    own = about.src_node_id == request.node.node_id != SUPERLINK_NODE_ID
    if not own or about.dst_node_id != SUPERLINK_NODE_ID or not about.reply_to_message_id:
        raise RequestRefused(FORBIDDEN)
