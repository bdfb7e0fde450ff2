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
