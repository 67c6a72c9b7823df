"""The page of ``web/app`` for pictures on this machine: ``aecompress --view``.

A server on the loopback gives the page to the browser and codes what the page asks for,
so all of the codec is there: every format, target, effort and model, and the score.
Nothing goes further than the loopback. Other programs and other pages are kept out: the
path has a secret, and the Host header must be the server's own, so that no foreign name
can stand for this address.
"""

import argparse
import hmac
import io
import json
import secrets
import threading
import time
import urllib.parse
import warnings
import webbrowser
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import codec

from .. import picture
from ..errors import CodecError, LimitError
from ..limits import QUALITY
from ..model import find
from ..options import DecodeOptions, EncodeOptions
from ..search.ssimulacra2 import score
from ..search.targets import psnr
from ..types import Picture
from . import files
from .report import Refusal, Report

MAX_SCORED = 16_000_000  # pixels: larger pictures take too long
_HERE = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
_RIVALS: dict[str, dict[str, Any]] = {
    "jpeg": {"format": "JPEG", "optimize": True},
    "webp": {"format": "WEBP"},
    "avif": {"format": "AVIF", "subsampling": "4:4:4", "speed": 6},
}

Answer = tuple[bytes, str, dict[str, Any]]  # body, type, what else there is to say


def _page() -> Path:
    """Where the page's files are: in the package, or in a checkout."""
    packed = _HERE / "page"
    return packed if packed.is_dir() else _HERE.parent.parent / "web"


def page_files() -> dict[str, Path]:
    """The page's files by their path below the secret."""
    found = {f"app/{p.name}": p for p in (_page() / "app").iterdir()}
    found["app/"] = found["app/index.html"]
    found["app/backend.js"] = found["app/local.js"]
    return found | {n: _page() / n for n in ("container.js", "errors.js")}


