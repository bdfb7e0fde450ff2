"""A bank's side of training: `docs/protocols.md`, "Training".

The bank alone holds labels and residuals. It sends residuals encrypted, returns decrypted products only as numbers
that a department masked, and searches the span of the directions with the other banks through masked sums.

| who        | learns                                                                                    |
|------------|-------------------------------------------------------------------------------------------|
| bank       | the image of each round's direction on its own cohort, summed over departments; sums over banks |
| department | see `participants/department/trainer.py`                                                   |
| bureau     | the objective and the AUC after each round, which the leading bank reports                |
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crypto.errors import PeerError
from crypto.fixed_point import Words, from_fixed_point
from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.lattice.inner_product import choose_stride
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import INNER_PRODUCT
from crypto.lattice.workers import LatticeWorkers
from models.optimizer import log_odds_of_rate
from models.restricted import RestrictedStatistics
from models.wire.codec import pack_words, unpack_words
from models.wire.envelope import Addressed, post
from models.wire.plan import require_enough_departments, require_enough_rows
from models.wire.steps import Purpose, Step
from models.wire.training import (
    IMAGE_FRACTION_BITS,
    WEIGHT_BITS,
    BeginRequest,
    Coefficients,
    NewtonRequest,
    OpenReply,
    OpenRequest,
    Products,
    Progress,
    Residuals,
    RoundOutcome,
    SearchReply,
    SearchRequest,
    Turn,
)
from participants.bank.attempts import Attempts
from participants.bank.binner import BankBinner, BankTotals
from participants.bank.cohort import BankCohort
from participants.bank.exposure import OpenedNumbers
from participants.bank.group import COUNT_WORDS, BankGroup
from participants.bank.held_out import HeldOutScores
from participants.bank.own_block import OwnBlock
from participants.bank.search import BankSearch
from participants.runs.run import Run, received

Vector = NDArray[np.float64]

MAXIMUM_FRACTION_BITS = 30
MAXIMUM_NEWTON_STEPS = 60


def residual_fraction_bits(*, rows: int, entry_bits: int) -> int:
    """How finely residuals are encoded so that no inner product over `rows` rows reaches half the plain modulus."""
    taken = 1 + rows.bit_length() + entry_bits + WEIGHT_BITS
    return min(MAXIMUM_FRACTION_BITS, INNER_PRODUCT.plain_modulus_bits - taken)


class BankTrainer:
    """One bank in training."""

    def __init__(
        self, run: Run, cohort: BankCohort, binner: BankBinner, key: BankLatticeKey, workers: LatticeWorkers
    ) -> None:
        self._run = run
        self._cohort = cohort
        self._binner = binner
        self._key = key
        self._workers = workers
        self._group = BankGroup(run)
        self._own = OwnBlock(run)
        self._attempts = Attempts(run.store)
        self._opened = OpenedNumbers(run.store)

    def begin(self, request: BeginRequest) -> RoundOutcome:
        """Check that the run protects its residuals, start from the base rate, and send the first ones.

        Once a run (`SetupAnswers`): the bounds of all that follows rest on what was checked here.
        """
        totals = self._binner.totals(request.totals)
        self._require_enough_rows(totals.training_rows, request)
        self._run.store.write_bytes("begin", request.encode())
        self._search.start(log_odds_of_rate(totals.base_rate()))
        return self._outcome(0, progress=None, finished=False)

    def open(self, request: OpenRequest) -> OpenReply:
        """Decrypt the departments' products: masked numbers, of which each department can read the sum over banks."""
        turn = request.turn
        self._check(turn)
        training_rows = self._rows_that_cover(turn)
        departments = tuple(ParticipantId(name) for name in turn.departments)
        self._opened.begin(turn.digest().hex(), answered=self._attempts.answered())
        opened = {}
        for department, payload in received(request.products, departments).items():
            products = Products.decode(self._run.hear(payload, Step.GRADIENT, turn, sender=department))
            words = self._masked_products(department, products, turn, training_rows)
            opened[department] = self._run.say(Step.OPEN, turn, pack_words(words), to=(department,))
        self._search.go_to(turn.round - 1)
        gradient = self._own.gradient_words(self._search.residuals())
        share = self._group.share(turn, Purpose.BANK_GRADIENT, gradient)
        self._attempts.open(turn)
        return OpenReply(opened=post(opened), bank_gradient=share)

    def search(self, request: SearchRequest) -> SearchReply:
        """Take in the round's direction and begin to search the wider span."""
        turn = request.turn
        self._check(turn)
        self._search.go_to(turn.round - 1)
        image, penalties = self._unmasked_image(request.image, turn)
        self._attempts.search(turn)
        gradient = self._group.total(turn, Purpose.BANK_GRADIENT, request.bank_gradient, self._own.size)
        values = self._search.minimiser.coefficients[1:]
        vector = self._own.direction(turn.round, gradient, values, self._totals, self._rows)
        image = image + self._own.image(vector)
        penalties = penalties + self._own.penalty_products(turn.round, vector)
        self._run.store.write_facts(f"members/{turn.round:04}", {"departments": turn.departments, "banks": turn.banks})
        own = self._search.widen(turn.round, image, penalties)
        return self._share_or_finish(turn, 0, own)

    def newton(self, request: NewtonRequest) -> SearchReply:
        """Take in the statistics' sum; go on, or end the round."""
        turn = request.turn
        self._check(turn)
        length = RestrictedStatistics.word_count(turn.round) + self._held_out.word_count + COUNT_WORDS
        words = self._group.total(turn, Purpose.STATISTICS, request.statistics, length, step=request.step)
        self._attempts.take(turn, request.step)
        return self._after_total(turn, request.step, words)

    def banks_of(self, finished_round: int) -> tuple[str, ...]:
        """The banks that took part in a finished round."""
        return tuple(self._run.store.read_facts(f"members/{finished_round:04}")["banks"])

    def at_round(self, finished_rounds: int) -> BankSearch:
        """The search as it stands after so many rounds."""
        self._search.go_to(finished_rounds)
        return self._search

    def _after_total(self, turn: Turn, step: int, words: Words) -> SearchReply:
        if step >= MAXIMUM_NEWTON_STEPS:
            raise PeerError("the banks' search does not come to an end")
        size = RestrictedStatistics.word_count(turn.round)
        self._require_enough_rows(
            self._group.checked_count(turn, Purpose.STATISTICS, words[-COUNT_WORDS:], step=step), self._begin
        )
        total = RestrictedStatistics.from_words(words[:size], self._scales_of(turn, step))
        if not self._search.take(turn.round, step, total):
            return self._share_or_finish(turn, step + 1, self._search.statistics())
        progress = Progress(
            objective=self._search.minimiser.objectives[-1],
            auc_held_out=self._held_out.auc(words[size:-COUNT_WORDS]),
            newton_steps=step + 1,
        )
        plan = self._run.plan
        converged = self._search.minimiser.relative_decrease() < plan.tolerance
        finished = converged or turn.round == plan.maximum_rounds
        return SearchReply(statistics=b"", outcome=self._outcome(turn.round, progress=progress, finished=finished))

    def _share_or_finish(self, turn: Turn, step: int, own: RestrictedStatistics) -> SearchReply:
        """Share the statistics; a bank that is alone has their sum already."""
        minimiser = self._search.minimiser
        counts = self._held_out.counts(self._search.objective.log_odds(minimiser.propose()))
        rows = self._group.counted_words(turn, Purpose.STATISTICS, self._own_training_rows, step=step)
        words = np.concatenate([own.to_words(minimiser.scales), counts, rows])
        if len(turn.banks) == 1:
            return self._after_total(turn, step, words)
        return SearchReply(statistics=self._group.share(turn, Purpose.STATISTICS, words, step=step), outcome=None)

    def _outcome(self, finished_rounds: int, *, progress: Progress | None, finished: bool) -> RoundOutcome:
        turn = self._run.standing_turn(finished_rounds + 1)
        residuals = b"" if finished else self._encrypted_residuals(turn)
        return RoundOutcome(
            finished=finished,
            residuals=residuals,
            coefficients=self._sealed_coefficients(finished_rounds, turn),
            progress=progress,
        )

    def _encrypted_residuals(self, turn: Turn) -> bytes:
        scaled = np.rint(self._search.residuals() * 2.0**self._fraction_bits).astype(np.int64)
        vector = self._workers.encrypt_vector(
            self._key, scaled, stride=self._stride, magnitude_bits=self._fraction_bits + WEIGHT_BITS
        )
        message = Residuals(
            key_fingerprint=vector.key_fingerprint,
            rows=vector.rows,
            stride=vector.stride,
            magnitude_bits=vector.magnitude_bits,
            chunks=vector.chunks,
        )
        return self._run.say(Step.SEARCH, turn, message.encode(), to=self._run.plan.department_ids)

    def _sealed_coefficients(self, finished_rounds: int, turn: Turn) -> tuple[Addressed, ...]:
        """Coefficients for each department. All banks send the same; the bureau relays one bank's."""
        sealed = {}
        for department in self._run.plan.department_ids:
            message = Coefficients(
                values=tuple(float(value) for value in self._search.minimiser.coefficients[1:]),
                base_rate=self._totals.base_rate(),
                training_weight=self._totals.training_weight,
                took_part=tuple(department in self._members(number) for number in range(1, finished_rounds + 1)),
                residual_fraction_bits=self._fraction_bits,
            )
            sealed[department] = self._run.say_sealed(
                Step.SEARCH, turn, message.encode(), to=department, label=Label.SEALED_COEFFICIENTS
            )
        return post(sealed)

    def _members(self, round_number: int) -> tuple[str, ...]:
        """The departments that took part in a finished round."""
        return tuple(self._run.store.read_facts(f"members/{round_number:04}")["departments"])

    def _masked_products(self, department: ParticipantId, products: Products, turn: Turn, training_rows: int) -> Words:
        if products.columns > self._begin.largest_block:
            raise PeerError("a department asks for more inner products than its block has parameters")
        self._opened.spend(department, products.columns, training_rows=training_rows)
        words = self._workers.decrypt_products(
            self._key, products.ciphertexts, columns=products.columns, stride=self._stride
        )
        if len(turn.banks) > 1:
            context = self._run.mask_context(turn, Purpose.OPENED, department, turn.banks)
            words = words + self._run.secrets.zero_sum_mask(context, len(words))
        return words % np.uint64(INNER_PRODUCT.plain_modulus)

    def _unmasked_image(self, summed: bytes, turn: Turn) -> tuple[Vector, Vector]:
        """The direction's image `(rows,)` and penalty products `(round,)`, this bank's share added last."""
        rows = len(self._cohort.labels)
        words = unpack_words(summed, rows + turn.round)
        context = self._run.mask_context(turn, Purpose.IMAGE, self._run.me, (*turn.departments, self._run.me))
        numbers = from_fixed_point(words + self._run.secrets.zero_sum_mask(context, len(words)), IMAGE_FRACTION_BITS)
        return numbers[:rows], numbers[rows:]

    def _scales_of(self, turn: Turn, step: int) -> Vector:
        """The units of the statistics that are being summed, in whatever process this is."""
        self._search.resume(turn.round, step)
        return self._search.minimiser.scales

    @cached_property
    def _search(self) -> BankSearch:
        labels = np.where(np.isnan(self._cohort.labels), 0.0, self._cohort.labels)
        return BankSearch(self._run.store, labels, self._cohort.weights)

    @cached_property
    def _held_out(self) -> HeldOutScores:
        return HeldOutScores(self._cohort.labels, self._cohort.is_held_out)

    @cached_property
    def _begin(self) -> BeginRequest:
        return BeginRequest.decode(self._run.store.read_bytes("begin"))

    @cached_property
    def _totals(self) -> BankTotals:
        return self._binner.totals(self._begin.totals)

    @cached_property
    def _rows(self) -> int:
        return sum(cohort.rows for cohort in self._begin.cohorts)

    @cached_property
    def _stride(self) -> int:
        return choose_stride(len(self._cohort.labels), self._begin.largest_block)

    @cached_property
    def _fraction_bits(self) -> int:
        return residual_fraction_bits(rows=self._rows, entry_bits=self._begin.entry_bits)

    @cached_property
    def _own_training_rows(self) -> int:
        return int(np.count_nonzero(self._cohort.weights))

    def _rows_that_cover(self, turn: Turn) -> int:
        """The rows that products of this turn are sums over: a bank that is told that it is alone counts its own.

        Raises `ProtectionUnavailable` if those are too few for the run.
        """
        if len(turn.banks) > 1:
            return self._totals.training_rows
        self._require_enough_rows(self._own_training_rows, self._begin)
        return self._own_training_rows

    def _require_enough_rows(self, training_rows: int, begin: BeginRequest) -> None:
        """Checked before the first round, and again with those banks that are left in each."""
        largest_block = max(begin.largest_block, self._own.size)
        require_enough_rows(
            training_rows=training_rows, rounds=self._run.plan.maximum_rounds, largest_block=largest_block
        )

    def _check(self, turn: Turn) -> None:
        self._run.check_turn(turn)
        require_enough_departments(len(turn.departments))
