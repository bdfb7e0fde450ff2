"""What a running node counts, as Prometheus would read it."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping

from simulations.local_federation.founding import Node

Metrics = Mapping[str, float]


def metrics_of(node: Node) -> Metrics:
    """What a node counts, by the name of the sample with its labels."""
    with urllib.request.urlopen(f"{node.operations}/metrics", timeout=30) as answer:  # noqa: S310 - http, loopback
        lines = answer.read().decode().splitlines()
    samples = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def pools_are_full(node: Node, capacity: int, *, banks: int) -> bool:
    """Whether a department has so many obfuscators of each of so many banks."""
    levels = [level for sample, level in metrics_of(node).items() if sample.startswith("yurong_obfuscator_pool_level{")]
    return len(levels) == banks and min(levels) >= capacity
