"""When certificates expire, as a metric: TLS refuses one from its last second on, and nobody says so before.

The metric is of this node and of all that it has pinned, in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from crypto.certificates import certificate_expires_at
from crypto.errors import YurongError
from crypto.identifiers import ParticipantId
from models.hosting.https.door import own_documents
from models.hosting.trust.home import NodeHome

METRIC: Final = "yurong_certificate_expires_at_seconds"


class CertificateExpiry(Collector):
    """Looks at a node's own certificate and at those of its pins whenever somebody asks: of each, the newest."""

    def __init__(self, home: NodeHome) -> None:
        self._home = home

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One value for each participant that has a certificate; none while keys or pins cannot be read."""
        family = GaugeMetricFamily(METRIC, "When a participant's TLS certificate expires", labels=["participant"])
        try:
            for name, der in self._certificates().items():
                family.add_metric([name], certificate_expires_at(der))
        except (YurongError, OSError):
            family.samples.clear()  # that they cannot be read is told by readiness
        yield family

    def _certificates(self) -> dict[ParticipantId, bytes]:
        newest = {name: documents[0] for name, documents in self._home.pins.documents().items()}
        newest[self._home.participant_id] = own_documents(self._home)[0]
        return {name: document.certificate for name, document in sorted(newest.items()) if document.certificate}
