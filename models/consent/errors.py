"""Why a consent does not allow what is asked.

    YurongError
    ├── PeerError
    │   └── ConsentRefused             the consent does not allow it
    │       ├── BeyondFairUse          a field passes a bound of the fair-use rules
    │       ├── ImpossibleChange       the consent is in no state for this change
    │       └── NoUseLeft              used as often as it allows
    └── ModelError
        └── FairUseTableInvalid        a table of rules that cannot be understood

A message names the field and the bound, never the enterprise or the signatory.
"""

from crypto.errors import PeerError
from models.errors import ModelError


class ConsentRefused(PeerError):
    """A consent that does not allow what is asked of it."""


class BeyondFairUse(ConsentRefused):
    """A consent to more than the fair-use rules let anybody consent to.

    field: of the consent, the first that is beyond. bound: what the rules allow, as text.
    """

    def __init__(self, field: str, bound: str, *, advice: str) -> None:
        super().__init__(f"{field} of the consent passes the fair-use rules: {bound}", advice=advice)
        self.field = field
        self.bound = bound


class ImpossibleChange(ConsentRefused):
    """A change that the state of the consent does not allow."""


class NoUseLeft(ConsentRefused):
    """A consent that was used as often as it allows, in all or within thirty days."""


class FairUseTableInvalid(ModelError):
    """A table of fair-use rules with an unknown, missing or contradictory entry."""
