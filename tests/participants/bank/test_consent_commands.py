"""What a bank types for consents, receipts and reasons; the bureau is played, the rest is a home's own."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from crypto.errors import PeerError, UntrustedKey
from crypto.identifiers import EnterpriseId, ModelVersion, ParticipantId, RequestId, Role
from crypto.identity import Identity, ParticipantDocument
from crypto.passkeys import RelyingParty
from crypto.transparency.receipt import Receipt
from models.consent.uses import UsesLeft
from models.hosting.operation.settings import CONFIG_FILE
from models.log.receipts import prove
from models.reasons.principal import PrincipalReason
from models.wire.consent import Computation, Purpose
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.deposit import ConsentDeposit, Deposited
from models.wire.log_entry import LogEntry, use_tag
from models.wire.online import ReceiptReply, ReceiptRequest
from models.wire.score_statement import ScoreStatement, request_digest
from models.wire.signed_change import SignedChange
from participants.bank.command import app as bank_app
from participants.bank.command import open_home
from participants.bank.consent_command import SOME_NOT_TAKEN, ConsentCommands
from participants.bank.consent_desk import CHANGES_PATH, CONSENTS_PATH, RECEIPTS_PATH, ConsentDesk, open_desk
from participants.bank.consent_rows import beginning, standing
from participants.bank.consents import ConsentBook, HeldConsent
from participants.bank.database import open_database
from participants.bank.errors import NotKept
from participants.bank.receipt_command import ReceiptCommands
from participants.bank.receipts import ReceiptStore, ScoreEvidence, bank_s_log
from participants.bank.settings import BankSettings, bureau_of, relying_party_of
from participants.command.times import readable_time
from participants.home import Home
from simulations.enterprise.signatory import Bounds, Signatory
from simulations.witnessed_log import BUREAU, WitnessedLog

DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax")))
BANK, VERSION = ParticipantId("bank-a"), ModelVersion("0c" * 16)
ENTERPRISE = EnterpriseId("91509900MA0000007U")
AT = int(time.time())  # commands look at the machine's clock
TEXT = BankSettings.sample(passkey_domain="credit.example", passkey_origins=["https://credit.example"])
PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
REASON = PrincipalReason(code="TX1", zh="纳税申报", en="Tax", departments=DEPARTMENTS[2:], points_lost=12)


class PlayedBureau:
    """Logs what is handed in. missing: departments that are down. seen_by: who cosigns."""

    def __init__(self, log: WitnessedLog) -> None:
        self.log = log
        self.missing: tuple[str, ...] = ()
        self.seen_by = DEPARTMENTS

    async def post(self, path: str, body: bytes, *, maximum_bytes: int, timeout_seconds: float) -> bytes:
        assert timeout_seconds > 0
        answer = self._answer(path, body)
        assert len(answer) <= maximum_bytes
        return answer

    def _answer(self, path: str, body: bytes) -> bytes:
        if path == RECEIPTS_PATH:
            return ReceiptReply(receipt=self._receipt(ReceiptRequest.decode(body).request)).encode()
        if path == CONSENTS_PATH:
            deposit = ConsentDeposit.decode(body)
            assert [box.participant for box in deposit.boxes] == list(DEPARTMENTS)
            entry = LogEntry.decode(deposit.consent)
            self.log.append(LogEntry.decode(deposit.passkey))
        else:
            assert path == CHANGES_PATH
            entry = SignedChange.decode(body).entry()
        self.log.append(entry)
        return Deposited(receipt=self._receipt(entry.digest), missing=self.missing).encode()

    def _receipt(self, digest: bytes) -> bytes:
        index = [entry.digest for entry in self.log.entries].index(digest)
        return self.log.receipt(index, self.seen_by).encode()


class Desk:
    """A bank's operator. The home has no model."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "bank"
        self.home = Home.create(self.path, participant_id=BANK, role=Role.BANK, title="Bank A")
        (self.path / CONFIG_FILE).write_text(TEXT, encoding="utf-8")
        self.log = WitnessedLog(DEPARTMENTS)
        self.pin(BUREAU, Role.BUREAU, self.log.bureau)
        for name, identity in self.log.identities.items():
            self.pin(name, Role.DEPARTMENT, identity)
        self.bureau = PlayedBureau(self.log)
        self.person = Signatory.create(ENTERPRISE, PARTY)
        self.person.binding(self.log.identities[DEPARTMENTS[0]], DEPARTMENTS[0], at=AT)
        database = open_database(self.home)
        self.book, self.receipts = ConsentBook(self.home, database, PARTY), ReceiptStore(database)
        self.app = typer.Typer()
        ConsentCommands(open_home, open_desk=self._open_desk).add_to(self.app)
        ReceiptCommands(open_home, open_desk=self._open_desk).add_to(self.app)

    def pin(self, name: ParticipantId, role: Role, identity: Identity) -> None:
        document = ParticipantDocument(participant_id=name, role=role, title=name, identity=identity.public)
        self.home.pins.pin(document.sign(identity), fingerprint=identity.public.fingerprint())

    @asynccontextmanager
    async def _open_desk(self, home: Home, bureau: ParticipantId) -> AsyncIterator[ConsentDesk]:
        assert bureau == BUREAU
        database = open_database(home)
        yield ConsentDesk(
            home, ConsentBook(home, database, relying_party_of(home)), ReceiptStore(database), self.bureau
        )

    def consent(self, bank: ParticipantId = BANK, **more: Any) -> ConsentBundle:
        return self.person.consent(bank, DEPARTMENTS, created_at=AT, **more)

    def scored(self, bundle: ConsentBundle, number: int, *, seen_by: tuple[ParticipantId, ...], **more: Any) -> str:
        """Keep what came with a score; the id of the request."""
        request_id = RequestId(f"{number:032x}")
        statement = ScoreStatement(
            request_id=request_id,
            bank=BANK,
            bank_serial=1,
            model_version=VERSION,
            key_fingerprint=bytes(32),
            expires_at=AT + 60,
            bits=7,
            serials=(1, 1, 1),
            boxes=bytes(32),
            purpose=Purpose.APPLICATION,
            computation=Computation.SCORE,
            use_tag=use_tag(bundle.use_key, number),
        )
        document = statement.sign(self.home.identity())
        index = self.log.append(statement.entry(document))
        evidence = ScoreEvidence(
            digest=request_digest(document),
            request_id=request_id,
            document=document,
            receipt=self.log.receipt(index, seen_by).encode(),
            witnesses=len(seen_by) if len(seen_by) >= self.log.trusted.quorum else 0,
            reasons=more.get("reasons"),
            for_enterprise=more.get("for_enterprise", b""),
        )
        self.receipts.keep(evidence, now=AT + number)
        return request_id

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(self.app, [*words, "--home", str(self.path)])

    def ask(self, *words: str, code: int = 0) -> Any:
        done = self.run(*words, "--json")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def test_consents_are_handed_in_and_said_again_reach_who_was_missing(desk: Desk, tmp_path: Path) -> None:
    bundle = desk.consent()
    file = write(tmp_path / "one", bundle.encode())
    desk.bureau.missing = DEPARTMENTS[1:2]
    (row,) = desk.ask("consent", "deposit", file)
    assert row == {
        "file": file,
        "consent": beginning(bundle.claimed().digest()),
        "purpose": "application",
        "leaf": 1,
        "missing_departments": ["customs"],
        "fault": "",
    }
    assert desk.ask("consent", "list")[0]["missing_departments"] == ["customs"]
    desk.bureau.missing = ()
    (row,) = desk.ask("consent", "deposit", file)
    assert row["missing_departments"] == []


