"""Boxes of reasons on the wire: as many words as there are families, and a context for each department and opener."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from crypto.errors import MalformedMessage
from crypto.identifiers import ParticipantId
from models.reasons.families import packaged_families
from models.wire.reasons import (
    MAXIMUM_BOX_BYTES,
    Opener,
    SealedReasons,
    pack_reasons,
    reasons_context,
    unpack_reasons,
)

FAMILIES = len(packaged_families())


@given(arrays(np.uint64, FAMILIES))
def test_words_are_read_back(words: NDArray[np.uint64]) -> None:
    assert unpack_reasons(pack_reasons(words)).tolist() == words.tolist()


@pytest.mark.parametrize("words", [0, 1, FAMILIES - 1, FAMILIES + 1])
def test_another_number_of_words_is_malformed(words: int) -> None:
    with pytest.raises(MalformedMessage):
        unpack_reasons(bytes(8 * words))
    with pytest.raises(MalformedMessage):
        unpack_reasons(bytes(8 * FAMILIES + 1))


@given(st.sampled_from(Opener), st.binary(max_size=MAXIMUM_BOX_BYTES))
def test_a_message_is_read_back_and_never_too_long(opener: Opener, box: bytes) -> None:
    message = SealedReasons(opener=opener, box=box)
    assert len(message.encode()) <= SealedReasons.MAXIMUM_BYTES
    assert SealedReasons.decode(message.encode()) == message


def test_a_box_that_is_longer_than_any_is_malformed() -> None:
    message = SealedReasons(opener=Opener.BANK, box=bytes(MAXIMUM_BOX_BYTES + 1))
    with pytest.raises(MalformedMessage):
        SealedReasons.decode(message.encode())


def test_every_request_department_and_opener_has_a_context_of_its_own() -> None:
    contexts = {
        reasons_context(request, ParticipantId(department), opener)
        for request in (b"r" * 32, b"s" * 32)
        for department in ("tax", "taxb")
        for opener in Opener
    }
    assert len(contexts) == 8
