"""Programs that would rather not end, for the test of taking processes down."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def patient() -> None:
    time.sleep(600)


def stubborn() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(sys.argv[1]).touch()
    time.sleep(600)


def interrupting() -> None:
    """Asked to end, it interrupts who asked: a Ctrl-C while the engine is being taken down."""

    def interrupt(*_: object) -> None:
        os.kill(os.getppid(), signal.SIGINT)
        sys.exit(0)

    signal.signal(signal.SIGTERM, interrupt)
    Path(sys.argv[1]).touch()
    time.sleep(600)


def parent() -> None:
    """Leaves a child in a session of its own, as Flower's SuperLink does."""
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Path(sys.argv[1]).touch()
    time.sleep(600)


def parent_of_module() -> None:
    """Runs a module by its name, as Flower's executor does."""
    subprocess.run([sys.executable, "-m", sys.argv[1]], stderr=subprocess.DEVNULL, check=False)
    Path(sys.argv[2]).touch()


def same_session_parent() -> None:
    """Leaves a child in its own session, as Flower's SuperExec does."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    draft = Path(sys.argv[1] + ".draft")
    draft.write_text(str(child.pid))
    draft.rename(sys.argv[1])
    time.sleep(600)


def failing() -> None:
    sys.exit("it cannot be done")