def test_a_consent_that_is_not_taken_keeps_no_other_one_back(desk: Desk, tmp_path: Path) -> None:
    bundles = {
        "another-bank": desk.consent(ParticipantId("bank-b")).encode(),
        "no-consent": b"no consent",
        "altered": replace(desk.consent(), use_key=bytes(32)).encode(),
        "good": desk.consent().encode(),
    }
    files = [write(tmp_path / name, data) for name, data in bundles.items()]
    rows = desk.ask("consent", "deposit", *files, str(tmp_path / "nowhere"), code=SOME_NOT_TAKEN)
    assert [bool(row["fault"]) for row in rows] == [True, True, True, False, True]
    assert "another bank" in rows[0]["fault"]
    assert ENTERPRISE not in str(rows)
    assert len(desk.ask("consent", "list")) == 1


def test_a_consent_without_a_quorum_is_kept_and_not_used(desk: Desk, tmp_path: Path) -> None:
    desk.bureau.seen_by = DEPARTMENTS[:1]
    (row,) = desk.ask("consent", "deposit", write(tmp_path / "one", desk.consent().encode()), code=SOME_NOT_TAKEN)
    assert "quorum" in row["fault"]
    assert desk.ask("consent", "list")[0]["standing"] == "not-logged"


def test_a_consent_is_shown_with_what_is_left_of_it(desk: Desk, tmp_path: Path) -> None:
    assert desk.ask("consent", "list") == []
    bundle = desk.consent(bounds=Bounds(maximum_uses=2))
    desk.ask("consent", "deposit", write(tmp_path / "one", bundle.encode()))
    desk.book.use(ENTERPRISE, Purpose.APPLICATION, RequestId("01" * 16), now=AT)
    (row,) = desk.ask("consent", "list")
    assert (row["enterprise_id"], row["standing"], row["uses_left"], row["leaf"]) == (ENTERPRISE, "usable", 1, 1)
    assert row["until"] == readable_time(bundle.claimed().expires_at)
    desk.book.use(ENTERPRISE, Purpose.APPLICATION, RequestId("02" * 16), now=AT)
    assert desk.ask("consent", "list")[0]["standing"] == "used-up"
    desk.book.refused(RequestId("02" * 16), "consent-not-active")
    (row,) = desk.ask("consent", "list", "--last", "1")
    assert (row["standing"], row["ended"]) == ("ended", "consent-not-active")
    assert "consent-not-active" in desk.run("consent", "list").stdout


