"""What a participant keeps of one run, on its own disk: arrays, facts and bytes, each written whole or not at all.

Flower may start a new process for each message, so nothing that a later step needs lives in memory alone. Files are
safetensors (arrays) and JSON (facts), readable by their owner only, below `runs/<run id>/` of the participant's home.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

from crypto.errors import ProtocolStateError
from crypto.identifiers import RunId

Array = NDArray[Any]


class RunStore:
    """Named pieces of one run. A name may hold slashes: they become folders."""

    def __init__(self, runs: Path, run_id: RunId) -> None:
        self._directory = runs / run_id
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def write_bytes(self, name: str, data: bytes) -> None:
        """Keep `data` under `name`, in place of what was there."""
        path = self._directory / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        draft.replace(path)

    def read_bytes(self, name: str) -> bytes:
        """What was kept under `name`; `ProtocolStateError` if the step that keeps it was not taken."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            raise ProtocolStateError(
                f"this run has not come to {name} here", advice="the bureau asks for the run's steps in order"
            ) from None

    def has(self, name: str) -> bool:
        """Whether something is kept under `name`."""
        return (self._directory / name).is_file()

    def write_arrays(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Keep numpy arrays."""
        self.write_bytes(name, save({key: np.ascontiguousarray(value) for key, value in arrays.items()}))

    def read_arrays(self, name: str) -> dict[str, Array]:
        """The arrays kept under `name`."""
        arrays: dict[str, Array] = load(self.read_bytes(name))
        return arrays

    def write_facts(self, name: str, facts: Mapping[str, Any]) -> None:
        """Keep a JSON object. Floats come back as they were."""
        self.write_bytes(name, json.dumps(facts, sort_keys=True).encode())

    def read_facts(self, name: str) -> dict[str, Any]:
        """The JSON object kept under `name`."""
        facts: dict[str, Any] = json.loads(self.read_bytes(name))
        return facts
