"""What can be wrong with reasons.

    YurongError
    ├── ModelError
    │   └── ReasonsTableInvalid     a list of reason families that cannot be understood
    └── PeerError
        ├── ReasonsNotKept          a model whose points lost by family this department does not have
        └── ReasonsDoNotAddUp       boxes of departments whose sum is no points lost

A message holds no points and no enterprise.
"""

from crypto.errors import PeerError
from models.errors import ModelError


class ReasonsTableInvalid(ModelError):
    """A list of reason families with an unknown, missing or contradictory entry."""


class ReasonsNotKept(PeerError):
    """A department has partials of a model and not the points lost: an earlier release computed them."""

    def __init__(self) -> None:
        super().__init__(
            "the points lost by this model are not known here", advice="The department imports its records again."
        )


class ReasonsDoNotAddUp(PeerError):
    """What the departments sealed is not over one set, request and enterprise: their masks did not cancel."""
