"""Millions of pictures on a Dask cluster.

    from distributed import Client
    from codec.plugins import dask

    with Client("tcp://scheduler:8786") as client:
        summary = dask.compress(client, names, "s3://bucket/out")

A task is one picture. Workers load the model once. An output lands whole or
not at all, and never in the place of one that is there: so a run that ended
early is resumed by starting it again, and a task that Dask repeats because
its worker was killed writes nothing twice. What fails is collected and does
not stop the run. Paths must mean the same to every worker.

Dask's dashboard shows the tasks as ``aecompress`` and ``aedecompress``, with
the seconds of reading, coding and writing among the fine metrics; pixels and
bytes of each task are events of the same name.
"""

import contextlib
import dataclasses
import io
import itertools
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Unpack

try:
    import distributed
    from distributed.metrics import context_meter
except ImportError as error:
    raise ImportError("codec.plugins.dask needs dask: pip install dask distributed") from error

from .. import api, picture
from ..decoder import Decoder
from ..errors import ConversionNote, ConversionWarning, EffortWarning, InputError
from ..io import atomic, urls
from ..options import DecodeFields, DecodeOptions, EncodeFields, EncodeOptions

COMPRESS, DECOMPRESS = "aecompress", "aedecompress"
DONE, THERE, FAILED = "done", "there", "failed"
_heard, _listening = threading.local(), threading.Lock()
_AHEAD = 4  # tasks per thread that wait: enough to keep all busy


