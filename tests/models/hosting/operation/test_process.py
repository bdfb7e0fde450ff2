"""A home is served by one process."""

from pathlib import Path

import pytest

from models.hosting.errors import ListenRefused
from models.hosting.operation.process import the_only_one


def test_a_home_that_is_served_is_not_served_a_second_time(tmp_path: Path) -> None:
    with the_only_one(tmp_path), pytest.raises(ListenRefused, match="already"), the_only_one(tmp_path):
        pass
    with the_only_one(tmp_path):
        pass
