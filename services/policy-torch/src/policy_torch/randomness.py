"""Seeded randomness, bit for bit that of the embedded engine: draws for sampling, and orders for training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_MASK = 0xFFFFFFFF


def draw_uniform(seed: int, prompt_index: int, sample_index: int, draw_index: int) -> float:
    """The random number in [0, 1) of one draw, a function of these four numbers and never of batching or order."""
    high, low, _, _ = philox((seed & _MASK, (seed >> 32) & _MASK), (prompt_index, sample_index, draw_index, 0))
    return ((high >> 5) * 2**26 + (low >> 6)) * 2.0**-53


def philox(key: tuple[int, int], counter: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)."""
    (k0, k1), (c0, c1, c2, c3) = key, counter
    for _ in range(10):
        first, second = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (second >> 32) ^ c1 ^ k0,
            second & _MASK,
            (first >> 32) ^ c3 ^ k1,
            first & _MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    return c0, c1, c2, c3


def uniforms(seed: int, count: int, stream: int) -> npt.NDArray[np.float64]:
    """The first random numbers in [0, 1) of a stream, as the embedded engine draws an adapter's. Shape [count]."""
    mask = np.uint64(_MASK)
    counters = [np.arange(count, dtype=np.uint64), *(np.full(count, each, np.uint64) for each in (stream, 0, 2))]
    k0, k1 = seed & _MASK, (seed >> 32) & _MASK
    for _ in range(10):
        c0, c1, c2, c3 = counters
        first, second = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        high, low = second >> np.uint64(32), first >> np.uint64(32)
        counters = [high ^ c1 ^ np.uint64(k0), second & mask, low ^ c3 ^ np.uint64(k1), first & mask]
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    bits = (counters[0] >> np.uint64(5)) * np.uint64(2**26) + (counters[1] >> np.uint64(6))
    return bits * 2.0**-53


def share_out(count: int, mini_batches: int, seed: int) -> list[list[int]]:
    """Shares indices out over mini-batches: shuffled, each in exactly one, sizes differing by at most one."""
    stream = _xoshiro(f"{seed}\0mini-batches")
    lots = [next(stream) for _ in range(count)]
    order = sorted(range(count), key=lambda index: lots[index])
    return [order[i * count // mini_batches : (i + 1) * count // mini_batches] for i in range(mini_batches)]


def _xoshiro(name: str) -> Iterator[int]:
    """Xoshiro128** (Blackman and Vigna), its state hashed from a name."""
    a, b, c, d = (_hash(name, salt) for salt in (1, 2, 3, 4))
    while True:
        yield _rotate(b * 5 & _MASK, 7) * 9 & _MASK
        shifted = b << 9 & _MASK
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        c, d = c ^ shifted, _rotate(d, 11)


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> 32 - bits) & _MASK


def _hash(text: str, salt: int) -> int:
    """FNV-1a, finished as in MurmurHash3, different for each salt."""
    state = salt * 0x9E3779B1 & _MASK ^ 0x811C9DC5
    for character in text:
        state = (state ^ ord(character)) * 0x01000193 & _MASK
    state = (state ^ state >> 16) * 0x85EBCA6B & _MASK
    state = (state ^ state >> 13) * 0xC2B2AE35 & _MASK
    return state ^ state >> 16
