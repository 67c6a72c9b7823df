"""Latent <-> symbols <-> payload: integers from the first to the last.

===============  ======================================================
`pipeline`       all stages of one model, from pixels to payload and back:
                 `encoding` and `decoding`, on what `stages` makes ready
`passes`         the one walk over the symbols of a slab, which encoders
                 and decoders share; the exact path in Python
`core`           the same in C, where it was built
`scale_index`    which frequency table codes a symbol, from integers
`coder`          the entropy coder: symbols to words and back
`slabs`          where slabs lie, and their streams in a payload
`ahead`          work that threads share, its results in order
`selftest`       whether this machine's arithmetic is exact
===============  ======================================================

A decoder that only wants symbols uses `Pipeline.read_symbols`; whatever shows a
picture uses `Pipeline.decode`. `codec.search` stands between the latent and the
symbols of an encoder. The words are in docs/glossary.md, the arithmetic is in
docs/format.md, sections 5 to 7.
"""
