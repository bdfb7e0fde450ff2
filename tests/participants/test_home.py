"""A participant's home: private, made once, and pins that are kept."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from crypto.errors import ProtectionUnavailable, ProtocolStateError, UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity
from crypto.succession import HandOver
from models.hosting.trust.home import GRACE_SECONDS
from participants.clock import SystemClock
from participants.home import Home
from simulations.founding import FoundedFederation

TAX = ParticipantId("tax")


class LaterClock:
    """The machine's clock, put forward."""

    def __init__(self) -> None:
        self.later = 0.0

    def now(self) -> float:
        return SystemClock().now() + self.later


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


def test_a_bank_gets_a_new_paillier_key_and_keeps_its_lattice_keys(
    federation: FoundedFederation, tmp_path: Path
) -> None:
    shutil.copytree(federation.homes[federation.banks[0]], tmp_path / "bank")
    clock = LaterClock()
    bank = Home.open(tmp_path / "bank", clock=clock)
    old, lattice = bank.bank_keys().paillier.public, bank.bank_keys().public_lattice_keys()
    upcoming = HandOver.split(bank.prepare_rotation({"paillier"})).verify_signed_by_itself()
    assert bank.bank_keys().paillier.public.modulus == old.modulus
    bank.finish_rotation()
    new = bank.bank_keys().paillier.public
    assert upcoming.paillier_modulus == new.modulus != old.modulus
    assert (
        upcoming.lattice_key_fingerprint
        == bank.bank_keys().public_lattice_keys().fingerprint()
        == lattice.fingerprint()
    )
    assert list(bank.paillier_keys()) == [new.fingerprint(), old.fingerprint()]
    clock.later = GRACE_SECONDS + 1
    assert list(bank.paillier_keys()) == [new.fingerprint()]


def test_a_bank_s_key_that_its_rotation_leaves_alone_is_one_key(federation: FoundedFederation, tmp_path: Path) -> None:
    shutil.copytree(federation.homes[federation.banks[0]], tmp_path / "bank")
    bank = Home.open(tmp_path / "bank")
    bank.prepare_rotation({"identity"})
    bank.finish_rotation()
    assert list(bank.serials()) == [2, 1]
    assert list(bank.paillier_keys()) == [bank.bank_keys().paillier.public.fingerprint()]


def test_a_bank_s_home_holds_no_key_in_the_clear_if_it_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.hosting.trust.passphrase._SCRYPT_N", 1 << 15)
    secret = "correct horse battery staple"
    bank = Home.create(
        tmp_path / "bank", participant_id=ParticipantId("bank"), role=Role.BANK, title="Bank", passphrase=secret
    )
    keys = Home.open(bank.directory, passphrase=secret).bank_keys()
    private = [keys.paillier.to_private_bytes(), keys.training.to_private_bytes(), keys.scoring.to_private_bytes()]
    for path in (bank.directory / "keys").rglob("*"):
        if path.is_file():
            assert not any(one[:64] in path.read_bytes() for one in private), path


def test_a_department_has_no_paillier_key_to_rotate(home: Home) -> None:
    with pytest.raises(ProtocolStateError):
        home.prepare_rotation({"paillier"})
