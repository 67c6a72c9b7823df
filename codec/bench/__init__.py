"""aebench: measures this codec against what people would use instead.

================  =====================================================
``pictures``      which pictures: a folder, or Kodak checked by sha256
``codecs``        every codec behind one pair of functions
``metrics``       what a decoded picture is worth
``run``           which measurements are missing, and taking them
``store``         rows in a CSV, and the environment they belong to
``curves``        curves averaged over pictures, BD-rate, bands
``summary``       rows to everything that is said about them
``checks``        what the project promises, judged
``tables``        the same figures as text and as Markdown
``plots``         the same as curves
``report``        a page of all of it
``speed``         time, memory and cold start
``viewer``        pictures of equal size side by side
``cli``           the command
================  =====================================================

NumPy, Pillow, pandas, tqdm and bjontegaard carry the core (PSNR; JPEG, WebP,
AVIF and ours); every other library is imported when its codec or metric is
asked for, and one that is missing is named and left out. Studies of this
repository stand on top of it, in ``benchmarks/``.
"""
