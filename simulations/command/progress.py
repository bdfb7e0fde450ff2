"""A run on the terminal: its phases, and the rounds with objective, AUC and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from coordinator.conduct import ALIGNMENT, BINNING, EVALUATION, JOIN, SCORING, TRAINING
from simulations.run_federation import News

PHASES: dict[str, str] = {
    JOIN: "introducing everybody",
    ALIGNMENT: "private set intersection",
    BINNING: "binning",
    TRAINING: "training on encrypted residuals",
    EVALUATION: "evaluation",
    SCORING: "scores of all applicants",
}


@contextmanager
def run_progress() -> Iterator[News]:
    """Show the news of a run on standard error until the context ends."""
    columns = (
        SpinnerColumn(finished_text="[green]✓"),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        TimeElapsedColumn(),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[news]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        shown = _RunProgress(progress)
        yield shown.take
        shown.finish()


class _RunProgress:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._phase: TaskID | None = None

    def take(self, news: dict[str, Any]) -> None:
        """Show one piece of news: a phase that began or a round that ended."""
        if "phase" in news:
            self._begin(str(news["phase"]))
        elif self._phase is not None:
            self._progress.update(
                self._phase, completed=news["round"], total=news["maximum_rounds"], news=_round_news(news)
            )

    def _begin(self, phase: str) -> None:
        self._end()
        self._phase = self._progress.add_task(PHASES.get(phase, phase), total=None, news="")

    def _end(self) -> None:
        if self._phase is not None:
            # Training may end before its last round: whatever was done is all of it.
            done = max(1, int(self._progress.tasks[self._phase].completed))
            self._progress.update(self._phase, completed=done, total=done)

    def finish(self) -> None:
        """The last phase is done."""
        self._end()


def _round_news(news: dict[str, Any]) -> str:
    auc = "" if news["auc_held_out"] is None else f"  AUC {news['auc_held_out']:.4f}"
    left_out = f"  [yellow]without {', '.join(news['left_out'])}" if news["left_out"] else ""
    return f"{news['round']}/{news['maximum_rounds']}  objective {news['objective']:,.1f}{auc}{left_out}"
