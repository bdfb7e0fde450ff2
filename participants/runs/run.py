"""A run as one of its participants sees it: the plan, the verified documents of the others, and its own secrets.

Everything that a participant says to another goes through `say` (signed) or `say_sealed` (signed and readable by the
recipient alone) and everything that it hears through `hear` and `hear_sealed`, which verify sender and place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from crypto.errors import MalformedMessage, PeerError, UntrustedKey
from crypto.identifiers import ParticipantId, Role, RunId
from crypto.identity import Identity, ParticipantDocument, PublicIdentity
from crypto.labels import Label
from crypto.masks import MaskContext, PairwiseSecrets
from crypto.sealed import seal, unseal
from crypto.succession import HandOver
from models.wire.envelope import Addressed, Envelope, Place
from models.wire.plan import RunPlan, require_enough_departments
from models.wire.setup import MeetRequest
from models.wire.steps import Purpose, Step
from models.wire.training import Turn
from participants.home import Home
from participants.keys import PublicBankKeys
from participants.runs.ledger import FileLedger
from participants.runs.run_store import RunStore

Verify = Callable[[ParticipantId, bytes], ParticipantDocument]


class Run:
    """One participant's side of one run."""

    def __init__(self, home: Home, identity: Identity, ledger: FileLedger, run_id: RunId) -> None:
        self.home = home
        self.me = home.participant_id
        self._current_identity = identity
        self.ledger = ledger
        self.store = RunStore(home.directory / "runs", run_id)

    def begin(self, plan: RunPlan) -> None:
        """Accept a plan; a second plan for the same run is refused."""
        data = plan.encode()
        if self.store.has("plan") and self.store.read_bytes("plan") != data:
            raise PeerError("this run already has another plan")
        check_plan(plan, self.home)
        self.store.write_bytes("plan", data)

    @cached_property
    def plan(self) -> RunPlan:
        """The accepted plan."""
        return RunPlan.decode(self.store.read_bytes("plan"))

    def meet(self, request: MeetRequest) -> None:
        """Verify everybody's document against its pin and every bank's keys against its document, then keep them."""
        self._verify(request, self._introduced)
        data = request.encode()
        if self.store.has("met") and self.store.read_bytes("met") != data:
            raise PeerError("this run's participants were introduced before, with other documents")
        self.store.write_bytes("met", data)

    @cached_property
    def documents(self) -> dict[ParticipantId, ParticipantDocument]:
        """The verified documents of all participants."""
        return self._verify(MeetRequest.decode(self.store.read_bytes("met")), self._known)

    @cached_property
    def bank_keys(self) -> dict[ParticipantId, PublicBankKeys]:
        """The verified lattice keys of all banks."""
        request = MeetRequest.decode(self.store.read_bytes("met"))
        keys = received(request.lattice_keys, self.plan.bank_ids)
        return {bank: PublicBankKeys.verify(data, self._named_fingerprint(bank)) for bank, data in keys.items()}

    @cached_property
    def identity(self) -> Identity:
        """This participant's identity in the run: the one it was introduced with, also after it has a new one.

        Raises `UntrustedKey` if that one is forgotten by now.
        """
        if not self.store.has("met"):
            return self._current_identity
        introduced = self.documents[self.me].identity
        for identity in (self._current_identity, *self.home.identities().values()):
            if identity.public == introduced:
                return identity
        raise UntrustedKey("the identity that this run began with is forgotten", advice="start a new run")

    @cached_property
    def secrets(self) -> PairwiseSecrets:
        """The secrets shared with each other participant."""
        peers = {name: document.identity for name, document in self.documents.items()}
        return PairwiseSecrets(self.identity, self.me, peers, self.ledger)

    @property
    def leading_bank(self) -> ParticipantId:
        """The bank that speaks for all of them to the departments: the first by name."""
        return self.plan.bank_ids[0]

    def mask_context(self, turn: Turn, purpose: Purpose, direction: str, members: tuple[str, ...]) -> MaskContext:
        """The context of a masked sum over `members` at this turn.

        The whole turn is in it. Participants that were told of other departments or banks make masks that do not
        cancel: from a department that was told of fewer banks than the others, the bank would get one more number.
        """
        self.check_turn(turn)
        return MaskContext(
            run_id=self.plan.run,
            plan_digest=self.plan.digest(),
            round=turn.round,
            attempt=turn.attempt,
            purpose=purpose,
            direction=f"{direction}/{turn.digest().hex()}",
            members=tuple(ParticipantId(name) for name in sorted(members)),
        )

    def check_turn(self, turn: Turn) -> None:
        """Refuse a turn whose participants are not the plan's, or do not include this one.

        There is one order for them: the first bank alone adds the group's pad, so all must agree on which that is.
        """
        departments, banks = set(turn.departments), set(turn.banks)
        if list(turn.departments) != sorted(departments) or list(turn.banks) != sorted(banks):
            raise PeerError("a turn's participants are not sorted and distinct")
        known = departments <= set(self.plan.departments) and banks <= set(self.plan.banks)
        if turn.run_id != self.plan.run_id or not known or not banks or self.me not in departments | banks:
            raise PeerError("a turn is not one of this run's")

    def say(self, step: Step, turn: Turn, body: bytes, *, to: tuple[ParticipantId, ...]) -> bytes:
        """An envelope for `to`, encoded."""
        return Envelope.sign(self.identity, self._place(step, turn, self.me, to), body).encode()

    def hear(self, payload: bytes, step: Step, turn: Turn, *, sender: ParticipantId, to: tuple[str, ...] = ()) -> bytes:
        """The body of an envelope that `sender` addressed to `to` (this participant alone, if empty)."""
        recipients = tuple(ParticipantId(name) for name in to) or (self.me,)
        return Envelope.decode(payload).open(self._identity(sender), self._place(step, turn, sender, recipients))

    def say_sealed(self, step: Step, turn: Turn, body: bytes, *, to: ParticipantId, label: Label) -> bytes:
        """An envelope whose body `to` alone can read, encoded."""
        context = self._place(step, turn, self.me, (to,)).digest()
        return self.say(step, turn, seal(self._identity(to), body, label=label, context=context), to=(to,))

    def hear_sealed(self, payload: bytes, step: Step, turn: Turn, *, sender: ParticipantId, label: Label) -> bytes:
        """The body of a sealed envelope that `sender` addressed to this participant."""
        context = self._place(step, turn, sender, (self.me,)).digest()
        return unseal(self.identity, self.hear(payload, step, turn, sender=sender), label=label, context=context)

    def hear_standing(self, payload: bytes, step: Step, round_number: int, *, sender: ParticipantId) -> bytes:
        """The body of an envelope to all departments that stands for every attempt of a round."""
        return self.hear(payload, step, self.standing_turn(round_number), sender=sender, to=self.plan.departments)

    def standing_turn(self, round_number: int) -> Turn:
        """The turn of what stands for every attempt of a round: residuals, coefficients, and all of the set-up."""
        return Turn(
            run_id=self.plan.run_id,
            round=round_number,
            attempt=0,
            departments=self.plan.departments,
            banks=self.plan.banks,
        )

    def setup_turn(self) -> Turn:
        """The turn of everything before the first round."""
        return self.standing_turn(0)

    def _place(self, step: Step, turn: Turn, sender: ParticipantId, recipients: tuple[ParticipantId, ...]) -> Place:
        return Place(
            run_id=self.plan.run_id,
            plan_digest=self.plan.digest(),
            round=turn.round,
            attempt=turn.attempt,
            turn=turn.digest(),
            step=step,
            sender=sender,
            recipients=recipients,
        )

    def _identity(self, participant: ParticipantId) -> PublicIdentity:
        if participant not in self.documents:
            raise UntrustedKey(f"{participant} is not a participant of this run")
        return self.documents[participant].identity

    def _verify(self, request: MeetRequest, verify: Verify) -> dict[ParticipantId, ParticipantDocument]:
        everybody = tuple(sorted((*self.plan.department_ids, *self.plan.bank_ids)))
        documents = {}
        for name, data in received(request.documents, everybody).items():
            document = verify(name, data)
            role = Role.BANK if name in self.plan.bank_ids else Role.DEPARTMENT
            if document.participant_id != name or document.role is not role:
                raise PeerError("a participant's document is not of the participant that the plan names")
            documents[name] = document
        for bank, keys in received(request.lattice_keys, self.plan.bank_ids).items():
            PublicBankKeys.verify(keys, documents[bank].lattice_key_fingerprint or b"")
        return documents

    def _introduced(self, name: ParticipantId, data: bytes) -> ParticipantDocument:
        """A document as the bureau relays it: one in force, byte for byte."""
        return self.home.verify_own(data) if name == self.me else self.home.pins.verify(name, data)

    def _known(self, name: ParticipantId, data: bytes) -> ParticipantDocument:
        """A document that this run was introduced with. Its owner may have a newer one by now, not another identity."""
        if name == self.me:
            return HandOver(data).verify_signed_by_itself()
        return self.home.pins.verify_signed(name, data)

    def _named_fingerprint(self, bank: ParticipantId) -> bytes:
        return self.documents[bank].lattice_key_fingerprint or b""


def check_plan(plan: RunPlan, home: Home) -> None:
    """Refuse a plan that does not name this participant in its role, or that protects nobody."""
    members = plan.bank_ids if home.role is Role.BANK else plan.department_ids
    if home.participant_id not in members:
        raise PeerError("the plan does not name this participant in its role")
    require_enough_departments(len(plan.departments))


def received(items: tuple[Addressed, ...], expected: tuple[ParticipantId, ...]) -> dict[ParticipantId, bytes]:
    """Payloads by participant; raises `MalformedMessage` unless there is exactly one of each expected participant."""
    if tuple(item.participant for item in items) != tuple(sorted(expected)):
        raise MalformedMessage("post is missing, doubled or from somebody who is not expected")
    return {ParticipantId(item.participant): item.payload for item in items}
