"""One task in a fresh process, which then prints its peak memory in MiB.

``python -m codec.bench.peak idle|encode|decode CODEC THREADS RAW PACKED``
"""

import re
import sys
from pathlib import Path

import numpy as np

from . import codecs


def peak_mib():
    """Peak resident memory of this process.

    ``getrusage`` would count what the parent held before it started us, so
    Linux is asked for the mark of this very address space.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024
    except (OSError, TypeError):
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(task, name, threads, raw, packed):
    """Do the task on the files and print the peak."""
    codec = codecs.load(name)
    # Mapped, the shape of a picture costs nothing when decoding.
    shape = np.load(raw, mmap_mode="r").shape
    if task == "decode":
        codec.decode(Path(packed).read_bytes(), shape, int(threads))
    else:
        picture = np.load(raw)
        if task == "encode":
            Path(packed).write_bytes(codec.encode(picture, codec.typical, int(threads)))
    print(peak_mib())


if __name__ == "__main__":
    main(*sys.argv[1:])
