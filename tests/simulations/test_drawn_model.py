"""A drawn model's points lost are what departments keep and manifests name: tests of reasons can stand on it."""

import numpy as np
import pytest

from models.enterprise_id import make_enterprise_ids
from models.reasons.opening import sum_of
from models.reasons.principal import families_of_blocks, principal_reasons
from participants.department.partials import partial_table
from participants.home import Home
from participants.model_store import ModelStore
from simulations.drawn_model import DrawnFederation, draw_federation


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> DrawnFederation:
    rng = np.random.default_rng(3)
    ids = make_enterprise_ids(rng, 6)
    return draw_federation(tmp_path_factory.mktemp("drawn"), departments=3, enterprise_ids=ids[:5], rng=rng)


def test_departments_keep_what_was_drawn(drawn: DrawnFederation) -> None:
    tables = [partial_table(Home.open(drawn.homes[name]), drawn.version) for name in drawn.departments]
    for row, enterprise in enumerate(drawn.enterprise_ids):
        words = [table.lost_words(enterprise) for table in tables]
        assert sum_of(words).tolist() == drawn.lost_by_family(row).tolist()
        assert sum_of(words[1:]).tolist() == drawn.lost_by_family(row, drawn.departments[1:]).tolist()


def test_the_manifest_names_the_families_of_each_block(drawn: DrawnFederation) -> None:
    families_of = families_of_blocks(ModelStore(drawn.homes[drawn.banks[0]] / "models", drawn.version).manifest())
    assert families_of == {name: one.codes for name, one in zip(drawn.departments, drawn.lost, strict=True)} | {
        drawn.banks[0]: ()
    }
    assert len({code for codes in families_of.values() for code in codes}) == 7  # some are of two departments
    reasons = principal_reasons(drawn.lost_by_family(0), families_of)
    assert all(reason.departments for reason in reasons)
    assert (
        max(len(reason.departments) for reason in principal_reasons(drawn.lost_by_family(0), families_of, most=7)) == 2
    )
