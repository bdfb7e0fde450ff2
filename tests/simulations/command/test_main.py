"""The command line: one line an error, with advice, and the exit code that the documentation states."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from coordinator.errors import NothingToResume
from crypto.errors import ProtectionUnavailable, SignatureInvalid, YurongError
from participants.errors import ContractRefused
from simulations import command
from simulations.command.bench import show
from simulations.command.main import complain, exit_code, main
from simulations.engines.errors import RunFailed
from simulations.errors import DatasetUnusable


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DatasetUnusable("no file"), 3),
        (ContractRefused("no contract"), 3),
        (NothingToResume(Path("bureau")), 4),
        (RunFailed("no result"), 4),
        (SignatureInvalid("no signature"), 4),
        (ProtectionUnavailable("no protection"), 5),
    ],
)
def test_each_kind_of_error_has_its_documented_exit_code(error: YurongError, code: int) -> None:
    assert exit_code(error) == code
    assert f"\n    {code} " in (command.__doc__ or "")


def test_an_error_is_one_line_with_its_advice(capsys: pytest.CaptureFixture[str]) -> None:
    complain(DatasetUnusable("there is no [bold] file", advice="name another " + "very " * 40 + "good one"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("error: there is no [bold] file (name another very")


def test_the_command_tells_its_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["yurong", "--version"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert capsys.readouterr().out == f"yurong {importlib.metadata.version('yurong')}\n"


def test_figures_are_one_json_object_or_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"rows": 3, "seconds": {"total": 0.5}, "exact": True}
    show(figures, as_json=True)
    assert json.loads(capsys.readouterr().out) == figures
    show(figures, as_json=False)
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["rows", "3"],
        ["seconds.total", "0.5"],
        ["exact", "True"],
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["demo", "--data", "uci"], 3, "error: the data set uci is read from a file"),
        (["demo", "--data", "sba", "--file", "nowhere.csv"], 3, "error: nowhere.csv was refused"),
        (["demo", "--resume", "--out", "nothing"], 3, "error: there is no unfinished run beside nothing"),
        (["bench", "scoring", "--departments", "2"], 2, "Invalid value for '--departments'"),
        (["frobnicate"], 2, "No such command"),
        (["bureau", "status"], 5, "error: . is no node's home"),
        (
            ["bureau", "init", "--title", "B", "--address", "https://b.example", "--home", "/proc/no"],
            3,
            "error: /proc/no",
        ),
        (
            ["department", "init", "tax", "--title", "T", "--address", "", "--contract", "no.toml"],
            3,
            "error: no.toml is",
        ),
        (["bank", "rotate", "--home", "nowhere"], 5, "error: nowhere is no node's home"),
    ],
)
def test_the_command_refuses_what_it_cannot_use(arguments: list[str], code: int, said: str, tmp_path: Path) -> None:
    program = "from simulations.command.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
