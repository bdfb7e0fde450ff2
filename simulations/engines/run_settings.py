"""What a simulated run is about, where only the bureau sees it: a file beside those of the run.

$YURONG_BUREAU/runs/<run>/settings.json
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from coordinator.runs.run_directory import BUREAU_VARIABLE, run_directory
from models.hosting.storage.files import private_directory, private_file
from models.wire.app_bundle import RESUME_KEY, RUN_KEY

_FILE: Final = "settings.json"

Value = bool | int | float | str


def write_run_settings(bureau: Path, run: str, settings: Mapping[str, Value]) -> None:
    """Say what a run is about, before it is started."""
    directory = run_directory(bureau, run)
    private_directory(directory)
    private_file(directory / _FILE, json.dumps(dict(settings), ensure_ascii=False).encode())


def read_run_settings(config: Mapping[str, Value]) -> dict[str, Value]:
    """What the run is about whose configuration came from Flower; `resume` among it."""
    directory = run_directory(Path(os.environ[BUREAU_VARIABLE]), str(config[RUN_KEY]))
    settings: dict[str, Value] = json.loads((directory / _FILE).read_bytes())
    return {**settings, RESUME_KEY: bool(config[RESUME_KEY])}
