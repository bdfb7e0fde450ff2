"""A federation of one's own, for attacks after which nobody in it answers any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulations.adversaries.log import DishonestRehearsal
from simulations.online import OnlineFederation


@pytest.fixture
def own(tmp_path: Path) -> Iterator[DishonestRehearsal]:
    """Four departments and two banks, whose bureau is dishonest."""
    with DishonestRehearsal(tmp_path / "own") as made:
        yield made
        made.log.close()


@pytest.fixture
def ours(own: DishonestRehearsal) -> Iterator[OnlineFederation]:
    """Everybody of it, opened for this test."""
    with own.online() as opened:
        yield opened
