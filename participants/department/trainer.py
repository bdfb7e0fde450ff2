"""A department's side of training: `docs/protocols.md`, "Training".

State between messages, in the run's store: the directions found so far, `direction/<round>`, and the masks of the
encrypted products that are on their way, `pending`; what a round began with (`standing.py`). A round that is run again
takes the directions before it and overwrites those after.

| who        | holds                               | learns                                                        |
|------------|-------------------------------------|---------------------------------------------------------------|
| department | its columns `X_j`, its block        | its own gradient, summed over banks, once a round             |
| bank       | residuals, and the key to read them | the sum over departments of the directions' images, a row     |
| bureau     | nothing                             | sizes                                                         |
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crypto.errors import PeerError, ProtocolStateError
from crypto.fixed_point import to_fixed_point
from crypto.identifiers import ParticipantId
from crypto.labels import Label
from crypto.lattice.inner_product import EncryptedVector, centred
from crypto.lattice.workers import LatticeWorkers
from models.block_file import AnyBlock, block_from_bytes
from models.optimizer import block_direction
from models.wire.codec import pack_words, unpack_words
from models.wire.envelope import post
from models.wire.plan import require_enough_departments
from models.wire.steps import Purpose, Step
from models.wire.training import (
    IMAGE_FRACTION_BITS,
    Coefficients,
    DirectionReply,
    DirectionRequest,
    GradientReply,
    GradientRequest,
    Products,
    Residuals,
    Turn,
)
from participants.department.round_sets import RoundSets
from participants.department.standing import StandingPost
from participants.runs.run import Run, received

Vector = NDArray[np.float64]

ROWS_AT_ONCE = 1 << 16


class DepartmentTrainer:
    """One department's block in training."""

    def __init__(self, run: Run, workers: LatticeWorkers) -> None:
        self._run = run
        self._workers = workers
        self._standing = StandingPost(run.store)

    def gradient(self, request: GradientRequest) -> GradientReply:
        """Multiply each bank's encrypted residuals by this block's columns."""
        turn = request.turn
        self._check(turn)
        bodies = {
            bank: self._run.hear_standing(payload, Step.SEARCH, turn.round, sender=bank)
            for bank, payload in received(request.residuals, self._banks(turn)).items()
        }
        self._hear_coefficients(request.coefficients, turn)
        self._standing.hold_residuals(turn.round, bodies)
        products: dict[ParticipantId, bytes] = {}
        masks: dict[str, NDArray[np.uint64]] = {}
        for bank, body in bodies.items():
            answer, masks[bank] = self._multiply(bank, Residuals.decode(body))
            products[bank] = self._run.say(Step.GRADIENT, turn, answer.encode(), to=(bank,))
        self._run.store.write_arrays(self._pending(turn), masks)
        return GradientReply(products=post(products))

    def direction(self, request: DirectionRequest) -> DirectionReply:
        """Unmask the gradient, precondition it, and answer with the direction's masked image."""
        turn = request.turn
        self._check(turn)
        masks = self._run.store.read_arrays(self._pending(turn))
        coefficients = self._standing.coefficients(turn.round)
        total = np.zeros(self.block.size, dtype=np.uint64)
        for bank, payload in received(request.opened, self._banks(turn)).items():
            words = unpack_words(self._run.hear(payload, Step.OPEN, turn, sender=bank), len(total))
            total += words - masks[bank]
        gradient = centred(total) * 2.0**-coefficients.residual_fraction_bits
        factor = RoundSets(self._run.store).factor(turn.round, turn.departments)
        vector = factor * self._precondition(gradient + self.penalty @ self.weights(turn.round), coefficients)
        directions = [*(self._direction(earlier, coefficients) for earlier in range(1, turn.round)), vector]
        penalties = np.array([direction @ self.penalty @ vector for direction in directions])
        images = post({bank: self._masked_image(bank, vector, penalties, turn) for bank in self._banks(turn)})
        # Kept once its masks were claimed: an attempt that is asked for again leaves what was kept as it is.
        self._run.store.write_arrays(f"direction/{turn.round:04}", {"vector": vector, "gradient": gradient})
        return DirectionReply(images=images)

    def weights(self, round_number: int) -> Vector:
        """The block's parameters `(parameters,)` at the start of a round: coefficients times directions."""
        coefficients = self._standing.coefficients(round_number)
        weights = np.zeros(self.block.size)
        for earlier, value in enumerate(coefficients.values, start=1):
            weights += value * self._direction(earlier, coefficients)
        return weights

    def hear_last_coefficients(self, payload: bytes, turn: Turn) -> Vector:
        """The final parameters, from the coefficients that end the training."""
        self._run.check_turn(turn)
        self._hear_coefficients(payload, turn)
        return self.weights(turn.round)

    @cached_property
    def block(self) -> AnyBlock:
        """The block, its parameters still at zero."""
        return block_from_bytes(self._run.store.read_bytes("block"))

    @cached_property
    def penalty(self) -> NDArray[np.float64]:
        """The penalty matrix `(parameters, parameters)`."""
        plan = self._run.plan
        return self.block.penalty_matrix(plan.smoothness, plan.ridge)

    def codes(self, bank: ParticipantId) -> NDArray[Any]:
        """The cohort of one bank as the block's codes `(rows, features)`."""
        codes: NDArray[Any] = self._run.store.read_arrays(f"codes/{bank}")["codes"]
        return codes

    @cached_property
    def _curvature(self) -> tuple[NDArray[np.float64], Vector, int]:
        """`X^T X`, column sums and rows over all banks' cohorts."""
        size = self.block.size
        gram, sums, rows = np.zeros((size, size)), np.zeros(size), 0
        for bank in self._run.plan.bank_ids:
            codes = self.codes(bank)
            for start in range(0, len(codes), ROWS_AT_ONCE):
                columns = self.block.columns(codes[start : start + ROWS_AT_ONCE]).astype(np.float64)
                gram += columns.T @ columns
                sums += columns.sum(axis=0)
            rows += len(codes)
        return gram, sums, rows

    def _precondition(self, gradient: Vector, coefficients: Coefficients) -> Vector:
        gram, sums, rows = self._curvature
        return block_direction(
            gradient,
            gram,
            sums,
            rows,
            penalty=self.penalty,
            base_rate=coefficients.base_rate,
            total_weight=coefficients.training_weight,
        )

    def _multiply(self, bank: ParticipantId, residuals: Residuals) -> tuple[Products, NDArray[np.uint64]]:
        name = f"{self._run.me}/{self._run.plan.run_id}/{bank}/{residuals.stride}"
        if not self._workers.holds(name):
            self._workers.encode_matrix(name, self.block.columns(self.codes(bank)), residuals.stride)
        vector = EncryptedVector(
            key_fingerprint=residuals.key_fingerprint,
            rows=residuals.rows,
            stride=residuals.stride,
            magnitude_bits=residuals.magnitude_bits,
            chunks=residuals.chunks,
        )
        answer = self._workers.multiply(name, self._run.bank_keys[bank].training, vector)
        return Products(columns=len(answer.mask), ciphertexts=answer.ciphertexts), answer.mask

    def _masked_image(self, bank: ParticipantId, vector: Vector, penalties: Vector, turn: Turn) -> bytes:
        image = self.block.image(self.codes(bank), vector)
        words = to_fixed_point(np.concatenate([image, penalties]), IMAGE_FRACTION_BITS)
        context = self._run.mask_context(turn, Purpose.IMAGE, bank, (*turn.departments, bank))
        return pack_words(words + self._run.secrets.zero_sum_mask(context, len(words)))

    def _direction(self, round_number: int, coefficients: Coefficients) -> Vector:
        """This block's piece of a finished round's direction: nothing, if it was left out of that round."""
        if not coefficients.took_part[round_number - 1]:
            return np.zeros(self.block.size)
        vector: Vector = self._run.store.read_arrays(f"direction/{round_number:04}")["vector"]
        return vector

    def _hear_coefficients(self, payload: bytes, turn: Turn) -> None:
        body = self._run.hear_sealed(
            payload,
            Step.SEARCH,
            self._run.standing_turn(turn.round),
            sender=ParticipantId(turn.banks[0]),
            label=Label.SEALED_COEFFICIENTS,
        )
        heard = Coefficients.decode(body)
        if len(heard.values) != turn.round - 1 or len(heard.took_part) != turn.round - 1:
            raise PeerError("coefficients of another number of rounds than were finished")
        self._standing.hold_coefficients(turn.round, body)

    def _check(self, turn: Turn) -> None:
        self._run.check_turn(turn)
        require_enough_departments(len(turn.departments))
        if not 1 <= turn.round <= self._run.plan.maximum_rounds:
            raise ProtocolStateError(f"round {turn.round} is not one of the plan's")

    def _banks(self, turn: Turn) -> tuple[ParticipantId, ...]:
        return tuple(ParticipantId(bank) for bank in turn.banks)

    def _pending(self, turn: Turn) -> str:
        return f"pending/{turn.round:04}-{turn.attempt}"
