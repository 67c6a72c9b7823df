"""Let the graphs of an older model take many pictures at once.

    python -m codec.training.regraph codec/models/photo

The first exports took one picture at a time; the runtime then feeds a stack
of pictures one by one, which is slow for small ones. Weights and tables
stay as they are, so every symbol keeps its meaning; the model gets a new
id, as its manifest names other files.
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

import onnx

from ..errors import CodecError
from ..model.bundle import Bundle


def batched(data):
    """A graph for n pictures instead of one: bytes to bytes.

    Taking the axis of the batch on and off is left out, and each input and
    output of a picture gets that axis. Other graphs come back as they are.
    """
    model = onnx.load_from_string(data)
    g = model.graph
    edges = [v for v in (*g.input, *g.output)
             if len(v.type.tensor_type.shape.dim) > 2]
    for v in edges:
        shape = v.type.tensor_type.shape
        sizes = [d.dim_param or d.dim_value for d in shape.dim]
        sizes = sizes[1:] if len(sizes) == 4 else sizes
        v.CopyFrom(onnx.helper.make_tensor_value_info(
            v.name, v.type.tensor_type.elem_type, ["n", *sizes]))
    same, nodes = {}, []
    for node in g.node:
        node.input[:] = [same.get(name, name) for name in node.input]
        if node.op_type in ("Squeeze", "Unsqueeze"):
            same[node.output[0]] = node.input[0]
        else:
            nodes.append(node)
    used = {name for node in nodes for name in node.input}
    weights = [w for w in g.initializer if w.name in used]
    for field, kept in ((g.node, nodes), (g.initializer, weights)):
        kept = list(kept)
        del field[:]
        field.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def regraph(folder):
    """Replace the graphs in a model folder; returns the new model id."""
    folder, files = Path(folder), {}
    bundle = Bundle(folder)
    for name, data in bundle.graphs.items():
        files[f"{name}.onnx"] = batched(data)
    manifest = bundle.manifest
    manifest["files"].update({name: hashlib.sha256(data).hexdigest()
                              for name, data in files.items()})
    text = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    files["model.json"] = text
    for name, data in files.items():
        (folder / f"{name}.tmp").write_bytes(data)
    for name in files:
        os.replace(folder / f"{name}.tmp", folder / name)
    return hashlib.sha256(text).hexdigest()[:16]


def main(argv=None):
    parser = argparse.ArgumentParser(
        prog="python -m codec.training.regraph",
        description="Let the graphs of a model take many pictures at once.")
    parser.add_argument("folder", metavar="MODEL")
    try:
        print(regraph(parser.parse_args(argv).folder))
    except (CodecError, OSError) as error:
        print(f"regraph: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
