"""A participant's home: private, made once, and pins that are kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from crypto.errors import ProtectionUnavailable, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity
from participants.home import Home

TAX = ParticipantId("tax")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "tax", participant_id=TAX, role=Role.DEPARTMENT, title="Tax 税务")


def test_a_home_is_opened_as_it_was_made(home: Home) -> None:
    opened = Home.open(home.directory)
    assert opened == home
    assert opened.identity().public == home.identity().public


def test_only_the_owner_may_read_it(home: Home) -> None:
    for path in (home.directory, *home.directory.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_home_is_never_made_over_another(home: Home) -> None:
    key = home.identity().to_private_bytes()
    with pytest.raises(ProtectionUnavailable):
        Home.create(home.directory, participant_id=TAX, role=Role.DEPARTMENT, title="Tax")
    assert home.identity().to_private_bytes() == key


@pytest.mark.parametrize("text", [None, "{", "[]", '{"participant_id": "tax"}', '{"participant_id": "TAX!"}'])
def test_what_is_no_home_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "home.json").write_text(text)
    with pytest.raises(ProtectionUnavailable):
        Home.open(tmp_path)


def test_pins_are_kept_and_who_is_not_pinned_is_not_trusted(home: Home) -> None:
    first, second = Identity.generate().public, Identity.generate().public
    bank = ParticipantId("bank")
    with pytest.raises(UntrustedKey):
        home.pinned_fingerprint(bank)
    home.pin({bank: first})
    home.pin({ParticipantId("land"): second})
    assert Home.open(home.directory).pinned_fingerprint(bank) == first.fingerprint()
    home.pin({bank: second})
    assert home.pinned_fingerprint(bank) == second.fingerprint()
