"""What of the executor needs no SuperNode; the rest is in `test_deployment.py`."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from models.wire.app_bundle import CLIENT_APP
from participants.flower import client_app
from participants.flower.executor import PinnedExecutor, load_app, pause_seconds


def test_the_installed_app_is_the_default() -> None:
    assert load_app(CLIENT_APP) is client_app.app


def test_something_that_is_no_app_is_refused() -> None:
    with pytest.raises(TypeError, match="not a ClientApp"):
        load_app("participants.flower.client_app:open_home")


def test_it_waits_for_a_node_that_is_not_up_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("participants.flower.executor._RECONNECT_SECONDS", 0.01)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        looks: Iterator[bool] = iter([True, True, True, False])
        with closing(PinnedExecutor(f"127.0.0.1:{port}", b"secret", client_app.app)) as executor:
            executor.serve(while_true=lambda: next(looks))
    assert next(looks, None) is None


@pytest.mark.parametrize(("idle_for", "pause"), [(0.0, 0.05), (2.0, 0.1), (10.0, 0.5), (3600.0, 1.0)])
def test_it_looks_more_seldom_the_longer_there_was_nothing(idle_for: float, pause: float) -> None:
    assert pause_seconds(0.05, idle_for=idle_for) == pause
