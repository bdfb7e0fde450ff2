"""Every error of the simulations' side.

YurongError
└── SimulationError
    ├── DatasetUnusable      a public data set is not there, or not the one that its loader knows
    ├── CatalogueUnusable    the catalogue of data items is not well formed
    ├── OutputRefused        results cannot be written where they should go
    ├── PostgresqlMissing    no PostgreSQL server can be started for tests
    ├── WorldRefused         a synthetic world that cannot be made with these parameters
    └── CommandFailed        a command of a federation on this machine did not do its work
"""

from crypto.errors import YurongError


class SimulationError(YurongError):
    """What can be wrong with a world, a data set or a benchmark."""


class DatasetUnusable(SimulationError):
    """A data set's file cannot be read, or has not its columns."""


class CatalogueUnusable(SimulationError):
    """The catalogue of departments, categories and items is not well formed."""


class WorldRefused(SimulationError):
    """Parameters that no world can be made with."""


class OutputRefused(SimulationError):
    """The place where results should go cannot be used."""


class CommandFailed(SimulationError):
    """A command that an operator of a local federation typed ended with an exit code other than 0."""

    def __init__(self, command: str, code: int, last_line: str) -> None:
        super().__init__(f"`{command[:300]}` ended with {code}: {last_line[:300]}")
        self.code = code
        self.last_line = last_line


class PostgresqlMissing(SimulationError):
    """No PostgreSQL server is installed, or it does not start. The advice says how to get one."""
