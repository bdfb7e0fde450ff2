"""Every wire message there is: what was encoded comes back, and nothing else than a canonical encoding is read."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import models.wire
from crypto.errors import MalformedMessage
from models.wire.binning import BlockShape
from models.wire.codec import WireMessage, pack_words, unpack_words
from models.wire.envelope import Envelope, Place
from models.wire.plan import RunPlan
from models.wire.setup import JoinRequest
from models.wire.training import Turn

MODULES = [importlib.import_module(f"models.wire.{one.name}") for one in pkgutil.iter_modules(models.wire.__path__)]
MESSAGES = sorted(
    {
        one
        for module in MODULES
        for one in vars(module).values()
        # A plan's members must make sense together: `test_plan.py`.
        if isinstance(one, type) and issubclass(one, WireMessage) and one not in {WireMessage, RunPlan}
    },
    key=lambda one: one.__name__,
)


def values(annotation: Any, meta: msgspec.Meta | None = None) -> st.SearchStrategy[Any]:
    """Values of an annotated type, within its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(arguments[0], arguments[1])
    if origin in {Union, types.UnionType}:
        return st.one_of([values(one) for one in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[-1] is Ellipsis:
        longest_list = min(3, (meta.max_length if meta else None) or 3)
        return st.lists(values(arguments[0]), max_size=longest_list).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(one) for one in arguments))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    if is_dataclass(annotation) and isinstance(annotation, type):
        return messages(annotation)
    bounds = meta or msgspec.Meta()
    low, high = bounds.ge, bounds.le
    shortest, longest = bounds.min_length or 0, min(bounds.max_length or 40, 40)
    simple: dict[Any, st.SearchStrategy[Any]] = {
        type(None): st.none(),
        bool: st.booleans(),
        int: st.integers(min_value=None if low is None else int(low), max_value=None if high is None else int(high)),
        float: st.floats(
            min_value=bounds.gt if low is None else low,
            max_value=bounds.lt if high is None else high,
            exclude_min=bounds.gt is not None,
            exclude_max=bounds.lt is not None,
            allow_nan=False,
        ),
        str: st.text(min_size=shortest, max_size=longest),
        bytes: st.binary(min_size=shortest, max_size=max(shortest, longest)),
    }
    return simple[annotation]


def messages(message: type[Any]) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(message, include_extras=True)
    return st.builds(message, **{field.name: values(hints[field.name]) for field in fields(message)})


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: one.__name__)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_was_encoded_comes_back_and_a_changed_encoding_is_another_message_or_refused(
    message: type[WireMessage], data: st.DataObject
) -> None:
    original = data.draw(messages(message))
    encoded = original.encode()
    assert message.decode(encoded) == original
    assert message.decode(encoded).encode() == encoded
    changed = bytearray(encoded)
    changed[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    for other in (bytes(changed), encoded[:-1], encoded + b"\0"):
        try:
            read = message.decode(other)
        except MalformedMessage:
            continue
        assert read.encode() == other


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_our_error_alone(data: bytes) -> None:
    for message in MESSAGES:
        try:
            assert message.decode(data).encode() == data
        except MalformedMessage:
            continue


TURN = Turn(run_id="run-1", round=1, attempt=2, departments=("a", "b", "c"), banks=("d",))


def test_other_spellings_of_the_same_values_are_refused() -> None:
    pairs = msgspec.msgpack.decode(TURN.encode())
    assert Turn.decode(msgspec.msgpack.encode(pairs)) == TURN
    for other in (
        msgspec.msgpack.encode(dict(reversed(pairs.items()))),  # another order
        TURN.encode().replace(b"\xa5round\x01", b"\xa5round\xcc\x01"),  # a number in two bytes
        TURN.encode().replace(b"\xa5round\x01", b"\xa5round\xcb" + np.array(1.0, ">f8").tobytes()),  # a float
        msgspec.msgpack.encode(pairs | {"more": 1}),
        msgspec.msgpack.encode({name: value for name, value in pairs.items() if name != "attempt"}),
    ):
        with pytest.raises(MalformedMessage):
            Turn.decode(other)


@pytest.mark.parametrize(
    "message",
    [
        BlockShape(parameters=0, entry_bits=0),
        BlockShape(parameters=1, entry_bits=17),
        Turn(run_id="", round=1, attempt=1, departments=(), banks=()),
        Turn(run_id="r" * 65, round=1, attempt=1, departments=(), banks=()),
        Turn(run_id="r", round=-1, attempt=1, departments=(), banks=()),
        Turn(run_id="r", round=2**41, attempt=1, departments=(), banks=()),
        Envelope(
            place=Place(
                run_id="r",
                plan_digest=bytes(32),
                round=0,
                attempt=0,
                turn=bytes(32),
                step="s",
                sender="a",
                recipients=(),
            ),
            body=b"",
            signature=bytes(63),
        ),
    ],
)
def test_values_out_of_their_bounds_are_refused(message: WireMessage) -> None:
    with pytest.raises(MalformedMessage):
        type(message).decode(message.encode())


def test_a_message_larger_than_its_kind_may_be_is_refused_unread() -> None:
    with pytest.raises(MalformedMessage, match="at most"):
        JoinRequest.decode(bytes(JoinRequest.MAXIMUM_BYTES + 1))


def test_what_is_refused_is_not_repeated_in_the_error() -> None:
    data = msgspec.msgpack.encode({"run_id": "91500000MA5U4TE42D", "round": "91500000MA5U4TE42D"})
    with pytest.raises(MalformedMessage) as refused:
        Turn.decode(data)
    assert "91500000" not in refused.value.message


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_words_are_little_endian_and_of_a_known_number(numbers: list[int]) -> None:
    data = pack_words(np.array(numbers, dtype=np.uint64))
    assert data == b"".join(number.to_bytes(8, "little") for number in numbers)
    assert unpack_words(data, len(numbers)).tolist() == numbers
    with pytest.raises(MalformedMessage):
        unpack_words(data, len(numbers) + 1)
