"""How long a score takes between real nodes, how many a second there are, how many bytes pass the bureau.

A bureau and departments, each a process started by `yurong ... serve`, with TLS on the loopback; a bank, which asks
(`asking_bank.py`), is one more. Their model was drawn, all else is as operators have it (`local_federation/drawn.py`).
Departments fill their pools while nobody asks, as they do at night, to what the measurement takes.

`latency_ms.parts` of a score that is asked for alone, means, which add up to its mean:

    cryptography   wall time of the bank's sealing, signing and opening and of the bureau's checks and product; of the
                   departments' checks, masks, encryption and record the processor time of all, divided by this
                   machine's cores: they cannot take less than that, and take more when the cores have more to do
    waiting        for a turn at the bureau; for an obfuscator, the greatest of the departments' means
    network        the rest: TLS, HTTP, signatures of requests, disks, and the ways between 28 processes. Below 0 the
                   other parts would be more than the whole

`processor_ms_per_score` is of the bureau, the departments and the bank. `bytes_through_bureau` are HTTP's, all heads
and bodies, probes among them, with banks and with departments, in both directions; `bytes_on_departments_connections`
are the kernel's of the latter, TLS's own among them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from crypto.identifiers import ParticipantId, Role
from simulations.benchmarks.node_start import measure_start
from simulations.benchmarks.tcp_bytes import bytes_of_connections, grown
from simulations.errors import CommandFailed
from simulations.local_federation.drawn import DrawnNodes, found_drawn_nodes
from simulations.local_federation.federation import LocalFederation, serving
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.metrics import Metrics, metrics_of, pools_are_full
from simulations.local_federation.operator import ENVIRONMENT

ONE_BY_ONE: Final = 200
WARM_UP: Final = 10
_START_SECONDS: Final = 300.0
_FILL_SECONDS: Final = 1200.0
_QUIET_SECONDS: Final = 3.0
_ASKING_SECONDS: Final = 900.0


def measure_online(
    departments: int = 26,
    seconds: float = 60.0,
    rate: float = 15.0,
    enterprises: int = 1_000_000,
    *,
    one_by_one: int = ONE_BY_ONE,
) -> dict[str, Any]:
    """Measure `one_by_one` scores, each after the other, then `rate` a second for so long; and a department's start.

    enterprises: of the department that is started; 0 leaves that out.
    """
    offered = int(seconds * rate)
    capacity = max(one_by_one + WARM_UP, offered) + 32
    with tempfile.TemporaryDirectory(prefix="yurong-online-") as name:
        directory = Path(name)
        founded = found_drawn_nodes(
            directory / "homes",
            departments=departments,
            banks=1,
            enterprises=one_by_one + WARM_UP + offered,
            settings={Role.DEPARTMENT: {"obfuscator_capacity": capacity}},
        )
        ids = founded.drawn.enterprise_ids
        with serving(founded.nodes, directory) as running:
            asked = _Asked(founded, running, directory)
            pools = asked.start(capacity)
            asked.warm_up(ids[:WARM_UP])
            latency = asked.alone(ids[WARM_UP : WARM_UP + one_by_one])
            asked.fill(capacity)
            load = asked.under_load(ids[WARM_UP + one_by_one :], rate)
        start = measure_start(directory / "start", enterprises) if enterprises else {}
    return {
        "departments": departments,
        "cores": os.cpu_count(),
        "load_average_before": asked.load_average,
        "pools": pools,
        **latency,
        "throughput": load,
        **start,
    }


@dataclass(frozen=True, slots=True)
class _Before:
    """What the nodes had counted before a measurement."""

    bureau: Metrics
    departments: Mapping[ParticipantId, Metrics]
    processor_seconds: float
    connection_bytes: dict[str, int] | None


class _Asked:
    """The nodes, while they are asked."""

    def __init__(self, founded: DrawnNodes, running: LocalFederation, directory: Path) -> None:
        self._founded, self._running, self._directory = founded, running, directory
        self._departments = {name: founded.nodes[name] for name in founded.drawn.departments}
        self.load_average = os.getloadavg()[0]

    def start(self, capacity: int) -> dict[str, Any]:
        """Start all nodes and let their pools fill."""
        names = (*self._departments, BUREAU)
        began = time.monotonic()
        self._running.start(names)
        self._running.wait_until_ready(names, seconds=_START_SECONDS)
        started = time.monotonic()
        self.fill(capacity)
        return {
            "capacity": capacity,
            "seconds_to_start_all": started - began,
            "seconds_to_fill_all": time.monotonic() - started,
        }

    def fill(self, capacity: int) -> None:
        """Wait until every department's pool is full."""
        until = time.monotonic() + _FILL_SECONDS
        for node in self._departments.values():
            while not pools_are_full(node, capacity, banks=len(self._founded.drawn.banks)):
                if time.monotonic() > until:
                    raise CommandFailed("yurong department serve", 1, f"the pool of {node.name} does not fill")
                time.sleep(1.0)
        time.sleep(_QUIET_SECONDS)

    def warm_up(self, ids: Sequence[str]) -> None:
        """Scores that nothing is measured of: what each node opens and reads first."""
        self._ask(ids)

    def alone(self, ids: Sequence[str]) -> dict[str, Any]:
        """One score after the other."""
        before = self._look()
        told = self._ask(ids)
        after, taken = self._look(), np.array(told["milliseconds"])
        asked, mean = len(ids), float(taken.mean())
        bureau = _Difference(before.bureau, after.bureau, asked)
        departments = [_Difference(before.departments[one], after.departments[one], asked) for one in self._departments]
        computed = 1e3 * sum(one.of("yurong_partial_score_processor_seconds_total") for one in departments)
        waited = max(one.part("yurong_partial_score_seconds", "obfuscator") for one in departments)
        own = bureau.part("yurong_gateway_seconds", "cryptography") + told["cryptography_ms"]
        cryptography = own + computed / min(len(departments), os.cpu_count() or 1)
        waiting = bureau.part("yurong_gateway_seconds", "waiting") + waited
        carried = grown(before.connection_bytes, after.connection_bytes)
        return {
            "latency_ms": {
                "p50": float(np.median(taken)),
                "p99": float(np.percentile(taken, 99)),
                "mean": mean,
                "scores": len(taken),
                "errors": told["errors"],
                "parts": {
                    "cryptography": cryptography,
                    "network": mean - cryptography - waiting,
                    "waiting": waiting,
                },
            },
            "processor_ms_per_score": _processor_ms(before, after, told) / asked,
            "bytes_through_bureau": bureau.of("yurong_gateway_bytes_total"),
            "bytes_on_departments_connections": None if carried is None else carried / asked,
        }

    def under_load(self, ids: Sequence[str], rate: float) -> dict[str, Any]:
        """So many a second, whatever became of those before."""
        before = self._look()
        told = self._ask(ids, "--rate", str(rate))
        after, taken = self._look(), np.array(told["milliseconds"] or [0.0])
        return {
            "offered_per_second": rate,
            "per_second": len(told["milliseconds"]) / told["seconds"],
            "seconds": told["seconds"],
            "errors": sum(told["errors"].values()),
            "errors_by_type": told["errors"],
            "departments_missing": told["missing"],
            "p50_ms": float(np.median(taken)),
            "p99_ms": float(np.percentile(taken, 99)),
            "processor_ms_per_score": _processor_ms(before, after, told) / len(ids),
        }

    def _ask(self, ids: Iterable[str], *options: str) -> dict[str, Any]:
        file = self._directory / "ids"
        file.write_text("\n".join(ids), encoding="ascii")
        home = self._founded.drawn.homes[self._founded.drawn.banks[0]]
        command = [sys.executable, "-m", "simulations.benchmarks.asking_bank", str(home), str(file), *options]
        done = subprocess.run(  # noqa: S603 - ourselves
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=_ASKING_SECONDS,
            env={**os.environ, **ENVIRONMENT},
        )
        if done.returncode:
            raise CommandFailed("a bank", done.returncode, (done.stderr.strip().splitlines() or [""])[-1])
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def _look(self) -> _Before:
        names = (*self._departments, BUREAU)
        return _Before(
            bureau=metrics_of(self._founded.nodes[BUREAU]),
            departments={name: metrics_of(node) for name, node in self._departments.items()},
            processor_seconds=sum(_processor_seconds(self._running, name) for name in names),
            connection_bytes=bytes_of_connections(self._running.supervisor.child(BUREAU).process.pid),
        )


class _Difference:
    """What one node counted in the course of so many scores, for each of them."""

    def __init__(self, before: Metrics, after: Metrics, scores: int) -> None:
        self._grown = {key: (value - before.get(key, 0.0)) / scores for key, value in after.items()}

    def of(self, name: str) -> float:
        """A counter, over all of its labels."""
        return sum(value for key, value in self._grown.items() if key.split("{")[0] == name)

    def part(self, name: str, *parts: str) -> float:
        """Milliseconds that these parts of a histogram took."""
        return 1e3 * sum(self._grown.get(f'{name}_sum{{part="{part}"}}', 0.0) for part in parts)


def _processor_ms(before: _Before, after: _Before, told: Mapping[str, Any]) -> float:
    """Of the nodes between two looks, and of the bank."""
    return 1e3 * (after.processor_seconds - before.processor_seconds + float(told["processor_seconds"]))


def _processor_seconds(running: LocalFederation, name: ParticipantId) -> float:
    """What a node's process has used: proc(5), utime and stime."""
    stat = Path(f"/proc/{running.supervisor.child(name).process.pid}/stat").read_text(encoding="ascii")
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
