"""Keys are exchanged while scores are asked: what was under way is answered, and mixed keys come to nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crypto.errors import UntrustedKey
from crypto.identifiers import ParticipantId
from crypto.identity import PublicIdentity
from models.hosting.trust.home import GRACE_SECONDS
from models.hosting.trust.key_parts import IDENTITY
from models.hosting.trust.pins import DOCUMENT_GRACE_SECONDS as PIN_GRACE_SECONDS
from models.wire.online import Offer, RelayedRequest
from participants.department.errors import KeyNotInForce
from participants.home import PAILLIER
from simulations.adversaries.online import forged_requests, opened, signed
from simulations.online import OnlineFederation
from simulations.online_rehearsal import OnlineRehearsal

Serials = dict[ParticipantId, int]


class Changing(OnlineRehearsal):
    """A federation whose keys change."""

    def identities(self, serials: Serials) -> dict[ParticipantId, PublicIdentity]:
        """Everybody's keys, as the bank has pinned them."""
        pins = self.home(self.bank).pins
        return {name: pins.document(name, serial).identity for name, serial in serials.items()}

    def forged(
        self, row: int, serials: Serials, identities: dict[ParticipantId, PublicIdentity] | None = None
    ) -> dict[ParticipantId, RelayedRequest]:
        """The bank's requests under these serials."""
        known = identities or self.identities(serials)
        return forged_requests(
            self.home(self.bank).identity(),
            self.key,
            self.bank,
            self.drawn.version,
            {name: (identity, self.enterprise(row)) for name, identity in known.items()},
            of=self.drawn.departments,
            expires_at=int(self.clock.now()) + 30,
            log=self.log,
            consents=self.consents(),
            serials=serials,
        )

    def summed(self, online: OnlineFederation, requests: dict[ParticipantId, RelayedRequest]) -> int:
        return signed(sum(opened(online.scorers[name].answer(one), self.key) for name, one in requests.items()))


@pytest.fixture
def changing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changing]:
    with Changing(tmp_path_factory.mktemp("rotation"), enterprises=10) as made:
        yield made


def test_a_department_exchanges_its_identity_while_scores_are_asked(changing: Changing) -> None:
    first, department, third, _ = changing.drawn.departments
    row = changing.unused()
    partials, exact = changing.drawn.partials[:, row].sum(), pytest.approx(changing.drawn.log_odds(row), abs=1e-12)
    old = dict.fromkeys(changing.drawn.departments, 1)
    new = old | {department: 2}
    with changing.online() as online:
        under_way = online.ask(changing.enterprise(row), online.offer())
        changing.exchange_keys(department, IDENTITY)
        assert online.offer().serials == (1, 1, 1, 1)
        with pytest.raises(KeyNotInForce):  # the others know these keys already, and it does not use them yet
            online.scorers[department].answer(changing.forged(row, new)[department])
        changing.home(department).finish_rotation()

        assert online.offer().serials == (1, 2, 1, 1)
        answer = online.gateway.score(under_way.request)
        assert online.client.open(under_way, answer).log_odds_default == exact
        assert online.score(changing.enterprise(row)).log_odds_default == exact
        for serials in (old, new):
            assert changing.summed(online, changing.forged(row, serials)) == partials
        # A bank, or who changed its request, has one department use the old keys of another, and the rest the new ones.
        mixed = changing.forged(row, new) | {first: changing.forged(row, old)[first]}
        assert abs(changing.summed(online, mixed)) > 1 << 35

        # The time of grace passes: first for its owner, then for everybody who pinned it.
        before = changing.identities(old)
        changing.clock.seconds += GRACE_SECONDS + 1
        late = changing.forged(row, old, before)
        with pytest.raises(KeyNotInForce):
            online.scorers[department].answer(late[department])
        online.scorers[third].answer(late[third])
        changing.clock.seconds += PIN_GRACE_SECONDS
        with pytest.raises(KeyNotInForce):
            online.scorers[third].answer(changing.forged(row, old, before)[third])
        offer = Offer(departments=changing.drawn.departments, serials=(1, 1, 1, 1), missing=())
        with pytest.raises(UntrustedKey):
            online.ask(changing.enterprise(row), offer)
        assert online.score(changing.enterprise(row)).log_odds_default == exact


def test_a_bank_exchanges_its_paillier_key_while_scores_are_asked(changing: Changing) -> None:
    row = changing.unused()
    exact = pytest.approx(changing.drawn.log_odds(row), abs=1e-12)
    with changing.online() as online:
        under_way = online.ask(changing.enterprise(row), online.offer())
        changing.exchange_keys(changing.bank, PAILLIER)
        bank = changing.home(changing.bank)
        bank.finish_rotation()
        later = online.ask(changing.enterprise(row), online.offer())
        assert [one.statement.bank_serial for one in (under_way, later)] == [1, 2]
        assert under_way.statement.key_fingerprint != later.statement.key_fingerprint
        for asked in (under_way, later):
            answer = online.gateway.score(asked.request)
            assert online.client.open(asked, answer).log_odds_default == exact
        scorer = online.scorers[changing.drawn.departments[0]]
        scorer.prepare(changing.drawn.version)
        assert len(scorer.obfuscators._pools) == 3  # two of this bank, one of the other
        changing.clock.seconds += PIN_GRACE_SECONDS + 1
        scorer.prepare(changing.drawn.version)
        assert len(scorer.obfuscators._pools) == 2
        assert set(scorer.obfuscators.levels()) == set(changing.drawn.banks)
