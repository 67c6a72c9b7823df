"""The program ``aebench``, also ``python -m codec.bench``."""

import importlib.util
import sys
from collections.abc import Sequence

REQUIRED = "bjontegaard", "pandas", "tqdm"
"""Every table needs them; all else is optional."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, or say what is not installed; the exit code."""
    for name in REQUIRED:
        if importlib.util.find_spec(name) is None:
            print(
                f"aebench: {name} is missing; in a checkout: pip install '.[bench]'",
                file=sys.stderr,
            )
            return 1
    from . import cli

    return cli.main(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
