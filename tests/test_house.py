"""The rules of the house that a program can check. `CONTRIBUTING.md` has the others."""

from __future__ import annotations

import ast
import re
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PACKAGES = ("coordinator", "crypto", "models", "participants", "simulations")
LONGEST_FILE = 400
LONGEST_FUNCTION = 60

MODULES = sorted(path for package in PACKAGES for path in (HOUSE / package).rglob("*.py"))
TESTS = sorted((HOUSE / "tests").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.AST | None = None) -> str:
    line = getattr(node, "lineno", None)
    return f"{path.relative_to(HOUSE)}" + (f":{line}" if line else "")


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, and every name that it imports from one."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_no_file_is_longer_than_one_concept() -> None:
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_one_thought() -> None:
    lengths = {
        place(path, node): (node.end_lineno or node.lineno) - node.lineno + 1
        for path in MODULES
        for node in functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_nothing_outside_the_tests_relies_on_assert() -> None:
    # Python leaves assertions out when it is told to optimise.
    found = [place(path, node) for path in MODULES for node in ast.walk(tree(path)) if isinstance(node, ast.Assert)]
    assert found == []


def test_every_public_name_is_described() -> None:
    missing = []
    for path in MODULES:
        missing += [place(path)] * (ast.get_docstring(tree(path)) is None)
        missing += [place(path, node) for node in public(tree(path)) if ast.get_docstring(node) is None]
    assert missing == []


def public(module: ast.Module | ast.ClassDef) -> Iterator[Function | ast.ClassDef]:
    """Classes and functions that others may use: those within functions, or of a private class, are nobody's."""
    for node in module.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def test_nothing_is_left_to_do() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    found = []
    for path in [*MODULES, *(one for one in TESTS if one != Path(__file__))]:
        with tokenize.open(path) as file:
            comments = [one for one in tokenize.generate_tokens(file.readline) if one.type == tokenize.COMMENT]
        found += [f"{place(path)}:{one.start[0]}" for one in comments if unfinished.search(one.string)]
        found += [
            place(path, node)
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Name) and node.id == "NotImplementedError"
        ]
    assert found == []


def test_nothing_that_arrives_can_run_code() -> None:
    dangerous = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
    found = {place(path) for path in MODULES if {name.split(".")[0] for name in imported(path)} & dangerous}
    called = {
        place(path, node)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"eval", "exec"}
    }
    assert found | called == set()


@pytest.mark.parametrize("word", ["utils", "manager", "helpers", "misc", "psi"])
def test_no_name_says_nothing_or_two_things(word: str) -> None:
    found = [place(path) for path in MODULES if word in re.split(r"[/._]", place(path))]
    found += [
        place(path, node)
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, Function | ast.ClassDef) and word in re.split(r"_|(?<=[a-z])(?=[A-Z])", node.name.lower())
    ]
    assert found == []


def test_tests_mirror_the_tree() -> None:
    packages = {path.parent.relative_to(HOUSE) for path in MODULES}
    folders = {path.parent.relative_to(HOUSE / "tests") for path in TESTS if path.name.startswith("test_")}
    assert folders - packages - {Path(), Path("docs")} == set()
    twice = [
        name for name, count in Counter(path.name for path in TESTS).items() if count > 1 and name != "conftest.py"
    ]
    assert twice == []


def test_every_module_is_used_by_a_test_or_by_a_module_that_is() -> None:
    by_name = {
        ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES
    }
    texts = "\n".join(path.read_text(encoding="utf-8") for path in [*TESTS, *MODULES, HOUSE / "pyproject.toml"])
    waiting = {name for name in by_name if re.search(rf"{re.escape(name)}(:\w|\")", texts)}  # programs, by name
    waiting |= {name for path in TESTS for name in imported(path)} & by_name.keys()
    reached: set[str] = set()
    while waiting:
        reached |= waiting
        waiting = {name for module in waiting for name in imported(by_name[module])} & by_name.keys() - reached
    packages = {name for name, path in by_name.items() if path.name == "__init__.py"}
    assert by_name.keys() - reached - packages == set()
