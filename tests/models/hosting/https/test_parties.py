"""Who may call is the same for the connection, the signature and the guard."""

from __future__ import annotations

from typing import Any

from crypto.identifiers import ParticipantId, Role
from models.hosting.https.parties import Parties


def test_parties_of_other_roles_are_nobody(world: Any) -> None:
    banks = Parties(lambda: world.pinned, roles={Role.BANK})
    assert banks.keys(world.bank.name) == (world.bank.identity.public,)
    assert banks.certificates(world.bank.name) == {world.bank.certificate}
    assert banks.keys(world.bureau.name) == ()
    assert banks.certificates(world.bureau.name) == frozenset()
    assert banks.anchors() == {world.bank.certificate}
    assert Parties(lambda: world.pinned).anchors() == {world.bank.certificate, world.bureau.certificate}


def test_a_party_without_certificate_is_no_anchor(world: Any) -> None:
    document = type(world.bank.document)(role=Role.BANK, identity=world.bank.identity.public, certificate=b"")
    parties = Parties(lambda: {world.bank.name: [document]})
    assert parties.anchors() == frozenset()
    assert parties.keys(world.bank.name)
    assert parties.keys(ParticipantId("nobody")) == ()


def test_what_is_pinned_or_unpinned_counts_at_once(world: Any) -> None:
    parties = Parties(lambda: world.pinned)
    assert parties.keys(world.bank.name)
    del world.pinned[world.bank.name]
    assert not parties.keys(world.bank.name)
    assert parties.anchors() == {world.bureau.certificate}
