"""Domain separation: one label for each use of a key, so that nothing made for one use passes for another."""

from enum import StrEnum


class Label(StrEnum):
    """The uses of our keys.

    A label goes into every signature, sealed box, key derivation and hash. A value is never changed
    or used for something else: that would make old bytes mean something new.
    """

    # Signatures.
    PARTICIPANT_DOCUMENT = "yurong/2/sign/participant-document"
    DOCUMENT_SUCCESSION = "yurong/1/sign/document-succession"
    SIGNED_DOCUMENT = "yurong/1/sign/document"
    ENVELOPE = "yurong/1/sign/envelope"
    SCORE_REQUEST = "yurong/2/sign/score-request"
    RUN_PLAN = "yurong/1/sign/run-plan"
    MODEL_APPROVAL = "yurong/1/sign/model-approval"
    PERMISSION = "yurong/1/sign/permission"
    PASSKEY_REGISTRAR = "yurong/1/sign/passkey-registrar"
    REFUSAL = "yurong/1/sign/refusal"

    # Sealed boxes.
    SEALED_COHORT = "yurong/1/seal/cohort"
    SEALED_COEFFICIENTS = "yurong/1/seal/coefficients"
    SEALED_REQUEST = "yurong/1/seal/request"
    SEALED_GROUP_KEY = "yurong/1/seal/group-key"
    SEALED_ANSWER = "yurong/1/seal/answer"
    SEALED_REASONS = "yurong/1/seal/reasons"
    SEALED_CONSENT = "yurong/1/seal/consent"

    # Key derivation.
    MASK = "yurong/1/derive/pairwise-mask"
    SHORT_MASK = "yurong/1/derive/pairwise-mask-in-one-block"
    GROUP_PAD = "yurong/1/derive/group-pad"

    # What lies on a participant's own disk.
    KEPT_KEY = "yurong/1/keep/data-key"
    KEPT_FILE = "yurong/1/keep/file"
    KEPT_TLS_KEY = "yurong/1/keep/tls-key"

    # Hashes.
    MASK_CONTEXT = "yurong/1/hash/mask-context"
    IDENTITY_FINGERPRINT = "yurong/1/hash/identity"
    PAILLIER_FINGERPRINT = "yurong/1/hash/paillier-key"
    LATTICE_FINGERPRINT = "yurong/1/hash/lattice-key"
    LATTICE_POLYNOMIAL = "yurong/1/hash/lattice-polynomial"
    ALIGNMENT_ELEMENT = "yurong/1/hash/alignment-element"
    ALIGNMENT_TAG = "yurong/1/hash/alignment-tag"
    CONSENT = "yurong/1/hash/consent"
    CONSENT_CHANGE = "yurong/1/hash/consent-change"
    PASSKEY_BINDING = "yurong/1/hash/passkey-binding"
    PASSKEY_TAG = "yurong/1/hash/passkey-tag"
    USE_KEY = "yurong/1/hash/use-key"
    USE_TAG = "yurong/1/hash/use-tag"


def labelled(label: Label, *parts: bytes) -> bytes:
    """Return one string that stands for `label` and `parts` and for nothing else.

    label ‖ 0x00 ‖ (length of part, 8 bytes big-endian ‖ part)*

    No label contains a zero byte, so this is injective.
    """
    framed = [label.encode(), b"\0"]
    for part in parts:
        framed += [len(part).to_bytes(8, "big"), part]
    return b"".join(framed)
