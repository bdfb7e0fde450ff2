"""What can be wrong on an enterprise's side.

YurongError
└── SimulationError
    └── EnterpriseError
        ├── NothingToSign      there is nothing that the person could sign
        └── DirectoryUnusable  the enterprise's directory is not one, or lacks what is asked for
"""

from simulations.errors import SimulationError


class EnterpriseError(SimulationError):
    """What a simulated enterprise cannot do."""


class NothingToSign(EnterpriseError):
    """What would be signed cannot be, or would be of no use."""


class DirectoryUnusable(EnterpriseError):
    """A file in an enterprise's directory that is missing, or is not what it should be."""
