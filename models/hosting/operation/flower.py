"""The environment in which Flower's programs run, on either side: nobody is called, nothing is installed.

Flower reports its use to its makers at each start and end, asks them for a newer version, and may install what an app
says it needs. None of that happens here; what an operator has set otherwise does not count.
"""

from pathlib import Path
from typing import Final

_QUIET: Final = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "FLWR_OIDC_ENABLED": "0",
    # How long the executor of server apps sleeps between two looks for a run to start.
    "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": "0.25",
    "PYTHONUNBUFFERED": "1",
}


def flower_environment(directory: Path) -> dict[str, str]:
    """What to set for Flower's programs; what they keep is kept in `directory`."""
    return {**_QUIET, "FLWR_HOME": str(directory)}
