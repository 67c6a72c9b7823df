"""The commands ``aecompress`` and ``aedecompress``.

``main`` runs one command from its arguments to its exit code:

- ``options``: the parser of both commands, with ``values`` and ``rules``; ``share``
  has what is made from it;
- ``jobs``: which file becomes which, through folders too;
- ``work``: one job from start to end, here or in a worker of the ``pool``;
- ``compress``, ``decompress``: what happens to one file; ``verify``: whether
  the result may take its place; ``listing``: ``-l``;
- ``files``: reading, and outputs that appear whole or not at all;
- ``report``: every line on stderr, and the exit code; ``bar``: progress;
- ``compare``: a picture beside a JPEG and an ``.aec`` file of equal size; ``demo``:
  the same of an example, with the files.

numpy, Pillow and the engine are imported where a file is at hand, because
``--help`` must not wait for them.
"""
