"""The slow reference's entropy coder against constriction, and by hand."""

import bisect
import collections
import random

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import decoder as ref
from reference.encoder import AnsEncoder
from reference.samples import TOTAL, frequencies

from codec.errors import FormatError

AnsCoder = constriction.stream.stack.AnsCoder
models = constriction.stream.model

few = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)


# What the tests are made of


def library_model(f):
    """constriction's model of exactly these frequencies."""
    return models.Categorical(np.array(f, np.float64) - 1, lazy=False, perfect=False)


def alphabets(rng, count):
    """Pairs of (cumulative frequencies, constriction's model)."""
    pairs = [(ref.uniform(2**k), models.Uniform(2**k)) for k in range(1, 17)]
    for _ in range(count):
        f = frequencies(rng, rng.choice([2, 3, 8, 40, 255]), rng.choice(["even", "wide", "spike"]))
        pairs.append((ref.cumulate(f), library_model(f)))
    return pairs


def indices(rng, c, count):
    """`count` random indices, half of them as likely as `c` says."""
    return [
        rng.choice(
            [
                rng.randrange(len(c) - 1),
                bisect.bisect_right(c, rng.randrange(TOTAL)) - 1,
            ]
        )
        for _ in range(count)
    ]


def stream(rng, pairs, length):
    """Encode random indices with both encoders.

    Returns
    -------
    plan : list of (cumulative, library model, indices)
        `length` groups of up to 20.
    words : list of int
        What both encoders wrote.
    """
    mine, theirs, plan = AnsEncoder(), AnsCoder(), []
    for _ in range(length):
        c, model = rng.choice(pairs)
        plan.append((c, model, indices(rng, c, rng.randint(0, 20))))
    for c, model, group in reversed(plan):
        theirs.encode_reverse(np.array(group, np.int32), model)
        for i in reversed(group):
            mine.encode(i, c)
    words = theirs.get_compressed().tolist()
    assert mine.finish() == words
    return plan, words


def read_mine(plan, words):
    """(indices, finished) of the reference; None where it refuses."""
    try:
        decoder = ref.AnsDecoder(words)
    except FormatError:
        return None
    return (
        [[decoder.decode(c) for _ in group] for c, _, group in plan],
        decoder.finished(),
    )


def read_theirs(plan, words):
    """The same of constriction."""
    try:
        decoder = AnsCoder(np.array(words, np.uint32))
    except ValueError:
        return None
    return (
        [decoder.decode(model, len(group)).tolist() for _, model, group in plan],
        decoder.is_empty(),
    )


# The tests


@few
@given(n=st.integers(2, 2000), shape=st.sampled_from(["even", "wide", "spike"]), seed=seeds)
def test_library_has_exactly_these_frequencies(n, shape, seed):
    """States show c[i], then f[i]; decoding is tried at the ends of each."""
    f = frequencies(random.Random(seed), n, shape)
    c, model, state = ref.cumulate(f), library_model(f), 2**32 - 1
    for i in range(n):
        encoder = AnsCoder()
        encoder.encode_reverse(i, model)
        assert encoder.pos() == (0, c[i])
        encoder = AnsCoder(np.array([state], np.uint32))
        encoder.encode_reverse(i, model)
        quotient, rest = divmod(state, f[i])
        assert encoder.pos() == (0, (quotient << 24) + rest + c[i])
        for q in (c[i], c[i + 1] - 1):
            assert AnsCoder(np.array([q | 1 << 24], np.uint32)).decode(model) == i


