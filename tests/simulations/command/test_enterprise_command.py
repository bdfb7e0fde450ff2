"""What an enterprise types, from its passkey to the last use of its consents."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from crypto.errors import MalformedMessage, PeerError, YurongError
from crypto.identifiers import ModelVersion, ParticipantId, RequestId, Role
from crypto.identity import Identity
from models.consent.errors import BeyondFairUse, ImpossibleChange
from models.hosting.operation.settings import CONFIG_FILE
from models.log.errors import CopyRefused, ReceiptRefused
from models.log.key_file import format_keys
from models.reasons.families import packaged_families
from models.wire.consent import Computation, Purpose, ReasonsOpenedBy
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import What
from models.wire.envelope import post
from models.wire.log_entry import use_tag
from models.wire.passkey_binding import Registrars
from models.wire.reasons import EnterpriseReasons, Opener
from models.wire.score_statement import ScoreStatement
from models.wire.scoring import PARTIAL_FRACTION_BITS
from models.wire.signed_change import SignedChange
from participants.department.reasons import sealed_reasons
from participants.department.settings import DepartmentSettings
from participants.home import Home
from simulations.command.main import app
from simulations.enterprise.errors import DirectoryUnusable, NothingToSign
from simulations.witnessed_log import WitnessedLog

ENTERPRISE, OTHER = "91509900MA0000007U", "91509900MA0000015N"
MARKET = ParticipantId("market-regulation")
PARTY = DepartmentSettings.parse("", Path(CONFIG_FILE)).relying_party()
DEPARTMENTS = tuple(map(ParticipantId, ("court", "customs", "tax")))
TO = ["--bank", "bank", *(word for name in DEPARTMENTS for word in ("--department", name))]


class Typed:
    """An enterprise's directory, and the desk where it was registered."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "enterprise"
        desk = directory / "desk"
        self.desk = Home.create(desk, participant_id=MARKET, role=Role.DEPARTMENT, title="Market 市场监管")
        (desk / CONFIG_FILE).write_text(DepartmentSettings.sample(), encoding="utf-8")
        self.registrars: Registrars = {MARKET: (self.desk.identity().public,)}

    def run(self, *words: str) -> Any:
        """What the command prints as JSON."""
        return json.loads(typed("enterprise", *words, "--home", str(self.home), "--json"))

    def refused(self, error: type[YurongError], *words: str) -> YurongError:
        fault = CliRunner().invoke(app, ["enterprise", *words, "--home", str(self.home)]).exception
        assert isinstance(fault, error)
        assert ENTERPRISE not in str(fault)
        return fault

    def registered(self) -> None:
        asked = self.run("register", ENTERPRISE, "--registrar", MARKET)["registration"]
        desk = ["department", "register-passkey", asked, "--seen", "--home", str(self.desk.directory), "--json"]
        binding = json.loads(typed(*desk))["binding"]
        typed("enterprise", "registered", binding, "--home", str(self.home))


def typed(*words: str) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


@pytest.fixture(scope="module")
def enterprise(tmp_path_factory: pytest.TempPathFactory) -> Typed:
    made = Typed(tmp_path_factory.mktemp("typed"))
    made.registered()
    return made


def bundle_of(shown: dict[str, Any]) -> ConsentBundle:
    return ConsentBundle.decode(Path(shown["file"]).read_bytes())


def test_a_consent_that_was_typed_verifies_at_departments(enterprise: Typed) -> None:
    shown = enterprise.run(
        *("consent", *TO, "--purpose", "monitoring", "--computation", "score-with-reasons"),
        *("--reasons-opened-by", "both", "--days", "30", "--uses", "2", "--uses-a-month", "1", "--keep-days", "5"),
    )
    consent = bundle_of(shown).verify(enterprise.registrars, PARTY)
    assert (consent.purpose, consent.reasons_opened_by) == (Purpose.MONITORING, ReasonsOpenedBy.BOTH)
    assert (consent.maximum_uses, consent.uses_a_month, consent.result_life_days) == (2, 1, 5)
    assert consent.expires_at - consent.created_at == 30 * 86_400
    assert shown["digest"] == consent.digest().hex()
    assert stat.S_IMODE(Path(shown["file"]).stat().st_mode) == 0o600
    following = bundle_of(enterprise.run("consent", *TO, "--following", shown["consent"])).claimed()
    assert following.previous_consent_id == shown["consent"]


