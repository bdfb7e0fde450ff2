"""What the bureau's operator is shown of runs, models and scores."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from typing import Any

from coordinator.database import open_database
from coordinator.flower.refused_nodes import RefusedNodes
from coordinator.home import BureauHome
from coordinator.registry import ModelRegistry, ModelState, RegisteredModel
from coordinator.runs.run_directory import last_news
from coordinator.runs.run_records import OPEN, RunRecord, RunRecords
from models.wire.plan import attempt_of


def registry(home: BureauHome) -> ModelRegistry:
    """The bureau's models."""
    return ModelRegistry(open_database(home), clock=home.clock)


def run_rows(home: BureauHome) -> list[dict[str, Any]]:
    """One row a run, the oldest first."""
    known, records = _models_and_runs(home)
    models = {attempt_of(model.run_id)[0]: model.version for model in known}
    return [_run_row(home, record, models.get(record.run_id)) for record in records]


def model_rows(home: BureauHome) -> list[dict[str, Any]]:
    """One row a model, the oldest first."""
    return [
        {
            "model": model.version,
            "state": str(model.state),
            "run": model.run_id,
            "participants": sorted(model.fingerprints),
            "approved": day(model.approved_at),
            "retired": day(model.retired_at),
        }
        for model in registry(home).models()
    ]


def bureau_status(home: BureauHome) -> dict[str, Any]:
    """The bureau in a few lines."""
    models, records = _models_and_runs(home)
    return {
        "participant_id": home.participant_id,
        "title": home.title,
        "serial": home.serial,
        "keys": "a rotation is prepared" if home.next_document() is not None else "in use",
        "admitted": list(home.pins.names()),
        "nodes_refused": list(RefusedNodes(home.directory).read()),
        "runs_open": [record.run_id for record in records if record.state in OPEN],
        "models_served": [model.version for model in models if model.state is ModelState.APPROVED],
    }


def _models_and_runs(home: BureauHome) -> tuple[tuple[RegisteredModel, ...], tuple[RunRecord, ...]]:
    with closing(open_database(home)) as database:
        models = ModelRegistry(database, clock=home.clock).models()
        return models, RunRecords(database, clock=home.clock).all()


def _run_row(home: BureauHome, record: RunRecord, model: str | None) -> dict[str, Any]:
    news = last_news(home.directory, record.plan.run_id) if record.attempt else {}
    return {
        "run": record.run_id,
        "state": str(record.state),
        "attempt": record.attempt,
        "phase": news.get("phase", ""),
        "round": news.get("round"),
        "waits_for": news.get("pending", []),
        "not_reached": [f"{name} ({reason})" for name, reason in sorted(news.get("lost", {}).items())],
        "reason": record.reason,
        "model": model,
        "proposed": day(record.created_at),
    }


def day(seconds: int | None) -> str | None:
    """A time in seconds since 1970, for people."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")
