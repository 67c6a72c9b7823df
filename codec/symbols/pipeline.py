"""RGB samples <-> payload: the straight line through all stages.

    pixels -> latent -> z, symbols -> payload          ``encode``
    payload -> z, symbols                              ``read_symbols``
    z, symbols -> latent -> pixels                     ``reconstruct``
    payload -> pixels                                  ``decode``

``read_symbols`` is the exact path: integers only. Slabs are coded by
themselves (docs/format.md, section 5), so threads share them, and ``decode``
has pixels of the first ones before the last ones are read.
"""

from .decoding import Decoding
from .encoding import Encoding


class Pipeline(Encoding, Decoding):
    """A model made ready to encode and decode; made as `stages.Stages` is."""
