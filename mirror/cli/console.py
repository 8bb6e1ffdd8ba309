"""What a run tells while it goes on: bars on a terminal, plain or JSON lines elsewhere."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mirror.cli.failures import Ended
from mirror.cli.options import Format, OutputOptions
from mirror.cli.streams import is_terminal, say
from mirror.events import (
    Advanced,
    Event,
    ImageFailed,
    ItemEnded,
    ItemStarted,
    Listener,
    Noticed,
    PhaseStarted,
    Waiting,
)
from mirror.text import human_size, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_log = logging.getLogger("tkg_mirror")

# Seconds between two lines about progress where there are no bars.
_LINE_EVERY = 5.0
# How items end for which nothing was sent; progress counts what is dealt with.
_NOT_SENT = frozenset({"mounted", "present"})
# Bytes from which an item is shown while it moves: smaller ones are over before one can read.
_SHOWN_FROM = 1024 * 1024


@contextmanager
def listening(options: OutputOptions) -> Iterator[Listener]:
    """A listener for one run; bars only where a person watches and nothing asked for lines."""
    _set_up_log(options)
    watched = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
    if watched and not options.no_progress and options.log_format is Format.TEXT:
        with _bars() as progress, _remembering(Bars(progress)) as listener:
            yield listener
    else:
        with _remembering(Lines(quiet=options.no_progress)) as listener:
            yield listener


@contextmanager
def _remembering(onward: Listener) -> Iterator[Listener]:
    """Add the images that failed to what ends the run: its own result will not be there."""
    failed = list[ImageFailed]()

    def hear(event: Event) -> None:
        if isinstance(event, ImageFailed):
            failed.append(event)
        else:
            onward(event)

    try:
        yield hear
    except BaseException as cause:
        if failed:
            raise Ended(failed) from cause
        raise


class Lines:
    """One line a phase, and one every few seconds while it gets on."""

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._lock = threading.Lock()
        self._start(PhaseStarted("", 0))

    def __call__(self, event: Event) -> None:
        """Log what the event says."""
        if isinstance(event, PhaseStarted):
            self._start(event)
            if event.items:
                _log.info("%s", _headline(event))
        elif isinstance(event, Advanced):
            self._advance(size=event.size)
        else:
            tell(event)
            if isinstance(event, ItemEnded):
                self._advance(items=1, there=event.size if event.status in _NOT_SENT else 0)

    def _start(self, phase: PhaseStarted) -> None:
        with self._lock:
            self._phase, self._items, self._moved, self._there = phase, 0, 0, 0
            self._began = self._said = self._clock()

    def _advance(self, *, size: int = 0, items: int = 0, there: int = 0) -> None:
        with self._lock:
            self._items += items
            self._moved += size
            self._there += there
            now = self._clock()
            if self._quiet or now - self._said < _LINE_EVERY:
                return
            self._said = now
            line = self._line(now)
        _log.info("%s", line)

    def _line(self, now: float) -> str:
        """What is there already needs no time: a run that goes on has the most of it behind it."""
        if not self._phase.size:
            return f"{self._phase.name}: {self._items} of {self._phase.items}"
        rate = self._moved / max(now - self._began, 0.001)
        done = self._moved + self._there
        line = f"{self._phase.name}: {human_size(done)} of {human_size(self._phase.size)}"
        if rate <= 0:
            return line
        left = (self._phase.size - done) / rate
        return f"{line}, {human_size(int(rate))}/s, {left:.0f} s left"


def _headline(phase: PhaseStarted) -> str:
    size = f", {human_size(phase.size)}" if phase.size else ""
    return f"{phase.name}: {phase.items}{size}"


class Bars:
    """One bar for the phase and one for each large blob under way, in this order.

    Of a phase that is over a line stays, above the bars: a release has twenty of them, and where
    the bars need more lines than the terminal has, the last ones are not shown.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._phase: TaskID | None = None
        self._headline = ""
        self._by_bytes = False
        self._items: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        """Show what the event says."""
        with self._lock:
            if isinstance(event, PhaseStarted):
                self._start(event)
            elif isinstance(event, ItemStarted):
                self._begin(event)
            elif isinstance(event, Advanced):
                self._advance(event)
            elif isinstance(event, ItemEnded):
                self._end(event)
        if not isinstance(event, PhaseStarted | Advanced):
            tell(event)

    def _start(self, event: PhaseStarted) -> None:
        if self._phase is not None:
            self._progress.remove_task(self._phase)
            self._phase = None
            _log.info("%s", self._headline)
        if not event.items:
            return
        self._headline = _headline(event)
        self._by_bytes = event.size > 0
        total = event.size if self._by_bytes else event.items
        self._phase = self._progress.add_task(event.name, total=total, unit=self._unit())

    def _begin(self, event: ItemStarted) -> None:
        if event.size >= _SHOWN_FROM:
            name = "  " + printable(event.label, 60)
            self._items[event.key] = self._progress.add_task(name, total=event.size, unit="B")

    def _advance(self, event: Advanced) -> None:
        if self._by_bytes and self._phase is not None:
            self._progress.advance(self._phase, event.size)
        if event.key in self._items:
            self._progress.advance(self._items[event.key], event.size)

    def _end(self, event: ItemEnded) -> None:
        if event.key in self._items:
            self._progress.remove_task(self._items.pop(event.key))
        if self._phase is None:
            return
        if not self._by_bytes:
            self._progress.advance(self._phase, 1)
        elif event.status in _NOT_SENT:
            self._progress.advance(self._phase, event.size)

    def _unit(self) -> str:
        return "B" if self._by_bytes else ""


def tell(event: Event) -> None:
    """Log an event that is not about progress."""
    if isinstance(event, Waiting):
        _log.warning(
            "attempt %d failed, next in %.1f s: %s",
            event.attempt,
            event.pause,
            printable(event.reason),
        )
    elif isinstance(event, Noticed):
        _log.warning("%s", printable(event.text))
    elif isinstance(event, ItemEnded):
        _log.debug("%s %s", event.status, printable(event.label))


class _Stderr(logging.Handler):
    """Writes to whatever standard error is now: bars put something of their own in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record))


class _JsonLines(logging.Formatter):
    """One object a line: time (RFC 3339, UTC), level, message."""

    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        stamp = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{record.msecs:03.0f}Z"
        level, message = record.levelname.lower(), record.getMessage()
        return json.dumps({"time": stamp, "level": level, "message": message}, ensure_ascii=False)


def _set_up_log(options: OutputOptions) -> None:
    """Only this tool's own logger is shown: the HTTP library's would print headers."""
    handler = _Stderr()
    as_json = options.log_format is Format.JSON
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("%(message)s"))
    _log.handlers[:] = [handler]
    _log.propagate = False
    _log.setLevel(options.log_level.upper())


def _bars() -> Progress:
    # Imported here: rich costs 40 ms that a command without a terminal saves.
    from rich.console import Console
    from rich.progress import BarColumn, Progress

    from mirror.cli.columns import Amount, Name, Rate, Remaining

    console = Console(file=sys.stderr, no_color="NO_COLOR" in os.environ or None)
    columns = (Name(), BarColumn(bar_width=20), Amount(), Rate(), Remaining())
    return Progress(*columns, console=console, transient=False)
