"""ONNX Runtime sessions of a model, made when first needed.

A session runs from many threads at once, so one ``Graphs`` object serves
all threads of a process.
"""

import functools
import os
import threading


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
            return self._sessions[name]

    def run(self, name, **inputs):
        """Outputs of one graph, a list of arrays in the graph's order."""
        return self._session(name).run(None, inputs)
