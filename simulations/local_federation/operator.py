"""The people of a federation at their keyboards: what each types, as a process of its own.

Fingerprints go from one to the other beside the documents, as over the telephone: an operator reads them off the
screen of its own node, and the others type them in.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from crypto.identifiers import ParticipantId, Role
from simulations.errors import CommandFailed

Say = Callable[[str], None]

COMMAND_SECONDS: Final = 600.0
YURONG: Final = [sys.executable, "-c", "from simulations.command.main import main; main()"]
"""The command, as this interpreter has it."""
_PACKAGES: Final = Path(__file__).parents[2]

ENVIRONMENT: Final = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who runs one node. `say` hears every command that is typed."""

    name: ParticipantId
    role: Role
    home: Path
    say: Say = lambda _: None

    def type(self, *arguments: str) -> str:
        """Type `yurong <role> <arguments>` and return what it printed; raises `CommandFailed`."""
        return run_command([self.role, *arguments], home=self.home, say=self.say)

    def ask(self, *arguments: str) -> Any:
        """The same with `--json`, read."""
        return json.loads(self.type(*arguments, "--json"))


def run_command(arguments: Sequence[str], *, home: Path, say: Say, seconds: float = COMMAND_SECONDS) -> str:
    """Run `yurong` in a process of its own; return its standard output. Raises `CommandFailed`."""
    say(f"yurong {shlex.join(arguments)}")
    environment = {
        **os.environ,
        **ENVIRONMENT,
        "COLUMNS": str(shutil.get_terminal_size().columns),  # what is printed is shown where this process runs
        "YURONG_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(  # noqa: S603 - the command is ours
        [*YURONG, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
        env=environment,
    )
    if done.returncode != 0:
        # A row that failed stands in what was printed: there is no error beside it.
        lines = [line for line in (done.stderr.strip() or done.stdout).splitlines() if line.strip()]
        raise CommandFailed(shlex.join(["yurong", *arguments]), done.returncode, lines[-1] if lines else "")
    return done.stdout
