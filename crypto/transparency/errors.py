"""What is wrong with a log.

PeerError
├── NotConsistent          a state of a log that is not the one before with more at its end
│   └── LogForked          two states of one size, both signed by the log
├── OtherStateSeen         a witness has seen another state than it is asked to go on from
├── NotIncluded            an entry is not where a proof says that it is
└── TooFewWitnesses        a state of a log that not enough witnesses have cosigned
"""

from crypto.errors import PeerError


class NotConsistent(PeerError):
    """A log shows a state that is not an extension of one that it showed before: entries were changed or taken away."""


class LogForked(NotConsistent):
    """A log has signed two different states of one size."""


class OtherStateSeen(PeerError):
    """A witness has last seen the state of `size` entries, and is asked to go on from another."""

    def __init__(self, size: int) -> None:
        super().__init__(f"this witness has last seen the log at {size} entries")
        self.size = size


class NotIncluded(PeerError):
    """A log's state has not this entry at this place."""


class TooFewWitnesses(PeerError):
    """Fewer witnesses have cosigned a log's state than are asked for: others may have been shown another."""
