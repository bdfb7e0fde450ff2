"""What is in `deploy/` is what the code says."""

import configparser
from pathlib import Path

import pytest

from coordinator.settings import BureauSettings
from models.hosting.https.connection import Limits
from models.hosting.operation.settings import HostSettings
from models.hosting.trust.passphrase import GIVEN_IN
from participants.bank.settings import BankSettings
from participants.department.settings import DepartmentSettings

DEPLOY = Path(__file__).parents[2] / "deploy"
ROLES: dict[str, type[HostSettings]] = {
    "bureau": BureauSettings,
    "department": DepartmentSettings,
    "bank": BankSettings,
}


@pytest.mark.parametrize("role", ROLES)
def test_the_sample_configuration_of_a_role_is_the_one_that_init_writes(role: str) -> None:
    assert (DEPLOY / "samples" / f"{role}.toml").read_text(encoding="utf-8") == ROLES[role].sample()


@pytest.mark.parametrize("role", ROLES)
def test_a_unit_serves_its_role_without_rights(role: str) -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # systemd's keys have capitals
    unit.read(DEPLOY / "systemd" / f"yurong-{role}.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith(f"yurong {role} serve")
    assert service["User"] == "yurong"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert int(service["LimitNOFILE"]) > 4 * Limits().connections
    assert float(service["TimeoutStopSec"]) > ROLES[role].model_fields["shutdown_seconds"].default + 30


def test_a_container_has_descriptors_and_time_to_end_as_a_unit_has() -> None:
    compose = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
    assert "nofile: { soft: 65536, hard: 65536 }" in compose
    assert "stop_grace_period: 60s" in compose
    assert "init: true" in compose


def test_the_path_of_the_passphrase_is_not_named_like_the_passphrase() -> None:
    compose = (DEPLOY / "compose.yml").read_text(encoding="utf-8")
    assert "YURONG_PASSPHRASE_SOURCE" in compose
    assert "${" + GIVEN_IN + ":" not in compose


def test_the_image_starts_without_rights_and_does_not_call_home() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "\nUSER yurong\n" in dockerfile
    assert "FLWR_TELEMETRY_ENABLED=0" in dockerfile
