"""A key holder reads a department's columns from the coefficients beside the wanted ones.

Only one coefficient a column is an inner product. The others hold products with shifted columns; a vector with a
single one, which nobody can tell from another under encryption, puts the columns themselves there.
"""

from typing import Any

import numpy as np
import tenseal.sealapi as seal

from crypto.lattice.circuit import accumulate, wanted_coefficients
from crypto.lattice.flooding import uniform_words
from crypto.lattice.inner_product import EncodedMatrix, EncryptedVector
from crypto.lattice.keys import LatticePublicKey
from crypto.lattice.seal import ring


def masked_where_wanted_only(matrix: EncodedMatrix, key: LatticePublicKey, vector: EncryptedVector) -> Any:
    """Return the weakened answer for the first group: whole, fresh, with masks on the inner products alone."""
    here, group = ring(key.parameters), matrix.groups[0]
    total = accumulate(group, matrix.load(key, vector), key.parameters)
    mask = np.zeros(key.parameters.poly_modulus_degree, dtype=np.uint64)
    wanted = wanted_coefficients(key.parameters, matrix.stride, group.columns)
    mask[wanted] = uniform_words(group.columns, key.parameters.plain_modulus_bits)
    fresh = seal.Ciphertext()
    key.encryptor.encrypt(here.plaintext(mask), fresh)
    here.evaluator.add_inplace(fresh, total)
    return fresh
