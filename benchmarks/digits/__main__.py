"""Digits: the report on the autoencoder of the textbooks as a codec.

    python -m benchmarks.digits [--data DIR] [--out docs] [--work DIR]

Trains the models, measures, and writes digits.md and its pictures into the
folder of --out. DIR has MNIST's files (*idx3-ubyte, *idx1-ubyte, or .gz);
without it scikit-learn's digits are taken. Results and models are kept in
the folder of --work, and what is there is not made again, so a command
that was interrupted goes on. Needs aecompress[train,ml] and imagecodecs.
"""

import argparse
import json
import shutil
import time
from pathlib import Path

from codec.model.bundle import Bundle
from codec.model.find import SHIPPED
from codec.model.find import load as load_model

from . import coding, knowing, models, page

LOSSES = ("bce", "mse", "mae", "mse:0.5,ms-ssim:0.5")
FLOOR_DB = 20.0  # of the claim about size


class Parts:
    """Results of the parts, each in a JSON file of its own."""

    def __init__(self, work):
        self.work = Path(work)

    def __call__(self, name, make):
        file = self.work / f"{name}.json"
        if not file.exists():
            start = time.monotonic()
            found = json.dumps(make(), indent=1, default=float)
            file.write_text(found + "\n")
            print(f"{name}: {time.monotonic() - start:.0f} s", flush=True)
        return json.loads(file.read_text())


def main(argv=None):
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.digits",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("--data", metavar="DIR")
    p.add_argument("--out", type=Path, default=Path("docs"))
    p.add_argument("--work", type=Path, default=Path("state/digits"))
    p.add_argument("--model", help="measure this one (trained in WORK)")
    p.add_argument("--steps", type=int, default=1500, help="of the model's training (%(default)s)")
    p.add_argument(
        "--loss-steps",
        type=int,
        default=400,
        help="that each loss gets after that (%(default)s)",
    )
    p.add_argument(
        "--anomaly-steps",
        type=int,
        default=200,
        help="of each model of nine digits (%(default)s)",
    )
    p.add_argument(
        "--parts",
        nargs="*",
        choices=page.PARTS,
        default=page.PARTS,
        help="beside the sizes (all); the page goes without the "
        "others, unless they were measured before",
    )
    p.add_argument("--install", action="store_true", help="replace the model digits of the package")
    p.add_argument("--threads", type=int, default=1)
    options = p.parse_args(argv)
    options.work.mkdir(parents=True, exist_ok=True)
    models.threads(options.threads)
    run(options, models.sets(options.data), Parts(options.work))


def run(o, sets, part):
    """All parts, then the page."""
    train, choose, figures = sets
    bundle = (
        load_model(o.model)
        if o.model
        else models.trained(o.work, "digits", train, choose, steps=o.steps)
    )
    if o.install:
        install(bundle)
    model = str(bundle.folder)
    found = {
        "data": {
            "folder": bool(o.data),
            "train": len(train),
            "choose": len(choose),
            "figures": len(figures),
        },
        "steps": [o.loss_steps, o.anomaly_steps],
        "model": describe(bundle),
    }
    found["rates"] = part(f"rates-{bundle.id}", lambda: coding.rates(figures.pictures, model))
    found["others"] = part("others", lambda: coding.others(figures.pictures))
    # Which quality the claims are made at is for the choosing set to say.
    choice = part(f"choice-{bundle.id}", lambda: coding.rates(choose.pictures, model, singles=0))
    good = [r["quality"] for r in choice if r["psnr"] >= FLOOR_DB]
    at = good[0] if good else choice[-1]["quality"]
    claim = next(r for r in found["rates"] if r["quality"] == at)
    start = o.work / "digits-state" / "checkpoint.pt"
    make = {
        "classes": lambda: part(
            f"classes-{bundle.id}",
            lambda: knowing.accuracies(sets, model, sorted({*coding.CLASS_QUALITIES, at})),
        ),
        "pairs": lambda: part(f"pairs-{bundle.id}", lambda: knowing.pairs(sets, model, at)),
        "losses": lambda: {
            loss: part(
                f"loss-{loss}",
                lambda: coding.rates(
                    figures.pictures,
                    str(
                        models.trained(
                            o.work,
                            f"loss-{loss}",
                            train,
                            choose,
                            loss=loss,
                            steps=o.loss_steps,
                            patience=0,
                            valid_minutes=60,
                            init=str(start) if start.exists() else "",
                        ).folder
                    ),
                    singles=0,
                ),
            )
            for loss in LOSSES
        },
        "strangers": lambda: [
            part(f"digit-{digit}", lambda: nine(o, train, choose, figures, digit))
            for digit in range(10)
        ],
        "lossy": lambda: part(
            f"lossy-{bundle.id}", lambda: coding.lossy(figures.pictures, claim["psnr"])
        ),
    }
    for name in page.PARTS:
        if name in o.parts:
            found[name] = make[name]()
    page.write(o, found, claim, sets, bundle)


def nine(o, train, choose, figures, digit):
    """One model of nine digits and how it takes the tenth."""
    kept = [s.where(s.labels != digit) for s in (train, choose)]
    bundle = models.trained(
        o.work,
        f"without-{digit}",
        *kept,
        steps=o.anomaly_steps,
        shape=models.SMALL,
        patience=0,
        valid_minutes=60,
        table_pictures=1500,
    )
    return {
        name: knowing.strangers(bundle, kept[0], digit, s)
        for name, s in (("choose", choose), ("figures", figures))
    }


def describe(bundle):
    size = sum(f.stat().st_size for f in bundle.folder.iterdir())
    training = bundle.manifest["training"]
    return {
        "id": bundle.id,
        "channels": bundle.m,
        "bytes": size,
        "steps": training["steps"],
        "minutes": 60 * training["hours"],
        "loss": training["loss"],
    }


def install(bundle):
    """Copy a model into the package."""
    to = SHIPPED / "digits"
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(bundle.folder, to)
    Bundle(to)


if __name__ == "__main__":
    main()