@pytest.mark.parametrize("k", range(1, 17))
def test_library_uniform_is_even(k):
    n, each = 2**k, TOTAL // 2**k
    for i in {0, 1, n // 2, n - 2, n - 1}:
        encoder = AnsCoder(np.array([each], np.uint32))
        encoder.encode_reverse(i, models.Uniform(n))
        assert encoder.pos() == (0, TOTAL + i * each)
    assert list(ref.uniform(n)) == ref.cumulate([each] * n)


@few
@given(seed=seeds, length=st.integers(0, 40))
def test_coder_agrees_with_library(seed, length):
    rng = random.Random(seed)
    plan, words = stream(rng, alphabets(rng, 4), length)
    want = [group for _, _, group in plan], True
    assert read_mine(plan, words) == read_theirs(plan, words) == want


@few
@given(seed=seeds, length=st.integers(0, 10))
def test_any_words_decode(seed, length):
    """Decoding is the inverse of encoding from any state, not only from 0."""
    rng = random.Random(seed)
    pairs = alphabets(rng, 4)
    words = [rng.choice([0, 1, 2**32 - 1, rng.getrandbits(32)]) for _ in range(length)] + [
        rng.choice([1, rng.getrandbits(32)])
    ]
    plan = [(*rng.choice(pairs), [None] * rng.randint(0, 9)) for _ in range(9)]
    assert read_mine(plan, words) == read_theirs(plan, words)
    if words[-1]:
        decoder, back = ref.AnsDecoder(words), []
        for c, _, group in plan:
            back += [(decoder.decode(c), c) for _ in group]
        encoder = AnsEncoder()
        encoder.words, encoder.state = decoder.words, decoder.state
        for i, c in reversed(back):
            encoder.encode(i, c)
        assert encoder.finish() == words


@pytest.mark.parametrize("state", [2**32, 2**40, 2**63 - 1, 2**64 - 1])
def test_words_move_at_the_same_state(state):
    """Frequencies just below, at and above the edge of the encoder's `if`."""
    for f in range((state >> 40) - 1, (state >> 40) + 2):
        if not 0 < f < TOTAL:
            continue
        start = [7, state % 2**32, state >> 32]
        c, encoder = [0, f, TOTAL], AnsEncoder()
        encoder.words, encoder.state = [7], state
        encoder.encode(0, c)
        assert len(encoder.words) == 1 + (f <= state >> 40)
        theirs = AnsCoder(np.array(start, np.uint32))
        theirs.encode_reverse(0, library_model([f, TOTAL - f]))
        words = theirs.get_compressed().tolist()
        assert encoder.finish() == words
        decoder = ref.AnsDecoder(words)
        assert decoder.decode(c) == 0
        assert (decoder.words, decoder.state) == ([7], state)


def test_end_rule():
    """`finished` is `is_empty`; a payload whose last word is 0 is refused."""
    rng = random.Random(5)
    pairs, seen = alphabets(rng, 60), collections.Counter()
    for _ in range(1500):
        plan, words = stream(rng, rng.sample(pairs, 3), rng.randint(1, 4))
        assert not words or words[-1]
        bent = list(words) or [1]
        bent[rng.randrange(len(bent))] ^= 1 << rng.randrange(32)
        for other in (
            bent,
            words,
            words[:-1],
            words[1:],
            [0, *words],
            [*words, 0],
            [*words, rng.getrandbits(32)],
            [rng.getrandbits(32), *words],
            [0],
            [],
            [0, 1],
        ):
            mine = read_mine(plan, other)
            assert mine == read_theirs(plan, other)
            assert (mine is None) == (other[-1:] == [0])
            seen["refused" if mine is None else mine[1]] += 1
    assert len(seen) == 3 and min(seen.values()) > 20, seen


def test_empty_stream():
    """No symbols, or only such as leave the state at 0, take no words."""
    assert stream(random.Random(0), [], 0) == ([], [])
    assert read_mine([], []) == read_theirs([], []) == ([], True)
    f = [TOTAL // 4 * 3, TOTAL // 4]
    plan = [(ref.cumulate(f), library_model(f), [0] * 99)]
    assert read_mine(plan, []) == read_theirs(plan, []) == ([[0] * 99], True)


def test_coder_by_hand():
    """Section 6 worked out with pencil: the rare index, three times."""
    c, encoder = [0, TOTAL - 1, TOTAL], AnsEncoder()
    encoder.encode(1, c)  # from state 0: 0 + 0 + 2^24 - 1
    assert encoder.finish() == [0x00FFFFFF]
    encoder.encode(1, c)  # (2^24 - 1) * 2^24 + 0 + 2^24 - 1 = 2^48 - 1
    assert encoder.finish() == [0xFFFFFFFF, 0x0000FFFF]
    encoder.encode(1, c)  # 2^8 - 1 >= 1, so a word goes and 2^16 - 1 stays
    words = [0xFFFFFFFF, 0xFFFFFFFF, 0x000000FF]
    assert encoder.finish() == words
    assert read_mine([(c, None, [1] * 3)], words) == ([[1] * 3], True)
