"""The pool of obfuscators."""

import os
import threading
from collections.abc import Iterator

import pytest

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import BankPaillierKey, PaillierPublicKey

KEY = BankPaillierKey.generate()


@pytest.fixture
def pool() -> Iterator[ObfuscatorPool]:
    with ObfuscatorPool(KEY, capacity=6) as made:
        yield made


def test_a_pool_fills_to_its_bound_and_fills_up_again(pool: ObfuscatorPool) -> None:
    pool.wait_until_full()
    assert len(pool) == 6
    ciphertexts = {KEY.public.encrypt(5, pool.take()) for _ in range(20)}
    assert len(ciphertexts) == 20
    assert {KEY.decrypt(ciphertext) for ciphertext in ciphertexts} == {5}
    pool.wait_until_full()
    assert len(pool) == 6


def test_a_department_fills_its_pool_with_the_public_key_alone() -> None:
    with ObfuscatorPool(KEY.public, capacity=2) as pool:
        assert KEY.decrypt(KEY.public.encrypt(8, pool.take())) == 8


def test_many_threads_never_get_the_same_obfuscator(pool: ObfuscatorPool) -> None:
    taken: list[int] = []

    def take() -> None:
        taken.extend(pool.take().spend(KEY.public) for _ in range(8))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 32


def test_a_forked_process_gets_nothing_from_its_parents_pool(
    pool: ObfuscatorPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.wait_until_full()
    weak_child = list(pool._factors)  # what a pool without the check would serve in both processes
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: -1)
        with pytest.raises(ProtocolStateError, match="another process"):
            pool.take()
        with pytest.raises(ProtocolStateError):
            pool.wait_until_full()
    assert pool.take().spend(KEY.public) == weak_child[0]


def test_a_stopped_pool_forgets_and_gives_nothing() -> None:
    pool = ObfuscatorPool(KEY, capacity=2)
    pool.wait_until_full()
    pool.stop()
    pool.stop()
    assert len(pool) == 0
    assert not pool._thread.is_alive()
    with pytest.raises(ProtocolStateError):
        pool.take()


def test_an_empty_pool_gives_up_after_its_time_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: PaillierPublicKey, _count: int) -> list[int]:
        raise MemoryError

    monkeypatch.setattr(PaillierPublicKey, "fresh_factors", fail)
    with ObfuscatorPool(KEY.public) as pool:
        with pytest.raises(ProtectionUnavailable) as raised:
            pool.take(timeout_seconds=5)
        assert isinstance(raised.value.__cause__, MemoryError)
        with pytest.raises(ProtectionUnavailable):
            pool.wait_until_full(timeout_seconds=0.01)


def test_a_pool_without_room_is_refused() -> None:
    with pytest.raises(ProtocolStateError):
        ObfuscatorPool(KEY, capacity=0)
