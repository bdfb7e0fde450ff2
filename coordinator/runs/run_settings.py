"""What a run is about, where only the bureau sees it.

A run's configuration in Flower travels to every participant. So it holds two values, the run's name at the bureau and
whether it is taken up again, and the rest is in a file of the bureau's:

    $YURONG_BUREAU/runs/<run>/settings.json
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from coordinator.errors import LinkFailed
from models.hosting.storage.files import private_directory, private_file
from models.wire.app_bundle import RESUME_KEY, RUN_KEY

BUREAU_VARIABLE: Final = "YURONG_BUREAU"
_RUN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

Value = bool | int | float | str


def run_directory(bureau: Path, run: str) -> Path:
    """Where the bureau keeps what it knows of a run. Raises `LinkFailed` for what is no name of one."""
    if _RUN.fullmatch(run) is None:
        raise LinkFailed(
            "a run of Flower's has no name that a run of ours may have", advice="Start it from the bureau."
        )
    return bureau / "runs" / run


def write_run_settings(bureau: Path, run: str, settings: Mapping[str, Value]) -> None:
    """Say what a run is about, before it is started."""
    directory = run_directory(bureau, run)
    private_directory(directory)
    private_file(directory / "settings.json", json.dumps(dict(settings), ensure_ascii=False).encode())


def read_run_settings(config: Mapping[str, Value]) -> dict[str, Value]:
    """What the run is about whose configuration came from Flower; `resume` among it."""
    directory = run_directory(Path(os.environ[BUREAU_VARIABLE]), str(config[RUN_KEY]))
    settings: dict[str, Value] = json.loads((directory / "settings.json").read_bytes())
    return {**settings, RESUME_KEY: bool(config[RESUME_KEY])}
