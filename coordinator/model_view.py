"""What the bureau's operator is shown of one model before it is opened for scores: how far it came, and its card.

The card is what may be said of the model in public. It names blocks, counts parameters and states how good the model
is on held-out enterprises; it holds no weight and no enterprise.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from coordinator.home import BureauHome
from coordinator.overview import day, registry
from crypto.identifiers import ModelVersion
from models.model_card import ModelCard


def model_facts(home: BureauHome, version: ModelVersion) -> dict[str, Any]:
    """One model; raises `PeerError` if there is none of this version, `InvalidModelInput` for a card that is none."""
    model = registry(home).model(version)
    card = ModelCard.from_json(model.card)
    quality = card.quality
    return {
        "model": model.version,
        "state": str(model.state),
        "run": model.run_id,
        "proposed": day(model.proposed_at),
        "approved": day(model.approved_at),
        "approved_by": model.approved_by,
        "retired": day(model.retired_at),
        "purpose": card.purpose,
        "banks": list(card.banks),
        "training": asdict(card.training),
        "held_out": {"auc": quality.auc, "ks": quality.ks, "gini": quality.gini, "brier": quality.brier},
        "blocks": {name: fingerprint.hex() for name, fingerprint in sorted(model.fingerprints.items())},
        "card": asdict(card),
    }


def for_people(facts: dict[str, Any]) -> dict[str, Any]:
    """The same without the whole card, one line for each block."""
    sizes = {block["participant_id"]: block for block in facts["card"]["blocks"]}
    lines = [
        f"{name}: {block['features']} features, {block['parameters']} parameters, {facts['blocks'].get(name, '')}"
        for name, block in sizes.items()
    ]
    return {name: value for name, value in facts.items() if name != "card"} | {
        "blocks": "\n".join(lines),
        "limits": "\n".join(facts["card"]["limits"]),
    }
