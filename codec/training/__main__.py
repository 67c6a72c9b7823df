"""``python -m codec.training``, the same as ``aetrain``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
