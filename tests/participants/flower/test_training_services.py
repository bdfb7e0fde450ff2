"""What a participant runs for training, before anything is started; the rest is in `test_deployment.py`."""

import os
import stat
import time
import tomllib
from pathlib import Path

from models.hosting.operation.supervisor import Service
from participants.flower.training import training_services


def services(home: Path) -> tuple[Service, Service]:
    return training_services(home, bureau="bureau", edge="bureau.example:8444", runtime_port=9094)


def test_the_node_is_ready_while_the_bureau_takes_its_heartbeats(tmp_path: Path) -> None:
    supernode, _ = services(tmp_path)
    alive = tmp_path / "flower" / "alive"
    started_at = time.time() - 120
    assert not supernode.ready(started_at)
    alive.touch()
    assert supernode.ready(started_at)
    os.utime(alive, (time.time() - 60, time.time() - 60))
    assert not supernode.ready(started_at)
    os.utime(alive, (time.time() - 5, time.time() - 5))
    assert supernode.ready(started_at)
    assert not supernode.ready(time.time() - 3), "a heartbeat of an earlier start counts"


def test_the_two_share_a_secret_of_their_own_and_the_bureau_sees_no_path(tmp_path: Path) -> None:
    supernode, executor = services(tmp_path)
    secret = tmp_path / "flower" / "executor.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert str(secret) in supernode.arguments
    assert str(secret) in executor.arguments
    before = secret.read_bytes()
    services(tmp_path)
    assert secret.read_bytes() != before
    assert tomllib.loads((tmp_path / "flower" / "node.toml").read_text()) == {"home": str(tmp_path.resolve())}


def test_flower_calls_nobody_and_installs_nothing(tmp_path: Path) -> None:
    for service in services(tmp_path):
        assert service.environment["FLWR_TELEMETRY_ENABLED"] == "0"
        assert service.environment["FLWR_DISABLE_UPDATE_CHECK"] == "1"
        assert service.environment["FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION"] == "1"
