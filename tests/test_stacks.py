"""Stacks: many pictures in one file (docs/format.md, section 12)."""

import dataclasses
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ICC, RGBA
from PIL import Image

import codec
from codec import container, stacks
from codec.errors import (
    CodecError,
    FormatError,
    InputError,
    LimitError,
    UnsupportedError,
)
from codec.model import find
from codec.model.bundle import Bundle
from codec.model.session import Graphs


def test_indices_as_of_numpy():
    """Masks select; what numpy would do on other axes is an error."""
    data = codec.encode_batch(drawn(6, 16, 16))
    stack, every = codec.Stack(data), codec.decode_batch(data)
    mask = np.arange(6) % 3 == 1
    for which in (
        mask,
        mask.tolist(),
        ~mask,
        [4, -1],
        -2,
        slice(5, 1, -2),
    ):
        assert near(stack[which], every[which])
    assert near(codec.decode_batch(data, mask), every[mask])
    assert stack[mask & False].shape == (0, 16, 16)
    for bad in (mask[:5], (1, 2), [[0, 1], [2, 3]], (mask,), 6, -7):
        with pytest.raises(IndexError):
            stack[bad]
        with pytest.raises(IndexError):
            codec.decode_batch(data, bad)
    for bad in ("a", 1.5, None):
        with pytest.raises(TypeError):
            stack[bad]


def drawn(n, height, width, colours=(), seed=0):
    """Smooth pictures, each another one."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 3, 3, *colours), dtype=np.uint8)
    return np.stack(
        [
            np.asarray(Image.fromarray(a).resize((width, height), Image.Resampling.BICUBIC))
            for a in small
        ]
    )


def near(a, b):
    """Equal but for floats that were summed in another order."""
    gap = np.abs(a.astype(int) - b)
    return a.shape == b.shape and gap.max() <= 1 and (gap > 0).mean() < 1e-3


def alike(a, b):
    """Of two files: the encoder's floats may tip a symbol, hardly ever."""
    gap = np.abs(a.astype(int) - b)
    return a.shape == b.shape and (gap > 1).mean() < 0.02 and gap.max() < 32


EXAMPLE = Path(__file__).parent.parent / "examples" / "budgerigar.png"
DIGITS = drawn(40, 28, 28)  # 4 cells each


@pytest.fixture(scope="module")
def digits():
    return codec.encode_batch(DIGITS, quality=80)


def test_as_one_by_one(digits):
    alone = [codec.decode(codec.encode(a, quality=80)) for a in DIGITS[:8]]
    assert alike(codec.decode_batch(digits, slice(8)), np.stack(alone))


def test_symbols_are_those_of_single_files(digits):
    """The plane of each picture is its own: no neighbour is seen."""
    ((z, s),) = codec.Stack(digits).symbols()
    decoder = codec.Decoder()
    for i in range(8):
        z1, s1 = decoder.symbols(codec.encode(DIGITS[i], quality=80))
        # The encoder's floats may differ in the last bit, its symbols then
        # by one, but hardly ever.
        assert (z[i] != z1).mean() < 0.01 and (s[i] != s1).mean() < 0.01


@pytest.mark.parametrize(
    "shape",
    [
        (1, 28, 28),
        (3, 1, 1),
        (5, 17, 33),
        (2, 70, 20, 3),
        (4, 16, 16, 3),
        (2, 530, 40, 3),
        (3, 20, 3),
        (3, 3, 3),
    ],
)
def test_shapes(shape, monkeypatch):
    pixels = drawn(*shape[:3], shape[3:])
    monkeypatch.setattr(stacks, "BLOCK_CELLS", 140)
    data = codec.encode_batch(pixels, quality=90)
    back = codec.decode_batch(data)
    assert back.shape == shape and back.dtype == np.uint8
    for i, picture in enumerate(pixels):
        alone = codec.decode(codec.encode(picture, quality=90))
        assert alike(back[i], alone)


def test_blocks(monkeypatch):
    """Any division into blocks shows the same pictures."""
    sizes = []
    whole = codec.decode_batch(codec.encode_batch(DIGITS))
    for cells in (4, 12, 160):
        monkeypatch.setattr(stacks, "BLOCK_CELLS", cells)
        data = codec.encode_batch(DIGITS)
        sizes.append(len(data))
        assert alike(codec.decode_batch(data), whole)
    assert sizes == sorted(sizes, reverse=True)


def test_overhead(digits):
    single = sum(len(codec.encode(a, quality=80)) for a in DIGITS)
    assert len(digits) < single - 30 * len(DIGITS)


