"""Texts full of hashes, signatures or escapes: what is secret among them is found, and nothing else."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from src.observability.redaction import Redactor
from src.observability.redaction.judging import unescaped
from tests.long import rounds
from tests.unit.observability.secret_samples import ENGINES, SHAPED_SECRETS, base58, ed25519_pair

if TYPE_CHECKING:
    from src.observability.redaction.texts import EngineName

PAIR = "[REDACTED:solana_private_key]"
HIGHEST_OF_SIGNATURES = 16  # the last byte of a signature, whose second half is a number below 2^252 and a little


def signature(rng: random.Random) -> str:
    return base58(rng.randbytes(63) + bytes([rng.randrange(HIGHEST_OF_SIGNATURES)]))


def pair(rng: random.Random, *, may_be_signature: bool) -> str:
    """Return a key pair; one in 16 has the last byte of a signature."""
    while True:
        data = ed25519_pair(rng)
        if (data[-1] <= HIGHEST_OF_SIGNATURES) == may_be_signature:
            return base58(data)


@pytest.mark.parametrize("engine", ENGINES)
def test_thousands_of_signatures_are_no_secrets(engine: EngineName) -> None:
    rng = random.Random(1)
    text = "\n".join(f"signature {signature(rng)} slot {rng.randrange(10**8)}" for _ in range(1_200))
    assert Redactor(engine=engine).text(text) == text


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("position", [3, 300])
def test_a_key_pair_among_signatures_is_found(engine: EngineName, position: int) -> None:
    rng = random.Random(2)
    lines = [signature(rng) for _ in range(400)]
    lines[position] = pair(rng, may_be_signature=False)
    clean = Redactor(engine=engine).text("\n".join(lines)).split("\n")
    assert clean == [*lines[:position], PAIR, *lines[position + 1 :]]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_key_pair_like_a_signature_is_found_among_the_first_and_where_it_is_named(engine: EngineName) -> None:
    rng = random.Random(3)
    secret = pair(rng, may_be_signature=True)
    lines = [signature(rng) for _ in range(400)]
    lines[2], lines[300] = secret, f"wallet secret key: {secret}"
    clean = Redactor(engine=engine).text("\n".join(lines)).split("\n")
    assert clean[2] == PAIR
    assert secret not in clean[300]
    assert sum("REDACTED" in line for line in clean) == 2


@pytest.mark.parametrize("engine", ENGINES)
def test_shaped_secrets_are_found_among_hashes(engine: EngineName) -> None:
    rng = random.Random(4)
    makes = [*SHAPED_SECRETS.values()]
    for make in rng.sample(makes, rounds(24, len(makes))):
        secret = make(rng)
        hashes = [f"tx 0x{rng.randbytes(32).hex()} of 0x{rng.randbytes(20).hex()}" for _ in range(24)]
        clean = Redactor(engine=engine).text("\n".join([*hashes[:12], secret, *hashes[12:]]))
        assert secret not in clean
        assert all(line in clean for line in hashes)


UNITS = [
    "\\u0446", "\\\\u0446", "\\u0041", "\\\\u0022", "\\\\u4e2d", "\\u4e2d", "%41", "%2F", "%%", "%D0%A6", "%0A", "%01",
    "%", "%2", "%zz", "=", "==", "=\n", "%\n", "\n", "\\n", "\\", '"', '\\"', "a", "key", "%25", "%253A", "%3D", "é",
    "\ud800", "u", "\\uZZ", "\\u12", "\\ud83d\\ude80",
]  # fmt: skip


@settings(max_examples=rounds(30, 2000), deadline=None)
@given(st.lists(st.lists(st.sampled_from(UNITS), max_size=4).map("".join), min_size=30, max_size=40))
def test_many_escapes_are_decoded_as_each_is_by_itself(words: list[str]) -> None:
    assume(not any("\\\\\\u" in word for word in words))
    words = words * 6
    many = unescaped.decode_without_positions(" ".join(words))
    each = " ".join(unescaped.decode_without_positions(word) for word in words)
    assert many.encode("utf-16", "surrogatepass") == each.encode("utf-16", "surrogatepass")
