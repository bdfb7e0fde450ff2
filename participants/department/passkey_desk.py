"""A department's desk for passkeys: it has seen who a person is, and signs whose passkey it is.

    enterprise   names this department, and its passkey signs the binding          BindingRequest
    operator     sees the person and the business licence, and compares
    department   signs the same bytes                                               SignedBinding

    department   says that a passkey signs no longer: it names the passkey's tag    Permission

Which departments may is a permission in the log; without it nobody believes the signature. The desk never alters what
the enterprise signed, so it can only sign or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crypto.errors import PeerError, UntrustedKey
from models.hosting.clock import Clock
from models.wire.passkey_binding import BindingRequest, PasskeyBinding, SignedBinding
from models.wire.permission import Permission, signing_with
from participants.home import Home
from participants.settings import ParticipantSettings

LONGEST_WAIT_SECONDS: Final = 30 * 86_400
"""A registration may lie so long between the enterprise's signature and the desk's."""

CLOCK_TOLERANCE_SECONDS: Final = 300
"""So far ahead of this node's clock may an enterprise's be."""


def register_passkey(
    home: Home,
    settings: ParticipantSettings,
    request: bytes,
    *,
    seen: Callable[[PasskeyBinding], bool],
    clock: Clock,
) -> SignedBinding:
    """Sign what an enterprise handed in (`BindingRequest`), if the operator has `seen` that the person is who it says.

    Raises `PeerError` for what is not in order, and `UntrustedKey` if it was not seen.
    """
    asked = BindingRequest.decode(request)
    binding = asked.verify(home.participant_id, settings.relying_party())
    now = int(clock.now())
    if not now - LONGEST_WAIT_SECONDS <= binding.at <= now + CLOCK_TOLERANCE_SECONDS:
        raise PeerError(
            "a registration was made too long ago, or by a clock that is ahead",
            advice="Have the enterprise make a new one: `yurong enterprise register`.",
        )
    if not seen(binding):
        raise UntrustedKey("the passkey was not registered", advice="Compare the person and the licence again.")
    return asked.signed_by(home.identity())


def withdraw_passkey(home: Home, bound: bytes, *, clock: Clock) -> bytes:
    """The signed `Permission` that ends what a `SignedBinding` of this department began: the passkey signs no longer.

    For when it is lost, or the person signs no longer. Once it is in the log no department heeds a consent of this
    passkey. Raises `PeerError` for a binding that is not this department's.
    """
    binding = SignedBinding.decode(bound).claimed()
    if binding.registrar != home.participant_id:
        raise PeerError("a passkey is withdrawn by the registrar that bound it", advice="Ask that one.")
    subject = signing_with(binding.tag, home.participant_id)
    return Permission(subject=subject, granted=False, at=int(clock.now())).sign(home.identity())