@dataclasses.dataclass(frozen=True)
class Task:
    """What every picture of a run is done to; travels with each task.

    Attributes
    ----------
    options : EncodeOptions or DecodeOptions
        Which also says whether to compress. If ``threads`` is None, one: a
        cluster has a task per thread to keep all cores busy.
    format : str or None
        Of the pictures written, as Pillow names it; None: by extension.
    replace : bool
        Replace outputs that are there. A repeated task then writes again.
    """

    options: EncodeOptions | DecodeOptions
    format: str | None = None
    replace: bool = False

    @property
    def kind(self) -> str:
        """Name of the tasks, as Dask's dashboard shows it."""
        return COMPRESS if isinstance(self.options, EncodeOptions) else DECOMPRESS


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one picture.

    Attributes
    ----------
    src, dst : str
    state : {"done", "there", "failed"}
        "there": the output was there before.
    error : str
    pixels, n_in, n_out : int
        Pixels, bytes read, bytes written.
    seconds : float
    warnings, notes : tuple of str
        What was converted or left out; what there is to know.
    """

    src: str
    dst: str
    state: str
    error: str = ""
    pixels: int = 0
    n_in: int = 0
    n_out: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclasses.dataclass
class Summary:
    """What became of a run.

    Attributes
    ----------
    done, there : int
        Outputs written now, and those that were there before.
    failed : dict of str to str
        Error by name of the input.
    warned : dict of str to str
        What was converted or left out, by name of the input.
    pixels, n_in, n_out : int
    seconds : float
        From start to end.
    """

    done: int = 0
    there: int = 0
    failed: dict[str, str] = dataclasses.field(default_factory=dict)
    warned: dict[str, str] = dataclasses.field(default_factory=dict)
    pixels: int = 0
    n_in: int = 0
    n_out: int = 0
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        """Count one result."""
        if result.state == FAILED:
            self.failed[result.src] = result.error
        elif result.state == DONE:
            self.done += 1
        else:
            self.there += 1
        if result.warnings:
            self.warned[result.src] = "; ".join(result.warnings)
        self.pixels += result.pixels
        self.n_in += result.n_in
        self.n_out += result.n_out


def compress(
    client: distributed.Client,
    sources: Iterable[str | os.PathLike[str]],
    folder: str | None = None,
    *,
    top: str | None = None,
    replace: bool = False,
    options: EncodeOptions = EncodeOptions(),
    **fields: Unpack[EncodeFields],
) -> Summary:
    """Compress pictures to ``.aec`` files.

    Parameters
    ----------
    client : distributed.Client
    sources : iterable of str
        Paths or URLs; taken as they are needed.
    folder : str, optional
        Path or URL to write to; default: beside each source.
    top : str, optional
        What is below it is repeated below ``folder``.
    replace : bool
        As of `Task`.
    options : EncodeOptions, optional
    **fields
        Fields of `EncodeOptions`, in place of those of ``options``.

    Returns
    -------
    Summary
    """
    task = Task(options.changed(**fields), replace=replace)
    return _all(client, task, sources, ".aec", folder, top)


def decompress(
    client: distributed.Client,
    sources: Iterable[str | os.PathLike[str]],
    folder: str | None = None,
    *,
    top: str | None = None,
    extension: str = "png",
    replace: bool = False,
    options: DecodeOptions = DecodeOptions(),
    **fields: Unpack[DecodeFields],
) -> Summary:
    """Turn ``.aec`` files back into pictures; parameters as of `compress`.

    Parameters
    ----------
    extension : str
        Of the pictures; tells their format.
    options : DecodeOptions, optional
    **fields
        Fields of `DecodeOptions`, in place of those of ``options``.
    """
    task = Task(options.changed(**fields), replace=replace)
    return _all(client, task, sources, "." + extension.lstrip("."), folder, top)


def _all(
    client: distributed.Client,
    task: Task,
    sources: Iterable[str | os.PathLike[str]],
    suffix: str,
    folder: str | None,
    top: str | None,
) -> Summary:
    start, summary = time.monotonic(), Summary()
    jobs = (
        (src, _target(src, suffix, folder, top))
        for src in (os.fspath(source) for source in sources)
    )
    for _, result in run(client, jobs, task):
        summary.add(result)
    summary.seconds = time.monotonic() - start
    return summary


def _target(src: str, suffix: str, folder: str | None, top: str | None) -> str:
    return absolute(urls.target(src, suffix, folder, top))


def run(
    client: distributed.Client, jobs: Iterable[tuple[str, str]], task: Task
) -> Iterator[tuple[int, Result]]:
    """Run tasks on a cluster, a few ahead of the workers.

    Parameters
    ----------
    client : distributed.Client
    jobs : iterable of (str, str)
        Input and output; may be endless, as it is taken step by step.
    task : Task

    Yields
    ------
    index : int
        Of the job.
    result : Result
        As tasks end.
    """
    todo = enumerate((absolute(src), dst) for src, dst in jobs)
    token = f"{task.kind}-{os.urandom(8).hex()}"
    futures = {}

    def submit(n: int) -> list[Any]:
        found = []
        for index, job in itertools.islice(todo, n):
            future = client.submit(one, job, task, key=f"{token}-{index}", pure=False)
            futures[future] = index, job
            found.append(future)
        return found

    def ahead() -> int:
        threads = sum(client.nthreads().values())
        return max(1, _AHEAD * threads - len(futures))

    ended = distributed.as_completed(submit(ahead()), loop=client.loop)
    for future in ended:
        index, (src, dst) = futures.pop(future)
        try:
            result = future.result()
        except Exception as error:  # its workers were killed, each time
            result = Result(src, dst, FAILED, f"{type(error).__name__}: {error}")
        future.release()
        yield index, result
        for new in submit(ahead()):
            ended.add(new)


def absolute(name: str) -> str:
    """A name that means the same in another working directory."""
    return name if urls.is_url(name) else os.path.abspath(name)


def one(job: tuple[str, str], task: Task) -> Result:
    """One task, on a worker.

    Parameters
    ----------
    job : (str, str)
    task : Task

    Returns
    -------
    Result
    """
    (src, dst), start = job, time.monotonic()
    try:
        if not task.replace and _exists(dst):
            return Result(src, dst, THERE)
        options = task.options.changed(threads=task.options.threads or 1)
        with context_meter.meter("read"):
            with urls.open_anywhere(src) as file:
                data = file.read()
        with context_meter.meter("code"), _hearing() as heard:
            if isinstance(options, EncodeOptions):
                out, pixels = _compress(data, options)
            else:
                out, pixels = _decompress(data, dst, task.format, options)
        with context_meter.meter("write"):
            landed = _land(src, dst, out, task.replace)
    except Exception as error:
        name = "" if str(error) else type(error).__name__
        return Result(src, dst, FAILED, f"{error}{name}", seconds=time.monotonic() - start)
    result = Result(
        src,
        dst,
        DONE if landed else THERE,
        "",
        pixels,
        len(data),
        len(out),
        time.monotonic() - start,
        tuple(str(w) for w in heard if not isinstance(w, ConversionNote)),
        tuple(str(w) for w in heard if isinstance(w, ConversionNote)),
    )
    with contextlib.suppress(ValueError):  # not on a worker
        distributed.get_worker().log_event(task.kind, dataclasses.asdict(result))
    return result


@contextlib.contextmanager
def _hearing() -> Iterator[list[Warning]]:
    """What is told in this thread of a worker; the others have lists of their own.

    The standard library's ``catch_warnings`` is of the whole process.
    """
    _heard.list = []
    with _listening:
        for kind in (ConversionWarning, EffortWarning):
            warnings.simplefilter("always", kind)
        if not isinstance(warnings.showwarning, _Listener):
            listener: Any = _Listener(warnings.showwarning)
            warnings.showwarning = listener
    try:
        yield _heard.list
    finally:
        del _heard.list


class _Listener:
    """Hears the warnings of threads that listen, and passes others on."""

    def __init__(self, show: Callable[..., None]) -> None:
        self.show = show

    def __call__(self, message: Warning | str, category: type[Warning], *more: Any) -> None:
        if hasattr(_heard, "list") and isinstance(message, (ConversionWarning, EffortWarning)):
            _heard.list.append(message)
        else:
            self.show(message, category, *more)


def _compress(data: bytes, options: EncodeOptions) -> tuple[bytes, int]:
    pic = picture.read(io.BytesIO(data), options.max_pixels, options.metadata)
    height, width = pic.pixels.shape[:2]
    return api.encode(pic, options=options), width * height


def _decompress(
    data: bytes, dst: str, kind: str | None, options: DecodeOptions
) -> tuple[bytes, int]:
    pic = Decoder(options=options).decode_picture(data)
    out = io.BytesIO()
    picture.save(pic, out, kind or picture.format_of(dst.split("::")[0]))
    height, width = pic.pixels.shape[:2]
    return out.getvalue(), width * height


def _exists(dst: str) -> bool:
    return urls.exists(dst) if urls.is_url(dst) else os.path.lexists(dst)


def _land(src: str, dst: str, data: bytes, replace: bool) -> bool:
    """Write an output; False if another task was first."""
    if urls.is_url(dst):
        if not replace and urls.exists(dst):
            return False
        urls.write(dst, data)
        return True
    os.makedirs(os.path.dirname(dst), exist_ok=True)
    try:
        atomic.write(dst, data, exclusive=not replace, like=src)
    except FileExistsError:
        return False
    return True


def connect(address: str) -> distributed.Client:
    """A client of a scheduler.

    Raises
    ------
    InputError
        None answers at this address.
    """
    try:
        return distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"no scheduler at {address}: {error}") from error