def test_more_than_the_rules_allow_is_neither_kept_nor_written(enterprise: Typed) -> None:
    before = enterprise.run("consents")
    fault = enterprise.refused(BeyondFairUse, "consent", *TO, "--days", "32")
    assert "31 days at most" in fault.message
    enterprise.refused(BeyondFairUse, "consent", *TO, "--purpose", "matching")
    enterprise.refused(MalformedMessage, "consent", *TO[:-2])
    assert [one["consent"] for one in enterprise.run("consents")] == [one["consent"] for one in before]


def test_a_consent_is_paused_resumed_and_ended(enterprise: Typed) -> None:
    shown = enterprise.run("consent", *TO)
    consent = bundle_of(shown).claimed()
    passkey = bundle_of(shown).binding.claimed().passkey
    for what, state in (("pause", "paused"), ("revoke", "revoked")):
        changed = enterprise.run(what, shown["consent"], "--reason", "misuse-suspected")
        assert changed["state"] == state
        change = SignedChange.decode(Path(changed["file"]).read_bytes()).verify(consent, passkey, PARTY)
        assert change.what is What(what)
    enterprise.refused(ImpossibleChange, "resume", shown["consent"])
    states = {one["consent"]: one["state"] for one in enterprise.run("consents")}
    assert states[shown["consent"]] == "revoked"
    fault = enterprise.refused(DirectoryUnusable, "revoke", "0a" * 16)
    assert "consents" in fault.advice


def test_nothing_is_signed_before_the_passkey_is_registered(tmp_path: Path) -> None:
    new = Typed(tmp_path)
    new.refused(DirectoryUnusable, "consents")
    asked = new.run("register", ENTERPRISE, "--registrar", MARKET)
    again = new.run("register", ENTERPRISE, "--registrar", "tax", "--out", str(tmp_path / "again"))
    assert asked["passkey"] == again["passkey"]
    new.refused(DirectoryUnusable, "register", OTHER, "--registrar", MARKET)
    new.refused(NothingToSign, "consent", *TO)
    new.refused(PeerError, "registered", asked["registration"])
    assert CliRunner().invoke(app, ["enterprise", "consents", "--home", str(new.home)]).stdout.startswith("nothing was")


def used(log: WitnessedLog, bundle: ConsentBundle, number: int) -> int:
    """The place of a bank's request under a consent."""
    statement = ScoreStatement(
        request_id=RequestId("0d" * 16),
        bank=ParticipantId("bank"),
        bank_serial=1,
        model_version=ModelVersion("0c" * 16),
        key_fingerprint=bytes(32),
        expires_at=1_800_000_060,
        bits=7,
        serials=(1, 1, 1),
        boxes=bytes(32),
        purpose=Purpose.APPLICATION,
        computation=Computation.SCORE,
        use_tag=use_tag(bundle.use_key, number),
    )
    document = statement.sign(Identity.generate())
    return log.append(statement.entry(document), document)


def keys_file(log: WitnessedLog, path: Path) -> list[str]:
    path.write_text(format_keys(log.trusted), encoding="utf-8")
    return ["--keys", str(path)]


def test_every_use_is_shown_and_a_shorter_log_refused(enterprise: Typed, tmp_path: Path) -> None:
    bundle = bundle_of(enterprise.run("consent", *TO))
    log = WitnessedLog(DEPARTMENTS)
    log.append(bundle.binding_entry)
    log.append(bundle.consent_entry)
    used(log, bundle, 0)
    keys = keys_file(log, tmp_path / "keys")
    published = log.publish(tmp_path / "log")
    (use,) = enterprise.run("uses", "--log", str(published), *keys)
    assert use == {
        "index": 2,
        "consent": bundle.claimed().consent_id,
        "use": 1,
        "outcome": "used",
        "bank": "bank",
        "purpose": "application",
        "model": "0c" * 16,
        "valid_until": "2027-01-15T08:01:00Z",
    }
    note, _ = log.note(), log.entries.pop()
    log.documents.clear()
    shorter = log.publish(tmp_path / "shorter", note)
    enterprise.refused(CopyRefused, "uses", "--log", str(shorter), *keys)
    none = log.publish(tmp_path / "none")
    words = ["enterprise", "uses", "--log", str(none), *keys, "--home", str(enterprise.home)]
    assert typed(*words).startswith("none of your consents was used")


