"""What is wrong with a log.

PeerError
├── NotConsistent          a state of a log that is not the one before with more at its end
├── NotIncluded            an entry is not where a proof says that it is
└── TooFewWitnesses        a state of a log that not enough witnesses have cosigned
"""

from crypto.errors import PeerError


class NotConsistent(PeerError):
    """A log shows a state that is not an extension of one that it showed before: entries were changed or taken away."""


class NotIncluded(PeerError):
    """A log's state has not this entry at this place."""


class TooFewWitnesses(PeerError):
    """Fewer witnesses have cosigned a log's state than are asked for: others may have been shown another."""
