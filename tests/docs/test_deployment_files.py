"""What is in `deploy/` is what the code says."""

import configparser
from pathlib import Path

import pytest

from coordinator.settings import BureauSettings
from models.hosting.operation.settings import HostSettings
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


def test_the_image_starts_without_rights_and_does_not_call_home() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "\nUSER yurong\n" in dockerfile
    assert "FLWR_TELEMETRY_ENABLED=0" in dockerfile
