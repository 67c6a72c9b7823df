"""The engine of ``codec.model.session`` as WebAssembly in Node.

``use()`` puts it in place of onnxruntime: the decoder then runs as it is,
and every product and convolution in it runs in onnxruntime-web.
"""

import json
import pathlib
import struct
import subprocess
import threading

import numpy as np

from codec.model import session

SERVER = pathlib.Path(__file__).with_suffix(".mjs")


class Node:
    """A Node process that runs graphs; see wasm.mjs."""

    def __init__(self, modules):
        self.process = subprocess.Popen(
            ["node", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=modules
        )
        self.lock = threading.Lock()  # slabs' threads share the process
        self.version = self._receive()[0]["ready"]

    def _take(self, n):
        data = self.process.stdout.read(n)
        if len(data) < n:
            raise OSError("node went away")
        return data

    def _receive(self):
        head = json.loads(self._take(struct.unpack("<I", self._take(4))[0]))
        if "error" in head:
            raise RuntimeError(head["error"])
        return head, [
            np.frombuffer(self._take(o["bytes"]), o["type"]).reshape(o["dims"])
            for o in head.get("outputs", ())
        ]

    def run(self, graph, path, inputs):
        parts = {n: np.ascontiguousarray(a) for n, a in inputs.items()}
        head = json.dumps(
            {
                "graph": graph,
                "path": str(path),
                "inputs": [
                    {
                        "name": n,
                        "type": a.dtype.name,
                        "dims": a.shape,
                        "bytes": a.nbytes,
                    }
                    for n, a in parts.items()
                ],
            }
        ).encode()
        pipe = self.process.stdin
        with self.lock:
            pipe.write(struct.pack("<I", len(head)) + head)
            for a in parts.values():
                pipe.write(a.tobytes())
            pipe.flush()
            return self._receive()[1]


def use(modules):
    """Let all graphs run in Node; returns the version of the engine.

    Parameters
    ----------
    modules : path-like
        Folder whose ``node_modules`` holds onnxruntime-web.
    """
    node = Node(modules)

    class Session:
        def __init__(self, name, path, modulation):
            self.name, self.path, self.fixed = name, path, {}
            if modulation is not None:
                self.fixed["modulation"] = modulation

        def run(self, _, inputs):
            return node.run(self.name, self.path, inputs | self.fixed)

    session.Graphs._session = lambda self, name, modulation=None: Session(
        name, self.bundle.folder / f"{name}.onnx", modulation
    )
    return node.version
