"""Where a demonstration goes: a directory that is replaced as a whole, or left as it was."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from simulations.errors import OutputRefused

MARKER: Final = ".yurong-demo"


def check_directory(directory: Path) -> None:
    """Refuse a place that holds anything but an earlier demonstration; raises `OutputRefused`."""
    if directory.exists() and not directory.is_dir():
        raise OutputRefused(f"{directory} is a file", advice="name a directory with --out")
    if directory.is_dir() and any(directory.iterdir()) and not (directory / MARKER).is_file():
        raise OutputRefused(f"{directory} is not empty", advice="name another directory with --out")


def fresh_directory(directory: Path) -> Path:
    """An empty directory in place of what an earlier demonstration left there; raises `OutputRefused`."""
    check_directory(directory)
    _clear(directory.absolute())
    return directory.absolute()


@contextmanager
def replaced_directory(directory: Path, *, resume: bool = False) -> Iterator[Path]:
    """A directory to work in that takes the place of `directory` if all goes well.

    Otherwise `directory` stays as it was, and `<directory>.unfinished` keeps what there is: the logs of what went
    wrong, and a stopped run to `resume`.
    """
    check_directory(directory)
    work = directory.absolute().with_name(f"{directory.name}.unfinished")
    check_directory(work)
    if resume and not (work / MARKER).is_file():
        raise OutputRefused(f"there is no unfinished run beside {directory}", advice="start one without --resume")
    if not resume:
        _clear(work)
    yield work
    if directory.exists():
        shutil.rmtree(directory)
    work.rename(directory.absolute())


def _clear(work: Path) -> None:
    try:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700, parents=True)
        (work / MARKER).touch()
    except OSError as fault:
        raise OutputRefused(
            f"{work} cannot be written: {fault.strerror}", advice="name another directory with --out"
        ) from None
