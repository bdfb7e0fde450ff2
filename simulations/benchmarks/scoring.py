"""How long a score takes: one enterprise online, and a whole register in a batch.

    online   26 departments in this process, one after the other, their pools full; from the bank's encoding of the
             request to the points. Everything is done that is done between machines, through encoded bytes: sealing,
             signing, all checks, records, masks, encryption, the product, decryption, the bank's own block. What is not
             there: the network, and 26 disks. The homes are in memory, where there is such a place (`homes`), because
             departments write to their disks at the same time and this process waits for them in turn, once each;
             `median_on_disk` is with these waits, all on one disk.
    batch    one department masks and encrypts, the bureau adds over all departments, the bank decrypts: streaming, on
             one core.

Wall time is what a user waits; processor time is what a busy machine falsifies less.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crypto.identifiers import ParticipantId, RunId
from crypto.identity import Identity
from crypto.lattice.addition import BLOCK, add_block, decrypt_blocks, encrypt_blocks
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import ADDITION
from crypto.masks import MaskContext, MemoryLedger, PairwiseSecrets
from crypto.obfuscators import ObfuscatorPool
from models.enterprise_id import make_enterprise_ids
from models.wire.plan import require_enough_departments
from models.wire.scoring import PARTIAL_FRACTION_BITS
from models.wire.steps import Purpose
from participants.home import Home
from simulations.drawn_model import DrawnFederation, draw_federation
from simulations.local_log import LocalLog
from simulations.online import OnlineFederation

ONLINE_REQUESTS: Final = 100
_DISK_REQUESTS: Final = 20
_WARM_UP: Final = 5
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private directory is made in it
_SLICE_BLOCKS: Final = 8
"""So many ciphertexts a department are in memory at once."""

_Words = NDArray[np.uint64]


def measure_scoring(departments: int = 26, enterprises: int = 1_000_000) -> dict[str, Any]:
    """Measure both ways; `batch.exact` and `online_ms.exact` say whether every score was the true one."""
    require_enough_departments(departments)
    return {
        "departments": departments,
        "online_ms": {
            **measure_online(departments),
            "median_on_disk": measure_online(departments, _DISK_REQUESTS, Path(tempfile.gettempdir()))["median"],
        },
        "batch": measure_batch(departments, enterprises),
    }


def measure_online(departments: int, requests: int = ONLINE_REQUESTS, directory: Path | None = None) -> dict[str, Any]:
    """Time `requests` scores, one after the other, in milliseconds.

    The homes are made below `directory`: in memory if it is left out and the system has such a place.
    """
    rng = np.random.default_rng(42)
    directory = directory or (_IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(dir=directory) as place:
        ids = make_enterprise_ids(rng, requests + _WARM_UP)
        federation = draw_federation(Path(place), departments=departments, enterprise_ids=ids, rng=rng)
        bank = federation.banks[0]
        key = Home.open(federation.homes[bank]).bank_keys().paillier
        # The bank's own key fills four times as fast, and so this does not refill while it is timed.
        pool = ObfuscatorPool(key, capacity=departments * (requests + _WARM_UP), refill_below=1)
        log = LocalLog.of(federation.bureau)
        with OnlineFederation(federation.homes, log, bank, federation.version, new_pool=lambda _: pool) as online:
            online.prepare()
            pool.wait_until_full(timeout_seconds=600)
            return {**_time_online(online, federation), "homes": str(directory)}


def _time_online(online: OnlineFederation, federation: DrawnFederation) -> dict[str, Any]:
    wall, processor, exact = [], [], True
    for enterprise_id in federation.enterprise_ids:
        online.consents.hold(online.enterprises.consent(enterprise_id, online.bank))
    for row, enterprise_id in enumerate(federation.enterprise_ids):
        offer = online.offer()
        start, start_processor = time.perf_counter(), time.process_time()
        score = online.score(enterprise_id, offer)
        wall.append(1e3 * (time.perf_counter() - start))
        processor.append(1e3 * (time.process_time() - start_processor))
        exact = exact and abs(score.log_odds_default - federation.log_odds(row)) < 2.0**-40
    wall, processor = wall[_WARM_UP:], processor[_WARM_UP:]
    return {
        "median": float(np.median(wall)),
        "p99": float(np.percentile(wall, 99)),
        "processor_median": float(np.median(processor)),
        "requests": len(wall),
        "exact": exact,
    }


@dataclass(slots=True)
class _Stopwatch:
    """Processor and wall seconds by step."""

    processor: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Count what is done within as part of `step`."""
        start, start_processor = time.perf_counter(), time.process_time()
        yield
        self.wall[step] = self.wall.get(step, 0.0) + time.perf_counter() - start
        self.processor[step] = self.processor.get(step, 0.0) + time.process_time() - start_processor


