"""Time of features straight from a file, against decoding it.

    python -m benchmarks.features PICTURE... [--repeats N] [--threads N]

codes each picture at three qualities, then describes and decodes the files in
turns, and prints a Markdown table of CPU times (which other programs on the
machine disturb less than the clock) and of their ratio, of medians.
"""

import argparse
import time

import numpy as np

import codec
from codec import picture
from codec.bench import tables


def seconds(act, data):
    start = time.process_time()
    act(data)
    return time.process_time() - start


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", nargs="+", metavar="PICTURE")
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--threads", type=int, default=1, help="of the decoder")
    p.add_argument("--quality", type=float, nargs="+", default=[25, 50, 75])
    o = p.parse_args(argv)
    encoder = codec.Encoder(threads=1)
    decoder = codec.Decoder(threads=o.threads)
    acts = (
        decoder.decode,
        codec.features,
        lambda data: codec.features(data, pooling="none"),
    )
    lines = []
    for name in o.pictures:
        pixels = picture.read(name).pixels
        for quality in o.quality:
            data = encoder.encode(pixels, quality)
            turns = range(o.repeats + 1)  # the first loads
            rows = [[seconds(act, data) for act in acts] for _ in turns][1:]
            whole, part, none = 1000 * np.median(rows, 0)
            ratios = f"{part / whole:.2f}", f"{none / whole:.2f}"
            cells = f"{quality:g}", len(data), f"{whole:.0f}", f"{part:.0f}"
            lines.append([*cells, *ratios])
    header = 'quality|bytes|decode, ms|features, ms|of decoding|`"none"`'.split("|")
    print(tables.markdown(header, lines, 0))


if __name__ == "__main__":
    main()
