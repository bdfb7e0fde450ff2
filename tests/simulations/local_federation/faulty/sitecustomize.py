"""What Python runs first in every process of a node that a test started with this directory in PYTHONPATH.

YURONG_TEST_RELEASE   the release that this node believes to have installed
YURONG_TEST_FAULT     a file; the next step of binning that finds it removes it and fails, its text the error's
"""

import importlib.machinery
import importlib.metadata
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


def other_release(number: str) -> None:
    version = importlib.metadata.version
    setattr(importlib.metadata, "version", lambda name: number if name == "yurong" else version(name))  # noqa: B010


class Faulty(MetaPathFinder):
    """Makes `participants.runs.setup_answers` fail once."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def find_spec(
        self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "participants.runs.setup_answers":
            return None
        spec: Any = importlib.machinery.PathFinder.find_spec(name, path)
        load = spec.loader.exec_module

        def load_and_change(module: Any) -> None:
            load(module)
            answer = module.SetupAnswers.answer

            def fail_once(answers: Any, step: Any, *others: Any) -> bytes:
                if str(step).startswith("bin-") and self._file.exists():
                    text = self._file.read_text()
                    self._file.unlink()
                    raise ValueError(text)
                answered: bytes = answer(answers, step, *others)
                return answered

            module.SetupAnswers.answer = fail_once

        spec.loader.exec_module = load_and_change
        found: importlib.machinery.ModuleSpec = spec
        return found


if number := os.environ.get("YURONG_TEST_RELEASE"):
    other_release(number)
if file := os.environ.get("YURONG_TEST_FAULT"):
    sys.meta_path.insert(0, Faulty(Path(file)))
