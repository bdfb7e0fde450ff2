"""A run on the terminal: its phases, and the rounds with objective, AUC and time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column

from coordinator.runs.conduct import ALIGNMENT, BINNING, EVALUATION, JOIN, SCORING, TRAINING
from simulations.run_federation import News

PHASES: dict[str, str] = {
    JOIN: "introducing everybody",
    ALIGNMENT: "private set intersection",
    BINNING: "binning",
    TRAINING: "encrypted training",
    EVALUATION: "evaluation",
    SCORING: "scores of all applicants",
}
WIDE_ENOUGH_FOR_BARS: Final = 100


@contextmanager
def run_progress() -> Iterator[News]:
    """Show the news of a run on standard error until the context ends."""
    console = Console(stderr=True)
    # The news alone may wrap: where rich has to shorten columns, it shortens every one that may.
    columns = (
        SpinnerColumn(finished_text="[green]✓", table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        TimeElapsedColumn(table_column=Column(no_wrap=True)),
        BarColumn(bar_width=12, table_column=Column(no_wrap=True)),
        TextColumn("{task.fields[news]}", table_column=Column(overflow="fold")),
        TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
    )
    shown_columns = columns if console.width >= WIDE_ENOUGH_FOR_BARS else columns[:3] + columns[4:]
    with Progress(*shown_columns, console=console) as progress:
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
