"""Online scores from beginning to end, and what the bureau sees of them."""

import numpy as np
import pytest

from crypto.errors import PeerError
from crypto.identifiers import ModelVersion
from models.enterprise_id import make_enterprise_ids
from models.wire.scoring import PARTIAL_FRACTION_BITS
from simulations.drawn_model import draw_federation
from simulations.engines.local_grid import BUREAU
from simulations.online import score_one
from simulations.online_rehearsal import OnlineRehearsal


def test_one_score_over_founded_homes_is_the_true_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(3)
    drawn = draw_federation(
        tmp_path_factory.mktemp("one"), departments=3, enterprise_ids=make_enterprise_ids(rng, 5), rng=rng
    )
    score = score_one(drawn.homes, drawn.bureau, drawn.banks[0], drawn.enterprise_ids[2], drawn.version)
    assert score.log_odds_default == pytest.approx(drawn.log_odds(2), abs=1e-12)
    with pytest.raises(PeerError):
        score_one(drawn.homes, drawn.bureau, drawn.banks[0], drawn.enterprise_ids[2], ModelVersion(drawn.version[::-1]))


def test_the_bureau_sees_neither_enterprise_nor_score_nor_partial_in_any_encoding(rehearsal: OnlineRehearsal) -> None:
    seen: list[bytes] = []
    passed: set[tuple[str, str]] = set()

    def recorder(sender: str, receiver: str, kind: str, payload: bytes, size: int) -> None:
        assert BUREAU in (sender, receiver)
        assert (kind, size) != ("", 0)
        passed.add((sender, receiver))
        seen.append(payload)

    row = rehearsal.unused()
    with rehearsal.online(recorder=recorder) as online:
        score = online.score(rehearsal.enterprise(row))
    members = {rehearsal.bank, *rehearsal.drawn.departments}
    assert passed == {(BUREAU, name) for name in members} | {(name, BUREAU) for name in members}
    everything = b"".join(seen)
    numbers = [*rehearsal.drawn.partials[:, row].tolist(), round(score.log_odds_default * 2**PARTIAL_FRACTION_BITS)]
    enterprise = rehearsal.enterprise(row).encode()
    secrets = [enterprise, enterprise.hex().encode(), str(score.points).encode() + b"\xa6"]
    for number in numbers:
        secrets += [number.to_bytes(8, order, signed=True) for order in ("little", "big")]
        secrets += [np.float64(number * 2.0**-PARTIAL_FRACTION_BITS).tobytes(), str(abs(number)).encode()]
    assert not [secret for secret in secrets if secret in everything]
    assert rehearsal.bank.encode() in everything


def test_two_banks_are_served_at_the_same_time(rehearsal: OnlineRehearsal) -> None:
    row = rehearsal.unused()
    with rehearsal.online() as one, rehearsal.online(bank=rehearsal.drawn.banks[1]) as other:
        scores = [asking.score(rehearsal.enterprise(row)) for asking in (one, other, one)]
    assert len({score.log_odds_default for score in scores}) == 1
    assert len({score.request_id for score in scores}) == 3
