"""A node is opened once a process and answers the steps of its role."""

from __future__ import annotations

from pathlib import Path

import pytest

from crypto.errors import MalformedMessage, PeerError, ProtectionUnavailable
from crypto.identifiers import ParticipantId, Role, RunId
from participants.home import Home
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


def test_the_node_of_a_sealed_home_opens_with_the_passphrase_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "tax"
    Home.create(
        home, participant_id=ParticipantId("tax"), role=Role.DEPARTMENT, title="Tax", passphrase="six words at random"
    )
    with pytest.raises(ProtectionUnavailable, match="sealed"):
        Node.open(home)
    monkeypatch.setenv("YURONG_PASSPHRASE", "six words at random")
    assert Node.open(home).home.participant_id == "tax"
    Node.forget(home)


def test_a_node_keeps_the_last_two_runs_warm_and_no_more(federation: FoundedFederation) -> None:
    node = Node(Home.open(next(iter(federation.homes.values()))))
    for number in range(4):
        side = node._side(RunId(f"run-{number}"))
        assert node._side(RunId(f"run-{number}")) is side
    assert list(node._sides) == ["run-2", "run-3"]
    node.close()
