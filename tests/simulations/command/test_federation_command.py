"""A federation on one machine: what its operators type is heard, and a node that dies is said."""

from __future__ import annotations

from pathlib import Path

from crypto.identifiers import ParticipantId, Role
from simulations.command.federation import _ended
from simulations.command.main import exit_code
from simulations.local_federation.federation import serving
from simulations.local_federation.founding import Node
from simulations.local_federation.operator import Operator

TAX = ParticipantId("tax")


def test_a_node_that_ends_is_named_with_its_last_words_and_the_command_has_failed(tmp_path: Path) -> None:
    heard: list[str] = []
    operator = Operator(name=TAX, role=Role.DEPARTMENT, home=tmp_path / "no-home", say=heard.append)
    node = Node(operator=operator, settings={"listen_port": 1, "operations_port": 2})
    with serving({TAX: node}, tmp_path) as running:
        running.start([TAX])
        assert heard == [f"yurong department serve --home {tmp_path / 'no-home'} &"]
        error = _ended(running.supervisor)
    assert exit_code(error) == 4
    assert "yurong department serve` ended with" in error.message
    assert "tax: error: " in error.message
    assert error.code in (3, 5)
