"""Flower's list of nodes is kept the same as the bureau's pins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from coordinator.errors import LinkFailed, NodesRefused
from coordinator.flower.bus import Clock, SystemClock
from crypto.identifiers import ParticipantId

AGAIN_SECONDS: Final = 60.0
"""The list is compared so often even if the pins have not changed: a SuperLink may have lost its state."""

NodeKeys = Mapping[ParticipantId, Collection[bytes]]

_log = logging.getLogger("yurong.runs")


class Registrar(Protocol):
    """What has the list: `coordinator.flower.control.Control`."""

    def synchronise(self, node_keys: NodeKeys) -> bool:
        """Let exactly these nodes be registered."""
        ...


class NodeList:
    """Looks at the pins (`node_keys`) at each step, and has changes taken over at once.

    A SuperLink that is down is asked again at the next step; one that refuses a node after `AGAIN_SECONDS`, or when the
    pins have changed. Whose nodes are refused is told to `report`, each time that the list was compared.
    """

    def __init__(
        self,
        registrar: Registrar,
        node_keys: Callable[[], NodeKeys],
        *,
        report: Callable[[Collection[str]], None],
        clock: Clock | None = None,
    ) -> None:
        self._registrar = registrar
        self._node_keys = node_keys
        self._clock: Clock = clock or SystemClock()
        self._known: NodeKeys | None = None
        self._again_at = 0.0
        self._report = report
        self._complaint = ""

    def serve(self, stop: threading.Event, *, poll_seconds: float) -> None:
        """Keep the list until told to stop, whatever goes wrong."""
        while not stop.wait(poll_seconds):
            self.step()

    def step(self) -> None:
        """Compare the list if it is time to."""
        try:
            keys = self._node_keys()
            if keys == self._known and self._clock.monotonic() < self._again_at:
                return
            self._known = None
            self._synchronise(keys)
            self._known, self._again_at = keys, self._clock.monotonic() + AGAIN_SECONDS
        except LinkFailed as error:
            self._complain(error.message)
        except Exception as error:  # noqa: BLE001 - a fault of ours; the next step may do better
            self._complain(type(error).__name__)

    def _synchronise(self, keys: NodeKeys) -> None:
        try:
            self._registrar.synchronise(keys)
        except NodesRefused as error:
            self._report(error.names)
            self._complain(error.message)
        else:
            self._report(())
            self._complaint = ""

    def _complain(self, why: str) -> None:
        """Say what is wrong when it changes."""
        if why != self._complaint:
            self._complaint = why
            _log.warning("nodes are not registered: %s", why)
