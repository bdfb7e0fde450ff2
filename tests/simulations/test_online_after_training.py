"""Online scores by a model that was trained: the same as those of the batch."""

import polars as pl
import pytest

from crypto.errors import PeerError
from crypto.identifiers import EnterpriseId
from participants.model_store import model_version
from simulations.online import score_one
from simulations.rehearsal import FinishedRun


def test_an_applicant_has_the_same_score_online_as_in_the_batch(finished: FinishedRun) -> None:
    federation = finished.federation
    version = model_version(finished.result["manifest"].encode())
    bank = federation.banks[0]
    path = next((federation.homes[bank] / "scores").glob(f"{version}-*.parquet"))
    applicant = pl.read_parquet(path).row(0, named=True)
    enterprise_id = EnterpriseId(applicant["enterprise_id"])

    score = score_one(federation.homes, federation.bureau, bank, enterprise_id, version)
    assert score.log_odds_default == pytest.approx(applicant["log_odds_default"], abs=1e-12)
    assert score.points == applicant["score"]

    with pytest.raises(PeerError, match="another set"):
        score_one(federation.homes, federation.bureau, bank, enterprise_id, version, down=federation.departments[:1])
