"""What a simulated enterprise keeps on its disk, until its browser and the portal keep it.

    enterprise.json      who it is, who signs for it, and for which pages its passkey is
    passkey.key          the passkey, private half included
    reasons.key          the X25519 key that opens reasons
    binding              that the passkey is this enterprise's, once a registrar has said so
    consents/<id>/bundle          a consent with its proofs and its use key
    consents/<id>/<n>.change      each change of it, in their order

Directories are 0700 and files 0600. Whoever can read this directory can sign for the enterprise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from crypto.documents import canonical_json, parse_canonical_json
from crypto.errors import MalformedMessage, PeerError
from crypto.identifiers import ConsentId, EnterpriseId, parse_consent_id
from crypto.passkeys import RelyingParty
from models.consent.rules import packaged_rules, require_within_rules
from models.consent.states import ConsentState, state_of
from models.enterprise_id import parse_enterprise_id
from models.hosting.storage.files import home_directory, private_directory, private_file
from models.wire.consent import Consent, SignatoryRole
from models.wire.consent_bundle import ConsentBundle
from models.wire.consent_change import ConsentChange
from models.wire.document_fields import member_of, text_of
from models.wire.passkey_binding import SignedBinding
from models.wire.signed_change import SignedChange
from simulations.authenticator import SoftwareAuthenticator
from simulations.enterprise.errors import DirectoryUnusable
from simulations.enterprise.signatory import Signatory

_ABOUT: Final = "enterprise.json"
_PASSKEY: Final = "passkey.key"
_REASONS: Final = "reasons.key"
_BINDING: Final = "binding"
_CONSENTS: Final = "consents"
_BUNDLE: Final = "bundle"
_RESTORE: Final = "restore it from a copy"

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConsent:
    """A consent that this enterprise gave, and how it changed it, in order."""

    bundle: ConsentBundle
    changes: tuple[SignedChange, ...]

    @property
    def consent(self) -> Consent:
        """What was consented to."""
        return self.bundle.claimed()

    def claimed_changes(self) -> list[ConsentChange]:
        """What was changed; this enterprise signed it itself."""
        return [one.claimed() for one in self.changes]

    def state(self, now: int) -> ConsentState:
        """The state at `now` (seconds), if all changes are in the log."""
        return state_of(self.consent, self.claimed_changes(), now)


class EnterpriseHome:
    """An enterprise's directory, and who signs for it."""

    def __init__(self, directory: Path, signatory: Signatory) -> None:
        self.directory = directory
        self.signatory = signatory

    @staticmethod
    def exists(directory: Path) -> bool:
        """Whether an enterprise is kept there."""
        return (directory / _ABOUT).exists()

    @classmethod
    def create(cls, directory: Path, signatory: Signatory) -> Self:
        """Keep a new signatory; raises `DirectoryUnusable` if one is kept there, `ProtectionUnavailable`."""
        if cls.exists(directory):
            raise DirectoryUnusable(f"{directory} is an enterprise's already", advice="name another one with --home")
        home_directory(directory)
        private_directory(directory / _CONSENTS)
        private_file(directory / _PASSKEY, signatory.authenticator.to_private_bytes())
        private_file(directory / _REASONS, signatory.reasons_key.private_bytes_raw())
        about = {
            "enterprise_id": signatory.enterprise_id,
            "name": signatory.name,
            "origins": list(signatory.relying_party.origins),
            "relying_party_id": signatory.relying_party.relying_party_id,
            "role": signatory.role.value,
        }
        private_file(directory / _ABOUT, canonical_json(about))
        return cls(directory, signatory)

    @classmethod
    def open(cls, directory: Path) -> Self:
        """The enterprise that is kept in a directory; raises `DirectoryUnusable`."""
        if not cls.exists(directory):
            raise DirectoryUnusable(
                f"{directory} is no enterprise's",
                advice="name another one with --home, or say `yurong enterprise register`",
            )
        relying_party, enterprise_id, name, role = _read(directory / _ABOUT, _about)
        binding = directory / _BINDING
        signatory = Signatory(
            enterprise_id,
            relying_party,
            _read(directory / _PASSKEY, lambda data: SoftwareAuthenticator.from_private_bytes(data, relying_party)),
            _read(directory / _REASONS, _x25519),
            name=name,
            role=role,
            binding=_read(binding, SignedBinding.decode) if binding.exists() else None,
        )
        return cls(directory, signatory)

    def keep_binding(self, data: bytes) -> None:
        """Keep what a registrar made of the passkey; raises `PeerError` if it is of another."""
        signed = SignedBinding.decode(data)
        claimed = signed.claimed()
        if claimed != self.signatory.proposed_binding(claimed.registrar, at=claimed.at):
            raise PeerError(
                "this is not the registration of this passkey for this enterprise and person",
                advice="Hand the registrar what `yurong enterprise register` wrote, and keep what comes back.",
            )
        private_file(self.directory / _BINDING, data)
        self.signatory.binding_of_passkey = signed

    def keep_within_rules(self, bundle: ConsentBundle) -> None:
        """Keep a consent if every department would heed it; raises `BeyondFairUse` for one to more than the rules."""
        require_within_rules(bundle.claimed(), packaged_rules())
        self.keep(bundle)

    def keep(self, bundle: ConsentBundle) -> None:
        """Keep a consent that was given."""
        folder = self._folder(bundle.claimed().consent_id)
        private_directory(folder)
        private_file(folder / _BUNDLE, bundle.encode())

    def keep_change(self, consent_id: ConsentId, change: SignedChange) -> None:
        """Keep a change after those before it."""
        number = len(self.consent(consent_id).changes)
        private_file(self._folder(consent_id) / f"{number:04}.change", change.encode())

    def consent(self, consent_id: ConsentId) -> KeptConsent:
        """A consent that this enterprise gave, by its id; raises `DirectoryUnusable`."""
        folder = self._folder(consent_id)
        if not (folder / _BUNDLE).exists():
            raise DirectoryUnusable("there is no such consent here", advice="`yurong enterprise consents` shows them")
        changes = tuple(_read(path, SignedChange.decode) for path in sorted(folder.glob("*.change")))
        return KeptConsent(bundle=_read(folder / _BUNDLE, ConsentBundle.decode), changes=changes)

    def consents(self) -> list[KeptConsent]:
        """All that this enterprise gave, the oldest first."""
        folders = (self.directory / _CONSENTS).iterdir()
        found = [self.consent(ConsentId(folder.name)) for folder in folders if (folder / _BUNDLE).exists()]
        return sorted(found, key=lambda one: (one.consent.created_at, one.consent.consent_id))

    def _folder(self, consent_id: ConsentId) -> Path:
        return self.directory / _CONSENTS / parse_consent_id(consent_id)


