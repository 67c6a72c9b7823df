"""What pixels that do not matter cost, at each effort: `codec.encode(image, mask=)`.

    python -m benchmarks.masked PICTURE...

Of each picture a part of 384 x 256 pixels is coded whole; with a mask that leaves its
left half; and with the same half filled as the mask fills it, but errors counted there
as everywhere. Prints bytes of all pictures, and the mean PSNR of the left halves.
"""

import argparse

import numpy as np

import codec
from codec import picture
from codec.bench import tables
from codec.search.targets import psnr

EFFORTS = 1, 2, 3, 5
QUALITY = 75


def main(argv=None):
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("pictures", nargs="+")
    o = p.parse_args(argv)
    encoder, found = codec.Encoder(threads=1, quality=QUALITY), {}
    for name in o.pictures:
        a = picture.as_rgb(picture.read(name).pixels)[64:320, 128:512]
        half = a.shape[1] // 2
        mask = np.ones(a.shape[:2], bool)
        mask[:, half:] = False
        filled = encoder._filled(a, mask, encoder.options)
        for effort in EFFORTS:
            for way, image, more in (
                ("whole", a, {}),
                ("filled", filled, {}),
                ("masked", a, {"mask": mask}),
            ):
                data = encoder.encode(image, effort=effort, **more)
                left = np.s_[:, :half]
                worth = psnr(a[left], codec.decode(data, threads=1)[left])
                found.setdefault((effort, way), []).append((len(data), worth))
    rows = [
        [
            str(effort),
            *(
                f"{sum(n for n, _ in values)} ({np.mean([db for _, db in values]):.2f})"
                for way in ("whole", "filled", "masked")
                for values in [found[effort, way]]
            ),
        ]
        for effort in EFFORTS
    ]
    print(tables.markdown(["effort", "whole (dB)", "filled (dB)", "masked (dB)"], rows))


if __name__ == "__main__":
    main()
