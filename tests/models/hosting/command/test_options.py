"""What commands print: what others wrote stands as they wrote it."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.table import Table

from models.hosting.command.options import show, show_rows

TITLE = "Tax [link=file:///etc/passwd]Bureau[/link] :warning: [red]not pinned[/red]"


def test_a_title_commands_no_terminal_of_ours_and_would_command_a_plain_one(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table(show_header=False, box=None)
    table.add_row(TITLE)
    Console(width=200).print(table)
    assert "[red]" not in capsys.readouterr().out
    show({"title": TITLE}, as_json=False)
    show_rows([{"title": TITLE}], as_json=False, nothing="")
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("[red]not") == 2
    assert shown.count(":warning:") == 2


ROWS = [{"run": f"run-{number}", "waits_for": ["bank-a", "tax"], "model": f"{number:032x}"} for number in (1, 2)]


def test_rows_are_a_table_where_there_is_room(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(ROWS, as_json=False, nothing="")
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "waits", "for", "model"]
    assert (first.split()[0], second.split()[-1]) == ("run-1", f"{2:032x}")


def test_where_a_table_would_break_ids_a_row_is_a_paragraph(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "46")
    show_rows(ROWS, as_json=False, nothing="")
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines[:3] == ["run        run-1", "waits for  bank-a, tax", f"model      {1:032x}"]
    assert (lines[3], len(lines)) == ("", 7)
