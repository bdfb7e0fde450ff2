"""Small federations of real processes, founded by the commands that operators type."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from crypto.identifiers import Role
from simulations.federation_data import FederationData
from simulations.local_federation.federation import LocalFederation, serving
from simulations.local_federation.founding import found_nodes, lay_out
from simulations.small_federation import SmallFederation

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
