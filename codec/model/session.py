"""ONNX Runtime sessions of a model, made when first needed.

A session runs from many threads at once, so one ``Graphs`` object serves
all threads of a process. A forked child makes sessions of its own (`forks`).

The engine neither writes to standard output nor reports anything to its
makers (``codec/__init__.py``); what it says is told by our exceptions.
"""

import collections
import functools
import re
import sys
import weakref
from typing import Any

from ..errors import LimitError, ModelError, UnsupportedError
from ..limits import cores
from ..types import Array
from . import forks
from .bundle import Bundle
from .part import constant, end_of, inputs_of, part_of, squares_of

# Sessions of a graph that are kept, each for one quality: 6 MB and 5 to 10 ms.
QUALITIES = 4
# Of synthesis_gradient; the engine refuses an empty batch of probes (until 1.31).
# With "synthesis", what every model has.
DECODING = "exact", "features", "mean"
PARTS = "synthesis_error", "synthesis_descent", "synthesis_slopes"
# What makes pixels of the last convolutions, as `codec.training.graph.Graph.pixels`
# writes it (`end_of`): rounding, and what `codec.symbols.core.pixels` does.
_PIXELS = "79cf75fb0c2cbcda"
CPU = "CPUExecutionProvider"
GPUS = (  # the engine's providers that "gpu" may mean, the first that is there
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "ROCMExecutionProvider",
    "DmlExecutionProvider",
    "CoreMLExecutionProvider",
    "WebGpuExecutionProvider",
)
_FATAL = 4  # the engine's errors come as exceptions as well
# Threads, too, are refused where memory ends.
_NO_MEMORY = re.compile("bad_alloc|ailed to allocate|pthread_create failed|failed to map")
_graphs: "weakref.WeakSet[Graphs]" = weakref.WeakSet()


@functools.cache
def _engine() -> Any:
    """onnxruntime, quiet, with an arena for all sessions of the process."""
    is_ours = "onnxruntime" not in sys.modules
    import onnxruntime as ort

    ort.disable_telemetry_events()  # the host program may have started it
    if is_ours:
        ort.set_default_logger_severity(_FATAL)
    _share_arena(ort)
    return ort


def _share_arena(ort: Any) -> None:
    """One arena for all sessions of the process, grown by what is asked.

    A session of its own would keep its largest tile for ever, and without
    any arena a decoder takes a third longer.
    """
    info = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    try:
        ort.create_and_register_allocator(info, ort.OrtArenaCfg({"arena_extend_strategy": 1}))
    except Exception:  # the host program has registered one: as good
        pass


def provider_of(name: str | None) -> str:
    """The execution provider that is meant.

    Parameters
    ----------
    name : str or None
        One of the engine's names, "gpu" for the first of `GPUS` that is
        there, "cpu" or None.

    Raises
    ------
    UnsupportedError
        The installed engine does not have it.
    """
    if name in (None, "cpu", CPU):
        return CPU
    there = _engine().get_available_providers()
    for wanted in GPUS if name == "gpu" else (name,):
        if wanted in there:
            return wanted
    raise UnsupportedError(
        f"the onnxruntime that is installed has no {name} (it has "
        f"{', '.join(there)}); another build of it may, such as onnxruntime-gpu",
        name,
    )


