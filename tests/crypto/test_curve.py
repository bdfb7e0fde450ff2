"""The group under the alignment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.curve import (
    FIELD_PRIME,
    GROUP_ORDER,
    check_points,
    encode_to_curve,
    hash_to_field,
    inverse_scalar,
    is_on_curve,
    map_to_curve,
    multiply,
    new_scalars,
)
from crypto.errors import MalformedMessage, ProtocolStateError
from simulations.adversaries.alignment import unchecked_ladder

# RFC 9380, appendix J.4.2: message, u[0], Q.x, P.x.
DOMAIN = b"QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_NU_"
VECTORS = [
    (
        b"",
        "608d892b641f0328523802a6603427c26e55e6f27e71a91a478148d45b5093cd",
        "51125222da5e763d97f3c10fcc92ea6860b9ccbbd2eb1285728f566721c1e65b",
        "1bb913f0c9daefa0b3375378ffa534bda5526c97391952a7789eb976edfe4d08",
    ),
    (
        b"abc",
        "46f5b22494bfeaa7f232cc8d054be68561af50230234d7d1d63d1d9abeca8da5",
        "7d56d1e08cb0ccb92baf069c18c49bb5a0dcd927eff8dcf75ca921ef7f3e6eeb",
        "7c22950b7d900fa866334262fcaea47a441a578df43b894b4625c9b450f9a026",
    ),
    (
        b"abcdef0123456789",
        "235fe40c443766ce7e18111c33862d66c3b33267efa50d50f9e8e5d252a40aaa",
        "3fbe66b9c9883d79e8407150e7c2a1c8680bee496c62fabe4619a72b3cabe90f",
        "31ad08a8b0deeb2a4d8b0206ca25f567ab4e042746f792f4b7973f3ae2096c52",
    ),
    (
        b"q128_" + b"q" * 128,
        "001e92a544463bda9bd04ddbe3d6eed248f82de32f522669efc5ddce95f46f5b",
        "227e0bb89de700385d19ec40e857db6e6a3e634b1c32962f370d26f84ff19683",
        "027877759d155b1997d0d84683a313eb78bdb493271d935b622900459d52ceaa",
    ),
    (
        b"a512_" + b"a" * 512,
        "1a68a1af9f663592291af987203393f707305c7bac9c8d63d6a729bdc553dc19",
        "3bcd651ee54d5f7b6013898aab251ee8ecc0688166fce6e9548d38472f6bd196",
        "5fd892c0958d1a75f54c3182a18d286efab784e774d1e017ba2fb252998b5dc1",
    ),
]


def number(point: bytes) -> int:
    return int.from_bytes(point, "little")


@pytest.mark.parametrize(("message", "element", "mapped", "cleared"), VECTORS)
def test_hashing_to_the_curve_agrees_with_the_rfc(message: bytes, element: str, mapped: str, cleared: str) -> None:
    assert hash_to_field(message, DOMAIN) == int(element, 16)
    point = encode_to_curve(message, DOMAIN)
    assert number(point) == int(mapped, 16)
    assert number(unchecked_ladder(8, point)) == int(cleared, 16)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_every_message_is_hashed_onto_the_curve_and_never_onto_its_twist(message: bytes) -> None:
    point = encode_to_curve(message, b"test")
    assert is_on_curve(number(point))
    check_points(point)


def test_exceptional_field_elements_are_mapped_too() -> None:
    for element in (0, 1, int(FIELD_PRIME) - 1):
        assert is_on_curve(number(map_to_curve(element)))


def test_multiplying_agrees_with_a_ladder_of_our_own() -> None:
    point = encode_to_curve(b"point", b"test")
    for _ in range(3):
        scalar = new_scalars(1)
        assert multiply(scalar, point) == unchecked_ladder(number(scalar), point)


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=20))
def test_the_inverse_undoes_a_scalar_on_what_another_scalar_multiplied(message: bytes) -> None:
    blinding, key = new_scalars(1), new_scalars(1)
    point = encode_to_curve(message, b"test")
    there_and_back = multiply(inverse_scalar(blinding), multiply(key, multiply(blinding, point)))
    assert there_and_back == multiply(key, point)


def test_scalars_are_clamped_and_so_are_their_inverses() -> None:
    drawn = new_scalars(200)
    assert len(drawn) == 200 * 32
    for start in range(0, len(drawn), 32):
        scalar = drawn[start : start + 32]
        for each in (scalar, inverse_scalar(scalar)):
            assert number(each) % 8 == 0
            assert 1 << 254 <= number(each) < 1 << 255
        assert number(scalar) * number(inverse_scalar(scalar)) % GROUP_ORDER in (1, GROUP_ORDER - 1)
        assert inverse_scalar(inverse_scalar(scalar)) == scalar


def test_the_one_scalar_in_so_many_without_an_inverse_is_refused() -> None:
    # The clamped scalar whose inverse is 8 (L - 2^252): neither it nor its negative is in range.
    odd_one = 8 * (pow(8 * 8 * (GROUP_ORDER - 2**252), -1, GROUP_ORDER))
    scalar = next(s for s in (odd_one, 8 * GROUP_ORDER - odd_one) if 1 << 254 <= s < 1 << 255)
    with pytest.raises(ProtocolStateError, match="2\\^126"):
        inverse_scalar(scalar.to_bytes(32, "little"))
    for wrong in (bytes(32), bytes(31), b"\xff" * 32, b""):
        with pytest.raises(ProtocolStateError):
            inverse_scalar(wrong)


@pytest.mark.parametrize(
    "point",
    [
        "00" * 32,
        "01" + "00" * 31,
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ec" + "ff" * 30 + "7f",
    ],
)
def test_points_of_small_order_are_refused(point: str) -> None:
    check_points(bytes.fromhex(point))
    with pytest.raises(MalformedMessage):
        multiply(new_scalars(1), bytes.fromhex(point))


def test_points_in_a_second_form_or_of_another_length_are_refused() -> None:
    good = encode_to_curve(b"", b"test")
    for wrong in (
        good[:-1],
        good + b"\0",
        good + bytes.fromhex("ed" + "ff" * 30 + "7f"),
        b"\xff" * 32,
        good[:31] + bytes([good[31] | 0x80]),
    ):
        with pytest.raises(MalformedMessage):
            check_points(wrong)
    check_points(b"")
    check_points(bytes.fromhex("ec" + "ff" * 30 + "7f"))
