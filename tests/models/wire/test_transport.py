import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage
from crypto.identifiers import RequestId
from models.wire import transport
from models.wire.transport import Refusal, ReplyHeader, RequestHeader, TransportRefused

REQUEST = RequestHeader(kind="gradient", request_id=RequestId("run-1/3/0"))


def test_headers_survive_the_round_trip() -> None:
    assert RequestHeader.parse(REQUEST.values()) == REQUEST
    for refusal in ("", "MaskContextReused"):
        reply = ReplyHeader(kind="gradient", request_id="run-1/3/0", refusal=refusal)
        assert ReplyHeader.parse(reply.values()) == reply
        assert reply.answers(REQUEST)


def test_a_reply_to_another_request_is_no_answer() -> None:
    assert not ReplyHeader(kind="gradient", request_id="run-1/4/0").answers(REQUEST)
    assert not ReplyHeader(kind="image", request_id="run-1/3/0").answers(REQUEST)
    assert not ReplyHeader(kind="", request_id="").answers(REQUEST)
    assert ReplyHeader(kind="", request_id="", refusal=Refusal.MALFORMED).answers(REQUEST)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({}, Refusal.MALFORMED),
        ({"version": True, "kind": "a", "request": "b"}, Refusal.MALFORMED),
        ({"version": 2, "kind": "a", "request": "b"}, Refusal.UNKNOWN_VERSION),
        ({"version": 2, "whatever": b""}, Refusal.UNKNOWN_VERSION),
        ({"version": 1, "kind": "a"}, Refusal.MALFORMED),
        ({"version": 1, "kind": "a", "request": "b", "more": 1}, Refusal.MALFORMED),
        ({"version": 1, "kind": 5, "request": "b"}, Refusal.MALFORMED),
        ({"version": 1, "kind": "../x", "request": "b"}, Refusal.MALFORMED),
        ({"version": 1, "kind": "a", "request": ""}, Refusal.MALFORMED),
        ({"version": 1, "kind": "a", "request": "b\n"}, Refusal.MALFORMED),
    ],
)
def test_a_header_that_is_not_ours_is_refused_with_a_code(values: dict[str, object], code: Refusal) -> None:
    with pytest.raises(TransportRefused) as refused:
        RequestHeader.parse(values)
    assert refused.value.code == code


values_of_flower = st.one_of(st.integers(), st.text(max_size=20), st.binary(max_size=20), st.booleans(), st.floats())


@given(st.dictionaries(st.sampled_from(["version", "kind", "request", "refusal", "x"]), values_of_flower))
def test_only_our_error_escapes_from_reading_a_header(values: dict[str, object]) -> None:
    for header in (RequestHeader, ReplyHeader):
        with contextlib.suppress(MalformedMessage):
            header.parse(values)


def test_a_refusal_cannot_carry_text() -> None:
    with pytest.raises(TransportRefused):
        ReplyHeader(kind="a", request_id="b", refusal="secret value 42")


def test_a_body_must_be_one_array_of_raw_bytes_within_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"12345"
    good = (transport.BODY_DTYPE, (5,), transport.BODY_STYPE)
    assert transport.check_body(*good, body, too_large=Refusal.TOO_LARGE) is body
    for bad in (("float32", (5,), "yurong"), ("bytes", (4,), "yurong"), ("bytes", (5,), "numpy.ndarray")):
        with pytest.raises(TransportRefused):
            transport.check_body(*bad, body, too_large=Refusal.TOO_LARGE)
    monkeypatch.setattr(transport, "MAXIMUM_BODY_BYTES", 4)
    with pytest.raises(TransportRefused) as refused:
        transport.check_body(*good, body, too_large=Refusal.REPLY_TOO_LARGE)
    assert refused.value.code == Refusal.REPLY_TOO_LARGE
