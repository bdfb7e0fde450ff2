"""How a server app hands over its progress and its result, the same on both engines: two files named in its run config.

result-path      written in one step (beside it, then renamed) when the app has come to its end
progress-path    lines are appended while it works
"""

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TextIO

from flwr.app.user_config import UserConfig

RESULT_KEY: Final = "result-path"
PROGRESS_KEY: Final = "progress-path"
_LOOK_SECONDS: Final = 0.1

ProgressReader = Callable[[str], None]
"""Is given each line of progress as it appears."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The two files of one run."""

    result: Path
    progress: Path

    @classmethod
    def new(cls, directory: Path) -> Self:
        """Files of their own for a run, in `directory`."""
        name = secrets.token_hex(4)
        outcome = cls(directory / f"result-{name}", directory / f"progress-{name}")
        outcome.progress.touch(mode=0o600)
        return outcome

    def added_to(self, run_config: UserConfig) -> UserConfig:
        """The run configuration that tells the server app of these files."""
        return {**run_config, RESULT_KEY: str(self.result), PROGRESS_KEY: str(self.progress)}

    @contextlib.contextmanager
    def read_progress(self, reader: ProgressReader) -> Iterator[None]:
        """Pass on the lines of progress, from a thread, while the block lasts; all have been passed on when it ends."""
        ended = threading.Event()
        thread = threading.Thread(target=self._follow, args=(reader, ended), name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _follow(self, reader: ProgressReader, ended: threading.Event) -> None:
        with self.progress.open(encoding="utf-8") as lines:
            pending = ""
            while not ended.wait(_LOOK_SECONDS):
                pending = _pass_on(lines, pending, reader)
            _pass_on(lines, pending, reader)


def _pass_on(lines: TextIO, pending: str, reader: ProgressReader) -> str:
    """Pass on the whole lines; what is left of the last one may not have been written yet."""
    *whole, rest = (pending + lines.read()).split("\n")
    for line in whole:
        reader(line)
    return rest
