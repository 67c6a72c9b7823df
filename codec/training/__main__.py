"""``python -m codec.training``, the same as ``aetrain``."""

import sys

from .cli import program

if __name__ == "__main__":
    sys.exit(program())
