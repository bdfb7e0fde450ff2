"""Whether the masked words that a bureau saw are uniform: chi-square over each hexadecimal digit of each kind of word.

A mask that is missing, used with too few bits or left out at the top shows in some digit of some kind of word. What
does not show is a weak cipher, and one mask used twice; the protocols and their ledger see to these.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from crypto.errors import MalformedMessage
from crypto.lattice.parameters import INNER_PRODUCT
from models.wire.binning import MaskedWords, SummedWords
from models.wire.codec import unpack_words
from models.wire.envelope import Envelope
from models.wire.outcome import ConcludeRequest
from models.wire.steps import Step
from models.wire.training import (
    BeginRequest,
    DirectionReply,
    NewtonRequest,
    OpenReply,
    SearchReply,
    SearchRequest,
)
from simulations.adversaries.curious_bureau import Letter
from simulations.engines.local_grid import BUREAU

DIGITS: Final = 16
FEWEST_PER_DIGIT: Final = 20
"""Expected of each digit at least, or chi-square's distribution is not what it is taken for."""

Words = NDArray[np.uint64]


def masked_words(letters: Iterable[Letter]) -> dict[str, tuple[Words, int]]:
    """All masked words that the bureau saw, by kind, `(words,)` each, with how many of their bits are masked.

    Both what participants sent and the sums that the bureau made of it: nothing of either may be readable to it.
    """
    parts: dict[str, list[bytes]] = {}
    seen: set[bytes] = set()
    for letter in letters:
        if letter.payload not in seen:
            seen.add(letter.payload)
            for name, data in _masked(letter):
                parts.setdefault(name, []).append(data)
    joined = {name: b"".join(data) for name, data in parts.items()}
    return {
        name: (unpack_words(data, len(data) // 8), INNER_PRODUCT.plain_modulus_bits if "opened" in name else 64)
        for name, data in joined.items()
        if data
    }


def differences(letters: Iterable[Letter]) -> dict[str, list[Words]]:
    """By kind, the difference of every two masked vectors of one length that one participant sent.

    Two that carry the same mask differ by what they hide. Vectors too short to judge by their digits are left out.
    """
    sent: dict[tuple[str, str], list[Words]] = {}
    for letter in letters:
        if letter.sender != BUREAU:
            for name, data in _masked(letter):
                sent.setdefault((name, letter.sender), []).append(unpack_words(data, len(data) // 8))
    found: dict[str, list[Words]] = {}
    for (name, _), vectors in sent.items():
        for one, other in combinations(vectors, 2):
            if len(one) == len(other) and len(one) >= DIGITS * FEWEST_PER_DIGIT:
                found.setdefault(name, []).append(one - other)
    return found


def smallest_probability(words: Words, bits: int) -> float:
    """How improbable the most striking digit of `words` is, if all of their low `bits` are uniform; at most 1.

    Corrected for the number of digits looked at (Bonferroni). Where there are too few words to judge each digit by
    itself, all digits are taken together.
    """
    digits = [(words >> np.uint64(shift)).astype(np.int64) & (DIGITS - 1) for shift in range(0, bits - 3, 4)]
    samples = digits if len(words) >= DIGITS * FEWEST_PER_DIGIT else [np.concatenate(digits)]
    return min(1.0, len(samples) * min(_probability(sample) for sample in samples))


def _probability(digits: NDArray[np.int64]) -> float:
    expected = len(digits) / DIGITS
    counts = np.bincount(digits, minlength=DIGITS)
    return float(chi2.sf(((counts - expected) ** 2).sum() / expected, DIGITS - 1))


def _masked(letter: Letter) -> Iterable[tuple[str, bytes]]:
    step, data = Step(letter.kind), letter.payload
    if letter.sender == BUREAU:
        return list(_sums(step, data))
    try:
        return list(_shares(step, data))
    except MalformedMessage:  # an error in place of an answer
        return []


def _shares(step: Step, data: bytes) -> Iterable[tuple[str, bytes]]:
    if step in {Step.BIN_BANK, Step.CURVE_BANK, Step.EVALUATE}:
        yield step, MaskedWords.decode(data).words
    elif step is Step.OPEN:
        opened = OpenReply.decode(data)
        yield "bank gradient", opened.bank_gradient
        for one in opened.opened:
            yield "opened products", Envelope.decode(one.payload).body
    elif step is Step.DIRECTION:
        for one in DirectionReply.decode(data).images:
            yield "images", one.payload
    elif step in {Step.SEARCH, Step.NEWTON}:
        yield "statistics", SearchReply.decode(data).statistics


def _sums(step: Step, data: bytes) -> Iterable[tuple[str, bytes]]:
    if step is Step.CURVE_BANK:
        yield f"sum of {Step.BIN_BANK}", SummedWords.decode(data).words
    elif step is Step.BEGIN:
        yield f"sum of {Step.CURVE_BANK}", BeginRequest.decode(data).totals
    elif step is Step.SEARCH:
        search = SearchRequest.decode(data)
        yield "sum of images", search.image
        yield "sum of bank gradient", search.bank_gradient
    elif step is Step.NEWTON:
        yield "sum of statistics", NewtonRequest.decode(data).statistics
    elif step is Step.CONCLUDE:
        yield f"sum of {Step.EVALUATE}", ConcludeRequest.decode(data).counts
