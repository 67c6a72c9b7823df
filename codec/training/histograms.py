"""Histograms of symbols as the encoder chooses them.

Training rounds symbols without the dead zone and without skipping any. Tables
that are fitted to such symbols make files 0.1 % larger.
"""

import numpy as np

from ..model.bundle import Bundle
from ..symbols.pipeline import Pipeline
from ..symbols.stages import quality_index

MOST = 4096  # larger magnitudes are counted with it
SIDE = 512  # of the middles that are coded


class Counts:
    """A writer of symbols that only counts them.

    Attributes
    ----------
    rows : int64 (64, MOST + 1)
        Magnitudes by scale index, of those that are coded.
    skip : int
        Lower scale indices are not.
    """

    def __init__(self):
        self.rows, self.skip = np.zeros((64, MOST + 1), np.int64), 0

    def write(self, symbols, rows):
        """Count symbols int16, of scale indices uint8 of the same shape."""
        coded = rows >= self.skip
        v = np.minimum(np.abs(symbols[coded].astype(np.int64)), MOST)
        flat = rows[coded].astype(np.int64) * (MOST + 1) + v
        self.rows += np.bincount(flat, minlength=self.rows.size).reshape(self.rows.shape)


def histograms(folder, crops, n_pictures, clock):
    """Histograms of real symbols over pictures and qualities.

    Parameters
    ----------
    folder : path-like
        The model as it is otherwise.
    crops : data.Crops
    n_pictures : int
    clock : clock.Clock

    Returns
    -------
    rows : int64 (64, MOST + 1), counts of |s| per scale index
    z : int64 (bands, NZ, 2 Z_MAX + 1)
    """
    pipeline = Pipeline(Bundle(folder))
    b, found = pipeline.bundle, Counts()
    z_counts = np.zeros(b.tables["z_freq"].shape, np.int64)
    bands, n, width = z_counts.shape
    channel = np.arange(n) * width + b.z_max
    pick = crops.spread(n_pictures)
    order = clock.pictures(len(pick))
    batches = crops.whole(pick[order], SIDE)
    for places, pictures in clock.over(
        "counting coded symbols", batches, len(pick), lambda b: len(b[0])
    ):
        for band in range(bands):
            u = (band + order[places[0]] * 0.618 % 1) / bands
            quality = 1 + round(99 * u, 2)
            at = quality_index(quality)
            found.skip = b.row_skip[at]
            z, _ = pipeline.write_symbols(pipeline.analyse(pictures, quality), quality, found)
            z_counts[b.tables["z_band"][at]] += np.bincount(
                (z.astype(int) + channel).ravel(), minlength=n * width
            ).reshape(n, width)
    return found.rows, z_counts
