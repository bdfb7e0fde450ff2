"""What can be chosen on the command line; apart from what it leads to, so that `--help` answers at once."""

from __future__ import annotations

from enum import StrEnum


class DataSet(StrEnum):
    """A federation's data: a synthetic Chongqing, or one of two public data sets read from a file."""

    WORLD = "world"
    SBA = "sba"
    UCI = "uci"


class Engine(StrEnum):
    """What carries messages: a grid in this process, or Flower's own daemons on loopback."""

    LOCAL = "local"
    FLOWER = "flower"
