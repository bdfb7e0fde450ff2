"""What a department's settings refuse, before anybody asks it for a score."""

from pathlib import Path

import pytest

from models.hosting.errors import SettingsRefused
from models.hosting.operation.settings import CONFIG_FILE
from participants.department.obfuscation import PoolSettings
from participants.department.settings import DepartmentSettings


def read(home: Path, text: str) -> DepartmentSettings:
    (home / CONFIG_FILE).write_text(text, encoding="utf-8")
    return DepartmentSettings.read(home)


@pytest.mark.parametrize("text", ["obfuscator_capacity = 31\n", "obfuscator_capacity = 4\nobfuscator_low = 5\n"])
def test_a_pool_that_would_be_refilled_beyond_its_room_refuses_to_start(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="above obfuscator_capacity, which is"):
        read(tmp_path, text)


def test_a_pool_may_be_refilled_as_soon_as_one_is_missing(tmp_path: Path) -> None:
    settings = read(tmp_path, "obfuscator_capacity = 4\nobfuscator_low = 4\n")
    assert PoolSettings(capacity=settings.obfuscator_capacity, refill_below=settings.obfuscator_low).capacity == 4