def test_random_access_reads_one_block(monkeypatch):
    monkeypatch.setattr(stacks, "BLOCK_CELLS", 16)  # 4 digits
    data = codec.encode_batch(DIGITS)
    whole = codec.decode_batch(data)

    class Counting(io.BytesIO):
        n_bytes = 0

        def read(self, size=-1):
            got = super().read(size)
            self.n_bytes += len(got)
            return got

    file = Counting(data)
    stack = codec.Stack(file)
    before = file.n_bytes
    assert before < 400 and stack.shape == (40, 28, 28) and len(stack) == 40
    assert near(stack[21], whole[21])
    blocks = [size for size, _ in stack._index.blocks]
    assert file.n_bytes - before == blocks[5]
    assert near(stack[20], whole[20])
    assert file.n_bytes - before == blocks[5]  # kept
    for which in (
        -1,
        slice(3, 30, 7),
        [5, 5, 39, 0],
        np.array([9, 2]),
        slice(0),
        slice(None),
    ):
        assert not whole[which].size or near(stack[which], whole[which])
    with pytest.raises(IndexError):
        stack[40]
    with pytest.raises(IndexError):
        codec.decode_batch(data, [1, -41])


def test_one_after_the_other(monkeypatch):
    """Each block is decoded once, and only what is asked for."""
    monkeypatch.setattr(stacks, "BLOCK_CELLS", 16)  # 4 digits
    stack = codec.Stack(codec.encode_batch(DIGITS))
    whole, read, asked = stack[:], stack.read, []
    monkeypatch.setattr(stack, "read", lambda numbers: (asked.append(numbers), read(numbers))[1])
    assert near(np.stack(list(stack)), whole)
    assert asked == [list(range(i, i + 4)) for i in range(0, 40, 4)]
    asked.clear()
    assert near(np.stack(list(stack.pictures([9, 8, 39]))), whole[[9, 8, 39]])
    assert asked == [[9, 8], [39]]


def test_effort_is_that_of_single_files():
    photo = np.asarray(Image.open(EXAMPLE).convert("RGB"))
    pixels = np.stack([photo[100:164, 200:264], photo[300:364, 300:364]])
    decoder = codec.Decoder()

    def symbols(effort):
        ((_, s),) = codec.Stack(codec.encode_batch(pixels, quality=80, effort=effort)).symbols()
        return s

    plain, better = symbols(None), symbols(3)
    assert (plain != better).any()
    for i, picture in enumerate(pixels):
        _, s = decoder.symbols(codec.encode(picture, quality=80, effort=3))
        assert (better[i] != s).mean() < 0.01
    encoder = codec.Encoder(effort=3)
    ((_, s),) = codec.Stack(codec.encode_batch(pixels, quality=80, encoder=encoder)).symbols()
    assert (better != s).mean() < 0.01
    with pytest.raises(InputError, match="effort"):
        codec.encode_batch(pixels, effort=0)


def test_pictures_of_other_kinds():
    images = [Image.fromarray(a) for a in drawn(3, 9, 20, (3,))]
    for image in images:
        image.info["icc_profile"] = ICC
    data = codec.encode_batch(iter(images), quality=100)
    stack = codec.Stack(data)
    assert stack.icc == ICC and stack.shape == (3, 9, 20, 3)
    assert stack.header.quality == 100 and stack.header.is_stack
    assert np.abs(stack[:].astype(int) - np.stack([np.asarray(i) for i in images])).mean() < 4


def test_one_picture_is_a_batch_of_one():
    data = codec.encode(DIGITS[0])
    assert codec.decode_batch(data).shape == (1, 28, 28)
    assert codec.decode_batch(data, -1).shape == (28, 28)


def test_the_limit_holds_for_one_picture_too():
    data = codec.encode(DIGITS[0])
    assert len(codec.decode_batch(data, max_pixels=DIGITS[0].size)) == 1
    with pytest.raises(codec.LimitError):
        codec.decode_batch(data, max_pixels=DIGITS[0].size - 1)


@pytest.mark.parametrize(
    "images",
    [
        [],
        np.zeros((0, 4, 4), np.uint8),
        np.zeros((4, 4), np.uint8),
        np.zeros((2, 4, 4, 4), np.uint8) + 9,
        np.zeros((2, 4, 4), np.float32),
        [DIGITS[0], DIGITS[1][:20]],
        [DIGITS[0], drawn(1, 28, 28, (3,))[0]],
        [RGBA],
        np.zeros((2, 0, 4), np.uint8),
        np.zeros((1, 1, 16385), np.uint8),
        [object()],
    ],
    ids=range(11),
)
def test_refused(images):
    with pytest.raises(InputError):
        codec.encode_batch(images)


def test_quality_is_checked():
    with pytest.raises(InputError):
        codec.encode_batch(DIGITS, quality=0)


def test_decode_names_the_way_out(digits):
    for function in (codec.decode, codec.Decoder().symbols):
        with pytest.raises(UnsupportedError, match="decode_batch"):
            function(digits)
    assert codec.info(digits).is_stack
    assert not codec.info(codec.encode(DIGITS[0])).is_stack


def test_limit(digits):
    with pytest.raises(LimitError):
        codec.decode_batch(digits, max_pixels=40 * 28 * 28 - 1)
    assert len(codec.decode_batch(digits, [0, 1], max_pixels=1568)) == 2


