"""What can be wrong with reasons.

    YurongError
    ├── ModelError
    │   └── ReasonsTableInvalid     a list of reason families that cannot be understood
    └── PeerError
        └── ReasonsDoNotAddUp       boxes of departments whose sum is no points lost

A message holds no points and no enterprise.
"""

from crypto.errors import PeerError
from models.errors import ModelError


class ReasonsTableInvalid(ModelError):
    """A list of reason families with an unknown, missing or contradictory entry."""


class ReasonsDoNotAddUp(PeerError):
    """What the departments sealed is not over one set, request and enterprise: their masks did not cancel."""
