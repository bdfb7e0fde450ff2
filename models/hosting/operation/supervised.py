"""Runs one entry point, and ends when the process that wanted it ends, however that happens.

    python -m models.hosting.operation.supervised PARENT_PID MODULE:FUNCTION ARGUMENT...

A parent that is killed cannot take its children down; so each child watches for it.
"""

import importlib
import os
import signal
import sys
import threading
import time
from typing import Final

_LOOK_SECONDS: Final = 0.3
_GRACE_SECONDS: Final = 4.0


def end_with(parent: int) -> None:
    """End this process gently, and after a while for certain, when `parent` is its parent no longer."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


def main() -> None:
    """Watch the parent and call the function with the remaining arguments as its command line."""
    parent, reference, *arguments = sys.argv[1:]
    threading.Thread(target=end_with, args=(int(parent),), daemon=True, name="watch-parent").start()
    module, _, function = reference.partition(":")
    sys.argv = [function, *arguments]
    getattr(importlib.import_module(module), function)()


if __name__ == "__main__":
    main()
