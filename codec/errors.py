"""Every exception that this package raises on purpose.

``CodecError`` has five children, because the remedies differ: give another
picture (``InputError``), fetch the file again (``FormatError``), install a
newer version or another model (``UnsupportedError``), raise a limit
(``LimitError``), or get a sound model folder (``ModelError``).
"""

import warnings


class CodecError(Exception):
    """Base of all errors of this package."""


class InputError(CodecError, ValueError):
    """What was handed to the encoder is not a picture that it takes."""


class FormatError(CodecError, ValueError):
    """The file is damaged or is not an ``.aec`` file.

    Parameters
    ----------
    message : str
    offset : int or None
        First bad byte, where known.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.offset)


class UnsupportedError(CodecError):
    """The file is sound but needs a newer version or another model.

    Parameters
    ----------
    message : str
    value : object
        The version, model id or section type that is not known.
    """

    def __init__(self, message: str, value: object = None) -> None:
        super().__init__(message)
        self.value = value

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0], self.value)


class LimitError(CodecError):
    """The picture is larger than a limit that the caller set."""


class ModelError(CodecError):
    """A model folder is missing, incomplete, altered or senseless."""


class EffortWarning(UserWarning):
    """The model cannot do the effort that was asked for."""


class ConversionWarning(UserWarning):
    """Something of the source picture was changed or left out."""


class ConversionNote(ConversionWarning):
    """Nothing is changed or left out, but there is something to know."""


def warn_converted(message: str) -> None:
    """Give a `ConversionWarning`, for the line that called what reads or writes pictures."""
    warnings.warn(message, ConversionWarning, stacklevel=4)