# Damage ---------------------------------------------------------------


def with_index(data, **changes):
    """The stack with another index, every checksum as it should be."""
    header, sections, index, _ = container.read_stack(io.BytesIO(data))
    index = dataclasses.replace(index, **changes)
    body = struct.pack("<II", index.count, index.per_block) + b"".join(
        struct.pack("<II", *b) for b in index.blocks
    )
    return sealed(data, body)


def sealed(data, body, **more):
    """A stack with this ``STAK`` section and sound checksums."""
    header, sections, payload = container.unpack(data)
    crc = zlib.crc32(body, zlib.crc32(data[:20]))
    return container.pack(
        dataclasses.replace(header, symbol_crc=crc),
        payload,
        sections | {"STAK": body} | more,
    )


def blocks_of(data):
    return container.read_stack(io.BytesIO(data))[2].blocks


def test_lying_indices(digits):
    ((size, crc),) = blocks_of(digits)
    assert codec.decode_batch(with_index(digits)).shape == (40, 28, 28)
    lies = [
        dict(count=0),
        dict(count=39),
        dict(count=41),
        dict(per_block=0),
        dict(per_block=39),
        dict(per_block=2**32 - 1),
        dict(count=2**32 - 1, per_block=2**32 - 1),
        dict(count=2**24, per_block=2**24),
        dict(count=16384, per_block=16384),
        dict(blocks=[]),
        dict(blocks=[(size - 4, crc)]),
        dict(blocks=[(size, crc ^ 1)]),
        dict(blocks=[(size + 4, crc)]),
        dict(count=2, per_block=1, blocks=[(size - 2, crc), (2, crc)]),
        dict(count=80, blocks=[(size, crc), (0, 0)]),
        dict(count=4000, per_block=40, blocks=[(size, crc)] + 99 * [(0, 0)]),
    ]
    for lie in lies:
        with pytest.raises(FormatError):
            codec.decode_batch(with_index(digits, **lie))


def test_index_is_checked_without_the_file(digits):
    """Random access may skip ``file_crc``; the index has its own."""
    start = digits.index(b"STAK")
    for at in (6, 14, 16, 18, 20, start + 8, start + 12, start + 20):
        bad = bytearray(digits)
        bad[at] ^= 1
        with pytest.raises((FormatError, UnsupportedError)):
            codec.Stack(bytes(bad))[0]


def test_every_cut_and_flip_is_noticed():
    data = codec.encode_batch(DIGITS[:3], quality=5)
    for n in range(len(data)):
        with pytest.raises(CodecError):
            codec.decode_batch(data[:n])
    for bit in range(8 * len(data)):
        bad = bytearray(data)
        bad[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodecError):
            codec.decode_batch(bytes(bad))


def test_blocks_are_checked_one_by_one(monkeypatch):
    monkeypatch.setattr(stacks, "BLOCK_CELLS", 16)
    data = bytearray(codec.encode_batch(DIGITS))
    start = container.read_stack(io.BytesIO(data))[3]
    data[start + blocks_of(data)[0][0] // 2] ^= 4
    stack = codec.Stack(bytes(data))
    assert stack[39].shape == (28, 28)  # another block: sound
    with pytest.raises(FormatError):
        stack[0]
    with pytest.raises(FormatError):
        codec.decode_batch(bytes(data), 39)  # has the whole file: checks it
    cut = codec.Stack(bytes(data[:-40]))
    with pytest.raises(FormatError, match="cut short"):
        cut[39]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 2**32 - 1))
def test_any_section_and_payload(noise, crc):
    data = codec.encode_batch(DIGITS[:2], quality=5)
    with pytest.raises(CodecError):
        codec.decode_batch(sealed(data, noise))
    payload = noise[: len(noise) // 4 * 4]
    header, sections, _ = container.unpack(data)
    body = struct.pack("<IIII", 2, 2, len(payload), crc)
    crc = zlib.crc32(body, zlib.crc32(data[:20]))
    bad = container.pack(dataclasses.replace(header, symbol_crc=crc), payload, {"STAK": body})
    with pytest.raises(CodecError):
        codec.decode_batch(bad)


def test_alpha_beside_an_index_is_refused(digits):
    with pytest.raises(FormatError, match="ALPH"):
        codec.decode_batch(sealed(digits, container.unpack(digits)[1]["STAK"], ALPH=b"x"))


def test_graphs_take_one_or_many():
    graphs = Graphs(Bundle(find.SHIPPED / "psnr"))
    modulation = graphs.bundle.at_quality("analysis_mod", 50)
    pixels = drawn(2, 32, 48, (3,))
    (many,) = graphs.run("analysis", pixels=pixels, modulation=modulation)
    (one,) = graphs.run("analysis", pixels=pixels[1], modulation=modulation)
    assert one.shape == many.shape[1:]
    np.testing.assert_allclose(one, many[1], atol=1e-3)
