"""A real Chromium, driven over its DevTools pipe: real input, no library.

Messages are JSON ended by a zero byte, read by Chromium from descriptor 3
and written to 4.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import time

PROGRAM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or (shutil.which("google-chrome"))
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
    "about:blank",
)


class Page:
    """One page of a fresh Chromium; a context manager.

    Parameters
    ----------
    profile : path-like
        An empty folder.
    """

    def __init__(self, profile, timeout=120):
        self.timeout = timeout
        read_in, self.write_in = os.pipe()
        self.read_out, write_out = os.pipe()

        def place():
            # Copies first, as one end may already be a 3 or a 4.
            high = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read_in, write_out)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(
            [PROGRAM, f"--user-data-dir={profile}", *FLAGS],
            preexec_fn=place,
            pass_fds=(3, 4),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_in)
        os.close(write_out)
        self.ids, self.buffer, self.session = itertools.count(1), b"", None
        self.problems = []
        target = next(
            one for one in self.call("Target.getTargets")["targetInfos"] if one["type"] == "page"
        )["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.write_in)
        self.process.terminate()
        self.process.wait(30)
        os.close(self.read_out)

    def call(self, method, **params):
        """One command; what the page complains of meanwhile is kept."""
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_in, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + self.timeout
        while True:
            answer = self._next(end, method)
            self._listen(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self, end, method):
        while b"\0" not in self.buffer:
            left = end - time.monotonic()
            ready = left > 0 and select.select([self.read_out], [], [], left)
            assert ready and ready[0], f"Chromium does not answer {method}"
            piece = os.read(self.read_out, 1 << 20)
            assert piece, "Chromium went away"
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(line)

    def _listen(self, answer):
        params = answer.get("params", {})
        if answer.get("method") == "Runtime.exceptionThrown":
            self.problems.append(str(params["exceptionDetails"]))
        elif answer.get("method") == "Runtime.consoleAPICalled":
            self.problems.append(str(params["args"]))
        elif answer.get("method") == "Log.entryAdded":
            self.problems.append(params["entry"]["text"])

    def open(self, path, width, height, phone=False, dark=False):
        """Show a file at a size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        self.call("Emulation.setTouchEmulationEnabled", enabled=phone)
        self.call(
            "Emulation.setEmulatedMedia",
            features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
                {"name": "prefers-reduced-motion", "value": "reduce"},
            ],
        )
        self.call("Page.navigate", url=f"file://{path}")
        self.wait("document.readyState === 'complete'")

    def run(self, script):
        """Value of a script in the page."""
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, condition):
        """Until a script is true."""
        end = time.monotonic() + self.timeout
        while not self.run(condition):
            assert time.monotonic() < end, f"never true: {condition}"
            time.sleep(0.05)

    def spot(self, selector, fx=0.5, fy=0.5):
        """Scroll an element into view; a point inside of it."""
        found = f"document.querySelector({json.dumps(selector)})"
        box = self.run(
            f"(() => {{ const e = {found};"
            "e.scrollIntoView({block: 'center'});"
            "const b = e.getBoundingClientRect();"
            "return [b.x, b.y, b.width, b.height]; })()"
        )
        return box[0] + fx * box[2], box[1] + fy * box[3]

    def drag(self, start, end):
        """Mouse down, move, up."""
        for kind, (x, y) in (
            ("mousePressed", start),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=x,
                y=y,
                button="left",
                buttons=1,
                clickCount=1,
            )

    def click(self, selector):
        """Mouse down and up on an element."""
        at = self.spot(selector)
        self.drag(at, at)

    def touch(self, *steps):
        """Fingers: each step is a list of points; none lifts them."""
        for kind, points in zip(["touchStart"] + ["touchMove"] * (len(steps) - 1), steps):
            self.call(
                "Input.dispatchTouchEvent",
                type=kind,
                touchPoints=[{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)],
            )
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, name, code=0):
        """One key press."""
        text = {"text": name} if len(name) == 1 else {}
        self.call(
            "Input.dispatchKeyEvent",
            type="keyDown",
            key=name,
            windowsVirtualKeyCode=code,
            **text,
        )
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def screenshot(self, path):
        """The whole page as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
