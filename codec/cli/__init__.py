"""The commands ``aecompress`` and ``aedecompress``.

``main`` runs one command from its arguments to its exit code:

- ``options``: the parser of both commands, and which file becomes which;
- ``compress``, ``decompress``: what happens to one file;
- ``files``: reading, and outputs that appear whole or not at all;
- ``report``: every line on stderr, and the exit code;
- ``demo``: one picture against JPEG of the same quality.

numpy, Pillow and the engine are imported where a file is at hand, because
``--help`` must not wait for them.
"""
