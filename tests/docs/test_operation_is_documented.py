"""What an operator is told to type, set and watch exists, and everything that can be typed is told."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer.main

from coordinator.settings import BureauSettings
from participants.bank.settings import BankSettings
from participants.department.settings import DepartmentSettings
from simulations.command.main import app

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SETTINGS = {**BureauSettings.model_fields, **DepartmentSettings.model_fields, **BankSettings.model_fields}
PACKAGES = ("models", "participants", "coordinator")
PREFIXES = (
    "listen_",
    "operations_",
    "edge_",
    "superlink_",
    "supernode_",
    "fleet_",
    "obfuscator_",
    "lattice_",
    "answer_",
    "passkey_",
)
NODES = ("bureau", "department", "bank")

_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`(yurong [^`]+)`")
_METRIC = re.compile(r"`(yurong_[a-z_]+)`")


def command_lines(text: str) -> Iterator[str]:
    """Each `yurong ...` that a document says, in its blocks and in its sentences."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            command = line.removeprefix(".venv/bin/")
            if command.startswith("yurong "):
                yield command
    prose = _BLOCK.sub("", text)
    yield from (" ".join(span.split()) for span in _SPAN.findall(prose) if "|" not in span)


def follow(line: str) -> tuple[click.Command, list[str]]:
    """The command that a line names, and what is left of the line."""
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = typer.main.get_command(app)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        assert found is not None, f"{line}: there is no {words[0]}"
        command, words = found, words[1:]
    return command, words


def parse(line: str) -> None:
    """Read a line as the terminal's would be read, and do nothing."""
    command, words = follow(line)
    command.make_context(line, words)


def every_command(group: click.Command, *path: str) -> Iterator[str]:
    """The names of all commands below a group."""
    for name, command in group.commands.items() if isinstance(group, click.Group) else ():
        if isinstance(command, click.Group):
            yield from every_command(command, *path, name)
        else:
            yield " ".join((*path, name))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_line_names_a_command_and_options_of_it(document: Path) -> None:
    for line in command_lines(document.read_text(encoding="utf-8")):
        command, words = follow(line)
        known = {name for parameter in command.params for name in parameter.opts + parameter.secondary_opts}
        assert {word for word in words if word.startswith("--")} <= known | {"--help"}, line


@pytest.mark.parametrize("name", ["README.md", "docs/operations.md"])
def test_a_command_line_in_a_block_can_be_typed_as_it_stands(name: str) -> None:
    blocks = "".join(f"```sh\n{block}```\n" for block in _BLOCK.findall((ROOT / name).read_text(encoding="utf-8")))
    lines = [line for line in command_lines(blocks) if "..." not in line]
    assert len(lines) > 5
    for line in lines:
        parse(line)


@pytest.mark.parametrize(
    "line", ["yurong department aprove RUN", "yurong bureau train --porpuse x", "yurong bank portfolio ids.csv"]
)
def test_a_misspelt_line_would_be_found(line: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        parse(line)


def test_every_command_of_a_node_is_documented() -> None:
    told = {" ".join(line.split()[1:end]) for line in command_lines(OPERATIONS) for end in (3, 4)}
    commands = {name for name in every_command(typer.main.get_command(app)) if name.split()[0] in NODES}
    alike = {"document", "pins", "migrate", "rotate"}  # shown at one node, the same at all
    missing = {name for name in commands - told if name.split()[1] not in alike}
    assert not missing
    assert {name.split()[1] for name in told} >= alike


def test_metrics_are_told_and_those_that_are_told_exist() -> None:
    modules = [path.read_text(encoding="utf-8") for top in PACKAGES for path in (ROOT / top).rglob("*.py")]
    metrics = "".join(module for module in modules if "from prometheus_client" in module)
    defined = set(re.findall(r'"(yurong_[a-z_]+)"', metrics))
    told = {name.removesuffix("_total") for name in _METRIC.findall(OPERATIONS)}
    assert told == defined


def test_every_setting_that_is_told_exists() -> None:
    told = set()
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        told |= set(re.findall(r"--set (\w+)=", text))
        told |= {name for name in re.findall(r"`([a-z]+(?:_[a-z]+)+)`", text) if name.startswith(PREFIXES)}
    assert told - set(SETTINGS) == set()
    assert len(told) > 8
