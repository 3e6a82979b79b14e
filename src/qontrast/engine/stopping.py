"""A run that is asked to stop (a scheduler's preemption) ends after its step, with a checkpoint."""

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
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


def apart_from_signals(_: int = 0) -> None:
    """Let a loader process live through a signal to the group of its owner, who ends it in its own time.

    Schedulers and terminals signal whole groups. PyTorch's workers end by SIGTERM, and have to, or their owner could
    not end them; so they leave the group.
    """
    if hasattr(os, "setsid"):
        with suppress(OSError):  # it leads a group already
            os.setsid()


def end_with(parent: int) -> None:
    """End this process with its parent, on Linux: an orphan would work on beside the next run.

    Args:
        parent: the process that started this one.
    """
    if not sys.platform.startswith("linux"):
        return
    set_death_signal = 1  # PR_SET_PDEATHSIG of sys/prctl.h
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # killed in between
        os._exit(1)
