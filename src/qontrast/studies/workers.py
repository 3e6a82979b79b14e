"""Pieces of work over several processes of this machine, each piece when what it waits for is done."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch
from joblib import cpu_count

from qontrast.engine.stopping import Stopped, end_with
from qontrast.studies.making import Outcome, make
from qontrast.studies.plan import StudyPlan
from qontrast.studies.study import Study, open_study

LACKING = ("failed", "busy")
"""States in which a piece is of no use to those that need it."""


def work_off(study: Study, keys: list[str], jobs: int) -> Iterator[Outcome]:
    """Make the pieces in their order, several at once; a piece whose need failed fails with it.

    Args:
        study: they belong to.
        keys: of the pieces.
        jobs: processes; 1 works in this one.
    """
    threads = study.plan.threads or max(1, cpu_count() // jobs)
    if jobs > 1:
        yield from _spread(study, keys, jobs, threads)
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    lacking: dict[str, Outcome] = {}
    try:
        for key in keys:
            outcome = _in_vain(study, key, lacking) or make(study, key)
            if outcome.state in LACKING:
                lacking[key] = outcome
            yield outcome
    finally:
        torch.set_num_threads(before)


@dataclass
class _Worker:
    """A process with its pipe, and the piece that it is at."""

    process: SpawnProcess
    pipe: Connection
    key: str = ""


def _spread(study: Study, keys: list[str], jobs: int, threads: int) -> Iterator[Outcome]:
    waiting, lacking = list(keys), dict[str, Outcome]()
    workers = [_begin(study, jobs, threads) for _ in range(min(jobs, len(keys)))]
    try:
        while waiting or any(worker.key for worker in workers):
            vain = [outcome for key in waiting if (outcome := _in_vain(study, key, lacking))]
            waiting = [key for key in waiting if key not in {outcome.key for outcome in vain}]
            yield from vain
            _hand_out(study, waiting, workers)
            for worker in _answering(workers):
                outcome = _answer(worker)
                if not worker.process.is_alive():
                    workers[workers.index(worker)] = _begin(study, jobs, threads)
                if outcome.state in LACKING:
                    lacking[outcome.key] = outcome
                yield outcome
    finally:
        _end(workers)


def _hand_out(study: Study, waiting: list[str], workers: list[_Worker]) -> None:
    """Give idle processes the first pieces that need not wait."""
    for worker in workers:
        if worker.key:
            continue
        unfinished = {*waiting, *(w.key for w in workers)}
        ready = next((key for key in waiting if study.needs(key) not in unfinished), None)
        if ready is None:
            return
        waiting.remove(ready)
        worker.key = ready
        with suppress(OSError):  # of one that died: its answer says so
            worker.pipe.send(ready)


def _answering(workers: list[_Worker]) -> list[_Worker]:
    """Processes at work that have answered or died; waits for one."""
    busy = [worker for worker in workers if worker.key]
    if not busy:
        return []
    signs = wait([sign for worker in busy for sign in (worker.pipe, worker.process.sentinel)])
    return [worker for worker in busy if worker.pipe in signs or worker.process.sentinel in signs]


def _answer(worker: _Worker) -> Outcome:
    key, worker.key = worker.key, ""
    try:
        if worker.pipe.poll():
            return worker.pipe.recv()
    except (EOFError, OSError):  # it died: after it was done, or before it read what to do
        pass
    worker.process.join()
    code = worker.process.exitcode
    why = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    return Outcome(key, "failed", f"its process ended by {why}, perhaps for want of memory: try fewer --jobs")


def _in_vain(study: Study, key: str, lacking: dict[str, Outcome]) -> Outcome | None:
    """What becomes of a piece whose need is lacking; None where it can be made."""
    need = study.needs(key)
    if need is None or need not in lacking:
        return None
    if lacking[need].state == "busy":
        return Outcome(key, "busy")
    return Outcome(key, "failed", f"it needs {need}, which failed")


def _begin(study: Study, jobs: int, threads: int) -> _Worker:
    own, other = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")  # a forked process cannot use torch's threads
    arguments = (other, study.plan, study.out, jobs, threads, os.getpid())
    process = spawn.Process(target=_serve, args=arguments, daemon=False)
    process.start()
    other.close()
    return _Worker(process, own)


def _end(workers: list[_Worker]) -> None:
    """Let idle processes go; those at work are asked to stop, and keep a checkpoint."""
    for worker in workers:
        if worker.key:
            worker.process.terminate()
        worker.pipe.close()
    for worker in workers:
        worker.process.join()


def _serve(pipe: Connection, plan: StudyPlan, out: Path, jobs: int, threads: int, parent: int) -> None:
    end_with(parent)
    torch.set_num_threads(threads)
    study = None
    while True:
        try:
            key = pipe.recv()
        except EOFError:
            return
        study = study or open_study(plan, out, quiet=True)
        try:
            outcome = make(study, key, jobs=jobs)
        except Stopped as error:
            outcome = Outcome(key, "failed", str(error))
        pipe.send(outcome)
