"""What a department's operator looks up and does: the log as it was witnessed, alarms, uses, consents, permissions."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from sqlalchemy import insert
from typer.testing import CliRunner

from crypto.errors import PeerError, SignatureInvalid
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.passkeys import RelyingParty
from crypto.transparency.checkpoint import Checkpoint
from crypto.transparency.errors import LogForked
from crypto.transparency.note import Note
from models.hosting.operation.settings import CONFIG_FILE
from models.wire.consent import Computation, Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.log_entry import PUBLIC, EntryKind, LogEntry, use_tag
from models.wire.log_view import LogExtension
from models.wire.model_approval import ModelApproval
from models.wire.permission import Action, Permission, Subject, signing_with
from participants.command.times import readable_time
from participants.department.command import app
from participants.department.database import open_database
from participants.department.database.tables import data_uses, log_roots, log_seen
from participants.department.errors import NoSuchAlarm
from participants.department.evidence import Evidence
from participants.department.log.alarms import AlarmKind, raise_alarm
from participants.department.log.status import is_usable
from participants.department.settings import DepartmentSettings
from participants.department.view_command import beginning
from participants.department.witness_command import ALARMED
from participants.home import Home
from simulations.enterprise.signatory import Signatory
from simulations.witnessed_log import BUREAU, WitnessedLog

TAX, COURT, CUSTOMS = map(ParticipantId, ("tax", "court", "customs"))
BANK, VERSION = ParticipantId("bank-a"), ModelVersion("0c" * 16)
ENTERPRISE = EnterpriseId("91509900MA0000007U")
AT = int(time.time())  # commands look at the machine's clock
TEXT = DepartmentSettings.sample(passkey_domain="credit.example", passkey_origins=["https://credit.example"])
PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))


class At:
    """A clock that stands."""

    def now(self) -> float:
        return float(AT)


class Desk:
    """A department that witnesses a log, and its operator."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "tax"
        self.home = Home.create(self.path, participant_id=TAX, role=Role.DEPARTMENT, title="Tax 税务", clock=At())
        (self.path / CONFIG_FILE).write_text(TEXT, encoding="utf-8")
        self.log = WitnessedLog((COURT, CUSTOMS, TAX))
        self.log.identities[TAX] = self.home.identity()
        self._pin(BUREAU, Role.BUREAU, self.log.bureau)
        for name in (COURT, CUSTOMS):
            self._pin(name, Role.DEPARTMENT, self.log.identities[name])
        self.database = open_database(self.home)
        settings = DepartmentSettings.parse(TEXT, self.path / CONFIG_FILE)
        self.evidence = Evidence.of_settings(self.home, self.database, settings)
        self.person = Signatory.create(ENTERPRISE, PARTY)
        self.person.binding(self.log.identities[COURT], COURT, at=AT)

    def _pin(self, name: ParticipantId, role: Role, identity: Identity) -> None:
        document = ParticipantDocument(participant_id=name, role=role, title=name, identity=identity.public)
        self.home.pins.pin(document.sign(identity), fingerprint=identity.public.fingerprint())

    def show(self, log: WitnessedLog | None = None) -> None:
        """Show a log to the department, from its beginning."""
        log = log or self.log
        public = [place for place, entry in enumerate(log.entries) if entry.kind in PUBLIC]
        self.evidence.view.take_in(
            LogExtension(
                start=0,
                entries=tuple(entry.encode() for entry in log.entries),
                documents=tuple(log.documents[place] for place in public),
                checkpoint=log.note().encode(),
            )
        )

    def permit(self, subject: Subject, *, granted: bool = True, at: int = AT) -> None:
        signer = self.log.identities.get(subject.grantor, self.log.bureau)
        document = Permission(subject=subject, granted=granted, at=at).sign(signer)
        self.log.append(Permission.entry(document), document)

    def consent(self, purpose: Purpose = Purpose.APPLICATION) -> ConsentBundle:
        """One that a bank has handed in, and that is not logged yet."""
        bundle = self.person.consent(BANK, (COURT, CUSTOMS, TAX), created_at=AT, purpose=purpose)
        self.evidence.consents.keep(bundle)
        return bundle

    def logged(self, bundle: ConsentBundle) -> None:
        self.log.append(bundle.binding_entry)
        self.log.append(bundle.consent_entry)

    def used(self, bundle: ConsentBundle, number: int, position: int) -> None:
        row = {
            "digest": position.to_bytes(32, "big"),
            "position": position,
            "used_at": AT + position,
            "bank": BANK,
            "model_version": VERSION,
            "purpose": Purpose.APPLICATION.value,
            "computation": Computation.SCORE.value,
            "consent": bundle.claimed().digest(),
            "tag": use_tag(bundle.use_key, number),
            "request_id": f"{position:032x}",
        }
        with self.database.begin() as connection:
            connection.execute(insert(data_uses), row)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--home", str(self.path)])

    def ask(self, *words: str, code: int = 0) -> Any:
        done = self.run(*words, "--json")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)


