"""The pools of all banks' keys: which are ready, and what becomes of one that fails or is stopped."""

from __future__ import annotations

from collections import deque

import pytest

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.identifiers import ParticipantId
from crypto.paillier import BankPaillierKey, Obfuscator, PaillierPublicKey
from participants.department.errors import ObfuscatorsExhausted
from participants.department.obfuscation import Obfuscators

BANK = ParticipantId("bank")


class HandFilledPool:
    """What is in it was put in by hand."""

    def __init__(self, key: PaillierPublicKey) -> None:
        self.key = key
        self.ready: deque[Obfuscator] = deque([Obfuscator(key, 4)])
        self.fault: Exception | None = None
        self.stopped = False

    def __len__(self) -> int:
        return len(self.ready)

    def take(self, *, timeout_seconds: float) -> Obfuscator:
        assert timeout_seconds >= 0
        if self.stopped:
            raise ProtocolStateError("a pool of obfuscators was stopped")
        if not self.ready:
            raise ProtectionUnavailable("no obfuscator is ready") from self.fault
        return self.ready.popleft()

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture(scope="module")
def key() -> PaillierPublicKey:
    return BankPaillierKey.generate().public


@pytest.fixture
def made() -> list[HandFilledPool]:
    """The pools in the order in which they were made."""
    return []


@pytest.fixture
def obfuscators(made: list[HandFilledPool]) -> Obfuscators:
    def new_pool(key: PaillierPublicKey) -> HandFilledPool:
        made.append(HandFilledPool(key))
        return made[-1]

    return Obfuscators(new_pool)


def test_a_pool_that_is_empty_because_it_cannot_be_filled_is_not_ready_until_it_has_some(
    obfuscators: Obfuscators, made: list[HandFilledPool], key: PaillierPublicKey
) -> None:
    obfuscators.keep({BANK: [key]})
    assert obfuscators.ready([key])
    obfuscators.take(BANK, key, timeout_seconds=0)
    with pytest.raises(ObfuscatorsExhausted):
        obfuscators.take(BANK, key, timeout_seconds=0)
    assert obfuscators.ready([key])  # so much is asked
    made[0].fault = MemoryError()
    with pytest.raises(ObfuscatorsExhausted) as raised:
        obfuscators.take(BANK, key, timeout_seconds=0)
    assert raised.value.__cause__ is made[0].fault
    assert not obfuscators.ready([key])
    made[0].ready.append(Obfuscator(key, 4))
    assert obfuscators.ready([key])


def test_a_pool_that_is_stopped_while_somebody_is_about_to_take_from_it_is_replaced(
    obfuscators: Obfuscators, made: list[HandFilledPool], key: PaillierPublicKey
) -> None:
    obfuscators.keep({BANK: [key]})
    made[0].stop()
    obfuscators.take(BANK, key, timeout_seconds=0)
    assert len(made) == 2
    assert obfuscators.levels() == {BANK: 0}
