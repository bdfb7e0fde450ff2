"""What the bureau's operator types for the log and for permissions, and what comes into the log of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import Result
from typer.testing import CliRunner

from coordinator.command import app
from coordinator.database import open_database
from coordinator.errors import LogExists, LogMissing, LogNotWitnessed
from coordinator.home import BureauHome
from coordinator.permissions import registrar_subject, say
from coordinator.registry import ModelRegistry
from coordinator.transparency_log import outbox, places
from coordinator.transparency_log.service import log_of
from crypto.documents import canonical_json
from crypto.errors import PeerError, ProtocolStateError, UntrustedKey
from crypto.identifiers import ModelVersion, ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument, display_fingerprint
from crypto.paillier import MINIMUM_BITS
from crypto.transparency.note import KeyUse, NoteKey
from models.hosting.https.peer import Peer
from models.log.key_file import parse_keys
from models.log.names import origin_of
from models.wire.consent_change import ConsentChange, Reason, What
from models.wire.log_entry import EntryKind, LogEntry
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject
from models.wire.signed_change import SignedChange
from participants.model_store import model_version
from simulations.enterprise.log_copy import LogCopy
from simulations.log_rehearsal import NOW, RehearsedWitness

BUREAU, BANK, TAX = ParticipantId("bureau"), ParticipantId("bank"), ParticipantId("tax")
DEPARTMENTS = (ParticipantId("courts"), TAX, ParticipantId("water"))
USUAL = ("pre-qualification", "application", "monitoring")


class Desk:
    """The bureau's operator, and who is admitted. All departments witness."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.path = directory, directory / "bureau"
        self.ask("init", "--title", "Bureau", "--address", "https://127.0.0.1:8443")
        key = NoteKey(origin_of(BUREAU), KeyUse.TEXT, self.home.identity().public.signing_key)
        self.witnesses = {name: RehearsedWitness(name, key) for name in DEPARTMENTS}
        bank = Identity.generate()
        keys: dict[str, Any] = {"paillier_modulus": (1 << MINIMUM_BITS) - 3, "lattice_key_fingerprint": bytes(32)}
        document = ParticipantDocument(
            participant_id=BANK, role=Role.BANK, title="Bank", identity=bank.public, **keys
        ).sign(bank)
        self.documents = {name: one.document.sign(one.identity) for name, one in self.witnesses.items()}
        self.documents[BANK] = document
        self._fingerprints = {name: one.identity.public for name, one in self.witnesses.items()} | {BANK: bank.public}

    @property
    def home(self) -> BureauHome:
        return BureauHome.open(self.path)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--home", str(self.path)])

    def type(self, *words: str) -> str:
        done = self.run(*words)
        if done.exception is not None:
            raise done.exception
        return done.stdout

    def ask(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json"))

    def admit(self, *names: ParticipantId) -> None:
        written = self.directory / "fingerprints"
        lines = (f"{name} {display_fingerprint(key.fingerprint())}\n" for name, key in self._fingerprints.items())
        written.write_text("".join(lines))
        files = []
        for name in names:
            files.append(self.directory / f"{name}.document")
            files[-1].write_bytes(self.documents[name])
        self.type("admit", *map(str, files), "--fingerprints", str(written))

    def serve(self, until: int) -> list[LogEntry]:
        """Serve the log until it has so many entries and a majority has cosigned them; the entries."""
        peer = cast("Callable[[ParticipantId], Peer]", self.witnesses.__getitem__)
        home = self.home
        database = open_database(home)

        async def serve() -> tuple[bytes, ...]:
            log = log_of(home, database, peer)
            async with asyncio.timeout(20), log.serving():
                while log.sequencer.state.size < until:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                await log.witnesses.cosign(until)
                state = log.sequencer.state
                return log.sequencer.extension(0, state.size, state.note).entries

        entries = asyncio.run(serve())
        database.close()
        return [LogEntry.decode(one) for one in entries]

    def propose_model(self) -> ModelVersion:
        """A model of all that are admitted, as a run would have ended with it."""
        blocks = {name: {"fingerprint": "0" * 64} for name in self.documents}
        manifest = canonical_json({"run_id": "run", "blocks": blocks})
        version = model_version(manifest)
        ModelRegistry(open_database(self.home)).propose(version, manifest, "a card", self.documents)
        return version


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.admit(BANK, *DEPARTMENTS)
    return made


def kinds(entries: list[LogEntry]) -> list[EntryKind]:
    return [one.kind for one in entries]


def test_a_log_is_made_once_and_says_how_it_does(desk: Desk) -> None:
    with pytest.raises(LogMissing):
        desk.ask("log", "status")
    made = desk.ask("log", "create")
    assert (made["log"], made["entries"], made["cosigned_entries"]) == ("yurong.log/bureau", 0, 0)
    assert desk.ask("log", "status") == made
    with pytest.raises(LogExists):
        desk.ask("log", "create")
    entries = desk.serve(5)
    assert kinds(entries) == [EntryKind.PARTICIPANT] * 5
    said = desk.ask("log", "status")
    assert (said["entries"], said["waiting"], said["cosigned_entries"]) == (5, 0, 5)
    assert set(said["witnesses"]) <= set(DEPARTMENTS)
    assert said["cosigned"].startswith("2027-01-15")


def test_who_is_admitted_later_comes_into_the_log_with_the_document_that_was_handed_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.admit(TAX)
    desk.type("log", "create")
    desk.admit(BANK)
    entries = desk.serve(3)
    home = desk.home
    expected = [desk.documents[TAX], home.document(), desk.documents[BANK]]
    with open_database(home).reading() as connection:
        assert list(places.documents(connection, {EntryKind.PARTICIPANT}).values()) == expected
    assert len(entries) == 3


def test_a_model_that_is_opened_is_approved_in_the_log_and_its_bank_permitted(desk: Desk) -> None:
    version = desk.propose_model()
    desk.type("approve", version)
    desk.type("approve", version)  # again is logged again: the last word counts
    rows = desk.ask("permissions")
    assert [(row["leaf"], row["grantee"], row["model"], row["purpose"]) for row in rows] == [
        (None, BANK, version, purpose) for purpose in USUAL
    ]
    desk.type("log", "create")
    entries = desk.serve(13)
    assert kinds(entries).count(EntryKind.MODEL_APPROVED) == 2
    last = [index for index, one in enumerate(entries) if one.kind is EntryKind.PERMISSION][-len(USUAL) :]
    assert sorted(row["leaf"] for row in desk.ask("permissions")) == last
    desk.type("retire", version)
    assert kinds(desk.serve(14))[-1] is EntryKind.MODEL_APPROVED
    with pytest.raises(ProtocolStateError):
        desk.type("approve", version)


def test_an_approval_names_the_purposes_that_the_operator_says(desk: Desk) -> None:
    version = desk.propose_model()
    desk.type("approve", version, "--purpose", "monitoring")
    assert [row["purpose"] for row in desk.ask("permissions")] == ["monitoring"]


def test_the_approval_in_the_log_is_the_bureaus_own(desk: Desk) -> None:
    version = desk.propose_model()
    desk.type("approve", version)
    home = desk.home
    with open_database(home).reading() as connection:
        (document,) = [
            one.document or b"" for one in outbox.waiting(connection) if one.entry.kind is EntryKind.MODEL_APPROVED
        ]
    approval = ModelApproval.verify(document, home.identity().public)
    assert (approval.bureau, approval.model_version, approval.approved) == (BUREAU, version, True)


def test_permissions_are_given_and_withdrawn_and_their_history_is_shown(desk: Desk) -> None:
    version = desk.propose_model()
    desk.type("permit", BANK, "--model", version, "--purpose", "matching", "--purpose", "monitoring")
    desk.type("permit", TAX, "--register-passkeys")
    desk.type("withdraw", BANK, "--model", version, "--purpose", "matching")
    rows = desk.ask("permissions")
    assert [(row["action"], row["grantee"], row["purpose"]) for row in rows] == [
        ("request-scores", BANK, "monitoring"),
        ("register-passkeys", TAX, None),
    ]
    history = desk.ask("permissions", "--history")
    assert [(row["purpose"], row["granted"]) for row in history] == [
        ("matching", True),
        ("monitoring", True),
        (None, True),
        ("matching", False),
    ]
    desk.type("log", "create")
    desk.serve(9)
    assert desk.ask("permissions") == [row | {"leaf": leaf} for row, leaf in zip(rows, (5, 6), strict=True)]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["permit", BANK, "--register-passkeys"], UntrustedKey),
        (["permit", TAX, "--model", "0" * 32, "--purpose", "monitoring"], UntrustedKey),
        (["permit", "stranger", "--register-passkeys"], UntrustedKey),
        (["permit", BANK, "--model", "0" * 32, "--purpose", "monitoring"], PeerError),
    ],
    ids=["a bank registers nobody", "a department asks for no scores", "a stranger", "an unknown model"],
)
def test_nobody_is_permitted_what_is_not_of_its_role(desk: Desk, words: list[str], error: type[Exception]) -> None:
    assert isinstance(desk.run(*words).exception, error)
    assert desk.ask("permissions", "--history") == []


