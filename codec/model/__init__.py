"""Models: from a folder to networks that run.

===========  ==========================================================
`find`       a name, an id or a folder -> a `Bundle`
`bundle`     a folder's manifest, hashes and files, checked
`tables`     its integer tables, checked against docs/format.md
`encoder`    another encoder for the same decoder
`session`    graphs as sessions of the engine: `Graphs`
`part`       the part of a graph that one output needs
`forks`      what a forked child must not touch
===========  ==========================================================

`find.load` is what other modules begin with; `codec.runtime` keeps what it made.
"""
