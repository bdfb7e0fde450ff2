"""What consent and proof cost one online score: `yurong bench log`.

    verify   a department's checks of log, permissions and consent, of one request             wall time
    added    at the bureau   the request's entry in the log, on the disk; what departments are shown of it; the receipt
             departments     verify, cosignature, the use in the book: the processor time of all, divided by this
                             machine's cores, as they work at the same time on machines of their own
             at the bank     the receipt verified

Everything is in one process; what 20 kB more take on a network is in `yurong bench online`.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from coordinator.scores.scoring import Relay
from coordinator.transparency_log.score_proofs import Proven
from crypto.identifiers import ParticipantId
from crypto.obfuscators import ObfuscatorPool
from crypto.transparency.receipt import Receipt
from models.enterprise_id import make_enterprise_ids
from models.wire.online import RelayedRequest
from participants.bank.receipts import check_receipt
from participants.bank.score_request import OpenRequest
from participants.department.data_uses import keep_use
from participants.department.score_checks import OF_THE_RECORD, Asked
from participants.department.scorer import Scorer, Waiting
from participants.home import Home
from simulations.drawn_model import draw_federation
from simulations.errors import CommandFailed
from simulations.local_log import LocalLog
from simulations.online import OnlineFederation
from simulations.online_rehearsal import LentPool

REQUESTS: Final = 60
_WARM_UP: Final = 10
_PROOF_STEPS: Final = OF_THE_RECORD[:-1]
"""All but the last, which is as old as scores are."""


def measure_proven_scores(departments: int) -> dict[str, Any]:
    """Medians in milliseconds, over requests that are made and answered one after the other."""
    rng = np.random.default_rng(5)
    with tempfile.TemporaryDirectory(prefix="yurong-bench-") as directory:
        ids = make_enterprise_ids(rng, REQUESTS + _WARM_UP)
        drawn = draw_federation(Path(directory), departments=departments, enterprise_ids=ids, rng=rng)
        log, bank = LocalLog.of(drawn.bureau), drawn.banks[0]
        with (
            ObfuscatorPool(Home.open(drawn.homes[bank]).bank_keys().paillier, capacity=8) as pool,
            OnlineFederation(drawn.homes, log, bank, drawn.version, new_pool=lambda _: LentPool(pool)) as online,
        ):
            online.prepare()
            asked = [online.ask(enterprise_id) for enterprise_id in ids]
            measured = [_OneScore(online, log, Home.open(drawn.homes[bank])).measure(one) for one in asked]
    kept = measured[_WARM_UP:]
    return {name: float(np.median([one[name] for one in kept])) for name in kept[0]}


class _OneScore:
    """One request on its way, each step of which is timed as far as it is of the log or of consent."""

    def __init__(self, online: OnlineFederation, log: LocalLog, bank: Home) -> None:
        self._online, self._log, self._bank = online, log, bank

    def measure(self, asked: OpenRequest) -> dict[str, float]:
        """Milliseconds by step."""
        relay = self._online.gateway.desk.prepare(asked.request)
        began = time.perf_counter()
        proven = self._log.place_now(relay.document, relay.use_tag)
        placed = time.perf_counter()
        shown = self._shown(relay, proven)
        relayed = time.perf_counter()
        steps = [self._department(name, shown[name]) for name in relay.departments]
        before = time.perf_counter()
        receipt = Receipt(index=proven.index, path=proven.path, note=self._log.note(proven)).encode()
        received = time.perf_counter()
        check_receipt(receipt, asked.statement.entry(relay.document).encode(), self._bank)
        checked = time.perf_counter()
        cores = min(len(steps), os.cpu_count() or 1)
        bureau = (placed - began) + (relayed - placed) + (received - before)
        departments = sum(processor for _, processor in steps) / cores
        return {
            "verify_ms": 1e3 * float(np.median([wall for wall, _ in steps])),
            "added_ms_per_score": 1e3 * (bureau + departments + checked - received),
            "added_ms_at_the_bureau": 1e3 * bureau,
            "added_ms_at_departments": 1e3 * departments,
            "added_ms_at_the_bank": 1e3 * (checked - received),
        }

    def _shown(self, relay: Relay, proven: Proven) -> dict[ParticipantId, RelayedRequest]:
        """What each department gets. The log's end is read once for all: a bureau that serves has it at hand."""
        extension = self._log.extension_for(relay.departments[0], proven)
        shown = relay.messages(proven, lambda _name, _proven: extension)
        return {name: RelayedRequest.decode(data) for name, data in shown.items()}

    def _department(self, name: ParticipantId, relayed: RelayedRequest) -> tuple[float, float]:
        """Wall and processor seconds of one department."""
        waiting = _begun(self._online.scorers[name], relayed)
        asked: Asked = waiting.asked
        with asked.record.recording(expires_at=waiting.until) as connection:
            asked.record.claim_request(asked.digest, now=asked.now)
            began, processor = time.perf_counter(), time.thread_time()
            for check in _PROOF_STEPS:
                check(asked)
            verified = time.perf_counter() - began
            cosignature = asked.evidence.view.cosign(asked.checkpoint, connection)
            keep_use(asked)
            processor = time.thread_time() - processor
        self._log.cosigned(name, self._log.place_now(relayed.document, asked.statement.use_tag), cosignature)
        return verified, processor


def _begun(scorer: Scorer, relayed: RelayedRequest) -> Waiting:
    begun = scorer.begin(relayed)
    if not isinstance(begun, Waiting):
        raise CommandFailed("a department", 1, "it has answered a request that is new")
    return begun
