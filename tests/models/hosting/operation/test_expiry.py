"""What an operator sees of certificates that will expire."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from crypto.certificates import certificate_expires_at
from crypto.identifiers import ParticipantId, Role
from crypto.succession import HandOver
from models.hosting.operation.expiry import METRIC, CertificateExpiry
from models.hosting.trust.home import NodeHome


def node(directory: Path, name: str, role: Role, address: str) -> NodeHome:
    return NodeHome.create(directory / name, participant_id=ParticipantId(name), role=role, title=name, address=address)


def test_own_and_pinned_certificates_are_shown_with_their_end(tmp_path: Path) -> None:
    tax = node(tmp_path, "tax", Role.DEPARTMENT, "https://tax.example:8443")
    bureau = node(tmp_path, "bureau", Role.BUREAU, "https://bureau.example:8443")
    unreachable = node(tmp_path, "land", Role.DEPARTMENT, "")
    for other in (bureau, unreachable):
        tax.pins.pin(other.hand_over(), fingerprint=other.identity().public.fingerprint())
    registry = CollectorRegistry()
    registry.register(CertificateExpiry(tax))

    def shown(name: str) -> float | None:
        return registry.get_sample_value(METRIC, {"participant": name})

    for one in (tax, bureau):
        document = HandOver(one.document()).verify_signed_by_itself()
        assert shown(one.participant_id) == certificate_expires_at(document.certificate)
    assert shown("land") is None
    (tax.directory / "pins" / "pins.json").write_text("{")
    assert shown("tax") is None
