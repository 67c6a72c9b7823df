"""How to encode and how to decode: one frozen value each, passed on whole.

``EncodeOptions`` and ``DecodeOptions`` are checked when they are made, and
nowhere else. The public functions take an ``options`` value, its fields by
name, or both; command line, plugins and Dask hand the value through.

A new option is a field of the value (and of the dictionary beside it, for
type checkers), its check below, and a flag of the same name in
``codec/cli/options.py``.
"""

import dataclasses
import math
import numbers
import os
from typing import Any, Self, TypedDict

from .errors import InputError
from .limits import EFFORTS, MAX_PIXELS, QUALITY, TUNES

# Exactly one of them says how good, or how large, a file is to be.
GOALS = "quality", "target_size", "target_bpp", "target_psnr", "target_score"

# The models that ship for a tune; None is the default.
BY_TUNE: dict[str | None, str | None] = {"look": None, "psnr": "psnr"}

# A name, an id or a folder; a `codec.model.bundle.Bundle` that is read already.
Model = str | os.PathLike[str] | Any


class EncodeFields(TypedDict, total=False):
    """The fields of `EncodeOptions` as keywords; None leaves one as it is."""

    quality: float | None
    target_size: float | None
    target_bpp: float | None
    target_psnr: float | None
    target_score: float | None
    effort: int | None
    tune: str | None
    max_pixels: int | None
    model: Model | None
    threads: int | None
    metadata: bool | str | None
    provider: str | None


class DecodeFields(TypedDict, total=False):
    """The fields of `DecodeOptions` as keywords; None leaves one as it is."""

    max_pixels: int | None
    model: Model | None
    threads: int | None
    metadata: bool | str | None
    provider: str | None


