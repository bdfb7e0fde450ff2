"""The score of one enterprise at a department: `docs/protocols.md`, "Score of one enterprise".

    bank        signs a request; seals the enterprise id to each department of S
    bureau      logs the request, and shows each department the log up to it
    department  checks the request, the log and the consent; looks its partial up, masks it for this request and this
                state of the log, encrypts it under the bank's key
    bureau      multiplies the ciphertexts of S
    bank        opens the sum

| who             | learns                                                                                      |
|-----------------|---------------------------------------------------------------------------------------------|
| department      | which enterprise the bank asks about, and which departments answer                          |
| bureau          | that the bank asks, when, by which model, and which departments answer; no id and no score  |
| bank            | the sum over S of the partials                                                              |
| bank and bureau | the same: what one department answered opens to a uniform word                              |

The context of the masks holds the signed document and the enterprise id. Departments that were shown different
documents, or asked about different enterprises (a bank could so exchange one enterprise at a single department and
read the difference), make masks that do not cancel. So do departments that were asked under different keys: what two
of them share is bound to the keys of both.

A request that comes again gets the very bytes that it got before, until it is forgotten some time after its expiry.
Nothing is computed, masked or counted for it again.

Two sums over sets that differ by one department differ by its partial: see `answered.py`. Two banks that share what
they learn can still compare sums over different sets; so can one bank over two models.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from crypto.errors import ProtocolStateError, YurongError
from crypto.identifiers import ModelVersion, ParticipantId, Role
from crypto.paillier import Obfuscator
from crypto.transparency.errors import NotConsistent
from models.hosting.storage.database import Database
from models.wire.online import DepartmentAnswer, RelayedRequest
from models.wire.plan import MINIMUM_DEPARTMENTS, require_enough_departments
from models.wire.score_statement import SignedStatement, request_digest
from participants.clock import Clock
from participants.department.data_uses import keep_use
from participants.department.database import open_database
from participants.department.errors import AnswersForgotten, ObfuscatorsExhausted, RequestExpired
from participants.department.evidence import Evidence
from participants.department.obfuscation import NewPool, Obfuscators, ObfuscatorSource, PoolSettings
from participants.department.request_record import RequestRecord
from participants.department.score_answer import masked_partial, masked_reasons
from participants.department.score_checks import (
    CHECKS,
    OF_THE_RECORD,
    OF_THE_REQUEST,
    Asked,
    log_goes_on_from_what_was_seen,
)
from participants.department.scored_model import KeysInForce, ScoredModel
from participants.home import Home
from participants.model_store import ModelStore

__all__ = ["CHECKS", "Asked", "NewPool", "ObfuscatorSource", "Scorer", "Waiting"]


ANSWERS_AT_HAND: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request whose signature and box were checked. `until`: its expiry, seconds since 1970."""

    asked: Asked
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An answer that was given, to a request that was checked under these keys. `until`: see `Waiting`."""

    answer: bytes
    until: int
    keys: KeysInForce
    model: ScoredModel


class RecentAnswers:
    """The last answers, so that who asks again at once costs neither a look at the database nor an obfuscator.

    One counts as long as nobody was pinned or unpinned since, and the model is here: all else that was checked is in
    the request, which is the same.
    """

    def __init__(self) -> None:
        self._answers: OrderedDict[bytes, Given] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes, keys: KeysInForce, now: float) -> bytes | None:
        """The answer to the request of this digest, if it is one of the last and still counts."""
        with self._lock:
            given = self._answers.get(digest)
        if given is None or given.keys is not keys or now >= given.until or not given.model.is_here:
            return None
        return given.answer

    def keep(self, digest: bytes, given: Given) -> None:
        """Keep an answer, which is recorded, until the request expires."""
        with self._lock:
            self._answers[digest] = given
            if len(self._answers) > ANSWERS_AT_HAND:
                self._answers.popitem(last=False)


class Scorer:
    """A department that answers score requests. It may be asked by several threads at once.

    `evidence` is what requests are held against. `new_pool` makes the obfuscators of one bank's key; they are this
    scorer's until `close`. `minimum_departments`: it takes part in no sum over fewer.
    """

    def __init__(
        self,
        home: Home,
        *,
        clock: Clock,
        evidence: Callable[[Home, Database], Evidence],
        new_pool: NewPool | None = None,
        minimum_departments: int = MINIMUM_DEPARTMENTS,
    ) -> None:
        if home.role is not Role.DEPARTMENT:
            raise ProtocolStateError("only a department answers score requests")
        self._home = home
        self._clock = clock
        self._minimum_departments = minimum_departments
        self._database = open_database(home)
        self._record = RequestRecord(self._database)
        self.evidence = evidence(home, self._database)
        self._keys = KeysInForce(home)
        self._models: dict[ModelVersion, ScoredModel] = {}
        self._opening = threading.Lock()
        self._recent = RecentAnswers()
        self.obfuscators = Obfuscators(new_pool or PoolSettings())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the pools and close the database."""
        self.obfuscators.stop()
        self._database.close()

    @property
    def serial(self) -> int:
        """The serial of the document under which this department answers."""
        return self._home.serial

    def versions(self) -> tuple[ModelVersion, ...]:
        """The models that this department has a part of."""
        return tuple(model.version for model in ModelStore.all(self._home.directory / "models"))

    def prepare(self, version: ModelVersion) -> None:
        """Read what a model needs and start to fill the pools of its banks, so that the first request need not wait."""
        self._model(version)
        keys = self._current_keys()
        self.obfuscators.keep({bank: keys.keys_of(bank) for bank in self._banks()})

    def ready(self, version: ModelVersion) -> bool:
        """Whether a request by this model would be answered: its partials are here, and so are obfuscators.

        Raises `UnknownModel` for one that is not here, `AnswersForgotten` if the database has no partials of it,
        `ProtectionUnavailable` if it has too few departments, `LogStopped` and `ClockDisputed`. Nobody waits for banks
        of which no document is pinned.
        """
        self.prepare(version)
        self._database.check_schema()
        model, keys = self._model(version), self._current_keys()
        require_enough_departments(len(model.departments), minimum=self._minimum_departments)
        if not model.table.is_here:
            raise AnswersForgotten(version)
        with self._database.reading() as connection:
            self.evidence.require_usable(connection)
        return self.obfuscators.ready(key for bank in model.banks for key in keys.keys_of(bank)[:1])

    def handle(self, data: bytes) -> bytes:
        """Answer an encoded `RelayedRequest`, waiting for an obfuscator; raises a `YurongError` to refuse."""
        begun = self.begin(RelayedRequest.decode(data))
        if isinstance(begun, bytes):
            return begun
        try:
            return self.conclude(begun)
        except ObfuscatorsExhausted:
            return self.conclude(begun, self.obfuscator(begun))

    def answer(self, relayed: RelayedRequest) -> DepartmentAnswer:
        """Do what `handle` does, without the bytes."""
        return DepartmentAnswer.decode(self.handle(relayed.encode()))

    def begin(self, relayed: RelayedRequest) -> bytes | Waiting:
        """The answer that was given to these very bytes before; or the request, its signature and box checked."""
        digest, now, keys = request_digest(relayed.document), self._clock.now(), self._current_keys()
        recent = self._recent.get(digest, keys, now)
        if recent is not None:
            return recent
        signed = SignedStatement.read(relayed.document)
        asked = Asked(
            relayed=relayed,
            signed=signed,
            model=self._model(signed.claimed.model_version),
            keys=keys,
            record=self._record,
            evidence=self.evidence,
            now=now,
            minimum_departments=self._minimum_departments,
        )
        try:
            for check in OF_THE_REQUEST:
                check(asked)
        except RequestExpired:
            stored = self._record.stored_answer(digest)
            if stored is None:
                raise
            return stored
        return Waiting(asked=asked, until=asked.statement.expires_at)

    def obfuscator(self, waiting: Waiting, *, timeout_seconds: float | None = None) -> Obfuscator:
        """An obfuscator for the answer, within this time or the request's; raises `ObfuscatorsExhausted`."""
        left = waiting.until - self._clock.now()
        seconds = left if timeout_seconds is None else min(left, timeout_seconds)
        return self.obfuscators.take(waiting.asked.bank, waiting.asked.key, timeout_seconds=seconds)

    def expired(self, waiting: Waiting) -> bool:
        """Whether the request's time is over."""
        return self._clock.now() >= waiting.until

    def conclude(self, waiting: Waiting, obfuscator: Obfuscator | None = None) -> bytes:
        """Check the rest, record the request, mask and encrypt the partial, keep the answer: all of this or nothing.

        What was shown of the log is kept even if the request is refused. Without an obfuscator one is taken if there is
        one now; raises `ObfuscatorsExhausted` for a request that would be answered if there were.
        """
        if self._current_keys() is not waiting.asked.keys:  # somebody may have been unpinned while it waited
            again = self.begin(waiting.asked.relayed)
            if isinstance(again, bytes):
                return again
            waiting = again
        asked = waiting.asked
        asked.look_at_the_log_again()
        refusal: YurongError | None = None
        try:
            with self._record.recording(expires_at=waiting.until):
                log_goes_on_from_what_was_seen(asked)
                try:
                    with self._record.attempt():
                        answer, is_new = self._answered(waiting, obfuscator)
                except YurongError as fault:
                    refusal = fault
        except NotConsistent as fault:
            self.evidence.view.alarm(fault, asked.relayed.extension)
            raise
        if refusal is not None:
            raise refusal
        if is_new:
            given = Given(answer=answer, until=waiting.until, keys=asked.keys, model=asked.model)
            self._recent.keep(asked.digest, given)
        return answer

    def _answered(self, waiting: Waiting, obfuscator: Obfuscator | None) -> tuple[bytes, bool]:
        """The answer, and whether it is a new one; recorded in the transaction that is open."""
        asked = waiting.asked
        stored = self._record.claim_request(asked.digest, now=asked.now)
        if stored is not None:
            return stored, False  # the same bytes came twice at the same time
        for check in OF_THE_RECORD:
            check(asked)
        if obfuscator is None:
            obfuscator = self.obfuscator(waiting, timeout_seconds=0)
        # It is a ciphertext by its making, of an obfuscator that was checked: to check it again takes as long.
        number = asked.key.encrypt(masked_partial(asked), obfuscator)
        answer = DepartmentAnswer(
            request=asked.digest,
            ciphertext=number.to_bytes(asked.key.ciphertext_bytes, "big"),
            cosignature=self.evidence.view.cosign(asked.checkpoint, self._record.connection),
            reasons=masked_reasons(asked),
        ).encode()
        keep_use(asked)
        self._record.keep_answer(asked.digest, answer)
        return answer, True

    def _model(self, version: ModelVersion) -> ScoredModel:
        with self._opening:
            model = self._models.get(version)
            if model is None or not model.is_here:
                self._models.pop(version, None)
                model = self._models[version] = ScoredModel(self._home, self._record, version)
            return model

    def _banks(self) -> set[ParticipantId]:
        """Every bank of the models that were asked for and are here."""
        with self._opening:
            return {bank for model in self._models.values() if model.is_here for bank in model.banks}

    def _current_keys(self) -> KeysInForce:
        self._keys = self._keys.now()
        return self._keys
