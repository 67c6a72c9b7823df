"""``aecompress --view``: the page's server answers the page, and nobody else."""

import http.client
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path

import numpy as np
import pytest
from bench_chromium import PROGRAM, Page
from conformance import cases
from PIL import Image

import codec
from codec.cli.view import Coder, Server, page_files
from codec.container import unpack
from codec.options import DecodeOptions, EncodeOptions

ROOT = Path(__file__).resolve().parent.parent
BAD = ROOT / "tests" / "data" / "bad"
RUN = "import sys; from codec.cli.main import aecompress; sys.exit(aecompress())"
COMMAND = sys.executable, "-c", RUN
PICTURE = cases.FILES / "photo-160x240.in.png"


@pytest.fixture
def server():
    names = [str(PICTURE), str(cases.FILES / "alpha-80x50.aec"), str(BAD / "magic.aec")]
    with Server(Coder(EncodeOptions(), DecodeOptions(), names)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server, path, body=None, **headers):
    """Status, body and what else is said."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    method = "GET" if body is None else "POST"
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = json.loads(urllib.parse.unquote(answer.getheader("X-Said", "{}")))
    found = answer.status, answer.read(), said
    connection.close()
    return found


def test_the_page_and_the_named_files(server):
    top = f"/{server.secret}"
    status, body, _ = ask(server, f"{top}/app/")
    assert status == 200 and b"<title>aecompress</title>" in body
    for name, path in page_files().items():
        assert ask(server, f"{top}/{name}")[1] == path.read_bytes()
    assert b"X-Said" in ask(server, f"{top}/app/backend.js")[1]
    said = json.loads(ask(server, f"{top}/start")[1])
    assert said["files"] == ["photo-160x240.in.png", "alpha-80x50.aec", "magic.aec"]
    assert ask(server, f"{top}/file/0")[1] == PICTURE.read_bytes()


@pytest.mark.parametrize(
    "path, headers, status",
    [
        ("/", {}, 404),
        ("/app/", {}, 404),
        ("/wrong/app/", {}, 404),
        ("/S/../S/app/", {}, 404),
        ("/S/app/../../setup.py", {}, 404),
        ("/S/app/%2e%2e/setup.py", {}, 404),
        ("/S/file/3", {}, 400),
        ("/S/file/x", {}, 400),
        ("/S/file/../0", {}, 400),
        ("/S/app/", {"Host": "example.org"}, 403),
        ("/S/app/", {"Host": "localhost:1"}, 403),
        ("/S/app/", {"Origin": "http://example.org"}, 403),
        ("/S/app/", {"Origin": "null"}, 403),
    ],
)
def test_nobody_else_is_answered(server, path, headers, status):
    path = path.replace("S", server.secret)
    found, body, _ = ask(server, path, **headers)
    assert found == status and b"<html" not in body and b"setup" not in body


def test_it_listens_on_the_loopback_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    with Server(server.coder) as other:
        assert other.secret != server.secret and len(other.secret) >= 32


def test_files_are_those_of_the_codec(server):
    data, top = PICTURE.read_bytes(), f"/{server.secret}"
    status, file, said = ask(server, f"{top}/encode?quality=60&metadata=true", data)
    mine = codec.encode(PICTURE, quality=60)
    assert status == 200 and unpack(file)[2] == unpack(mine)[2]
    assert said["quality"] == 60 and 40 < said["score"] < 90 and 30 < said["psnr"] < 50
    status, png, header = ask(server, f"{top}/decode", file)
    assert status == 200 and (header["width"], header["height"]) == (240, 160)
    with Image.open(io.BytesIO(png)) as image:
        assert np.array_equal(np.asarray(image), codec.decode(file))
    _, small, _ = ask(server, f"{top}/encode?quality=60&size=2000", data)
    assert 1500 < len(small) <= 2000
    for kind in "jpeg", "webp", "avif":
        status, other, said = ask(server, f"{top}/rival?kind={kind}&size=4000", data)
        with Image.open(io.BytesIO(other)) as image:
            assert image.format.lower() == kind and image.size == (240, 160)
        assert status == 200 and 2000 < len(other) <= 4000 and said["score"] < 100
        assert said["time"] > 0


def test_what_is_changed_is_said(server):
    data = (ROOT / "tests" / "data" / "deep" / "rgb16.jp2").read_bytes()
    _, _, said = ask(server, f"/{server.secret}/encode?quality=50", data)
    assert "16 bits" in said["notes"][0]
    _, png, _ = ask(server, f"/{server.secret}/original", data)
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "what, body, error",
    [
        ("decode", (BAD / "flipped-bit.aec").read_bytes(), "FormatError"),
        ("decode", (BAD / "version-3.aec").read_bytes(), "UnsupportedError"),
        ("decode", (BAD / "claims-huge.aec").read_bytes(), "LimitError"),
        ("encode?quality=50", b"no picture", "InputError"),
        ("encode?quality=500", PICTURE.read_bytes(), "InputError"),
        ("encode?quality=50&model=none", PICTURE.read_bytes(), "UnsupportedError"),
        ("encode?quality=50&size=9", PICTURE.read_bytes(), "LimitError"),
    ],
)
def test_errors_have_names_and_the_server_goes_on(server, what, body, error):
    status, said, _ = ask(server, f"/{server.secret}/{what}", body)
    assert status == 422 and json.loads(said)["name"] == error
    assert ask(server, f"/{server.secret}/app/")[0] == 200


@pytest.mark.parametrize("what", ["encode", "rival?kind=gif&size=9", "other", "start"])
def test_senseless_requests_are_refused(server, what):
    assert ask(server, f"/{server.secret}/{what}", PICTURE.read_bytes())[0] == 400


@pytest.mark.skipif(not PROGRAM, reason="no chromium")
def test_in_chromium(server, tmp_path):
    with Page(tmp_path) as page:
        page.call("Page.navigate", url=server.url)
        page.wait("document.documentElement?.dataset.ready === 'yes'")
        page.wait("!document.getElementById('all').disabled")
        rows = page.run("document.getElementById('list').innerText")
        assert "not a picture" in rows and "alpha-80x50.aec" in rows
        page.run(
            "document.getElementById('rival').value = 'avif';"
            "document.getElementById('rival').dispatchEvent(new Event('change'))"
        )
        page.wait("document.querySelectorAll('#figures tr').length === 3")
        assert "AVIF" in page.run("document.getElementById('figures').innerText")


def test_the_command(tmp_path):
    """It opens the browser, and Ctrl-C ends it."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o755)
    command = [*COMMAND, "--view", str(PICTURE)]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "BROWSER": f"{browser} %s"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    line = process.stderr.readline()
    url = re.search(r"http://127\.0\.0\.1:\d+/\S+/app/", line)[0]
    for _ in range(200):
        if opened.exists() and opened.read_text().strip():
            break
        threading.Event().wait(0.1)
    assert opened.read_text().strip() == url
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_a_file_that_is_not_there_is_said_at_once():
    command = [*COMMAND, "--view", "missing.png"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "missing.png: no such file" in done.stderr


def test_the_page_is_in_the_package(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", tmp_path]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    page = tmp_path / "codec" / "cli" / "page"
    found = {str(p.relative_to(page)) for p in page.rglob("*") if p.is_file()}
    assert {n for n in page_files() if n != "app/"} == found
