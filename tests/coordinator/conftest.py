"""A federation that answers online score requests, made once for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnlineRehearsal]:
    """Four departments and two banks with a model that was drawn."""
    with OnlineRehearsal(tmp_path_factory.mktemp("rehearsal")) as made:
        yield made


@pytest.fixture
def online(rehearsal: OnlineRehearsal) -> Iterator[OnlineFederation]:
    """Everybody, opened for this test."""
    with rehearsal.online() as opened:
        yield opened
