"""The keys of the log, as a node has pinned those whose they are."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto.errors import UntrustedKey
from crypto.identifiers import ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from models.log.key_file import parse_keys
from participants.command.log_keys import keys_of
from participants.department.command import app
from participants.home import Home

TAX = ParticipantId("tax")
OTHERS = {
    ParticipantId("bureau"): Role.BUREAU,
    ParticipantId("court"): Role.DEPARTMENT,
    ParticipantId("customs"): Role.DEPARTMENT,
}


def pin_others(home: Home) -> dict[ParticipantId, Identity]:
    """Others whose fingerprints were compared."""
    identities = {name: Identity.generate() for name in OTHERS}
    for name, identity in identities.items():
        document = ParticipantDocument(
            participant_id=name, role=OTHERS[name], title=name, identity=identity.public
        ).sign(identity)
        home.pins.pin(document, fingerprint=identity.public.fingerprint())
    return identities


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "tax", participant_id=TAX, role=Role.DEPARTMENT, title="Tax 税务")


def test_a_department_counts_itself_among_the_witnesses(home: Home, tmp_path: Path) -> None:
    identities = pin_others(home)
    log = parse_keys(keys_of(home))
    assert [key.name for key in log.log_keys] == ["yurong.log/bureau"]
    assert log.log_keys[0].public == identities[ParticipantId("bureau")].public.signing_key
    assert [key.name for key in log.witnesses] == [f"yurong.witness/{name}" for name in ("court", "customs", "tax")]
    assert log.witnesses[2].public == home.identity().public.signing_key
    assert log.quorum == 2
    out = tmp_path / "keys"
    words = ["log-keys", "--quorum", "3", "--out", str(out), "--home", str(home.directory)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert parse_keys(out.read_text(encoding="utf-8")).quorum == 3
    shown = CliRunner().invoke(app, ["log-keys", "--home", str(home.directory)])
    assert shown.stdout == keys_of(home)


def test_without_a_bureau_nobodys_log_is_trusted(home: Home) -> None:
    with pytest.raises(UntrustedKey, match="no bureau is pinned"):
        keys_of(home)
