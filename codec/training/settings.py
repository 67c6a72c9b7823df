"""A dataclass as parser, help and page: every option is declared in one place.

Contents
--------
``setting``   a field that is an option as well
``add``       options of dataclasses into an ``argparse.ArgumentParser``
``markdown``  the same options as a table for the documentation
``assigned``  ``NAME=VALUE`` -> values, where there is no command line

A field ``valid_minutes`` is the option ``--valid-minutes``; a field that is true
or false has its ``--no-`` beside it. Help shows defaults in brackets, in words
where the value itself would say nothing. The readers below turn the text of an
option into its value; they raise ``argparse.ArgumentTypeError``.
"""

import argparse
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any


def setting(
    default: Any,
    text: str,
    metavar: str | None = None,
    read: Callable[[str], Any] = str,
    *,
    group: str,
    shown: str | None = None,
    choices: Sequence[str] = (),
    short: str | None = None,
) -> Any:
    """A field of a dataclass that is an option of the command.

    Parameters
    ----------
    default
        Of the field; the command line leaves out what is not given.
    text : str
        What it does, and when to use it.
    metavar : str
        What stands for its value; none for one of ``choices`` or a switch.
    read : callable
        Value of a text.
    group : str
        Heading under which help lists it.
    shown : str
        The default in words; a number, a name or "on" is shown as it is.
    choices : sequence of str
    short : str
        A short name, such as ``-f``.
    """
    return dataclasses.field(
        default=default,
        metadata={
            "group": group,
            "text": text,
            "metavar": metavar,
            "read": read,
            "shown": shown,
            "choices": choices,
            "short": short,
        },
    )


def options(*kinds: type) -> Iterator[dataclasses.Field]:
    """The fields of dataclasses that are options."""
    for kind in kinds:
        yield from (f for f in dataclasses.fields(kind) if "group" in f.metadata)


def flag(field: dataclasses.Field) -> str:
    """The long name of a field's option."""
    return "--" + field.name.replace("_", "-")


def described(field: dataclasses.Field) -> str:
    """Text of an option, its default in brackets where there is one to show."""
    value, shown = field.default, field.metadata["shown"]
    if shown is None and value not in (None, "", 0, ()):
        shown = "on" if value is True else f"{value:g}" if type(value) is float else value
    return field.metadata["text"] + (f" ({shown})" if shown else "")


def groups(*kinds: type) -> dict[str, list[dataclasses.Field]]:
    """Options by heading, in the order in which the headings first appear."""
    found: dict[str, list[dataclasses.Field]] = {}
    for field in options(*kinds):
        found.setdefault(field.metadata["group"], []).append(field)
    return found


def add(p: argparse.ArgumentParser, *kinds: type) -> None:
    """Give a parser the options of dataclasses; what is not given is left out."""
    for title, fields in groups(*kinds).items():
        g = p.add_argument_group(title)
        for field in fields:
            m = field.metadata
            names = [m["short"]] * bool(m["short"]) + [flag(field)]
            more: dict[str, Any] = {"help": described(field).replace("%", "%%")}
            if type(field.default) is bool:
                more["action"] = argparse.BooleanOptionalAction if field.default else "store_true"
            else:
                more |= {"type": m["read"], "metavar": m["metavar"]}
                if m["choices"]:
                    more |= {"choices": m["choices"]}
            g.add_argument(*names, **more, default=argparse.SUPPRESS)


def markdown(*kinds: type) -> str:
    """A table of the options for each heading."""
    lines = []
    for title, fields in groups(*kinds).items():
        lines += [f"| {title.capitalize()} | |", "|---|---|"]
        for field in fields:
            m = field.metadata
            if field.default is True:
                name = f"{flag(field)}, --no-{flag(field)[2:]}"
            else:
                value = m["metavar"] or "\\|".join(m["choices"])
                name = " ".join(filter(None, [m["short"], flag(field), value]))
            lines.append(f"| `{name}` | {described(field)} |".replace("\\|", "/"))
        lines.append("")
    return "\n".join(lines)


def assigned(kind: type, texts: Sequence[str]) -> dict[str, Any]:
    """Values of options given as ``NAME=VALUE``, by name of the field.

    Switches are on or off.
    """
    fields = {f.name: f for f in options(kind)}
    found = {}
    for text in texts:
        name, _, value = text.partition("=")
        field = fields.get(name)
        if field is None or type(field.default) is bool and value not in ("on", "off"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a setting and its value")
        choices = field.metadata["choices"]
        if choices and value not in choices:
            raise argparse.ArgumentTypeError(f"{name} is one of " + ", ".join(choices))
        of_switch = type(field.default) is bool
        found[name] = value == "on" if of_switch else field.metadata["read"](value)
    return found


def number(kind: type, low: float, high: float | None = None) -> Callable:
    """A reader of numbers from ``low`` on, up to ``high`` if that is given."""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= (high or float("inf")):
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a number from {low} " + (f"to {high}" if high else "on")
            )
        return value

    return parse


def sigmas(text: str) -> tuple[float, ...]:
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


def some_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of ``NAME,..``: some of the names that are known."""

    def parse(text):
        found = tuple(text.split(","))
        if not set(found) <= set(known):
            raise argparse.ArgumentTypeError(f"{text!r} is not some of {', '.join(known)}")
        return found

    return parse


def sizes(kind: type) -> Callable[[str], dict[str, Any]]:
    """A reader of ``s8=2,parts=11/25``: values by names of a dataclass's fields.

    Whole numbers from 0 on, or several of them, rising, from 1 on.
    """
    fields = {f.name: type(f.default) for f in dataclasses.fields(kind)}
    names = [n for n, t in fields.items() if t in (int, tuple)]

    def parse(text):
        found = {}
        for part in text.split(","):
            name, _, value = part.partition("=")
            several = name in names and fields[name] is tuple
            pattern = r"\d{1,4}(/\d{1,4})*" if several else r"\d{1,4}"
            values = (
                [int(v) for v in value.split("/")]
                if (name in names and name not in found and re.fullmatch(pattern, value))
                else []
            )
            if not values or several and (values[0] < 1 or values != sorted({*values})):
                raise argparse.ArgumentTypeError(
                    f"{part!r} is not like {names[0]}=2 or parts=16/48; names: " + ", ".join(names)
                )
            found[name] = tuple(values) if several else values[0]
        return found

    return parse