class Coder:
    """What the page asks for, one thing after the other.

    Parameters
    ----------
    encode : EncodeOptions
        What the page does not say.
    decode : DecodeOptions
    names : list of str
        Files that the page shows when it opens: no others are ever read.
    """

    def __init__(self, encode: EncodeOptions, decode: DecodeOptions, names: list[str]) -> None:
        self.options, self.decoding, self.names = encode, decode, names
        self.lock = threading.Lock()

    def start(self) -> Answer:
        """What there is to choose from."""
        models = find.shipped()
        model = self.options.model
        if model is not None and str(model) not in models:
            models.insert(0, str(model))
        said = {
            "model": models[0] if model is None else str(model),
            "models": models,
            "rivals": list(_RIVALS),
            "quality": self.options.quality or QUALITY,
            "files": [Path(name).name for name in self.names],
        }
        return json.dumps(said).encode(), "application/json", {}

    def file(self, index: int) -> Answer:
        """One of the files that were named."""
        with files.source(self.names[index]) as file:
            return files.take(file), "application/octet-stream", {}

    def _read(self, data: bytes, metadata: bool = True) -> Picture:
        return picture.read(io.BytesIO(data), self.options.max_pixels, metadata)

    def original(self, data: bytes) -> Answer:
        """A picture in a format that browsers show."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # encoding says it
            return _saved(self._read(data)), "image/png", {}

    def encode(self, data: bytes, query: dict[str, str]) -> Answer:
        """A picture's file, and how good it is."""
        size, metadata = int(query.get("size", 0)), query.get("metadata") != "false"
        goal: Any = {"target_size": size} if size else {}
        if not size:
            goal["quality"] = float(query["quality"])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            start = time.perf_counter()
            pic = self._read(data, metadata)
            out = codec.encode(
                pic,
                options=self.options.changed(metadata=metadata),
                model=query.get("model"),
                **goal,
            )
            took = time.perf_counter() - start
        said = {
            "quality": codec.info(out).quality,
            "encoding": took,
            "notes": [str(w.message) for w in told],
            **_scores(pic.pixels, codec.decode(out, options=self.decoding)),
        }
        return out, "application/octet-stream", said

    def decode(self, data: bytes) -> Answer:
        """A file's picture as PNG, and its header."""
        start = time.perf_counter()
        header = codec.info(data)
        pic = codec.Decoder(options=self.decoding).decode_picture(data)
        said = {"decoding": time.perf_counter() - start}
        for name in "width", "height", "quality", "model", "colour":
            said[name] = getattr(header, name)
        return _saved(pic), "image/png", said

    def rival(self, data: bytes, query: dict[str, str]) -> Answer:
        """A picture as another codec's file of at most so many bytes."""
        kind, size = query["kind"], int(query["size"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels = self._read(data).pixels
            quality, out, took = _of_size(picture.to_image(Picture(pixels)), kind, size)
            said = {"quality": quality, "time": took}
            said |= _scores(pixels, self._read(out).pixels)
        return out, f"image/{kind}", said


def _of_size(image: Any, kind: str, size: int) -> tuple[int, bytes, float]:
    """The best quality of at most so many bytes; else the smallest file.

    Returns
    -------
    quality : int
    file : bytes
    took : float
        Seconds for this one file.
    """
    low, high, best = 1, 100, (0, b"", 0.0)
    while low <= high:
        quality = (low + high) // 2
        out, start = io.BytesIO(), time.perf_counter()
        image.save(out, quality=quality, **_RIVALS[kind])
        took = time.perf_counter() - start
        fits = out.tell() <= size
        if fits or not best[0] or len(best[1]) > size:
            best = quality, out.getvalue(), took
        low, high = (quality + 1, high) if fits else (low, quality - 1)
    return best


def _saved(pic: Picture) -> bytes:
    out = io.BytesIO()
    picture.save(pic, out, "PNG")
    return out.getvalue()


def _scores(original: Any, copy: Any) -> dict[str, float]:
    """PSNR and score of two pictures, without their alpha."""
    a, b = (picture.as_rgb(p if p.ndim == 2 else p[..., :3]) for p in (original, copy))
    found = {"psnr": psnr(a, b)}
    if a.shape[0] * a.shape[1] <= MAX_SCORED:
        found["score"] = score(a, b)
    return {name: value for name, value in found.items() if abs(value) < 1e9}


class _Handler(BaseHTTPRequestHandler):
    """Answers to the page, and to nobody else."""

    server: "Server"
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the page says what is wrong."""

    def _path(self) -> str | None:
        """The path below the secret; None, and a refusal, for anyone else."""
        start, _, rest = self.path[1:].partition("/")
        hosts = (f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost"))
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in (allowed := set(hosts)) or (
            origin is not None and origin.removeprefix("http://") not in allowed
        ):
            self._send(403, b"another host", "text/plain")
        elif not hmac.compare_digest(start.encode(), self.server.secret.encode()):
            self._send(404, b"no such page", "text/plain")
        else:
            return rest
        return None

    def _send(self, code: int, body: bytes, kind: str, said: Any = None) -> None:
        self.send_response(code)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        if said:
            self.send_header("X-Said", urllib.parse.quote(json.dumps(said)))
        if code >= 400:  # the rest of a body that is not read must not be a request
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _answer(self, act: Callable[[], Answer]) -> None:
        try:
            with self.server.coder.lock:
                body, kind, said = act()
        except (KeyError, IndexError, ValueError) as error:
            if not isinstance(error, CodecError):
                self._send(400, str(error).encode(), "text/plain")
                return
            self._fail(error)
        except (CodecError, OSError, MemoryError) as error:
            self._fail(error)
        else:
            self._send(200, body, kind, said)

    def _fail(self, error: BaseException) -> None:
        said = {"name": type(error).__name__, "message": str(error) or "out of memory"}
        self._send(422, json.dumps(said).encode(), "application/json")

    def do_GET(self) -> None:
        """The page, and the files that were named."""
        path, coder = self._path(), self.server.coder
        if path is None:
            return
        path, _, _ = path.partition("?")
        if path == "start":
            self._answer(coder.start)
        elif path.startswith("file/"):
            self._answer(lambda: coder.file(int(path[5:])))
        elif path in self.server.files:
            file = self.server.files[path]
            self._send(200, file.read_bytes(), _TYPES.get(file.suffix, "text/plain"))
        else:
            self._send(404, b"no such file", "text/plain")

    def do_POST(self) -> None:
        """What the page wants done."""
        path, coder = self._path(), self.server.coder
        if path is None:
            return
        name, _, text = path.partition("?")
        query = dict(urllib.parse.parse_qsl(text))
        acts: dict[str, Callable[[bytes], Answer]] = {
            "encode": lambda data: coder.encode(data, query),
            "decode": coder.decode,
            "original": coder.original,
            "rival": lambda data: coder.rival(data, query),
        }
        length = self.headers.get("Content-Length", "")
        if name not in acts or not length.isdecimal():
            self._send(400, b"no such request", "text/plain")
        elif int(length) > files.MAX_BYTES:
            self._fail(LimitError(f"larger than {files.MAX_BYTES} bytes"))
        else:
            data = self.rfile.read(int(length))
            self._answer(lambda: acts[name](data))


class Server(ThreadingHTTPServer):
    """The page's server, on a free port of the loopback.

    Parameters
    ----------
    coder : Coder

    Attributes
    ----------
    secret : str
    url : str
        Of the page.
    """

    daemon_threads = True

    def __init__(self, coder: Coder) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.coder, self.secret = coder, secrets.token_urlsafe(24)
        self.files = page_files()
        self.url = f"http://127.0.0.1:{self.server_port}/{self.secret}/app/"


def view(options: argparse.Namespace, report: Report) -> None:
    """Serve the page and open it, until Ctrl-C.

    Parameters
    ----------
    options : argparse.Namespace
    report : Report
        Told of files that cannot be read, which the page goes without.
    """
    names = []
    for job in options.jobs:
        try:
            with files.source(job.src):
                names.append(job.src)
        except (OSError, CodecError, Refusal) as error:
            report.error(job.src, error)
    if options.jobs and not names:
        return
    with Server(Coder(options.encode, options.decode, names)) as server:
        report.say(None, f"the page is at {server.url} until Ctrl-C")
        threading.Timer(0.1, webbrowser.open, [server.url]).start()
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass
