"""What the bureau's operator is shown of runs, models and scores."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from coordinator.database import open_database
from coordinator.home import BureauHome
from coordinator.registry import ModelRegistry, ModelState
from coordinator.runs.run_directory import RunDirectory
from coordinator.runs.run_records import OPEN, RunRecord, RunRecords
from models.wire.plan import attempt_of


def registry(home: BureauHome) -> ModelRegistry:
    """The bureau's models."""
    return ModelRegistry(open_database(home), clock=home.clock)


def run_rows(home: BureauHome) -> list[dict[str, Any]]:
    """One row a run, the oldest first."""
    models = {attempt_of(model.run_id)[0]: model.version for model in registry(home).models()}
    records = RunRecords(open_database(home), clock=home.clock).all()
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
    models = registry(home).models()
    records = RunRecords(open_database(home), clock=home.clock).all()
    return {
        "participant_id": home.participant_id,
        "title": home.title,
        "serial": home.serial,
        "keys": "a rotation is prepared" if home.next_document() is not None else "in use",
        "admitted": list(home.pins.names()),
        "runs_open": [record.run_id for record in records if record.state in OPEN],
        "models_served": [model.version for model in models if model.state is ModelState.APPROVED],
    }


def _run_row(home: BureauHome, record: RunRecord, model: str | None) -> dict[str, Any]:
    news = _last_news(home, record)
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


def _last_news(home: BureauHome, record: RunRecord) -> dict[str, Any]:
    """What the progress file says last of each kind."""
    news: dict[str, Any] = {}
    if record.attempt:
        path = RunDirectory.of(home.directory, record.plan.run_id).directory / "progress"
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                news |= json.loads(line)
    return news


def day(seconds: int | None) -> str | None:
    """A time in seconds since 1970, for people."""
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")
