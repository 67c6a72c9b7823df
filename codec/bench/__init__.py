"""aebench: measures this codec against what people would use instead.

================  =====================================================
``pictures``      which pictures: a folder, or Kodak checked by sha256
``codecs``        every codec behind one pair of functions
``metrics``       what a decoded picture is worth
``run``           which measurements are missing, and taking them
``store``         CSV rows, JSON curves, environment
``curves``        curves averaged over pictures, BD-rate, bands
``summary``       rows to everything that is said about them
``checks``        what the project promises, judged
``tables``        the same figures as text and as Markdown
``cli``           the command
================  =====================================================

NumPy, Pillow and bjontegaard carry the core (PSNR; JPEG, WebP, AVIF and
ours); every other library is imported when its codec or metric is asked
for, and one that is missing is named and left out.
"""
