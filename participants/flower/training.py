"""What a participant runs to take part in training: a SuperNode and an executor, as two supervised processes.

    for service in training_services(home, bureau="bureau", edge="bureau.example:8444", runtime_port=9094):
        supervisor.start(service)

Each may be killed at any time. The executor connects again to a SuperNode that is back; a SuperNode that was killed is
refused until the bureau has missed two heartbeats (12 s), and tries until then. A step that was under way is sent again
by the bureau, and answered from the stored reply if it had been finished.

Files in `<files>/`, by default `<home>/flower/`: the secret that the two share, the configuration that the app reads,
and `alive`, which is touched with every heartbeat that the bureau took.
"""

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.hosting.operation.flower import flower_environment
from models.hosting.operation.supervisor import Service
from models.hosting.storage.files import private_directory, private_file
from models.wire.app_bundle import CLIENT_APP, SERVER_APP

HOME_KEY: Final = "home"
"""The node configuration's key for the participant's directory; the coordinator does not see it."""

SUPERNODE: Final = "supernode"
EXECUTOR: Final = "executor"
_LOOPBACK: Final = "127.0.0.1"
_SUPERNODE_RESTART_SECONDS: Final = 5.0
_EXECUTOR_RESTART_SECONDS: Final = 1.0
_ALIVE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Apps:
    """The installed apps of a run, each `module:attribute`; a run whose bundle names others is refused."""

    server: str = SERVER_APP
    client: str = CLIENT_APP


def training_services(
    home: Path,
    *,
    bureau: str,
    edge: str,
    runtime_port: int,
    poll_seconds: float = 0.2,
    node: Path | None = None,
    files: Path | None = None,
    apps: Apps | None = None,
    suffix: str = "",
    environment: Mapping[str, str] | None = None,
) -> tuple[Service, Service]:
    """The SuperNode and the executor of the participant whose directory is `home`.

    `node`: the home whose certificate, node key and pins are used, if that is another one. `suffix` is added to the
    services' names.
    """
    files, apps = files or home / "flower", apps or Apps()
    private_directory(files)
    secret, configuration, alive = files / "executor.secret", files / "node.toml", files / "alive"
    private_file(secret, secrets.token_bytes(32))
    private_file(configuration, f"{HOME_KEY} = {json.dumps(str(home.resolve()))}\n".encode())
    flower = {**flower_environment(files), **(environment or {})}
    supernode = [
        *("--home", str(node or home), "--bureau", bureau, "--superlink", edge, "--port", str(runtime_port)),
        *("--secret-file", str(secret), "--node-config", str(configuration)),
        *("--alive", str(alive), "--poll-seconds", str(poll_seconds)),
    ]
    executor = [
        *("--runtime-api", f"{_LOOPBACK}:{runtime_port}", "--secret-file", str(secret)),
        *("--server-app", apps.server, "--client-app", apps.client),
    ]
    return (
        Service(
            SUPERNODE + suffix,
            "participants.flower.supernode:main",
            supernode,
            _SUPERNODE_RESTART_SECONDS,
            lambda started_at: _is_recent(alive, started_at),
            flower,
        ),
        Service(
            EXECUTOR + suffix,
            "participants.flower.executor:main",
            executor,
            _EXECUTOR_RESTART_SECONDS,
            environment=flower,
        ),
    )


def _is_recent(alive: Path, started_at: float) -> bool:
    try:
        touched_at = alive.stat().st_mtime
    except FileNotFoundError:
        return False
    return touched_at > max(started_at, time.time() - _ALIVE_SECONDS)