def _read(path: Path, decode: Callable[[bytes], _Read]) -> _Read:
    try:
        return decode(path.read_bytes())
    except OSError as fault:
        raise DirectoryUnusable(f"{path} cannot be read: {fault.strerror}", advice="restore it from a copy") from None
    except MalformedMessage as fault:
        raise DirectoryUnusable(
            f"{path} is not what it was: {fault.message}", advice="restore it from a copy"
        ) from None


def _about(data: bytes) -> tuple[RelyingParty, EnterpriseId, str, SignatoryRole]:
    fields = parse_canonical_json(data)
    if fields.keys() != {"enterprise_id", "name", "origins", "relying_party_id", "role"}:
        raise MalformedMessage("it has other fields than it should")
    relying_party = RelyingParty(
        relying_party_id=text_of(fields["relying_party_id"]), origins=tuple(map(text_of, fields["origins"]))
    )
    enterprise_id = parse_enterprise_id(text_of(fields["enterprise_id"]))
    return relying_party, enterprise_id, text_of(fields["name"]), member_of(SignatoryRole, fields["role"])


def _x25519(data: bytes) -> X25519PrivateKey:
    try:
        return X25519PrivateKey.from_private_bytes(data)
    except ValueError:
        raise MalformedMessage("a key for reasons is 32 bytes") from None
