"""A founded federation: a home for everybody, everybody pinned by everybody, data imported."""

from __future__ import annotations

from participants.bank.book import BankBook
from participants.department.store import DepartmentStore
from participants.home import Home
from simulations.founding import BUREAU, FoundedFederation
from simulations.small_federation import SmallFederation


def test_everybody_has_a_home_with_its_data_and_the_pins_of_all(federation: FoundedFederation) -> None:
    data = SmallFederation().make()
    homes = {name: Home.open(path) for name, path in federation.homes.items()}
    assert set(homes) == {member.participant_id for member in data.members}
    assert federation.departments == tuple(sorted(one.participant_id for one in data.departments))
    for home in homes.values():
        others = {name: other for name, other in homes.items() if name != home.participant_id}
        assert set(home.pins.names()) == {*others, BUREAU}
        for name, other in others.items():
            assert home.pinned_fingerprint(name) == other.identity().public.fingerprint()
            assert home.pins.verify(name, other.document()) == home.pins.document(name)
    for department in data.departments:
        store = DepartmentStore(federation.homes[department.participant_id] / "data")
        assert store.enterprise_ids() == sorted(department.table["enterprise_id"])
    for bank in data.banks:
        book = BankBook(federation.homes[bank.participant_id] / "data")
        assert book.enterprise_ids() == sorted(bank.table["enterprise_id"])
    fingerprints = {home.identity().public.fingerprint() for home in homes.values()}
    assert len(fingerprints) == len(homes), "nobody's key is another's"
