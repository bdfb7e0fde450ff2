"""What every object that holds a secret has in common."""

from typing import NoReturn


class Secret:
    """A base for whatever holds a secret: a redacted `repr`, equality by identity only, no pickle and no copy.

    Pickle would take the secret to another process or a file in a form that nobody asked for; a key
    leaves its object through `to_private_bytes` alone.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: secret>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is neither pickled nor copied")

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__} holds a secret and is neither pickled nor copied")
