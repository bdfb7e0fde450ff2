from collections.abc import Iterator

import pytest
from flwr.supercore.inflatable import inflatable_utils

from coordinator.flower import pauses


@pytest.fixture(autouse=True)
def _flower_is_as_it_was_afterwards() -> Iterator[None]:
    before = inflatable_utils.pull_objects.__kwdefaults__
    inflatable_utils.pull_objects.__kwdefaults__ = {**(before or {}), "initial_backoff": 1}
    yield
    inflatable_utils.pull_objects.__kwdefaults__ = before


def backoff() -> object:
    return (inflatable_utils.pull_objects.__kwdefaults__ or {})["initial_backoff"]


def test_the_pinned_flower_asks_again_sooner() -> None:
    assert pauses.shorten_object_backoff()
    assert backoff() == 0.05
    assert pauses.shorten_object_backoff()


def test_another_flower_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pauses, "KNOWN_VERSION", "1.40.0")
    assert not pauses.shorten_object_backoff()
    assert backoff() == 1
