"""Small federations of real processes, founded by the commands that operators type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from crypto.identifiers import Role
from simulations.federation_data import FederationData
from simulations.local_federation.drawn import Settings
from simulations.local_federation.federation import LocalFederation, serving
from simulations.local_federation.founding import found_nodes, lay_out
from simulations.local_federation.online import OnlineProcesses, online_processes
from simulations.small_federation import SmallFederation

CONSENTING = 400
"""So many enterprises the tests of a package ask about at most, each of them once. Each costs the founding a while."""

Running = Callable[[Path], AbstractContextManager[LocalFederation]]


@pytest.fixture(scope="session")
def small_data() -> FederationData:
    """Three departments and two banks, with rows enough for three rounds."""
    return SmallFederation(departments=3, banks=2, borrowers_per_bank=800).make()


@pytest.fixture(scope="session")
def founded(small_data: FederationData) -> Running:
    """Found that federation in a directory; none of its nodes is started yet."""

    @contextmanager
    def running(directory: Path) -> Iterator[LocalFederation]:
        own = {"lattice_workers": 1}
        nodes = lay_out(small_data, directory, say=lambda _: None, settings={Role.DEPARTMENT: own, Role.BANK: own})
        found_nodes(small_data, nodes, directory)
        with serving(nodes, directory) as federation:
            yield federation

    return running


@pytest.fixture(scope="package")
def online(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineProcesses]:
    """A bureau, four departments and two banks that give scores by a drawn model. Every test leaves all running."""
    settings: dict[Role, Settings] = {
        Role.BUREAU: {"answer_seconds": 5.0, "scores_at_once": 4},
        Role.DEPARTMENT: {"obfuscator_capacity": 100, "obfuscator_low": 32},
    }
    directory = tmp_path_factory.mktemp("online")
    with online_processes(directory, consenting=CONSENTING, settings=settings) as processes:
        yield processes
