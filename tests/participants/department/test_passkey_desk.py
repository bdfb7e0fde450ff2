"""A department's desk for passkeys: it signs what it has seen, and neither another's nor what was altered."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crypto.errors import PeerError, SignatureInvalid, UntrustedKey
from crypto.identifiers import EnterpriseId, ParticipantId, Role
from crypto.passkeys import RelyingParty
from models.hosting.errors import SettingsRefused
from models.hosting.operation.settings import CONFIG_FILE
from models.wire.passkey_binding import BindingRequest, PasskeyBinding, SignedBinding
from models.wire.permission import Action, Permission, signing_with
from participants.department.command import app
from participants.department.passkey_desk import register_passkey, withdraw_passkey
from participants.department.settings import DepartmentSettings
from participants.home import Home
from simulations.enterprise.signatory import Signatory

ENTERPRISE = EnterpriseId("91509900MA0000007U")
MARKET = ParticipantId("market-regulation")
TEXT = DepartmentSettings.sample(passkey_domain="credit.example", passkey_origins=["https://credit.example"])
SETTINGS = DepartmentSettings.parse(TEXT, Path(CONFIG_FILE))
PARTY = SETTINGS.relying_party()
AT = 1_800_000_000


class At:
    """A clock that stands."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now(self) -> float:
        return float(self.at)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    path = tmp_path_factory.mktemp("desk") / "home"
    made = Home.create(path, participant_id=MARKET, role=Role.DEPARTMENT, title="Market 市场监管")
    (path / CONFIG_FILE).write_text(TEXT, encoding="utf-8")
    return made


def asked(registrar: ParticipantId = MARKET, party: RelyingParty = PARTY, at: int = AT) -> BindingRequest:
    return Signatory.create(ENTERPRISE, party).binding_request(registrar, at=at)


def register(home: Home, request: BindingRequest, *, seen: bool = True, now: int = AT) -> SignedBinding:
    return register_passkey(home, SETTINGS, request.encode(), seen=lambda _: seen, clock=At(now))


def test_what_the_desk_signs_verifies_with_the_departments_key(home: Home) -> None:
    request = asked()
    registrars = {MARKET: (home.identity().public,)}
    assert register(home, request).verify(registrars, PARTY) == PasskeyBinding.decode(request.document)


def test_the_operator_is_shown_who_it_is_and_may_say_no(home: Home) -> None:
    shown: list[PasskeyBinding] = []

    def seen(binding: PasskeyBinding) -> bool:
        shown.append(binding)
        return False

    with pytest.raises(UntrustedKey):
        register_passkey(home, SETTINGS, asked().encode(), seen=seen, clock=At(AT))
    assert [one.enterprise_id for one in shown] == [ENTERPRISE]


@pytest.mark.parametrize("now", [AT - 301, AT + 30 * 86_400 + 1], ids=["early", "late"])
def test_a_registration_of_another_time_is_refused(home: Home, now: int) -> None:
    with pytest.raises(PeerError, match="too long ago"):
        register(home, asked(), now=now)


def test_the_desk_signs_for_its_own_department_and_portal_alone(home: Home) -> None:
    with pytest.raises(PeerError, match="another registrar"):
        register(home, asked(ParticipantId("tax")))
    elsewhere = RelyingParty(relying_party_id="evil.example", origins=("https://evil.example",))
    with pytest.raises(SignatureInvalid):
        register(home, asked(party=elsewhere))
    one, two = asked(), asked()
    with pytest.raises(SignatureInvalid):
        register(home, replace(one, assertion=two.assertion))


def test_the_desk_withdraws_what_it_signed_and_nothing_else(home: Home) -> None:
    signed = register(home, asked())
    document = withdraw_passkey(home, signed.encode(), clock=At(AT + 5))
    permission = Permission.verify(document, home.identity().public)
    assert (permission.granted, permission.at) == (False, AT + 5)
    assert permission.subject == signing_with(signed.entry().tag, MARKET)
    assert ENTERPRISE.encode() not in document
    of_another = replace(signed.claimed(), registrar=ParticipantId("tax"))
    with pytest.raises(PeerError, match="bound it"):
        withdraw_passkey(home, replace(signed, document=of_another.encode()).encode(), clock=At(AT + 5))


def test_the_commands_sign_after_a_yes(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "registration"
    file.write_bytes(asked(at=int(time.time())).encode())
    words = ["register-passkey", str(file), "--home", str(home.directory)]
    said = CliRunner().invoke(app, words, input="n\n")
    assert isinstance(said.exception, UntrustedKey)
    assert ENTERPRISE in said.output
    assert not file.with_suffix(".binding").exists()
    assert CliRunner().invoke(app, words, input="y\n").exit_code == 0
    bound = file.with_suffix(".binding")
    shown = CliRunner().invoke(app, ["withdraw-passkey", str(bound), "--home", str(home.directory), "--json"])
    withdrawn = Permission.claimed(Path(json.loads(shown.stdout)["file"]).read_bytes())
    assert (withdrawn.granted, withdrawn.subject.action) == (False, Action.SIGN)


def test_a_portal_that_is_none_is_named_by_its_setting() -> None:
    with pytest.raises(SettingsRefused, match="passkey_domain or passkey_origins"):
        DepartmentSettings.parse('passkey_domain = "credit.example"', Path(CONFIG_FILE)).relying_party()
    assert DepartmentSettings.parse("", Path(CONFIG_FILE)).relying_party().relying_party_id == "localhost"
