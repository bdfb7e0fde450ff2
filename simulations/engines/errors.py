"""What the engines raise.

YurongError
└── EngineError
    ├── EngineNotStarted      a daemon did not come up, or Flower is not as this version expects it
    └── RunFailed             the run ended without a result, or not in time
"""

from crypto.errors import YurongError


class EngineError(YurongError):
    """The root of what the engines raise."""


class EngineNotStarted(EngineError):
    """The engine could not be brought up; what had been started was taken down again."""


class RunFailed(EngineError):
    """The server app ended without a result, or did not end in time."""
