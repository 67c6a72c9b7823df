"""What the options of ``aetrain`` may be."""

import argparse
import re


def number(kind, low, high=None):
    """A reader of numbers from ``low`` on, up to ``high`` if that is given.

    This one and the others raise argparse.ArgumentTypeError.
    """

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= (high or float("inf")):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number from {low} "
                + (f"to {high}" if high else "on")
            )
        return value

    return parse


def sigmas(text):
    """``S`` or ``S,T``: one or two floats, 0 <= S <= T <= 255, in levels."""
    try:
        found = tuple(map(float, text.split(",")))
    except ValueError:
        found = ()
    if not (1 <= len(found) <= 2 and 0 <= found[0] <= found[-1] <= 255 and found[-1]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a sigma of up to 255, nor two of them like 0,60"
        )
    return found


def channels(text):
    """``16,48``: tuple of channels, 1 or more, each above the one before."""
    found = (
        tuple(map(int, text.split(","))) if re.fullmatch(r"\d+(,\d+)*", text) else ()
    )
    if not found or found[0] < 1 or list(found) != sorted(set(found)):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 16,48")
    return found


def sizes(names):
    """A reader of ``a8=6,a16=5``: dict of numbers, 0..999, by ``names``."""

    def parse(text):
        found = dict(re.findall(r"(\w+)=(0|[1-9]\d{0,2})(?:,|$)", text))
        if (
            not found
            or set(found) - set(names)
            or text != ",".join(f"{k}={v}" for k, v in found.items())
        ):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not like {names[0]}=2,{names[1]}=1: {', '.join(names)}"
            )
        return {k: int(v) for k, v in found.items()}

    return parse
