"""Man pages and shell completions, made from the parsers that ``--help`` has.

    python -m codec.cli.share       makes them again

needs what the extra ``test`` installs; a test fails where they are old. They
are installed under ``share/`` of the environment, where man and bash look by
themselves.
"""

import os

_NAMES = {"bash": "{}.bash", "zsh": "_{}", "tcsh": "{}.tcsh"}


def completion(prog: str, shell: str) -> str:
    """The completions of a command, as text for a shell.

    Parameters
    ----------
    prog : {"aecompress", "aedecompress"}
    shell : {"bash", "tcsh", "zsh"}
    """
    path = os.path.join(os.path.dirname(__file__), _NAMES[shell].format(prog))
    with open(path, encoding="utf-8") as file:
        return file.read().rstrip("\n")
