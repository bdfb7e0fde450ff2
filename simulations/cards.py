"""The model card of a demonstration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from coordinator.runs import model_cards
from crypto.identifiers import ModelVersion, ParticipantId
from models.model_card import ModelCard
from models.wire.plan import RunPlan
from simulations.software import installed_versions

LIMITS: Final = (
    "It was trained to try Yurong, on synthetic or public data: it is no ground for a decision on anybody's credit.",
    *model_cards.LIMITS,
)


def model_card(
    plan: RunPlan,
    result: Mapping[str, Any],
    *,
    version: ModelVersion,
    titles: Mapping[ParticipantId, str],
    created: str,
) -> ModelCard:
    """What may be said of the model in public, its limits as a toy first."""
    return model_cards.model_card(
        plan,
        result,
        version=version,
        titles=titles,
        created=created,
        software=installed_versions(),
        limits=LIMITS,
    )