def test_the_times_of_a_consent_say_how_it_stands(desk: Desk) -> None:
    bundle = desk.consent(bounds=Bounds(starts_at=AT + 100))
    given = bundle.claimed()
    held = HeldConsent(consent=given, digest=given.digest(), bundle=bundle, uses=0, receipt=b"r", missing=(), ended="")
    left = UsesLeft(1, 1)
    assert standing(held, left, now=AT) == "not-begun"
    assert standing(held, left, now=AT + 100) == "usable"
    assert standing(replace(held, ended="consent-invalid"), left, now=given.expires_at) == "expired"


def test_a_change_is_handed_in_and_its_receipt_verifies(desk: Desk, tmp_path: Path) -> None:
    bundle = desk.consent()
    change = desk.person.change(bundle.claimed(), What.REVOKE, at=AT)
    facts = desk.ask("consent", "change", write(tmp_path / "revocation.change", change.encode()))
    assert (facts["what"], facts["leaf"]) == ("revoke", 0)
    receipt = tmp_path / "revocation.tlog-proof"
    assert facts["receipt"] == str(receipt)
    entry = LogEntry.decode(bytes.fromhex(facts["entry"]))
    assert entry == change.entry()
    assert prove(receipt.read_bytes(), entry, desk.log.trusted).index == 0


