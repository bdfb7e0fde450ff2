"""A Flower message as it travels: its content-addressed objects, as Flower's own `deflate` makes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flwr.app import ArrayRecord, ConfigRecord, Message
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from models.wire import transport


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message as it travels: Flower's objects by their ids; `contents` may hold other parcels' as well."""

    message_id: str
    contents: Mapping[str, bytes]
    size: int
    kind: str

    def open(self) -> Message:
        """Inflate the message."""
        contents = cast("dict[str, bytes]", self.contents)
        message = cast("Message", inflate_object_from_contents(self.message_id, contents, keep_object_contents=True))
        message.metadata.__dict__["_message_id"] = self.message_id
        return message


def pack(messages: Sequence[Message]) -> list[Parcel]:
    """Deflate messages; what they share is deflated once."""
    contents: dict[str, bytes] = {}
    parcels = []
    with no_object_id_recompute():
        for message in messages:
            objects = get_all_nested_objects(message)
            for object_id, item in objects.items():
                if object_id not in contents:
                    contents[object_id] = item.deflate()
            size = sum(len(contents[object_id]) for object_id in objects)
            parcels.append(Parcel(message.object_id, contents, size, _kind(message)))
    return parcels


def _kind(message: Message) -> str:
    header = message.content.get(transport.HEADER_RECORD) if message.has_content() else None
    return str(header.get("kind", "")) if isinstance(header, ConfigRecord) else ""


def payload_of(message: Message) -> bytes:
    """The body of a message of ours, or a refusal's code, or the text of an error."""
    if message.has_error():
        return (message.error.reason or "").encode()
    header, body = message.content.get(transport.HEADER_RECORD), message.content.get(transport.BODY_RECORD)
    if isinstance(header, ConfigRecord) and (refusal := header.get("refusal")):
        return str(refusal).encode()
    return b"".join(array.data for array in body.values()) if isinstance(body, ArrayRecord) else b""
