"""The values of options, out of their text: sizes, counts, regions."""

from __future__ import annotations

import argparse
import re

_UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
}


class Share(float):
    """A part of the size of an input, 0..1."""


def region(text: str) -> tuple[int, ...]:
    """Top, left, height and width, of such as 0,512,256,256."""
    numbers = text.split(",")
    if len(numbers) != 4 or not all(n.isdecimal() for n in numbers):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not top, left, height and width: 0,512,256,256"
        )
    return tuple(map(int, numbers))


def index(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def _whole(text: str) -> int:
    """A whole number such as 8, 100M or 64Ki; 0 for what is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kmg]?i?)", text.lower())
    if not match or match[2] not in _UNITS:
        return 0
    from decimal import Decimal  # slow to load

    # Of decimals that are exact: 16.1k is 16100. Of 16.1Ki the whole part.
    value = Decimal(match[1]) * _UNITS[match[2]]
    return int(value) if match[2] or value % 1 == 0 else 0


def count(text: str) -> int:
    """A positive whole number such as 8, 100M or 64Ki."""
    if not (value := _whole(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return value


def target_size(text: str) -> int | float:
    """Bytes as ``int``, bits per pixel as ``float``, or a ``Share``."""
    if text.endswith("%"):
        return Share(_positive(text[:-1]) / 100)
    if text.lower().endswith("bpp"):
        return _positive(text[:-3])
    if not (value := _whole(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a whole number nor such as 20k, 20Ki, 10% or 0.5bpp"
        )
    return value