class _Changed:
    """What both values have in common."""

    _alone: tuple[str, ...] = ()

    def changed(self, **fields: Any) -> Self:
        """The same value with other fields; None leaves a field as it is.

        Raises
        ------
        TypeError
            No such field.
        InputError
            The result is not consistent.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        unknown = given.keys() - {f.name for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        if unknown:
            raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
        if given.keys() & set(self._alone):
            given = {**dict.fromkeys(self._alone), **given}
        return dataclasses.replace(self, **given) if given else self  # type: ignore[type-var]


@dataclasses.dataclass(frozen=True)
class EncodeOptions(_Changed):
    """How pictures are encoded.

    Attributes
    ----------
    quality : float
        1..100, higher is better, kept to 0.01. 50 if nothing else says how
        good the file is to be; None where a target does. The five exclude
        each other.
    target_size : float or None
        Bytes: the best file that has at most so many.
    target_bpp : float or None
        The same in bits per pixel of the picture.
    target_psnr : float or None
        Decibels: the smallest file that has at least so many, over the 8-bit
        samples of all colours; alpha is lossless.
    target_score : float or None
        SSIMULACRA 2, below 100: the smallest file that has at least so much;
        stacks on average.
    effort : int
        1..9: more takes longer and makes smaller files; decoding does not
        change.
    tune : {"look", "psnr", "ms-ssim"} or None
        What files are made smaller for: the look is SSIMULACRA 2 with some
        squared error. It names the model where ``model`` does not, and what
        efforts from 2 on search for. None: what the model was trained for.
    max_pixels : int
        Larger pictures are refused.
    model : str, path-like or None
        Name, id or folder of a model; None: the default, or the one for
        PSNR if ``tune`` says so.
    threads : int or None
        Inside the networks; None: all cores. Bytes may differ between thread
        counts where the engine's sums do; every variant decodes
        (docs/format.md, section 8).
    metadata : bool or "all"
        Keep Exif and XMP; "all" keeps everything else that a picture file
        holds as well, but its samples. The colour profile and alpha always
        stay.
    provider : str or None
        As of `DecodeOptions`; bytes may differ, every variant decodes.

    Raises
    ------
    InputError
        A value out of range, or several that exclude each other.
    """

    quality: float | None = None
    target_size: float | None = None
    target_bpp: float | None = None
    target_psnr: float | None = None
    target_score: float | None = None
    effort: int = 1
    tune: str | None = None
    max_pixels: int = MAX_PIXELS
    model: Model | None = None
    threads: int | None = None
    metadata: bool | str = True
    provider: str | None = None

    _alone = GOALS

    def __post_init__(self) -> None:
        goals = [name for name in GOALS if getattr(self, name) is not None]
        if len(goals) > 1:
            raise InputError(f"{' and '.join(goals)} exclude each other")
        if not goals:
            _set(self, "quality", QUALITY)
        elif goals == ["quality"]:
            _set(self, "quality", _quality(self.quality))
        else:
            _set(self, goals[0], _positive(goals[0], getattr(self, goals[0])))
        if (self.target_score or 0) >= 100:
            raise InputError(f"target_score must be below 100, not {self.target_score!r}")
        _set(self, "effort", _integer("effort", self.effort, EFFORTS))
        if self.tune not in (None, *TUNES):
            raise InputError(f"tune must be {' or '.join(TUNES)}, not {self.tune!r}")
        named = self.tune in (None, *BY_TUNE) and self.model is None
        if not named and self.tune is not None and self.effort < 2:
            raise InputError(
                f"tune {self.tune} needs an effort of 2 or more"
                + (", or no model named" if self.tune in BY_TUNE else "")
            )
        _check_common(self)

    @property
    def encoder(self) -> Model | None:
        """The model to encode with: that of the tune, unless one is named."""
        return BY_TUNE.get(self.tune) if self.model is None else self.model

    def largest(self, n_pixels: int) -> float | None:
        """Bytes that a file of so many pixels may have, where a target says."""
        if self.target_bpp is not None:
            return self.target_bpp * n_pixels / 8
        return self.target_size

    def settings(self) -> dict[str, Any]:
        """The fields that are not what they are by default, by name."""
        default = EncodeOptions()
        return {
            f.name: value
            for f in dataclasses.fields(self)
            if (value := getattr(self, f.name)) not in (None, getattr(default, f.name))
        }


@dataclasses.dataclass(frozen=True)
class DecodeOptions(_Changed):
    """How files are decoded.

    Attributes
    ----------
    max_pixels : int
        Larger pictures are refused before anything of their size is made.
    model : str, path-like or None
        Name, id or folder of a model to try before those that
        `codec.model.find` looks for.
    threads : int or None
        Inside the networks; never changes the symbols. None: all cores.
    metadata : bool or "all"
        Hand on Exif, XMP and what was kept else; "all" is True. The colour
        profile and alpha always stay.
    provider : str or None
        Where the networks run: an execution provider of the onnxruntime that
        is installed, by its name, or "gpu", the first that is one's. None:
        the CPU. Symbols never run elsewhere; pixels may differ by a level.

    Raises
    ------
    InputError
        A value out of range.
    """

    max_pixels: int = MAX_PIXELS
    model: Model | None = None
    threads: int | None = None
    metadata: bool | str = True
    provider: str | None = None

    def __post_init__(self) -> None:
        _check_common(self)


def _check_common(options: EncodeOptions | DecodeOptions) -> None:
    _set(options, "max_pixels", _integer("max_pixels", options.max_pixels))
    if options.threads is not None:
        _set(options, "threads", _integer("threads", options.threads))
    if not isinstance(options.metadata, bool) and options.metadata != "all":
        raise InputError(f"metadata must be true, false or all, not {options.metadata!r}")
    if not isinstance(options.provider, str | None):
        raise InputError(f"provider must be a name, not {options.provider!r}")


def _set(options: object, name: str, value: object) -> None:
    object.__setattr__(options, name, value)


def _quality(value: object) -> float:
    """Quality as it is stored: a multiple of 0.01 in 1..100."""
    number = _number(value)
    quality = round(number * 100) / 100 if math.isfinite(number) else math.nan
    if not 1 <= quality <= 100:
        raise InputError(f"quality must be 1..100, not {value!r}")
    return quality


def _positive(name: str, value: object) -> float:
    number = _number(value)
    if not 0 < number < math.inf:
        raise InputError(f"{name} must be a positive number, not {value!r}")
    return number


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _integer(name: str, value: Any, allowed: range | None = None) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, numbers.Integral)
        or (value not in allowed if allowed else value < 1)
    ):
        span = f"{allowed[0]}..{allowed[-1]}" if allowed else "a positive whole number"
        raise InputError(f"{name} must be {span}, not {value!r}")
    return int(value)