@pytest.mark.parametrize(
    "words",
    [
        ["--model", "0" * 32],
        ["--purpose", "monitoring"],
        [],
        ["--register-passkeys", "--model", "0", "--purpose", "matching"],
    ],
    ids=["no purpose", "no model", "nothing", "too much"],
)
def test_a_permission_names_what_it_is_for(desk: Desk, words: list[str]) -> None:
    assert desk.run("permit", BANK, *words).exit_code == 2


def test_what_an_enterprise_or_a_department_has_signed_is_put_into_the_log(desk: Desk, tmp_path: Path) -> None:
    change = ConsentChange(consent_digest=bytes(32), what=What.REVOKE, at=NOW, reason=Reason.OTHER)
    signed = SignedChange(change=change.encode(), assertion=b"of a passkey").encode()
    subject = Subject(action=Action.TAKE_PART, grantor=TAX, grantee=TAX, run=RunId("0" * 16))
    permission = Permission(subject=subject, granted=True, at=NOW)
    file = tmp_path / "file"
    for data in (signed, permission.sign(desk.witnesses[TAX].identity)):
        file.write_bytes(data)
        assert "on its way into the log" in desk.type("submit", str(file))
    desk.type("log", "create")
    assert kinds(desk.serve(7))[4:6] == [EntryKind.CONSENT_CHANGE, EntryKind.PERMISSION]
    # What no department that is admitted has signed is not: it would be for nobody, and is nobody's business.
    for data in (b"nothing", permission.sign(Identity.generate()), signed[:-1]):
        file.write_bytes(data)
        assert isinstance(desk.run("submit", str(file)).exception, PeerError)
    assert desk.ask("log", "status")["waiting"] == 0


def test_a_copy_of_the_log_is_published_and_verified_by_anybody_and_renewed(desk: Desk, tmp_path: Path) -> None:
    copy, keys = tmp_path / "copy", tmp_path / "keys"
    desk.type("log", "create")
    with pytest.raises(LogNotWitnessed):
        desk.type("log", "publish", str(copy))
    desk.serve(5)
    desk.type("log", "keys", "--out", str(keys))
    trusted = parse_keys(keys.read_text())
    assert (keys.read_text(), trusted.quorum) == (desk.type("log", "keys"), 2)
    for size in (5, 7, 300):
        for _ in range(size - desk.ask("log", "status")["entries"]):
            desk_permits(desk)
        desk.serve(size)
        assert desk.ask("log", "publish", str(copy))["entries"] == size
        read = LogCopy.read(copy, trusted)
        assert (len(read.entries), len(read.documents)) == (size, size)
    names = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    assert names == [
        *("checkpoint", "documents.jsonl", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1"),
        *("tile/entries/000", "tile/entries/001.p/44"),
    ]


def desk_permits(desk: Desk) -> None:
    home = desk.home
    say(home, [registrar_subject(home, TAX)], granted=True)
