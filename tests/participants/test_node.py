"""A node is opened once a process and answers the steps of its role."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto.errors import MalformedMessage, PeerError, ProtectionUnavailable
from participants.node import Node
from simulations.founding import FoundedFederation


def test_a_node_is_kept_until_it_is_forgotten(federation: FoundedFederation) -> None:
    home = next(iter(federation.homes.values()))
    node = Node.open(home)
    assert Node.open(home) is node
    Node.forget(home)
    assert Node.open(home) is not node


def test_what_is_no_step_is_refused(federation: FoundedFederation) -> None:
    node = Node.open(next(iter(federation.homes.values())))
    with pytest.raises(PeerError):
        node.handle("dance", b"")
    with pytest.raises(MalformedMessage):
        node.handle("join", b"\xff")


def test_a_directory_without_a_home_has_no_node(tmp_path: Path) -> None:
    with pytest.raises(ProtectionUnavailable):
        Node.open(tmp_path)
