"""The progress bar: one line on a terminal, redrawn in place."""

import sys
import time

_WAIT_S = 0.5  # what is done by then needs no bar
_EVERY_S = 0.1


class Bar:
    """How far the whole run is.

    The measure is bytes of input, since pixels are known only once a file is
    open.

    Parameters
    ----------
    sizes : list of int
        Bytes of each input.
    on : bool
        Whether anything is drawn.
    """

    def __init__(self, sizes: list[int], on: bool) -> None:
        self.sizes, self.on = sizes, on and bool(sizes)
        self.total = max(1, sum(sizes))
        self.started = self.drawn = time.monotonic()
        self.drawn += _WAIT_S - _EVERY_S
        self.n = self.bytes = self.pixels = 0
        self.shares: dict[int, tuple[float, float]] = {}
        self.shown = False

    def update(self, index: int, share: float, pixels: int) -> None:
        """Job ``index``, of so many pixels, is done to a share 0..1."""
        self.shares[index] = share, share * pixels
        self.draw()

    def finish(self, index: int, pixels: int) -> None:
        """Job ``index`` is over."""
        self.shares.pop(index, None)
        self.n += 1
        self.bytes += self.sizes[index] if self.on else 0
        self.pixels += pixels
        self.draw()

    def draw(self) -> None:
        """Draw, unless that was done a moment ago."""
        now = time.monotonic()
        if not self.on or now - self.drawn < _EVERY_S:
            return
        self.drawn = now
        from shutil import get_terminal_size  # it is slow to load

        width = get_terminal_size().columns
        self._put("\r" + self.text(now - self.started, width)[: width - 1] + "\x1b[K")
        self.shown = True

    def text(self, seconds: float, width: int = 80) -> str:
        """The line after so many seconds."""
        done = self.bytes + sum(self.sizes[i] * share for i, (share, _) in self.shares.items())
        pixels = self.pixels + sum(n for _, n in self.shares.values())
        share = min(1, done / self.total)
        left = seconds * (1 - share) / share if share else None
        cells = max(5, min(30, width - 60))
        full = int(share * cells)
        return (
            f"[{'#' * full}{'-' * (cells - full)}] {share:4.0%}  "
            + (f"{self.n}/{len(self.sizes)} files  " if len(self.sizes) > 1 else "")
            + (f"{pixels / seconds / 1e6:.1f} MP/s  " if pixels else "")
            + (f"{clock(left)} left" if left is not None else "")
        )

    def clear(self) -> None:
        """Make room for a message."""
        if self.shown:
            self._put("\r\x1b[K")
            self.shown = False
            self.drawn = 0

    def _put(self, text: str) -> None:
        try:
            sys.stderr.write(text)
            sys.stderr.flush()
        except (OSError, ValueError):
            self.on = self.shown = False


def clock(seconds: float) -> str:
    """Seconds as 0:05 or 1:02:03."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"