def test_reasons_are_opened_where_the_consent_lets_the_enterprise(enterprise: Typed, tmp_path: Path) -> None:
    words = ("--computation", "score-with-reasons", "--reasons-opened-by", "enterprise")
    key = bundle_of(enterprise.run("consent", *TO, *words)).claimed().reasons_key
    assert key is not None
    lost = np.zeros(len(packaged_families()), np.uint64)
    lost[3] = 1 << PARTIAL_FRACTION_BITS
    sealed = {
        name: sealed_reasons(lost, {Opener.ENTERPRISE: key}, request=bytes(32), department=name)[0].box
        for name in DEPARTMENTS
    }
    file = tmp_path / "boxes"
    file.write_bytes(EnterpriseReasons(request=bytes(32), boxes=post(sealed)).encode())
    (reason,) = enterprise.run("reasons", str(file))
    assert (reason["code"], reason["zh"]) == (packaged_families()[3].code, packaged_families()[3].zh)
    file.write_bytes(EnterpriseReasons(request=bytes(31) + b"1", boxes=post(sealed)).encode())
    enterprise.refused(PeerError, "reasons", str(file))


def verified(*words: str) -> Any:
    return json.loads(typed("verify", *words, "--json"))


def unproven(*words: str) -> YurongError:
    fault = CliRunner().invoke(app, ["verify", *words]).exception
    assert isinstance(fault, YurongError)
    return fault


def test_a_receipt_is_verified_with_public_keys_alone(enterprise: Typed, tmp_path: Path) -> None:
    shown = enterprise.run("consent", *TO)
    log = WitnessedLog(DEPARTMENTS)
    bundle = bundle_of(shown)
    log.append(bundle.binding_entry)
    index = log.append(bundle.consent_entry)
    receipt = tmp_path / "consent.tlog-proof"
    receipt.write_bytes(log.receipt(index).encode())
    keys = keys_file(log, tmp_path / "keys")
    document = ["--document", shown["file"], "--kind", "consent"]
    facts = verified(str(receipt), *document, *keys)
    assert (facts["index"], facts["size"], facts["digest"]) == (1, 2, shown["digest"])
    assert facts["witnesses"] == {f"yurong.witness/{name}": "2027-01-15T08:00:00Z" for name in DEPARTMENTS}
    log_key, witnesses = log.trusted.log_keys[0].encode(), [key.encode() for key in log.trusted.witnesses]
    options = ["--log-key", log_key, *(word for key in witnesses for word in ("--witness-key", key)), "--quorum", "3"]
    entry = ["--entry", log.entries[1].encode().hex()]
    assert verified(str(receipt), *entry, *options)["quorum"] == 3
    _failures(receipt, log, entry, document, keys, options)


def _failures(
    receipt: Path,
    log: WitnessedLog,
    entry: Sequence[str],
    document: Sequence[str],
    keys: Sequence[str],
    options: Sequence[str],
) -> None:
    """The step that fails is named; what was asked wrongly is said before any step."""
    other = ["--entry", log.entries[0].encode().hex()]
    assert "step 5 of 5, the entry" in unproven(str(receipt), *other, *keys).message
    another = keys_file(WitnessedLog(DEPARTMENTS), receipt.with_name("others"))
    assert "step 2 of 5, the log" in unproven(str(receipt), *entry, *another).message
    receipt.write_bytes(log.receipt(1, DEPARTMENTS[:2]).encode())
    assert verified(str(receipt), *entry, *keys)["quorum"] == 2
    fault = unproven(str(receipt), *entry, *keys, "--quorum", "3")
    assert isinstance(fault, ReceiptRefused)
    assert fault.step == "step 3 of 5, the witnesses"
    for words in ((*entry, *document), (), document[:2], ("--entry", "zz")):
        assert isinstance(unproven(str(receipt), *words, *keys), MalformedMessage)
    assert isinstance(unproven(str(receipt), *entry), MalformedMessage)
    assert isinstance(unproven(str(receipt), *entry, *keys, *options), MalformedMessage)
    assert isinstance(unproven(str(receipt), *document[:2], "--kind", "permission", *keys), MalformedMessage)


def test_the_present_time_is_that_of_the_consent(enterprise: Typed) -> None:
    assert abs(bundle_of(enterprise.run("consent", *TO)).claimed().created_at - time.time()) < 60
