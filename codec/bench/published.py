"""Curves that others published for Kodak; nothing here was measured by us.

`data/reference_rd.json` names the source of each. They are drawn dashed,
and anchored on the JPEG of this run rather than on their own: theirs is not
optimised and 12 % larger.
"""

import json
import math
from importlib import resources

import pandas as pd

from .metrics import decibel

SHOWN = {
    "BPG 4:4:4": "BPG 4:4:4",
    "HM": "HM (HEVC intra)",
    "AV1": "AV1, slowest",
    "VTM": "VTM (VVC intra)",
    "bmshj2018-hyperprior": "bmshj2018-hyperprior",
    "mbt2018-mean": "mbt2018-mean",
    "mbt2018": "mbt2018",
    "cheng2020-anchor": "cheng2020-anchor",
    "ELIC (paper)": "ELIC",
    "EVC-S": "EVC-S",
    "EVC-L": "EVC-L",
    "HPCM-Large": "HPCM-Large",
    "Cool-chic v5.0": "Cool-chic 5.0",
    "2-layer_syn+SGA (shallow-ntc)": "2-layer synthesis + SGA",
}
"""Names in the file to labels; the file has more."""


def curves() -> dict[str, tuple[pd.DataFrame, str]]:
    """Label to curve, as `curves.mean_curves` has them, and source."""
    text = resources.files(__package__).joinpath("data/reference_rd.json").read_text("utf-8")
    listed = json.loads(text)
    found = {}
    for name, label in SHOWN.items():
        entry = listed[name]
        similarity = entry["ms_ssim"] or []
        found[label] = (
            pd.DataFrame(
                {
                    "bpp": entry["bpp"],
                    "psnr": entry["psnr"] or math.nan,
                    "ms-ssim": [decibel(x) for x in similarity] or math.nan,
                }
            ),
            entry["source"],
        )
    return found
