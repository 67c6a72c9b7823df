"""Getting at files, wherever they lie."""

from .urls import open_anywhere as open

__all__ = ["open"]
