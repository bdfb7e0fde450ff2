"""Sums over banks that every bank reads and the bureau does not.

Each bank adds a zero-sum mask to its share; the leading bank adds a pad as well, whose key all banks have. The bureau
adds the shares up and holds `sum + pad`; every bank takes the pad away.

The bureau can add what it likes to any sum. A number that protection rests on, of rows trained on, is therefore shared
with two secret multiples of itself (`counted_words`): who shifts it has to shift them by as many times as much.

| who    | learns                                                                              |
|--------|-------------------------------------------------------------------------------------|
| bank   | the sum. With two banks that is the other's share; with one there is nothing to hide |
| bureau | uniform words                                                                       |
"""

from __future__ import annotations

import numpy as np

from crypto.errors import PeerError
from crypto.fixed_point import Words
from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.masks import GroupPad, MaskContext
from models.wire.codec import pack_words, unpack_words
from models.wire.envelope import Addressed, post
from models.wire.steps import Purpose, Step
from models.wire.training import Turn
from participants.runs.run import Run

BUREAU = "bureau"

COUNT_WORDS = 3
"""A checked count takes so many words: itself and two multiples."""

COUNT_BITS = 32
"""A shift of the count by less than 2^32 passes with a chance of 2^-64 at most."""


class BankGroup:
    """This bank's side of the banks' common sums."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def make_key(self) -> tuple[Addressed, ...]:
        """At the leading bank: make the group's key and seal it to the other banks."""
        if self._run.me != self._run.leading_bank:
            return ()
        key = GroupPad.new_key()
        self._run.store.write_bytes("group-key", key)
        turn = self._run.setup_turn()
        others = [bank for bank in self._run.plan.bank_ids if bank != self._run.me]
        return post(
            {bank: self._run.say_sealed(Step.MEET, turn, key, to=bank, label=Label.SEALED_GROUP_KEY) for bank in others}
        )

    def take_key(self, payload: bytes) -> None:
        """At the other banks: keep the key that the leading bank made."""
        if self._run.me == self._run.leading_bank:
            return
        key = self._run.hear_sealed(
            payload,
            Step.MEET,
            self._run.setup_turn(),
            sender=self._run.leading_bank,
            label=Label.SEALED_GROUP_KEY,
        )
        GroupPad(key)  # of the right length, or refused before it is kept
        self._run.store.write_bytes("group-key", key)

    def share(self, turn: Turn, purpose: Purpose, words: Words, *, step: int = 0) -> bytes:
        """This bank's share of a sum of words, ready to be sent."""
        shared = words.copy()
        if len(turn.banks) > 1:
            context = self._run.mask_context(turn, purpose, f"banks/{step}", turn.banks)
            shared += self._run.secrets.zero_sum_mask(context, len(words))
        if self._run.me == turn.banks[0]:
            shared = self._pad().hide(self._pad_context(turn, purpose, step), shared, self._run.ledger)
        return pack_words(shared)

    def total(self, turn: Turn, purpose: Purpose, summed: bytes, length: int, *, step: int = 0) -> Words:
        """The sum `(length,)` behind what the bureau added up."""
        return unpack_words(summed, length) - self._pad().pad(self._pad_context(turn, purpose, step), length)

    def counted_words(self, turn: Turn, purpose: Purpose, count: int, *, step: int = 0) -> Words:
        """This bank's part of a checked count, `(COUNT_WORDS,)`: to be shared with all else."""
        factors = self._factors(turn, purpose, step)
        return np.array([count, *(factors * np.uint64(count))], dtype=np.uint64)

    def checked_count(self, turn: Turn, purpose: Purpose, words: Words, *, step: int = 0) -> int:
        """The count in the sum of everybody's `counted_words`; raises `PeerError` if it was shifted on its way."""
        if int(words[0]) >> COUNT_BITS or np.any(words[1:] != self._factors(turn, purpose, step) * words[0]):
            raise PeerError("a count that the banks share was altered on its way")
        return int(words[0])

    def _factors(self, turn: Turn, purpose: Purpose, step: int) -> Words:
        """Two uniform words that the banks know and the bureau does not."""
        return self._pad().pad(self._secret_context(turn, purpose, f"factors/{step}"), COUNT_WORDS - 1)

    def _pad(self) -> GroupPad:
        return GroupPad(self._run.store.read_bytes("group-key"))

    def _pad_context(self, turn: Turn, purpose: Purpose, step: int) -> MaskContext:
        return self._secret_context(turn, purpose, f"pad/{step}")

    def _secret_context(self, turn: Turn, purpose: Purpose, direction: str) -> MaskContext:
        # What stands between the banks and the bureau has the bureau as a member of its context.
        return self._run.mask_context(turn, purpose, direction, (*turn.banks, ParticipantId(BUREAU)))
