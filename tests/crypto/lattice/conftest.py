import numpy as np
import pytest

from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import ADDITION, INNER_PRODUCT


@pytest.fixture(scope="session")
def bank() -> BankLatticeKey:
    return BankLatticeKey.generate(INNER_PRODUCT)


@pytest.fixture(scope="session")
def other_bank() -> BankLatticeKey:
    return BankLatticeKey.generate(INNER_PRODUCT)


@pytest.fixture(scope="session")
def scoring_bank() -> BankLatticeKey:
    return BankLatticeKey.generate(ADDITION)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(42)
