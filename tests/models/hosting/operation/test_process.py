"""A home is served by one process."""

import errno
import fcntl
from pathlib import Path

import pytest

from models.hosting.errors import FileRefused, ListenRefused
from models.hosting.operation.process import the_only_one


def test_a_home_that_is_served_is_not_served_a_second_time(tmp_path: Path) -> None:
    with the_only_one(tmp_path), pytest.raises(ListenRefused, match="already"), the_only_one(tmp_path):
        pass
    with the_only_one(tmp_path):
        pass


def test_a_disk_that_knows_no_locks_is_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(FileRefused, match="cannot be locked"), the_only_one(tmp_path):
        pass
