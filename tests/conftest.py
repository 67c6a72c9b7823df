"""What all tests share."""

import os
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# A model of the user's own must not change what a test finds.
_DATA = tempfile.TemporaryDirectory()
os.environ.pop("AECOMPRESS_MODELS", None)
os.environ["XDG_DATA_HOME"] = os.environ["LOCALAPPDATA"] = _DATA.name

# A shell's background jobs ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def photograph():
    """The example picture, uint8 (height, width, 3); not to be changed."""
    path = Path(__file__).parent.parent / "examples" / "budgerigar.png"
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    pixels.flags.writeable = False
    return pixels


@pytest.fixture
def one_thread():
    """torch with one thread, and bfloat16 as it was."""
    import torch  # not everywhere installed

    from codec.training import functional

    torch.set_num_threads(1)
    yield
    functional.use_bf16(True)