def scores(purpose: Purpose = Purpose.APPLICATION) -> Subject:
    return Subject(action=Action.REQUEST_SCORES, grantor=BUREAU, grantee=BANK, model=VERSION, purpose=purpose)


REGISTRAR = Subject(action=Action.REGISTER_PASSKEYS, grantor=BUREAU, grantee=COURT)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_witness_says_how_much_it_saw_and_whom_it_asks_for(desk: Desk) -> None:
    empty = desk.ask("witness", "status")
    assert (empty["entries"], empty["cosigned"], empty["alarms"]) == (0, None, [])
    desk.permit(REGISTRAR)
    desk.show()
    facts = desk.ask("witness", "status")
    state = Checkpoint.decode(desk.log.note().text)
    assert (facts["log"], facts["entries"], facts["root"]) == (state.origin, 1, state.root.hex())
    assert (facts["quorum"], facts["witnesses"]) == (2, 3)
    assert facts["cosigned"] == readable_time(AT)
    assert "quorum" in desk.run("witness", "status").stdout


def test_a_fork_is_shown_with_its_notes_until_somebody_settles_it(desk: Desk, tmp_path: Path) -> None:
    desk.permit(REGISTRAR)
    desk.show()
    other = WitnessedLog(desk.log.departments, bureau=desk.log.bureau)
    other.append(LogEntry(kind=EntryKind.ANSWER, digest=bytes(32)))
    with pytest.raises(LogForked):
        desk.show(other)
    origin = desk.evidence.view.origin
    assert not is_usable(desk.database, origin)
    (alarm,) = desk.ask("witness", "status", code=ALARMED)["alarms"]
    assert (alarm["kind"], alarm["seen_entries"], alarm["shown_entries"]) == ("forked", 1, 1)
    assert alarm["settled"] is None

    out = tmp_path / "evidence"
    facts = desk.ask("witness", "evidence", "1", "--out", str(out))
    assert Path(facts["seen"]).read_bytes() == desk.log.note().encode()
    assert Path(facts["shown"]).read_bytes() == other.note().encode()
    assert facts["own_root"] == Checkpoint.decode(desk.log.note().text).root.hex()
    assert facts["shown_root"] == Checkpoint.decode(Note.decode(Path(facts["shown"]).read_bytes()).text).root.hex()

    assert desk.ask("witness", "settle", "1")["settled"] is not None
    assert is_usable(desk.database, origin)
    assert desk.ask("witness", "status")["alarms"][0]["settled"] is not None
    desk.show()


def test_what_another_department_shows_is_held_against_what_was_seen(desk: Desk, tmp_path: Path) -> None:
    desk.permit(REGISTRAR)
    seen = tmp_path / "seen"
    seen.write_bytes(desk.log.note().encode())
    (row,) = desk.ask("witness", "compare", str(seen))
    assert (row["entries"], row["here"]) == (1, "not-seen")
    desk.show()
    assert desk.ask("witness", "compare", str(seen))[0]["here"] == "agrees"
    other = WitnessedLog(desk.log.departments, bureau=desk.log.bureau)
    other.append(LogEntry(kind=EntryKind.ANSWER, digest=bytes(32)))
    shown = tmp_path / "shown"
    shown.write_bytes(other.note().encode())
    rows = desk.ask("witness", "compare", str(seen), str(shown), code=ALARMED)
    assert [row["here"] for row in rows] == ["agrees", "contradicts"]
    with desk.database.begin() as connection:
        connection.execute(log_roots.delete())
    assert desk.ask("witness", "compare", str(shown))[0]["here"] == "forgotten"
    shown.write_bytes(WitnessedLog(desk.log.departments).note().encode())
    with pytest.raises(SignatureInvalid):
        desk.ask("witness", "compare", str(shown))


