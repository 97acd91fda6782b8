"""Remember stop signals for loops that check between steps."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class StopSignal:
    """Set by the first of these signals and never cleared.

    A handler can interrupt anything, even another handler, so it only stores a flag: it raises nothing and takes no
    lock. (threading.Event takes one, and the second of two signals would wait for the first for ever.)
    """

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)

    def __init__(self) -> None:
        self.is_set = False
        self._wakeup: int | None = None

    def listen(self) -> None:
        """Handle the stop signals of this process from now on."""
        self._wakeup, written = os.pipe()
        os.set_blocking(self._wakeup, False)
        os.set_blocking(written, False)
        # The interpreter writes here before it runs a handler, so that wait() cannot sleep through a signal.
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        for number in self.signals:
            signal.signal(number, self._handle)

    def wait(self, seconds: float) -> bool:
        """Wait, but return early when a signal comes. Return whether one has come so far."""
        if not self.is_set and self._wakeup is not None and select.select([self._wakeup], [], [], seconds)[0]:
            os.read(self._wakeup, 4096)
        return self.is_set

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True
