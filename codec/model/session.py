"""ONNX Runtime sessions of a model, made when first needed.

A session runs from many threads at once, so one ``Graphs`` object serves
all threads of a process.
"""

import functools
import os
import threading

import numpy as np

_MAPS = {"features", "hidden"}  # graph outputs that always have a batch


def _cores():
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _share_arena(ort):
    """One arena for all sessions of the process, grown by what is asked.

    A session of its own would keep its largest tile for ever, and without
    any arena a decoder takes a third longer.
    """
    info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
                             0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(
            info, ort.OrtArenaCfg({"arena_extend_strategy": 1}))
    except Exception:       # the host program has registered one: as good
        pass


class Graphs:
    """The float networks of a model.

    Parameters
    ----------
    bundle : Bundle
    threads : int or None
        Threads inside one call; None: all cores this process may use.
    optimise : bool
        Graph optimisations; False exists for tests.
    """

    def __init__(self, bundle, threads=None, optimise=True):
        self.bundle, self.optimise = bundle, optimise
        self.threads = threads or _cores()
        self._sessions, self._lock = {}, threading.Lock()
        self._shapes = {}

    def __reduce__(self):
        return type(self), (self.bundle, self.threads, self.optimise)

    def _session(self, name):
        with self._lock:
            if name not in self._sessions:
                import onnxruntime as ort
                _share_arena(ort)
                o = ort.SessionOptions()
                o.intra_op_num_threads = self.threads
                o.inter_op_num_threads = 1
                o.log_severity_level = 3
                o.add_session_config_entry(
                    "session.use_env_allocators", "1")
                # Spinning threads burn cores that others want.
                o.add_session_config_entry(
                    "session.intra_op.allow_spinning", "0")
                level = ort.GraphOptimizationLevel
                o.graph_optimization_level = (
                    level.ORT_ENABLE_ALL if self.optimise
                    else level.ORT_DISABLE_ALL)
                self._sessions[name] = ort.InferenceSession(
                    self.bundle.graphs[name], o,
                    providers=["CPUExecutionProvider"])
                self._shapes[name] = {
                    i.name: i.shape
                    for i in self._sessions[name].get_inputs()}
            return self._sessions[name]

    def run(self, name, **inputs):
        """Outputs of one graph, a list of arrays in the graph's order.

        Pictures and latents are (h, w, c), or (n, h, w, c) for n of one
        size, whichever of the two the graph itself takes; features and
        hidden activations are always (n, c, h, w).
        """
        session, shapes = self._session(name), self._shapes[name]
        if any(x.ndim > len(shapes[k]) or shapes[k][0] == 1 < len(x)
               for k, x in inputs.items() if x.ndim > 2):
            return self._one_by_one(session, shapes, inputs)
        added = [k for k, x in inputs.items() if x.ndim == 3 < len(shapes[k])]
        if not added:
            return session.run(None, inputs)
        out = session.run(None, inputs | {k: inputs[k][None] for k in added})
        return [x if o.name in _MAPS else x[0]
                for x, o in zip(out, session.get_outputs())]

    @staticmethod
    def _one_by_one(session, shapes, inputs):
        """A batch through a graph of the first models, which take none."""
        n = next(len(x) for x in inputs.values() if x.ndim == 4)
        outs = [session.run(None, {
            k: x if x.ndim < 3 else x[i:i + 1] if len(shapes[k]) == 4
            else x[i] for k, x in inputs.items()}) for i in range(n)]
        return [np.concatenate(o) if o[0].ndim == 4 else np.stack(o)
                for o in zip(*outs)]
