"""The pool of obfuscators."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator

import pytest

from crypto.errors import ProtectionUnavailable, ProtocolStateError
from crypto.obfuscators import ObfuscatorPool
from crypto.paillier import BankPaillierKey
from crypto.residues import ResidueTable

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


def test_a_pool_may_be_told_to_wait_until_it_is_low_before_it_fills_up_again() -> None:
    with ObfuscatorPool(KEY, capacity=4, refill_below=2) as pool:
        pool.wait_until_full()
        pool.take(), pool.take()
        with pytest.raises(ProtectionUnavailable):
            pool.wait_until_full(timeout_seconds=0.2)
        assert len(pool) == 2
        pool.take()
        pool.wait_until_full()
        assert len(pool) == 4


def test_a_pool_that_fills_when_idle_leaves_a_busy_moment_alone() -> None:
    with ObfuscatorPool(KEY, capacity=6, refill_below=1, idle_seconds=0.3) as pool:
        pool.wait_until_full()
        ends_at = time.monotonic() + 0.6
        while time.monotonic() < ends_at:
            if len(pool) > 2:
                pool.take()
            pool._taken_at = time.monotonic()  # somebody is asking all the time
            time.sleep(0.01)
        assert len(pool) == 2
        pool.wait_until_full(timeout_seconds=10)


@pytest.mark.parametrize("low", [0, -1, 5])
def test_a_pool_that_would_never_or_always_fill_is_refused(low: int) -> None:
    with pytest.raises(ProtocolStateError):
        ObfuscatorPool(KEY, capacity=4, refill_below=low)


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


def test_a_forked_process_has_its_parents_obfuscators_and_is_not_served_one(pool: ObfuscatorPool) -> None:
    pool.wait_until_full()
    child = os.fork()
    if child == 0:
        refused = 0
        try:
            for ask in (pool.take, pool.wait_until_full):
                with contextlib.suppress(ProtocolStateError):
                    ask()
                    continue
                refused += 1
        finally:
            # A pool without the check would serve six factors here that its parent serves as well.
            os._exit(10 * len(pool) + refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 62
    assert KEY.decrypt(KEY.public.encrypt(1, pool.take())) == 1


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
    def fail(_self: ResidueTable, _count: int) -> list[int]:
        raise MemoryError

    monkeypatch.setattr(ResidueTable, "fresh_factors", fail)
    with ObfuscatorPool(KEY.public) as pool:
        with pytest.raises(ProtectionUnavailable) as raised:
            pool.take(timeout_seconds=5)
        assert isinstance(raised.value.__cause__, MemoryError)
        with pytest.raises(ProtectionUnavailable):
            pool.wait_until_full()


def test_a_pool_without_room_is_refused() -> None:
    with pytest.raises(ProtocolStateError):
        ObfuscatorPool(KEY, capacity=0)