def measure_batch(departments: int, enterprises: int) -> dict[str, Any]:
    """Time one department's masks and encryption, the bureau's sum over all, and the bank's decryption.

    The other departments encrypt as well, or there would be nothing to add: their time, which is spent on other
    machines, is only in `seconds_all_departments_one_core`.
    """
    rng, watch = np.random.default_rng(42), _Stopwatch()
    key = BankLatticeKey.generate(ADDITION)
    members = _members(departments)
    exact, sent = True, 0
    bound = 4 << PARTIAL_FRACTION_BITS
    for number, start in enumerate(range(0, enterprises, _SLICE_BLOCKS * BLOCK)):
        partials = rng.integers(-bound, bound, (departments, min(_SLICE_BLOCKS * BLOCK, enterprises - start)))
        contributions = []
        for j, (member, row) in enumerate(zip(members, partials, strict=True)):
            with watch.timing("mask" if j == 0 else "mask of the others"):
                words = _reduced(row.view(np.uint64) + member.zero_sum_mask(_context(number, departments), row.size))
            with watch.timing("encrypt" if j == 0 else "encrypt of the others"):
                contributions.append(list(encrypt_blocks(key.public, _blocks(words))))
        with watch.timing("add"):
            sums = [add_block(column) for column in zip(*contributions, strict=True)]
        with watch.timing("decrypt"):
            opened = np.concatenate(list(decrypt_blocks(key, sums)))[: partials.shape[1]]
        exact = exact and bool(np.array_equal(opened, _reduced(partials.sum(axis=0).view(np.uint64))))
        sent += sum(len(ciphertext) for ciphertext in contributions[0])
    return _batch_report(watch, departments, enterprises, exact=exact, bytes_sent=sent)


def _batch_report(
    watch: _Stopwatch, departments: int, enterprises: int, *, exact: bool, bytes_sent: int
) -> dict[str, Any]:
    one_core = ("mask", "encrypt", "add", "decrypt")
    return {
        "enterprises": enterprises,
        "departments": departments,
        "seconds_one_core": sum(watch.processor[step] for step in one_core),
        "seconds_wall": sum(watch.wall[step] for step in one_core),
        "seconds_mask_one_department": watch.processor["mask"],
        "seconds_encrypt_one_department": watch.processor["encrypt"],
        "seconds_add": watch.processor["add"],
        "seconds_decrypt": watch.processor["decrypt"],
        "seconds_all_departments_one_core": sum(watch.processor.values()),
        "bytes_per_score": bytes_sent / enterprises,
        "exact": exact,
    }


def _names(departments: int) -> tuple[ParticipantId, ...]:
    return tuple(ParticipantId(f"department-{number:02d}") for number in range(departments))


def _members(departments: int) -> list[PairwiseSecrets]:
    """Each department's pairwise secrets, in order."""
    identities = {name: Identity.generate() for name in _names(departments)}
    peers = {name: identity.public for name, identity in identities.items()}
    return [PairwiseSecrets(identity, name, peers, MemoryLedger()) for name, identity in identities.items()]


def _context(number: int, departments: int) -> MaskContext:
    """The context of one slice of the register."""
    return MaskContext(
        run_id=RunId("benchmark"),
        plan_digest=bytes(32),
        round=number,
        attempt=0,
        purpose=Purpose.PARTIALS,
        direction="bank",
        members=_names(departments),
    )


def _reduced(words: _Words) -> _Words:
    return words & np.uint64(ADDITION.plain_modulus - 1)


def _blocks(words: _Words) -> Iterator[_Words]:
    return (words[start : start + BLOCK] for start in range(0, len(words), BLOCK))
