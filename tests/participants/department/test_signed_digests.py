"""A bank that signs fewer digests than it has boxes is refused with our error, like anybody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crypto.errors import PeerError
from models.wire.online import ScoreStatement, digest_of_boxes
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal, relayed


def test_digests_of_another_number_than_departments_are_refused(
    rehearsal: OnlineRehearsal, online: OnlineFederation
) -> None:
    department, identity = rehearsal.drawn.departments[1], rehearsal.home(rehearsal.bank).identity()
    enterprise = rehearsal.enterprise(rehearsal.unused())
    honest = relayed(online.client.request(enterprise, rehearsal.offer()), department)
    digests = honest.digests[:1]
    statement = ScoreStatement.verify(honest.document, identity.public)
    document = replace(statement, boxes=digest_of_boxes(digests)).sign(identity)
    with pytest.raises(PeerError, match="another box"):
        online.scorers[department].answer(replace(honest, document=document, digests=digests))
