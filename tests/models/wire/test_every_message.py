"""Every wire message: whatever arrives, only `MalformedMessage` escapes, and what is read is written the same."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from contextlib import suppress
from dataclasses import fields
from enum import Enum
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import models.wire
from crypto.errors import MalformedMessage
from models.wire.codec import WireMessage
from models.wire.plan import RunPlan

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def every_message() -> list[type[WireMessage]]:
    """All classes of messages of `models.wire`, found by looking."""
    modules = [importlib.import_module(one.name) for one in pkgutil.iter_modules(models.wire.__path__, "models.wire.")]
    classes = {one for module in modules for one in vars(module).values() if isinstance(one, type)}
    found = [one for one in classes if issubclass(one, WireMessage) and one is not WireMessage]
    return sorted(found, key=lambda one: one.__qualname__)


MESSAGES = every_message()


def plain(annotation: Any) -> Any:
    """What MessagePack may carry for a field of this type: values of its type, within its bounds and beside them."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return st.one_of([plain(one) for one in get_args(annotation)])
    if get_origin(annotation) is tuple:
        return st.lists(plain(get_args(annotation)[0]), max_size=4)
    if get_origin(annotation) is typing.Literal:
        return st.sampled_from(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from([one.value for one in annotation])
    if isinstance(annotation, type) and issubclass(annotation, WireMessage):
        return shaped(annotation)
    leaves: dict[Any, Any] = {
        bytes: st.one_of(
            st.binary(max_size=8), st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64)
        ),
        str: st.one_of(st.text(max_size=8), st.sampled_from(["tax", "bank-01", "0b" * 16])),
        int: st.one_of(st.integers(-(2**63), 2**64 - 1), st.integers(0, 9)),
        float: st.floats(),
        bool: st.booleans(),
        type(None): st.none(),
    }
    return leaves[annotation]


def shaped(message: type[WireMessage]) -> Any:
    """Maps that have all fields of a message in their order, of the right types."""
    hints = typing.get_type_hints(message, include_extras=True)
    names = [field.name for field in fields(message)]  # type: ignore[arg-type]
    return st.tuples(*(plain(hints[name]) for name in names)).map(lambda values: dict(zip(names, values, strict=True)))


def within(annotation: Any, bounds: msgspec.Meta | None = None) -> Any:
    """Values of a field of this type that are within its bounds."""
    low, high = (0, 4) if bounds is None else (bounds.min_length or 0, min(bounds.max_length or 4, 64))
    if get_origin(annotation) is Annotated:
        return within(
            get_args(annotation)[0], next(one for one in get_args(annotation) if isinstance(one, msgspec.Meta))
        )
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return st.one_of([within(one, bounds) for one in get_args(annotation)])
    if get_origin(annotation) is tuple:
        return st.lists(within(get_args(annotation)[0]), min_size=low, max_size=min(high, 4))
    if isinstance(annotation, type) and issubclass(annotation, WireMessage):
        return whole(annotation)
    if annotation is bytes:
        return st.binary(min_size=low, max_size=max(low, high))
    if annotation is str:
        return st.text("abc", min_size=max(low, 1), max_size=max(low, 8))
    if annotation in (int, float) and bounds is not None:
        lowest = bounds.ge if bounds.ge is not None else bounds.gt
        highest = bounds.le if bounds.le is not None else bounds.lt
        if annotation is int:
            return st.integers(int(lowest or 0), int(highest or 9))
        return st.sampled_from([(float(lowest or 0.0) + float(highest or 1.0)) / 2])
    return plain(annotation)


def whole(message: type[WireMessage]) -> Any:
    """Maps of a message's fields in their order, each within its bounds."""
    hints = typing.get_type_hints(message, include_extras=True)
    names = [field.name for field in fields(message)]  # type: ignore[arg-type]
    return st.tuples(*(within(hints[name]) for name in names)).map(lambda values: dict(zip(names, values, strict=True)))


def read(message: type[WireMessage], data: bytes) -> None:
    try:
        found = message.decode(data)
    except MalformedMessage:
        return
    assert found.encode() == data


def test_messages_are_found_by_looking() -> None:
    names = {one.__name__ for one in MESSAGES}
    assert len(MESSAGES) > 40
    assert names >= {"RelayedRequest", "Envelope", "RunPlan", "ReadyReply"}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: one.__name__)
def test_any_bytes_and_any_altered_message_are_read_or_malformed(message: type[WireMessage]) -> None:
    @QUICK
    @given(st.binary(max_size=300))
    def arbitrary(data: bytes) -> None:
        read(message, data)

    @QUICK
    @given(shaped(message), st.data())
    def altered(values: dict[str, Any], data: st.DataObject) -> None:
        whole = msgspec.msgpack.encode(values)
        read(message, whole)
        place = data.draw(st.integers(0, len(whole) - 1))
        read(message, whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :])
        read(message, whole[:place] + data.draw(st.binary(max_size=8)) + whole[place:])
        read(message, whole[:place])

    arbitrary()
    altered()


# A plan's fields must also fit one another; `test_plan.py` has one that is read.
@pytest.mark.parametrize("message", [one for one in MESSAGES if one is not RunPlan], ids=lambda one: one.__name__)
def test_what_is_within_all_bounds_is_read(message: type[WireMessage]) -> None:
    """Without this a `decode` that refuses everything would pass the test above."""
    read_once: list[bytes] = []

    @QUICK
    @given(whole(message))
    def within_bounds(values: dict[str, Any]) -> None:
        data = msgspec.msgpack.encode(values)
        with suppress(MalformedMessage):  # rules between fields are no bounds of one
            read_once.append(message.decode(data).encode())

    within_bounds()
    assert read_once
