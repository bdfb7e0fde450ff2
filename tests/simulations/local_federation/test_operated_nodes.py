"""What operators type while their nodes serve: keys are rotated, and another release's database is refused."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from crypto.errors import YurongError
from crypto.identifiers import ParticipantId, Role
from models.hosting.storage.database import SQLITE_FILE
from models.hosting.trust.home import NodeHome
from participants.bank.score_request import Score
from simulations.errors import CommandFailed
from simulations.local_federation.founding import BUREAU
from simulations.local_federation.online import OnlineProcesses
from simulations.local_federation.operator import run_command
from simulations.local_federation.waiting import until

pytestmark = pytest.mark.timeout(300)


class Asking:
    """A bank that asks for one score after the other in a thread, about another enterprise each time."""

    def __init__(self, online: OnlineProcesses) -> None:
        self._online = online
        self.scores: list[tuple[int, Score]] = []
        self.errors: list[YurongError] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Ask until the block is left."""
        self._thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self._thread.join()

    def _ask(self) -> None:
        with self._online.client() as bank:
            while not self._ended.is_set():
                (row,) = self._online.unused(1)
                try:
                    self.scores.append((row, bank.score(self._online.enterprise(row))))
                except YurongError as error:
                    self.errors.append(error)
                self._ended.wait(0.1)


def home_of(online: OnlineProcesses, name: ParticipantId) -> NodeHome:
    return online.founded.bureau if name == BUREAU else online.founded.home(name)


def rotate(online: OnlineProcesses, keys: Mapping[ParticipantId, Sequence[str]]) -> None:
    """As docs/operations.md says it: prepare, hand over, have everybody pin, finish."""
    nodes = online.running.nodes
    documents = {name: nodes[name].operator.ask("rotate", *parts)["hand_over"] for name, parts in keys.items()}
    for other, node in nodes.items():
        pinned = home_of(online, other).pins.names()
        node.operator.type("admit" if other == BUREAU else "pin", *(documents[name] for name in keys if name in pinned))
    for name in keys:
        nodes[name].operator.type("rotate", "--finish")


def test_operators_rotate_all_keys_of_their_nodes_while_scores_are_asked_for(online: OnlineProcesses) -> None:
    bank, department = online.founded.drawn.banks[0], online.departments[0]
    keys = {
        BUREAU: ("tls", "identity"),
        department: ("tls", "identity", "node"),
        bank: ("tls", "identity", "node", "paillier"),
    }
    before = {name: home_of(online, name).document() for name in keys}
    asking = Asking(online)
    with asking.going_on():
        rotate(online, keys)
        rotated = len(asking.scores)
        # The commands take the machine from the nodes: one may be late for a probe, and is named as missing then.
        everybody = "everybody is in a score again"
        until(lambda: asking.errors or any(not score.missing for _, score in asking.scores[rotated + 1 :]), everybody)
    assert all(home_of(online, name).document() != document for name, document in before.items())
    assert asking.errors == []
    assert all(online.is_true(row, score) for row, score in asking.scores)


@pytest.mark.parametrize("role", list(Role))
def test_a_node_does_not_serve_with_a_database_of_another_release(
    online: OnlineProcesses, role: Role, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(online.running.nodes[online.running.named(role)[-1]].operator.home, home)
    with closing(sqlite3.connect(home / SQLITE_FILE)) as connection, connection:
        assert connection.execute("UPDATE alembic_version SET version_num = 'later'").rowcount == 1
    with pytest.raises(CommandFailed, match="made by a later release"):
        run_command([role, "serve"], home=home, say=lambda _: None, seconds=60)
    (home / SQLITE_FILE).unlink()
    with pytest.raises(CommandFailed, match=f"yurong {role} migrate"):
        run_command([role, "serve"], home=home, say=lambda _: None, seconds=60)
