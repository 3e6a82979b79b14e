"""A run that is asked to stop (a scheduler's preemption) ends after its step, with a checkpoint."""

import signal
import threading
from types import FrameType
from typing import Any

from qontrast.basics.errors import QontrastError

SIGNALS = ("SIGTERM", "SIGUSR1", "SIGXCPU")
"""What schedulers send some time before they kill: SLURM the first (or what ``--signal`` says), Grid Engine all."""


class Stopped(QontrastError):
    """A run that ended early because it was asked to; everything up to its last step is kept."""


class StopRequest:
    """``with StopRequest() as request:`` signals of :data:`SIGNALS` set ``request.asked`` and no longer kill.

    Outside of the main thread signals cannot be caught, and nothing changes.
    """

    def __init__(self) -> None:
        self.asked = ""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                if number is not None:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = signal.Signals(number).name


def ignore_stops(_: int = 0) -> None:
    """Let a loader process live through a signal to the whole group: it ends when its owner tells it to.

    PyTorch gives its workers a handler of their own, which ends them; so this has to be called in the worker.
    """
    for name in (*SIGNALS, "SIGINT"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
