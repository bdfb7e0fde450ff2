"""What an enterprise keeps: it signs with it the same after it was read again, and damage is named."""

import stat
from pathlib import Path

import pytest

from crypto.errors import PeerError, ProtocolStateError
from crypto.identifiers import ConsentId, EnterpriseId, ParticipantId
from crypto.identity import Identity
from crypto.passkeys import PasskeyAlgorithm, RelyingParty
from models.consent.states import ConsentState
from models.wire.consent_change import What
from models.wire.passkey_binding import Registrars
from simulations.authenticator import SoftwareAuthenticator
from simulations.enterprise.errors import DirectoryUnusable
from simulations.enterprise.home import EnterpriseHome
from simulations.enterprise.signatory import Signatory

PARTY = RelyingParty(relying_party_id="credit.example", origins=("https://credit.example",))
ENTERPRISE = EnterpriseId("91509900MA0000007U")
MARKET, BANK = ParticipantId("market-regulation"), ParticipantId("bank")
PROVIDERS = tuple(map(ParticipantId, ("tax", "court", "customs")))
REGISTRAR = Identity.generate()
REGISTRARS: Registrars = {MARKET: (REGISTRAR.public,)}
AT = 1_800_000_000


@pytest.fixture
def home(tmp_path: Path) -> EnterpriseHome:
    made = EnterpriseHome.create(tmp_path / "enterprise", Signatory.create(ENTERPRISE, PARTY))
    made.keep_binding(made.signatory.binding(REGISTRAR, MARKET, at=AT).encode())
    return made


def test_an_enterprise_that_is_opened_again_signs_with_the_same_passkey(home: EnterpriseHome) -> None:
    again = EnterpriseHome.open(home.directory)
    bundle = again.signatory.consent(BANK, PROVIDERS, created_at=AT)
    consent = bundle.verify(REGISTRARS, PARTY)
    assert consent.signatory == home.signatory.named
    own = home.signatory.reasons_key.private_bytes_raw()
    assert again.signatory.reasons_key.private_bytes_raw() == own


def test_consents_and_their_changes_are_kept_in_order(home: EnterpriseHome) -> None:
    signatory = home.signatory
    later, first = (signatory.consent(BANK, PROVIDERS, created_at=at) for at in (AT + 9, AT))
    for bundle in (later, first):
        home.keep(bundle)
    consent = first.claimed()
    for number, what in enumerate((What.PAUSE, What.RESUME, What.PAUSE)):
        home.keep_change(consent.consent_id, signatory.change(consent, what, at=AT + 20 + number))
    kept = EnterpriseHome.open(home.directory).consents()
    assert [one.bundle for one in kept] == [first, later]
    assert [one.what for one in kept[0].claimed_changes()] == [What.PAUSE, What.RESUME, What.PAUSE]
    assert [one.state(AT + 60) for one in kept] == [ConsentState.PAUSED, ConsentState.ACTIVE]


def test_nobody_else_reads_what_is_kept(home: EnterpriseHome) -> None:
    home.keep(home.signatory.consent(BANK, PROVIDERS, created_at=AT))
    for path in [home.directory, *home.directory.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_a_registration_of_another_passkey_is_not_kept(home: EnterpriseHome) -> None:
    other = Signatory.create(ENTERPRISE, PARTY).binding(REGISTRAR, MARKET, at=AT)
    with pytest.raises(PeerError, match="not the registration of this passkey"):
        home.keep_binding(other.encode())


def test_a_directory_that_is_none_or_is_damaged_is_named(home: EnterpriseHome, tmp_path: Path) -> None:
    with pytest.raises(DirectoryUnusable, match="is no enterprise's") as caught:
        EnterpriseHome.open(tmp_path)
    assert "register" in caught.value.advice
    with pytest.raises(DirectoryUnusable, match="already"):
        EnterpriseHome.create(home.directory, home.signatory)
    with pytest.raises(DirectoryUnusable, match="no such consent"):
        home.consent(ConsentId("0a" * 16))
    for name in ("passkey.key", "reasons.key", "binding", "enterprise.json"):
        path = home.directory / name
        whole = path.read_bytes()
        path.write_bytes(whole[:-1])
        with pytest.raises(DirectoryUnusable, match=f"{name} is not what it was"):
            EnterpriseHome.open(home.directory)
        path.write_bytes(whole)
    (home.directory / "passkey.key").unlink()
    with pytest.raises(DirectoryUnusable, match="cannot be read"):
        EnterpriseHome.open(home.directory)


@pytest.mark.parametrize("kind", [{"counts": True}, {"algorithm": PasskeyAlgorithm.EDDSA}], ids=["counts", "eddsa"])
def test_a_passkey_that_could_not_be_kept_whole_is_not_kept(kind: dict[str, PasskeyAlgorithm]) -> None:
    with pytest.raises(ProtocolStateError):
        SoftwareAuthenticator.create(PARTY, **kind).to_private_bytes()  # type: ignore[arg-type]
