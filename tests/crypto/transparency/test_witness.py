"""A witness cosigns what extends the state that it saw last, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import MalformedMessage, PeerError, SignatureInvalid
from crypto.merkle import leaf_digest
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.errors import LogForked, NotConsistent, OtherStateSeen
from crypto.transparency.note import KeyUse, Note, NoteKey, NoteSignature
from crypto.transparency.tiles import TileAt, TileEdge, TreeReader
from crypto.transparency.witness import NOTHING, AddCheckpoint, Seen, extended

ORIGIN = "bureau.example/log"
PRIVATE = Ed25519PrivateKey.generate()
KEY = NoteKey(ORIGIN, KeyUse.TEXT, PRIVATE.public_key().public_bytes_raw())


class Log:
    """A log as its keeper wants it: `changed` is the number of an entry that is not what it was."""

    def __init__(self, changed: int | None = None) -> None:
        leaves = [leaf_digest(b"%d changed" % n if n == changed else b"%d" % n) for n in range(100)]
        self._tiles: dict[tuple[int, int], bytes] = {
            (at.level, at.index): digests for at, digests in TileEdge().append(leaves).items()
        }

    def tile(self, at: TileAt) -> bytes:
        return self._tiles[at.level, at.index][: 32 * at.width]

    def seen(self, size: int) -> Seen:
        return Seen(size, TreeReader(self, size).root())

    def asks(self, old: int, new: int, *, private: Ed25519PrivateKey = PRIVATE, origin: str = ORIGIN) -> AddCheckpoint:
        reader = TreeReader(self, new)
        text = Checkpoint(origin, new, reader.root()).encode()
        note = Note(text, (NoteSignature(origin, replace(KEY, name=origin).key_id, private.sign(text)),))
        return AddCheckpoint(old_size=old, proof=reader.consistency(old) if old <= new else (), note=note)


LOG = Log()


def judged(request: AddCheckpoint, seen: Seen) -> Checkpoint:
    return extended(AddCheckpoint.decode(request.encode()), seen, origin=ORIGIN, log_keys=[KEY])


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 1), (0, 100), (1, 2), (7, 64), (64, 65), (99, 100), (50, 50)])
def test_an_extension_is_cosigned(old: int, new: int) -> None:
    checkpoint = judged(LOG.asks(old, new), LOG.seen(old))
    assert (checkpoint.size, checkpoint.root) == (new, LOG.seen(new).root)


def test_a_witness_that_knows_nothing_begins_with_any_state() -> None:
    assert judged(LOG.asks(0, 70), NOTHING).size == 70


def test_an_entry_that_was_changed_behind_a_witness_s_back_shows_in_any_later_state() -> None:
    for changed in (0, 17, 49):
        other = Log(changed)
        for new in (51, 64, 100):
            with pytest.raises(NotConsistent):
                judged(other.asks(50, new), LOG.seen(50))
    # What comes later than the witness has seen, it cannot know otherwise.
    assert judged(Log(50).asks(50, 100), LOG.seen(50)).size == 100


def test_two_states_of_one_size_are_a_fork_whatever_size_the_log_says_it_goes_on_from() -> None:
    for old in (0, 10, 50):
        with pytest.raises(LogForked):
            judged(replace(Log(17).asks(50, 50), old_size=old), LOG.seen(50))


def test_a_log_that_was_rolled_back_is_not_cosigned() -> None:
    for request in (LOG.asks(50, 40), LOG.asks(40, 40), LOG.asks(0, 40), LOG.asks(40, 45)):
        with pytest.raises((OtherStateSeen, NotConsistent)):
            judged(request, LOG.seen(50))


def test_a_log_that_goes_on_from_another_state_is_told_which_was_seen() -> None:
    for old in (0, 49, 51):
        with pytest.raises(OtherStateSeen) as refused:
            judged(LOG.asks(old, 60), LOG.seen(50))
        assert refused.value.size == 50


def test_a_state_that_the_known_log_did_not_sign_is_no_state_of_it() -> None:
    stranger = Ed25519PrivateKey.generate()
    for request in (LOG.asks(0, 5, private=stranger), LOG.asks(0, 5, origin="bureau.example/other")):
        with pytest.raises(SignatureInvalid):
            judged(request, NOTHING)
    with pytest.raises(SignatureInvalid):
        extended(
            LOG.asks(0, 5, origin="bureau.example/other"),
            NOTHING,
            origin=ORIGIN,
            log_keys=[KEY, replace(KEY, name="bureau.example/other")],
        )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *((b"old 7\n", b"old 07\n"), (b"old 7\n", b"7\n"), (b"old 7\n", b"new 7\n"), (b"old 7\n", b"old -7\n")),
        *((b"old 7\n", b"old 7\nYQ==\n"), (b"old 7\n", b"old 7\nno base64\n"), (b"old 7\n", b"old 7\n\n")),
        (b"old 7\n", b"old 7\n" + b"A" * 43 + b"=\n" + (b"A" * 43 + b"=\n") * 63),
    ],
)
def test_a_request_in_another_form_is_refused(old: bytes, new: bytes) -> None:
    data = LOG.asks(7, 64).encode()
    assert data.startswith(old)
    with pytest.raises(MalformedMessage):
        judged(AddCheckpoint.decode(data.replace(old, new, 1)), LOG.seen(7))


@given(st.binary(max_size=300), st.integers(0, 600))
def test_only_our_errors_come_of_a_request_that_was_changed(junk: bytes, at: int) -> None:
    data = LOG.asks(7, 64).encode()
    changed = data[: at % len(data)] + junk + data[at % len(data) + len(junk) :]
    with suppress(PeerError):
        request = AddCheckpoint.decode(changed)
        assert request.encode() == changed
        assert extended(request, LOG.seen(7), origin=ORIGIN, log_keys=[KEY]).root == LOG.seen(64).root