def test_of_an_alarm_of_the_clock_the_time_that_went_ahead_is_forgotten(desk: Desk, tmp_path: Path) -> None:
    desk.permit(REGISTRAR)
    desk.show()
    origin = desk.evidence.view.origin
    with desk.database.begin() as connection:
        raise_alarm(connection, AlarmKind.CLOCK, now=AT)
        connection.execute(log_seen.update().values(cosigned_at=AT + 3600, clock_ahead_seconds=3600))
    assert not is_usable(desk.database, origin)
    facts = desk.ask("witness", "status", code=ALARMED)
    assert facts["clock_ahead_seconds"] == 3600
    assert (facts["alarms"][0]["seen_entries"], facts["alarms"][0]["shown_entries"]) == (None, None)
    with pytest.raises(NoSuchAlarm, match="no note"):
        desk.ask("witness", "evidence", "1", "--out", str(tmp_path / "evidence"))
    desk.ask("witness", "settle", "1")
    assert is_usable(desk.database, origin)
    facts = desk.ask("witness", "status")
    assert (facts["cosigned"], facts["clock_ahead_seconds"], facts["entries"]) == (None, None, 1)
    with desk.database.reading() as connection:
        assert desk.evidence.view.now(connection) == AT


def test_an_alarm_of_a_log_that_was_not_extended_leaves_the_clock_as_it_is(desk: Desk) -> None:
    desk.permit(REGISTRAR)
    desk.show()
    note = desk.log.note().encode()
    with desk.database.begin() as connection:
        raise_alarm(connection, AlarmKind.NOT_EXTENDED, now=AT, seen=note, shown=note)
    assert is_usable(desk.database, desk.evidence.view.origin)
    desk.ask("witness", "settle", "1")
    assert desk.ask("witness", "status")["cosigned"] is not None


def test_what_is_no_open_alarm_is_not_settled(desk: Desk) -> None:
    with pytest.raises(NoSuchAlarm, match="no alarm 7"):
        desk.ask("witness", "settle", "7")
    with desk.database.begin() as connection:
        raise_alarm(connection, AlarmKind.CLOCK, now=AT)
    desk.ask("witness", "settle", "1")
    with pytest.raises(NoSuchAlarm, match="settled before"):
        desk.ask("witness", "settle", "1")


def test_every_use_is_shown_and_no_enterprise(desk: Desk) -> None:
    assert desk.ask("uses") == []
    bundle = desk.consent()
    for number, position in enumerate((3, 5, 8)):
        desk.used(bundle, number, position)
    rows = desk.ask("uses", "--last", "2")
    assert [row["leaf"] for row in rows] == [8, 5]
    assert rows[0] == {
        "used": readable_time(AT + 8),
        "bank": BANK,
        "purpose": "application",
        "computation": "score",
        "model": VERSION,
        "leaf": 8,
        "consent": beginning(bundle.claimed().digest()),
    }
    assert ENTERPRISE not in desk.run("uses").output


def test_a_consent_stands_as_the_log_has_it(desk: Desk) -> None:
    bundle = desk.consent()
    digest = beginning(bundle.claimed().digest())

    def standing() -> str:
        return str(desk.ask("consent", "list")[0]["standing"])

    assert standing() == "not-logged"
    desk.logged(bundle)
    desk.show()
    assert standing() == "unregistered"  # nobody permitted its registrar to register passkeys
    desk.used(bundle, 0, 3)
    desk.used(bundle, 0, 4)  # the same use, by a request that took another one's place
    (row,) = desk.ask("consent", "list")
    assert (row["consent"], row["bank"], row["uses"], row["maximum_uses"], row["leaf"]) == (digest, BANK, 1, 3, 1)
    assert row["until"] == readable_time(bundle.claimed().expires_at)
    assert ENTERPRISE not in desk.run("consent", "list").output
    assert desk.ask("consent", "list", "--enterprises")[0]["enterprise_id"] == ENTERPRISE


