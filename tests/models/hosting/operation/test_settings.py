"""Settings of a node."""

from pathlib import Path

import pytest

from coordinator.settings import BureauSettings
from models.hosting.errors import SettingsRefused
from models.hosting.operation.settings import CONFIG_FILE, HostSettings
from participants.bank.settings import BankSettings
from participants.department.settings import DepartmentSettings

ROLES = [BureauSettings, DepartmentSettings, BankSettings]


def write(home: Path, text: str) -> Path:
    (home / CONFIG_FILE).write_text(text, encoding="utf-8")
    return home


@pytest.mark.parametrize("role", ROLES)
def test_a_sample_explains_every_key_and_is_read_as_the_defaults(role: type[HostSettings], tmp_path: Path) -> None:
    sample = role.sample()
    assert role.read(write(tmp_path, sample)) == role.read(write(tmp_path, ""))
    for name, field in role.model_fields.items():
        assert field.description
        assert f"\n{name} = " in sample


def test_a_sample_takes_values_in_place_of_defaults(tmp_path: Path) -> None:
    settings = DepartmentSettings.read(write(tmp_path, DepartmentSettings.sample(listen_port=8001)))
    assert settings.listen_port == 8001


@pytest.mark.parametrize(
    ("text", "named"),
    [("listen_prot = 1\n", "listen_prot"), ("listen_port = 0\n", "listen_port"), ("a = [\n", CONFIG_FILE)],
)
def test_what_is_not_understood_refuses_to_start_and_is_named(text: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=named) as raised:
        DepartmentSettings.read(write(tmp_path, text))
    assert "\n" not in raised.value.message
    assert raised.value.advice


def test_a_home_without_settings_says_how_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match=CONFIG_FILE):
        BankSettings.read(tmp_path)


def test_a_misspelt_key_in_the_environment_refuses_to_start_where_the_role_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YURONG_BANK_LISTEN_PROT", "7777")
    with pytest.raises(SettingsRefused, match="YURONG_BANK_LISTEN_PROT in the environment names no setting"):
        BankSettings.read(write(tmp_path, ""))
    assert DepartmentSettings.read(write(tmp_path, "")).listen_port == 8443


def test_a_value_is_refused_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YURONG_BANK_LISTEN_PORT", "0")
    with pytest.raises(SettingsRefused) as raised:
        BankSettings.read(write(tmp_path, "listen_port = 5\n"))
    assert raised.value.message.startswith("YURONG_BANK_LISTEN_PORT in the environment is refused")
    assert CONFIG_FILE not in raised.value.message


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YURONG_BANK_LISTEN_PORT", "7777")
    assert BankSettings.read(write(tmp_path, "listen_port = 5\n")).listen_port == 7777
    assert DepartmentSettings.read(write(tmp_path, "listen_port = 5\n")).listen_port == 5