class Graphs:
    """The float networks of a model.

    Parameters
    ----------
    bundle : Bundle
    threads : int or None
        Threads inside one call; None: all cores this process may use.
    optimise : bool
        Graph optimisations; False exists for tests.
    provider : str or None
        As of `provider_of`; what is exact runs on the CPU whatever it is.
    """

    def __init__(
        self,
        bundle: Bundle,
        threads: int | None = None,
        optimise: bool = True,
        provider: str | None = None,
    ) -> None:
        self.bundle, self.optimise = bundle, optimise
        self.provider = provider_of(provider)
        self.threads = threads or cores()
        self._sessions: dict[str, collections.OrderedDict[bytes | None, Any]]
        self._sessions = collections.defaultdict(collections.OrderedDict)
        self._lock = forks.Lock()
        _graphs.add(self)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.bundle, self.threads, self.optimise, self.provider)

    def _session(self, name: str, modulation: Array | None = None) -> Any:
        """Of a graph, at a quality: what that changes is then worked out."""
        key = None if modulation is None else modulation.tobytes()
        with self._lock:
            made = self._sessions[name]
            if key not in made:
                ort = _engine()
                o = ort.SessionOptions()
                o.intra_op_num_threads = self.threads
                o.inter_op_num_threads = 1
                o.log_severity_level = _FATAL
                o.add_session_config_entry("session.use_env_allocators", "1")
                # Threads wait busily between the steps of a call, which are short,
                # and sleep after it: then they would burn cores that others want.
                o.add_session_config_entry("session.force_spinning_stop", "1")
                level = ort.GraphOptimizationLevel
                o.graph_optimization_level = (
                    level.ORT_ENABLE_ALL if self.optimise else level.ORT_DISABLE_ALL
                )
                provider = CPU if name.startswith("exact") else self.provider
                model = self._model(name)
                made[key] = ort.InferenceSession(
                    model if modulation is None else constant(model, "modulation", modulation),
                    o,
                    providers=[provider] if provider == CPU else [provider, CPU],
                    enable_fallback=0,  # it would print to standard output
                )
                if made[key].get_providers()[0] != provider:
                    del made[key]
                    raise UnsupportedError(f"{provider} does not start on this machine", provider)
                while len(made) > QUALITIES:
                    made.popitem(last=False)
            made.move_to_end(key)
            return made[key]

    @property
    def is_parted(self) -> bool:
        """Whether the gradient runs without probes: in graphs as of today."""
        model = self.bundle.graphs["synthesis_gradient"]
        (joined,) = inputs_of(model, "gradient")
        return len(inputs_of(model, joined)) > 1

    @functools.cached_property
    def squares(self) -> bytes | None:
        """The synthesis up to its last convolutions, if `core.pixels` may lay out theirs.

        It does so in a fraction of the time; not what a GPU would have to hand over.
        """
        model = self.bundle.graphs.get("synthesis", b"")
        try:
            values, rounding, digest = end_of(model, "pixels", "Concat")
            is_known = self.provider == CPU and digest == _PIXELS and len({*values}) == 4
            return squares_of(model, values, rounding) if is_known else None
        except ValueError:  # which the engine will say as well
            return None

    def _model(self, name: str) -> bytes:
        if name == "squares" and self.squares:
            return self.squares
        graph = "synthesis_gradient" if name in PARTS else name
        decoding = graph == "synthesis" or graph.startswith(DECODING)
        if graph not in self.bundle.graphs and decoding:
            raise ModelError(f"model: graph {graph} is missing")
        if graph not in self.bundle.graphs:
            raise UnsupportedError(
                f"model {self.bundle.id} has no {graph} here; no decoder needs it",
                self.bundle.id,
            )
        model = self.bundle.graphs[graph]
        if name == "synthesis_error":
            model = part_of(model, "error")
        elif name in PARTS:
            # Slopes of the error come first and are joined with those of probes.
            (joined,) = inputs_of(model, "gradient")
            error, probes = inputs_of(model, joined)
            if name == "synthesis_slopes":
                model = part_of(model, probes)
            else:
                model = part_of(model, "error", error)
        return model

    def run(self, name: str, modulation: Array | None = None, **inputs: Array) -> list[Array]:
        """Outputs of one graph, a list of arrays in the graph's order.

        Three parts of ``synthesis_gradient`` are graphs of their own:
        ``synthesis_error`` makes the error, ``synthesis_descent`` the error
        and its slope, without probes, and ``synthesis_slopes`` takes probes
        back. ``squares`` is of the synthesis, where `squares` is not None. What
        quality changes in a graph, ``modulation``, is an input of it as well, but one
        that sessions are made for: another one takes as long as a small picture.

        Pictures and latents are (h, w, c), or (n, h, w, c) for n of one
        size (but for gradients and errors, of one), and so are features;
        means are (positions, c).

        Raises
        ------
        LimitError
            The engine gets no memory.
        UnsupportedError
            The model is here for decoding only, and lacks the graph.
        ModelError
            The graph does not run, or gives something else than
            docs/format.md, section 9, says.
        """
        one = name not in ("synthesis_gradient", *PARTS) and any(
            x.ndim == 3 for x in inputs.values()
        )
        if one:
            inputs = {k: x[None] if x.ndim == 3 else x for k, x in inputs.items()}
        try:
            with forks.engine_call:
                out = self._session(name, modulation).run(None, inputs)
        except (MemoryError, UnsupportedError):
            raise
        except Exception as e:  # of many types, from the engine
            if _NO_MEMORY.search(str(e)):
                raise LimitError("not enough memory for this picture") from e
            raise ModelError(f"model: graph {name} does not run: {e}") from e
        wanted = _outputs(name, inputs, self.bundle)
        if len(out) != len(wanted) or not all(map(_fits, out, wanted)):
            raise ModelError(f"model: graph {name} gives another output than the format says")
        return [x[0] if one and x.ndim == 4 else x for x in out]


@forks.on_child
def _forget_sessions() -> None:
    """Leave the parent's sessions alone: their threads are not here."""
    for graphs in list(_graphs):
        for made in graphs._sessions.values():
            for session in made.values():
                forks.keep_for_ever(session)
        graphs._sessions.clear()


def _outputs(
    name: str, inputs: dict[str, Array], b: Bundle
) -> list[tuple[str, tuple[int | None, ...]]]:
    """Type and shape of each output; None is any size."""
    n, *first = next(iter(inputs.values())).shape
    if name == "synthesis_slopes":
        return [("f4", (len(inputs["probes"]), *inputs["latent"].shape))]
    if name in ("synthesis_gradient", *PARTS):
        shape = inputs["latent"].shape
        error = "f4", shape[:2]
        gradient = "f4", (1 + len(inputs.get("probes", ())), *shape)
        return [error] if name == "synthesis_error" else [error, gradient]
    if name == "analysis":
        n, h, w, _ = inputs["pixels"].shape
        return [("f4", (n, h // 16, w // 16, b.m))]
    if name == "synthesis":
        n, h, w, _ = inputs["latent"].shape
        return [("u1", (n, 16 * h, 16 * w, 3))]
    if name == "squares":
        n, h, w, _ = inputs["latent"].shape
        return [("u1", (n, 2 * h + 1, 2 * w + 1, 48))] * 4
    if name == "hyper_analysis":
        return [("f4", (n, first[0] // 4, first[1] // 4, b.nz))]
    if name == "features":
        return [("f4", (n, 4 * first[0], 4 * first[1], None))]
    if name.startswith("mean"):
        return [
            (
                "f4",
                (len(inputs["at"]), b.k if name in ("mean0", "mean1") else b.m - b.k),
            )
        ]
    if name.startswith("exact_rows"):
        return [("u1", inputs["base"].shape)]
    return [("f4", (len(inputs["x"]), inputs["w"].shape[1]))]


def _fits(a: Array, wanted: tuple[str, tuple[int | None, ...]]) -> bool:
    kind, shape = wanted
    return (
        a.dtype == kind
        and a.ndim == len(shape)
        and all(w in (None, n) for n, w in zip(a.shape, shape))
    )
