"""Sealing with a passphrase, and where the passphrase may come from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.errors import ProtectionUnavailable
from models.hosting.trust import passphrase
from models.hosting.trust.passphrase import Vault, read_passphrase

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(passphrase, "_SCRYPT_N", 1 << 15)
        yield


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("vault") / "vault"
    return path, Vault.create(path, PASSPHRASE).seal("identity", b"a secret")


def test_the_passphrase_opens_what_was_sealed(sealed: tuple[Path, bytes]) -> None:
    path, data = sealed
    vault = Vault.open(path, PASSPHRASE)
    assert vault.is_sealed
    assert vault.unseal("identity", data) == b"a secret"
    assert b"a secret" not in data
    assert vault.seal("identity", b"a secret") != data
    assert PASSPHRASE.encode() not in path.read_bytes()
    assert vault.tls_password() == Vault.open(path, PASSPHRASE).tls_password() != PASSPHRASE.encode()
    assert repr(vault) == "<Vault: secret>"


@pytest.mark.parametrize("wrong", ["correct horse battery stapl", PASSPHRASE + " ", "", None])
def test_another_passphrase_is_refused_and_not_repeated(wrong: str | None, sealed: tuple[Path, bytes]) -> None:
    with pytest.raises(ProtectionUnavailable, match=r"passphrase") as refused:
        Vault.open(sealed[0], wrong)
    assert not wrong or wrong not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__cause__ is None


def test_a_file_of_another_name_or_vault_or_with_a_changed_byte_is_refused(
    sealed: tuple[Path, bytes], tmp_path: Path
) -> None:
    path, data = sealed
    vault, other = Vault.open(path, PASSPHRASE), Vault.create(tmp_path / "vault", PASSPHRASE)
    with pytest.raises(ProtectionUnavailable):
        vault.unseal("paillier", data)
    with pytest.raises(ProtectionUnavailable):
        other.unseal("identity", data)
    for position in range(len(data)):
        with pytest.raises(ProtectionUnavailable):
            vault.unseal("identity", data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    for cut in (0, 11, 12, len(data) - 1):
        with pytest.raises(ProtectionUnavailable):
            vault.unseal("identity", data[:cut])


def test_without_a_passphrase_nothing_is_sealed_and_none_is_taken(tmp_path: Path) -> None:
    vault = Vault.create(tmp_path / "vault", None)
    assert (vault.is_sealed, vault.tls_password(), list(tmp_path.iterdir())) == (False, None, [])
    assert vault.unseal("identity", vault.seal("identity", b"data")) == b"data"
    assert not Vault.open(tmp_path / "vault", None).is_sealed
    with pytest.raises(ProtectionUnavailable):
        Vault.open(tmp_path / "vault", PASSPHRASE)


def test_a_short_passphrase_is_refused(tmp_path: Path) -> None:
    for unfit in ("", "eleven char", "x" * 1025):
        with pytest.raises(ProtectionUnavailable):
            Vault.create(tmp_path / "vault", unfit)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_vault_is_refused_before_it_costs_memory(sealed: tuple[Path, bytes], tmp_path: Path) -> None:
    fields = json.loads(sealed[0].read_bytes())
    assert fields["n"] >= 1 << 15
    for change in (
        {"n": 1 << 14},
        {"n": 1 << 30},
        {"n": True},
        {"salt": "00"},
        {"key": "xx"},
        {"key": ""},
        {"n": None},
    ):
        (tmp_path / "vault").write_text(json.dumps(fields | change))
        with pytest.raises(ProtectionUnavailable):
            Vault.open(tmp_path / "vault", PASSPHRASE)
    for text in ("", "[]", "{}"):
        (tmp_path / "vault").write_text(text)
        with pytest.raises(ProtectionUnavailable):
            Vault.open(tmp_path / "vault", PASSPHRASE)


def test_the_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("from the file \n")
    path.chmod(0o600)
    assert read_passphrase(environment={}) is None
    assert read_passphrase(environment={"YURONG_PASSPHRASE": "from here"}) == "from here"
    both = {"YURONG_PASSPHRASE": "from here", "YURONG_PASSPHRASE_FILE": str(path)}
    assert read_passphrase(environment=both) == "from the file "
    assert read_passphrase(path, environment={}) == "from the file "


def test_an_empty_passphrase_or_a_file_that_everybody_reads_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("from the file")
    path.chmod(0o644)
    with pytest.raises(ProtectionUnavailable, match="everybody"):
        read_passphrase(path, environment={})
    path.chmod(0o600)
    path.write_bytes(b"\xff\xff")
    for file, environment in (
        (path, {}),
        (tmp_path / "none", {}),
        (None, {"YURONG_PASSPHRASE": ""}),
        (None, {"YURONG_PASSPHRASE_FILE": str(tmp_path)}),
    ):
        with pytest.raises(ProtectionUnavailable):
            read_passphrase(file, environment=environment)
