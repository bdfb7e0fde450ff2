"""Masked sums and group pads."""

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from crypto.errors import MaskContextReused, ProtectionUnavailable, ProtocolStateError
from crypto.fixed_point import Words, from_fixed_point, to_fixed_point
from crypto.identifiers import ParticipantId, RunId
from crypto.identity import Identity
from crypto.masks import ContextLedger, GroupPad, MaskContext, MemoryLedger, PairwiseSecrets
from simulations.adversaries.masks import ForgetfulLedger, difference_of_masked

NAMES = tuple(ParticipantId(name) for name in ("bank-a", "courts", "land", "tax"))
IDENTITIES = {name: Identity.generate() for name in NAMES}
PUBLIC = {name: identity.public for name, identity in IDENTITIES.items()}


def context(**changes: Any) -> MaskContext:
    plain = MaskContext(
        run_id=RunId("run-1"),
        plan_digest=bytes(32),
        round=0,
        attempt=0,
        purpose="image",
        direction="departments-to-bank",
        members=NAMES,
    )
    return replace(plain, **changes)


def secrets_of(name: ParticipantId, ledger: ContextLedger | None = None) -> PairwiseSecrets:
    return PairwiseSecrets(IDENTITIES[name], name, PUBLIC, ledger or MemoryLedger())


def assert_uniform(words: Words) -> None:
    """Chi-square over the values of each of the eight bytes; false alarm once in a million calls.

    Needs no table: the bound is the quantile of chi-square with 255 degrees at 1 - 1e-6 / 8.
    """
    bound = chi2.ppf(1 - 1e-6 / 8, 255)
    octets = words.astype("<u8").view(np.uint8).reshape(-1, 8)
    for position in range(8):
        counts = np.bincount(octets[:, position], minlength=256)
        expected = len(octets) / 256
        assert ((counts - expected) ** 2 / expected).sum() < bound


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 4), st.integers(0, 300))
def test_the_masks_of_all_members_sum_to_zero(members: int, length: int) -> None:
    of = context(members=NAMES[:members])
    masks = [secrets_of(name).zero_sum_mask(of, length) for name in of.members]
    assert all(mask.dtype == np.uint64 and mask.shape == (length,) for mask in masks)
    assert not np.any(np.sum(masks, axis=0, dtype=np.uint64))


def test_a_masked_sum_is_the_sum() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 100, (len(NAMES), 1000))
    masked = [
        to_fixed_point(row, 40) + secrets_of(name).zero_sum_mask(context(), 1000)
        for row, name in zip(values, NAMES, strict=True)
    ]
    total: Words = np.sum(masked, axis=0, dtype=np.uint64)
    np.testing.assert_allclose(from_fixed_point(total, 40), values.sum(axis=0), atol=4 * 2.0**-40)


def test_masked_words_are_uniform_and_so_is_every_sum_that_lacks_a_member() -> None:
    """Error rate: one false alarm in 500,000 runs (two calls)."""
    length = 1 << 17
    masks = [secrets_of(name).zero_sum_mask(context(), length) for name in NAMES]
    plain = to_fixed_point(np.zeros(length), 40)
    assert_uniform(plain + masks[0])
    assert_uniform(np.sum(masks[:-1], axis=0, dtype=np.uint64))


def test_the_uniformity_test_notices_values_that_are_not_masked() -> None:
    with pytest.raises(AssertionError):
        assert_uniform(to_fixed_point(np.random.default_rng(1).normal(size=1 << 17), 40))


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": RunId("run-2")},
        {"plan_digest": b"\x01" * 32},
        {"round": 1},
        {"attempt": 1},
        {"purpose": "gradient"},
        {"direction": "bank-to-departments"},
        {"members": NAMES[:3]},
    ],
)
def test_everything_in_a_context_changes_the_mask(change: dict[str, Any]) -> None:
    secrets = secrets_of(NAMES[0])
    first = secrets.zero_sum_mask(context(), 64)
    second = secrets.zero_sum_mask(context(**change), 64)
    assert not np.any(first == second)


def test_a_context_used_twice_gives_the_difference_away_and_ours_refuses_it() -> None:
    me = NAMES[0]
    before, after = np.array([1.5, -2.0, 0.25]), np.array([1.5, 3.0, 0.5])

    weak = secrets_of(me, ForgetfulLedger())
    first, second = (to_fixed_point(row, 32) + weak.zero_sum_mask(context(), 3) for row in (before, after))
    np.testing.assert_array_equal(difference_of_masked(first, second, 32), after - before)

    ours = secrets_of(me)
    ours.zero_sum_mask(context(), 3)
    with pytest.raises(MaskContextReused):
        ours.zero_sum_mask(context(), 3)
    with pytest.raises(MaskContextReused):
        ours.zero_sum_mask(context(), 5)
    ours.zero_sum_mask(context(attempt=1), 3)


def test_a_sum_of_one_has_no_mask_and_is_refused() -> None:
    with pytest.raises(ProtectionUnavailable):
        context(members=NAMES[:1])


def test_members_out_of_order_or_twice_are_refused() -> None:
    for members in (NAMES[::-1], (NAMES[0], NAMES[0])):
        with pytest.raises(ProtocolStateError):
            context(members=members)
    for change in ({"round": -1}, {"attempt": 1 << 32}):
        with pytest.raises(ProtocolStateError):
            context(**change)


def test_a_mask_is_made_for_members_with_known_peers_only_and_a_refusal_claims_nothing() -> None:
    ledger = MemoryLedger()
    outsider = PairwiseSecrets(Identity.generate(), ParticipantId("water"), PUBLIC, ledger)
    lonely = PairwiseSecrets(IDENTITIES[NAMES[0]], NAMES[0], {NAMES[1]: PUBLIC[NAMES[1]]}, ledger)
    for secrets in (outsider, lonely):
        with pytest.raises(ProtocolStateError):
            secrets.zero_sum_mask(context(), 4)
    with pytest.raises(ProtocolStateError):
        secrets_of(NAMES[0], ledger).zero_sum_mask(context(), -1)
    secrets_of(NAMES[0], ledger).zero_sum_mask(context(), 4)


def test_a_pad_hides_a_groups_sum_and_every_member_takes_it_off() -> None:
    key = GroupPad.new_key()
    words = to_fixed_point(np.arange(100.0), 20)
    hidden = GroupPad(key).hide(context(), words, MemoryLedger())
    assert not np.any(hidden == words)
    np.testing.assert_array_equal(hidden - GroupPad(key).pad(context(), 100), words)
    assert not np.any(GroupPad.generate().pad(context(), 100) == GroupPad(key).pad(context(), 100))
    assert not np.any(GroupPad(key).pad(context(round=1), 100) == GroupPad(key).pad(context(), 100))
    with pytest.raises(ProtocolStateError):
        GroupPad(bytes(31))


def test_a_pad_hides_one_vector_of_a_context_only() -> None:
    pad, ledger = GroupPad.generate(), MemoryLedger()
    pad.hide(context(), np.zeros(2, np.uint64), ledger)
    with pytest.raises(MaskContextReused):
        pad.hide(context(), np.ones(2, np.uint64), ledger)


def test_secrets_are_neither_shown_nor_pickled_nor_copied() -> None:
    for secret in (secrets_of(NAMES[0]), GroupPad.generate()):
        assert "secret" in repr(secret)
        for take in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError):
                take(secret)
