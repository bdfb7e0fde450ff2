"""A department's desk for passkeys: it has seen who a person is, and signs whose passkey it is.

    enterprise   names this department, and its passkey signs the binding          BindingRequest
    operator     sees the person and the business licence, and compares
    department   signs the same bytes                                               SignedBinding

Which departments may is a permission in the log; without it nobody believes the signature. The desk never alters what
the enterprise signed, so it can only sign or not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from crypto.errors import PeerError, UntrustedKey
from models.hosting.clock import Clock
from models.wire.passkey_binding import BindingRequest, BindingWhat, PasskeyBinding, SignedBinding
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


def unbind_passkey(home: Home, bound: bytes, *, clock: Clock) -> SignedBinding:
    """The binding (`SignedBinding`) in `bound` taken back: the passkey is lost, or the person signs no longer.

    Raises `PeerError` for one that this department did not sign.
    """
    signed = SignedBinding.decode(bound)
    binding = signed.claimed()
    if binding.registrar != home.participant_id or binding.what is not BindingWhat.BIND:
        raise PeerError("a passkey is unbound by the registrar that bound it", advice="Ask that one.")
    return SignedBinding.sign(
        PasskeyBinding(
            enterprise_id=binding.enterprise_id,
            passkey=binding.passkey,
            signatory=binding.signatory,
            registrar=binding.registrar,
            what=BindingWhat.UNBIND,
            at=max(int(clock.now()), binding.at),
        ),
        None,
        home.identity(),
    )