def test_receipts_are_listed_fetched_and_written_for_others_to_verify(desk: Desk, tmp_path: Path) -> None:
    assert desk.ask("receipts") == []
    bundle = desk.consent()
    first = desk.scored(bundle, 0, seen_by=DEPARTMENTS)
    second = desk.scored(bundle, 1, seen_by=DEPARTMENTS[:1])
    rows = desk.ask("receipts")
    assert [(row["request"], row["leaf"], row["witnesses"]) for row in rows] == [(second, 1, "waiting"), (first, 0, 3)]
    assert (rows[0]["model"], rows[0]["purpose"], rows[0]["received"]) == (
        VERSION,
        "application",
        readable_time(AT + 1),
    )
    assert len(desk.ask("receipts", "--last", "1")) == 1
    desk.bureau.seen_by = DEPARTMENTS[:2]
    assert [row["witnesses"] for row in desk.ask("receipts", "--complete")] == [2, 3]

    out = tmp_path / "score.tlog-proof"
    facts = desk.ask("receipts", "--export", second, "--out", str(out))
    entry = LogEntry.decode(bytes.fromhex(Path(facts["entry_file"]).read_text().strip()))
    proven = prove(out.read_bytes(), entry, desk.log.trusted)
    assert (proven.index, facts["entry"]) == (1, entry.encode().hex())
    assert Receipt.decode(out.read_bytes()).index == 1


def test_a_receipt_is_written_to_a_file_that_is_named(desk: Desk, tmp_path: Path) -> None:
    assert desk.run("receipts", "--export", "01" * 16).exit_code == 2
    with pytest.raises(NotKept):
        desk.ask("receipts", "--export", "01" * 16, "--out", str(tmp_path / "one"))


def test_reasons_are_told_and_handed_on(desk: Desk, tmp_path: Path) -> None:
    bundle = desk.consent()
    told = desk.scored(bundle, 0, seen_by=DEPARTMENTS, reasons=(REASON,))
    untold = desk.scored(bundle, 1, seen_by=DEPARTMENTS, for_enterprise=b"boxes")
    assert desk.ask("reasons", told) == [
        {"code": "TX1", "zh": "纳税申报", "en": "Tax", "departments": ["tax"], "points_lost": 12}
    ]
    out = tmp_path / "reasons"
    assert desk.ask("reasons", untold, "--for-enterprise", str(out)) == {"request": untold, "file": str(out)}
    assert out.read_bytes() == b"boxes"
    with pytest.raises(NotKept, match="opens no reasons"):
        desk.ask("reasons", untold)
    with pytest.raises(NotKept, match="nothing came"):
        desk.ask("reasons", told, "--for-enterprise", str(out))


def test_a_desk_of_a_bank_without_a_model_asks_the_bureau_of_its_settings(desk: Desk, tmp_path: Path) -> None:
    file = write(tmp_path / "one", desk.consent().encode())
    done = CliRunner().invoke(bank_app, ["consent", "deposit", file, "--home", str(desk.path), "--json"])
    assert done.exit_code == SOME_NOT_TAKEN
    (row,) = json.loads(done.stdout)
    assert row["fault"]
    assert desk.ask("consent", "list")[0]["standing"] == "not-logged"  # it is kept, and handed in later


def test_a_desk_is_not_opened_for_a_bureau_that_is_not_pinned(desk: Desk) -> None:
    async def open_it() -> None:
        async with open_desk(desk.home, ParticipantId("nowhere")):
            pass

    with pytest.raises(UntrustedKey):
        asyncio.run(open_it())


def test_of_several_bureaus_the_log_of_the_settings_one_counts(desk: Desk) -> None:
    assert bureau_of(desk.home) == BUREAU
    desk.pin(ParticipantId("other-city"), Role.BUREAU, Identity.generate())
    assert bank_s_log(desk.home).log_keys == desk.log.trusted.log_keys
    (desk.path / CONFIG_FILE).write_text('bureau = "nowhere"', encoding="utf-8")
    with pytest.raises(PeerError, match="none of its settings"):
        bank_s_log(desk.home)
