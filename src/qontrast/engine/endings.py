"""Why a training ended before its last step, in words that say what to do."""

import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from qontrast.basics.errors import QontrastError
from qontrast.engine.stopping import Stopped

GONE = re.compile(r"gloo|nccl|\bpeer\b|connection|timed? ?out|TCPStore", re.IGNORECASE)
"""What errors say when another process has gone."""


@dataclass(frozen=True)
class Where:
    """How far a run has come.

    Args:
        folder: of the run.
        done: steps.
        steps: of the plan.
        processes: that train together.
    """

    folder: Path
    done: int
    steps: int
    processes: int


def stopped(where: Where, by: str) -> Stopped:
    """Asked to stop by a signal."""
    return Stopped(
        f"{where.folder}: stopped by {by} after {where.done} of {where.steps} steps. A checkpoint is written; run "
        "again with --resume."
    )


def diverged(where: Where, bad: int, loss: float, norm: Tensor | None) -> QontrastError:
    """``bad`` steps in a row had no finite loss or gradient."""
    what = f"the loss of step {where.done} is {loss:g}"
    if norm is not None:
        what += f", the norm of its gradient {float(norm):g}"
    return QontrastError(
        f"{where.folder}: {what}, as in the {bad - 1} steps before: none of them was taken. The last checkpoint is "
        "kept. Start anew in another --out with a lower --optimisation.learning_rate, with --optimisation.warmup, or "
        "with --precision 32."
    )


def explained(error: BaseException, asked: str, where: Where) -> BaseException:
    """The error itself, or what it means: a loader process that died, another process that has gone.

    Args:
        error: what was raised.
        asked: the signal by which the run was asked to stop, or nothing.
        where: the run.
    """
    if not isinstance(error, RuntimeError):
        return error
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if "DataLoader worker" in text and asked:  # the signal reached it, too
        return stopped(where, asked)
    if "DataLoader worker" in text:
        return QontrastError(
            f"{where.folder}: a loader process died after {where.done} steps ({text}). Mostly the memory was full: run "
            "again with --resume and fewer --workers or a smaller prefetch."
        )
    if where.processes > 1 and GONE.search(str(error)):
        return QontrastError(
            f"{where.folder}: another of the {where.processes} processes has gone after {where.done} steps ({text}). "
            "Run again with --resume."
        )
    return error
