"""The slow reference: bytes to symbols in plain Python integers.

Written from ``docs/format.md`` alone, never from the package's own decoder:
where the two disagree, one of them or the page is wrong. ``decoder`` reads,
``encoder`` is its inverse, for making test files without the real codec.
Neither does any arithmetic with NumPy or floating-point numbers. ``samples``
makes random models and files for the tests.
"""
