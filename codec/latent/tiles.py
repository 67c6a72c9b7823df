"""Strips of a picture with halos: bounded memory, nothing to see.

A strip carries as many rows of neighbourhood as the network's receptive
field, so a cell computed in a strip sees exactly what it would see in the
whole picture; at the picture's own borders there is no halo and the
network pads with zeros, as it does untiled.
"""

AREA = 6144          # latent cells per strip: about 1.5 megapixels


def strips(height, width, halo):
    """Cut ``height`` rows into strips.

    Parameters
    ----------
    height, width : int
        In latent cells.
    halo : int
        Rows of neighbourhood that a strip needs.

    Yields
    ------
    (lo, hi, first, last) : ints
        Rows lo..hi-1 are kept of a strip that spans first..last-1.
    """
    rows = max(8, AREA // width)
    for lo in range(0, height, rows):
        hi = min(lo + rows, height)
        yield lo, hi, max(0, lo - halo), min(height, hi + halo)
