"""Every error that this project raises on purpose.

    YurongError
    ├── PeerError                  bad data from the other side
    │   ├── MalformedMessage       not in its one canonical form, or out of its bounds
    │   ├── InvalidCiphertext      no ciphertext of this scheme under this key
    │   ├── SignatureInvalid       not signed by the key it should be signed by
    │   └── UntrustedKey           a key that was not pinned
    ├── ProtocolStateError         a call out of order: a bug on this side
    │   └── MaskContextReused      the same keystream would have been used twice
    └── ProtectionUnavailable      the protection asked for cannot be had, so nothing starts
        └── TooFewMembers          a sum over so few would show what each of them holds

A message is one line and never holds a secret, a record's value or an enterprise id.
"""


class YurongError(Exception):
    """The root of the tree.

    `message` says in one line what is wrong; `advice` says what a human can do about it.
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class PeerError(YurongError):
    """The other side sent something that an honest one would not have sent."""


class MalformedMessage(PeerError):
    """Bytes that are not in their one canonical form, or exceed a bound."""


class InvalidCiphertext(PeerError):
    """A value that no honest encryption under this key can give."""


class SignatureInvalid(PeerError):
    """A signature that the named key did not make over these very bytes."""


class UntrustedKey(PeerError):
    """A key that is well-formed, perhaps even well-signed, and not the one that was pinned."""


class ProtocolStateError(YurongError):
    """A call that the protocol does not allow at this point: a bug on this side."""


class MaskContextReused(ProtocolStateError):
    """A keystream was asked for a second time; two masked vectors would give away their difference."""


class ProtectionUnavailable(YurongError):
    """The protection that was asked for cannot be had. Nothing starts without it."""


class TooFewMembers(ProtectionUnavailable):
    """A sum over so few would show what each of them holds."""