def test_a_withdrawn_passkey_and_a_final_state_are_told(desk: Desk) -> None:
    desk.permit(REGISTRAR)
    bundle, other = desk.consent(), desk.consent(Purpose.MONITORING)
    desk.logged(bundle)
    desk.log.append(other.consent_entry)
    desk.show()
    assert {row["standing"] for row in desk.ask("consent", "list")} == {"active"}
    change = desk.person.change(other.claimed(), What.REVOKE, at=AT)
    desk.log.append(change.entry(), change.encode())
    assert desk.person.binding_of_passkey is not None
    desk.permit(signing_with(desk.person.binding_of_passkey.entry().tag, COURT), granted=False)
    desk.show()
    standing = {row["purpose"]: row["standing"] for row in desk.ask("consent", "list")}
    assert standing == {"application": "withdrawn", "monitoring": "revoked"}
    assert len(desk.ask("consent", "list", "--last", "1")) == 1


def test_a_change_that_an_enterprise_hands_in_itself_counts_at_once(desk: Desk, tmp_path: Path) -> None:
    desk.permit(REGISTRAR)
    bundle = desk.consent()
    desk.logged(bundle)
    desk.show()
    for what, standing in ((What.PAUSE, "paused"), (What.REVOKE, "revoked")):
        file = tmp_path / what
        file.write_bytes(desk.person.change(bundle.claimed(), what, at=AT).encode())
        facts = desk.ask("consent", "hand-in", str(file))
        assert (facts["what"], facts["consent"]) == (what, beginning(bundle.claimed().digest()))
        assert desk.ask("consent", "list")[0]["standing"] == standing
    file.write_bytes(desk.person.change(bundle.claimed(), What.RESUME, at=AT + 1).encode())
    with pytest.raises(PeerError, match="through the log alone"):
        desk.ask("consent", "hand-in", str(file))
    file.write_bytes(b"no change")
    with pytest.raises(PeerError):
        desk.ask("consent", "hand-in", str(file))


def test_permissions_are_shown_as_they_are_and_as_they_were(desk: Desk) -> None:
    assert desk.ask("permissions") == []
    desk.permit(REGISTRAR)
    desk.permit(scores())
    approval = ModelApproval(bureau=BUREAU, model_version=VERSION, approved=True, at=AT)
    desk.log.append(ModelApproval.entry(approval.sign(desk.log.bureau)), approval.sign(desk.log.bureau))
    desk.permit(scores(), granted=False, at=AT + 1)
    desk.permit(scores(Purpose.MONITORING))
    desk.permit(signing_with(b"p" * 16, COURT), granted=False)
    desk.show()
    rows = desk.ask("permissions")
    assert [(row["leaf"], row["action"], row["purpose"]) for row in rows] == [
        (0, "register-passkeys", None),
        (2, "model-approved", None),
        (4, "request-scores", "monitoring"),
    ]
    history = desk.ask("permissions", "--history")
    assert [row["leaf"] for row in history] == [0, 1, 2, 3, 4, 5]
    assert [row["granted"] for row in history] == [True, True, True, False, True, False]
    assert history[3] == {
        "leaf": 3,
        "action": "request-scores",
        "granted": False,
        "grantee": BANK,
        "grantor": BUREAU,
        "model": VERSION,
        "purpose": "application",
        "run": None,
        "at": readable_time(AT + 1),
    }
    assert (history[2]["model"], history[2]["grantor"]) == (VERSION, BUREAU)


def test_a_word_that_is_not_its_signers_permits_nothing(desk: Desk) -> None:
    document = Permission(subject=scores(), granted=True, at=AT).sign(desk.log.identities[COURT])
    desk.log.append(Permission.entry(document), document)
    desk.show()
    assert desk.ask("permissions", "--history") == []


def test_a_time_that_no_calendar_has_is_shown_all_the_same() -> None:
    assert readable_time(1 << 60) == f"{1 << 60} seconds since 1970"
