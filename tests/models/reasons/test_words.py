"""Words of points lost: at the places of the list, whatever the order of the codes."""

import numpy as np
import pytest

from models.errors import InvalidModelInput
from models.reasons.families import packaged_families
from models.reasons.words import words_in_order


def test_words_stand_at_the_places_of_their_families() -> None:
    families = packaged_families()
    words = words_in_order(("TX1", "UT1"), np.array([5, 7], np.int32))
    assert words.dtype == np.uint64
    assert {families[place].code: int(word) for place, word in enumerate(words) if word} == {"TX1": 5, "UT1": 7}
    assert words_in_order((), np.zeros(0, np.int32)).tolist() == [0] * len(families)


@pytest.mark.parametrize(("codes", "values"), [(("ZZ9",), [1]), (("TX1",), [1, 2]), (("TX1", "UT1"), [1])])
def test_words_of_other_families_are_refused(codes: tuple[str, ...], values: list[int]) -> None:
    with pytest.raises(InvalidModelInput):
        words_in_order(codes, np.array(values))
