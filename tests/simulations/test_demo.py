"""The demonstration from beginning to end, small, and taken up again after it was stopped."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from models.model_card import ModelCard
from simulations.command.choices import DataSet, Engine
from simulations.demo import REPORT, Demonstration, demonstrate, demonstrate_again
from simulations.errors import DatasetUnusable, OutputRefused
from simulations.run_federation import Hyperparameters
from simulations.settings import SETTINGS, load
from simulations.small_federation import SmallFederation

# 641 training rows cover 64 opened numbers: room for a round that is cut short and made again.
SMALL = Hyperparameters(maximum_rounds=3, parameter_limit=14, maximum_bins=4)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Demonstration, list[str]]:
    directory = tmp_path_factory.mktemp("demo")
    said: list[str] = []
    done = demonstrate(
        SmallFederation().make(), SMALL, directory, engine=Engine.LOCAL, news=lambda _: None, say=said.append
    )
    return directory, done, said


def test_the_points_that_are_shown_add_up_to_the_score_that_the_bank_opened(
    played: tuple[Path, Demonstration, list[str]],
) -> None:
    _, done, _ = played
    assert done.explanation.score == done.score.points
    assert done.score.missing == ()


def test_the_online_score_is_the_one_of_the_batch(played: tuple[Path, Demonstration, list[str]]) -> None:
    directory, done, _ = played
    [batch] = (directory / "homes" / done.bank / "scores").glob("*.parquet")
    table = pl.read_parquet(batch).filter(pl.col("enterprise_id") == done.score.enterprise_id)
    assert table["score"].to_list() == [done.score.points]
    assert batch.stat().st_mode & 0o077 == 0


def test_report_card_and_result_are_written_and_show_no_enterprise_id(
    played: tuple[Path, Demonstration, list[str]],
) -> None:
    directory, done, _ = played
    texts = [
        (directory / name).read_text(encoding="utf-8")
        for name in (REPORT, "result.json", "model-card.md", "model-card.json")
    ]
    assert all(done.score.enterprise_id not in text for text in texts)
    result = json.loads(texts[1])
    assert result["max_abs_log_odds_difference"] < 1
    card = ModelCard.from_json(texts[3])
    assert card.model_version == done.version
    assert card.training.rounds == len(result["rounds"])
    assert card.limits
    assert all(len(block.fingerprint) == 64 for block in card.blocks)


def test_a_demonstration_that_was_stopped_in_training_is_taken_up_again(tmp_path: Path) -> None:
    data = SmallFederation().make()

    def stop_after_two(news: dict[str, Any]) -> None:
        if news.get("round") == 2:
            os.kill(os.getpid(), signal.SIGINT)  # what Ctrl-C does

    with pytest.raises(KeyboardInterrupt):
        demonstrate(data, SMALL, tmp_path, engine=Engine.LOCAL, news=stop_after_two, say=lambda _: None)
    rounds: list[int] = []
    done = demonstrate_again(
        tmp_path,
        engine=Engine.LOCAL,
        news=lambda news: rounds.append(news["round"]) if "round" in news else None,
        say=lambda _: None,
    )
    assert rounds[0] > 1
    assert len(done.result["rounds"]) == rounds[-1]
    assert data.title in (tmp_path / REPORT).read_text(encoding="utf-8")


def test_there_is_nothing_to_take_up_where_nothing_was_stopped(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="no run"):
        demonstrate_again(tmp_path, engine=Engine.LOCAL, news=lambda _: None, say=lambda _: None)


@pytest.mark.parametrize(("data", "file"), [(DataSet.WORLD, Path("x.csv")), (DataSet.SBA, None), (DataSet.UCI, None)])
def test_a_data_set_with_the_wrong_kind_of_file_is_refused(data: DataSet, file: Path | None) -> None:
    with pytest.raises(DatasetUnusable):
        load(data, file)


def test_every_data_set_has_settings() -> None:
    assert set(SETTINGS) == set(DataSet)
