"""Pixels <-> latent: where floats are.

==============  =======================================================
`transform`     `analyse` and its inverse `synthesise`, tile by tile
`tiles`         tiles and their halos
`plane`         symbols of a slab to its decoded latent, slab by slab
`means`         what the decoder expects of each value of a pass
==============  =======================================================

Nothing here decides how a file is read: see docs/architecture.md.
"""
