"""What is wrong with what somebody shows of a log.

YurongError
└── PeerError
├── ReceiptRefused    one step of a receipt's verification fails; it is named
└── CopyRefused       a copy of a log is not what the log and its witnesses have signed
"""

from crypto.errors import PeerError


class ReceiptRefused(PeerError):
    """A receipt that does not prove what it should. step: the one that failed, of `models.log.receipts`."""

    def __init__(self, step: str, fault: PeerError) -> None:
        super().__init__(f"{step}: {fault.message}", advice=fault.advice)
        self.step = step


class CopyRefused(PeerError):
    """A copy of a log that has other entries or documents than its checkpoint says, or lacks some."""
