"""Whose nodes Flower does not take: what the serving bureau leaves for its operator's commands to show."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Final

from models.hosting.storage.files import private_file

_FILE: Final = "nodes-refused.json"


class RefusedNodes:
    """The file in a bureau's home; there is none while all are taken."""

    def __init__(self, home: Path) -> None:
        self._path = home / "superlink" / _FILE

    def write(self, names: Collection[str]) -> None:
        """Name them, in place of those of before."""
        if names:
            private_file(self._path, json.dumps(sorted(names)).encode())
        else:
            self._path.unlink(missing_ok=True)

    def read(self) -> tuple[str, ...]:
        """Their names."""
        try:
            return tuple(str(name) for name in json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return ()
