"""A bank's keys: kept, and known to others by one fingerprint over both lattice keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crypto.errors import MalformedMessage, UntrustedKey
from crypto.lattice.keys import BankLatticeKey
from crypto.lattice.parameters import INNER_PRODUCT
from participants.home import Home
from participants.keys import LatticeKeys, PublicBankKeys
from simulations.founding import FoundedFederation


@pytest.fixture(scope="module")
def keys(federation: FoundedFederation) -> LatticeKeys:
    return Home.open(federation.homes[federation.banks[0]]).bank_keys().public_lattice_keys()


def test_keys_are_the_same_each_time_they_are_loaded(federation: FoundedFederation, keys: LatticeKeys) -> None:
    again = Home.open(federation.homes[federation.banks[0]]).bank_keys()
    assert again.public_lattice_keys().fingerprint() == keys.fingerprint()
    assert again.paillier.public.modulus.bit_length() == 3072
    assert str(again.paillier.public.modulus) not in repr(again)


def test_the_named_keys_are_taken_and_no_others(keys: LatticeKeys) -> None:
    named = keys.fingerprint()
    public = PublicBankKeys.verify(keys.encode(), named)
    assert public.training.to_bytes() == keys.training
    other = BankLatticeKey.generate(INNER_PRODUCT).public.to_bytes()
    for swapped in (replace(keys, training=other), replace(keys, scoring=keys.training)):
        with pytest.raises(UntrustedKey):
            PublicBankKeys.verify(swapped.encode(), named)


def test_keys_of_other_parameters_are_refused_even_if_they_are_named(keys: LatticeKeys) -> None:
    for wrong in (replace(keys, scoring=keys.training), replace(keys, training=b"no key")):
        with pytest.raises(MalformedMessage):
            PublicBankKeys.verify(wrong.encode(), wrong.fingerprint())
