"""``python -m benchmarks``, the same as ``aebench``."""

from codec.bench.__main__ import main

if __name__ == "__main__":
    raise SystemExit(main())
