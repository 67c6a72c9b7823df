"""ONNX Runtime sessions of a model, made when first needed.

A session runs from many threads at once, so one ``Graphs`` object serves
all threads of a process.
"""

import os
import threading


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
        self.threads = threads or len(os.sched_getaffinity(0)) \
            if hasattr(os, "sched_getaffinity") \
            else threads or os.cpu_count() or 1
        self._sessions, self._lock = {}, threading.Lock()

    def __reduce__(self):
        return type(self), (self.bundle, self.threads, self.optimise)

    def _session(self, name):
        with self._lock:
            if name not in self._sessions:
                import onnxruntime as ort
                o = ort.SessionOptions()
                o.intra_op_num_threads = self.threads
                o.inter_op_num_threads = 1
                o.log_severity_level = 3
                # An arena keeps the largest tile for ever, in every
                # session, to be 4 % faster; spinning threads burn the
                # cores that other processes want.
                o.enable_cpu_mem_arena = False
                o.add_session_config_entry(
                    "session.intra_op.allow_spinning", "0")
                level = ort.GraphOptimizationLevel
                o.graph_optimization_level = (
                    level.ORT_ENABLE_ALL if self.optimise
                    else level.ORT_DISABLE_ALL)
                self._sessions[name] = ort.InferenceSession(
                    self.bundle.graphs[name], o,
                    providers=["CPUExecutionProvider"])
            return self._sessions[name]

    def run(self, name, **inputs):
        """Outputs of one graph, a list of arrays in the graph's order."""
        return self._session(name).run(None, inputs)
