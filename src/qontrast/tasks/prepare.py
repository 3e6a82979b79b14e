"""A cohort to a cache: every head read, checked, measured and packed once, so that training reads crops alone."""

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from joblib import Parallel, cpu_count, delayed

from qontrast.anatomy.cohort import EMBEDDED, TABLES, Kind, SubjectSource, find_subjects, group_subjects
from qontrast.anatomy.prepared import (
    FORMAT,
    HEAD,
    HEADS,
    MANIFEST,
    SETTINGS,
    fingerprint,
    is_cache,
    read_facts,
    signed,
    write_head,
)
from qontrast.basics.atomic import PART, publish_folder, write_atomic
from qontrast.basics.errors import InputError, QontrastError, WriteError
from qontrast.basics.holding import hold
from qontrast.engine.stopping import end_with
from qontrast.scans.names import named_images
from qontrast.scans.table import read_table
from qontrast.scans.walk import Trouble, load_index, walk
from qontrast.tasks.cache_state import outdated, stamps_of
from qontrast.tasks.speaking import bar, say

INDEX, LOCK = "index.json", ".lock"


@dataclass(frozen=True)
class Settings:
    """What a cache is made with; another cohort wants another cache.

    Args:
        data: folder, table or ``embedded``.
        kind: what is looked for.
        labels: TSV of the labels' tissues.
        embedded: how many embedded heads there are.
    """

    data: str
    kind: Kind = "auto"
    labels: str | None = None
    embedded: int = 8

    def __post_init__(self) -> None:
        # A cache is gone on with from any folder.
        if self.data != EMBEDDED:
            object.__setattr__(self, "data", str(Path(self.data).resolve()))
        if self.labels is not None:
            object.__setattr__(self, "labels", str(Path(self.labels).resolve()))

    def facts(self) -> dict[str, Any]:
        """As they stand in the cache."""
        own = {"format": FORMAT, "data": self.data, "kind": self.kind, "labels": self.labels}
        return own | ({"embedded": self.embedded} if self.data == EMBEDDED else {})


@dataclass(frozen=True)
class Outcome:
    """What became of one subject.

    Args:
        name: of the subject.
        state: ``made``, ``kept`` (it was there already), ``mended`` (it was there, changed or damaged), ``left out``.
        why: why it was left out or mended.
        stuck: whether the cache could not be written.
    """

    name: str
    state: str
    why: str = ""
    stuck: bool = False


@dataclass(frozen=True)
class Summary:
    """What a cache holds now.

    Args:
        cache: its folder.
        subjects: names of the prepared heads.
        outcomes: of this run.
    """

    cache: Path
    subjects: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @property
    def left_out(self) -> list[Outcome]:
        """The subjects that are not in the cache, and the folders that could not be read."""
        return [o for o in self.outcomes if o.state == "left out"]


def prepare(settings: Settings, out: Path, *, jobs: int = 0, quiet: bool = False) -> Summary:
    """Prepare a cohort, or what is new or changed of it.

    Subjects go through ``joblib.Parallel``: within ``joblib.parallel_config(backend="dask")`` they go to a cluster.

    Args:
        settings: which cohort.
        out: the cache's folder. What is there of the same cohort is kept if it is whole and its sources unchanged.
        jobs: processes; 0 for one per core.
        quiet: print nothing.

    Raises:
        InputError: if there is no subject, or the folder is the cache of another cohort.
        WriteError: if the folder cannot be written.
    """
    with _claimed(out, settings):
        sources, troubles = _sources(settings, out, quiet)
        (out / HEADS).mkdir(exist_ok=True)
        work = partial(prepare_one, cache=out, settings=settings.facts(), parent=os.getpid())
        outcomes = [Outcome(str(t.path), "left out", t.why) for t in troubles]
        workers = min(jobs or cpu_count(), len(sources)) or 1
        for outcome in bar(_each(work, sources, workers), len(sources), "preparing heads", quiet=quiet):
            outcomes.append(outcome)
        outcomes.sort(key=lambda o: o.name)
        there = {o.name for o in outcomes if o.state != "left out"}
        kept = _manifest(out, settings, outcomes, there)
    summary = Summary(out, kept, tuple(outcomes))
    _tell(summary, quiet)
    aside = sum(p.name not in there for p in (out / HEADS).iterdir())
    if aside:
        say(f"{aside} heads whose subjects are gone or left out stay in the folder, but are not listed", quiet=quiet)
    return summary


def prepare_one(source: SubjectSource, cache: Path, settings: dict[str, Any], parent: int) -> Outcome:
    """Prepare one subject, unless it is there, whole and unchanged. Whatever goes wrong concerns this subject alone.

    Args:
        source: where it comes from.
        cache: the cache's folder.
        settings: of the cache.
        parent: process that all is done for: its workers end with it.
    """
    if os.getppid() == parent:  # not this process itself, nor one of a cluster
        end_with(parent)
    folder = cache / HEADS / source.name
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as many processes as cores
    try:
        if not source.name or source.name.startswith(".") or "/" in source.name:
            raise InputError(source.name or "(no name)", "a name that no folder can have", "another name")
        stamps = stamps_of(source)
        why = outdated(folder, stamps, settings, source.site)
        if why is None:
            return Outcome(source.name, "kept")
        head = source.read()
        told = {
            "sources": [s | fingerprint(Path(s["path"])) for s in stamps],
            "settings": settings,
            "site": source.site,
        }
        if stamps != stamps_of(source):
            raise InputError(source.name, "files that changed while they were read", "files at rest", "Run again.")
        publish_folder(folder, lambda part: _fill(part, head, told))
        return Outcome(source.name, "mended" if why else "made", why)
    except WriteError as error:
        return Outcome(source.name, "left out", str(error), stuck=True)
    except QontrastError as error:
        return Outcome(source.name, "left out", str(error))
    except Exception as error:  # nothing that one subject's files hold may cost the others
        return Outcome(source.name, "left out", f"{type(error).__name__}: {error}")
    finally:
        torch.set_num_threads(threads)


def _fill(part: Path, head: Any, told: dict[str, Any]) -> None:
    try:
        write_head(head, part, told)
    except RuntimeError as error:  # blosc2's word for a disk that is full
        raise OSError(f"the volumes could not be written: {error}") from error


def _each(work: Any, sources: list[SubjectSource], workers: int) -> Iterator[Outcome]:
    if workers == 1:
        yield from map(work, sources)
        return
    try:
        yield from Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)(map(delayed(work), sources))
    except (BrokenExecutor, RuntimeError) as error:
        raise QontrastError(
            f"a process that prepared heads was killed ({error}), perhaps for want of memory. What is prepared is "
            "kept: run again with fewer --jobs."
        ) from error


def _sources(settings: Settings, out: Path, quiet: bool) -> tuple[list[SubjectSource], list[Trouble]]:
    labels = Path(settings.labels) if settings.labels else None
    root = Path(settings.data)
    if is_cache(root):
        raise InputError(root, "a cache", "the cohort that it was made of", "A cache is given to --data.")
    if settings.data == EMBEDDED or not root.is_dir():
        if settings.data != EMBEDDED and root.suffix in TABLES and root.is_file():
            return group_subjects(read_table(root), settings.kind, labels), []
        return find_subjects(settings.data, embedded=settings.embedded, labels=labels, kind=settings.kind), []
    index = walk(root, load_index(out / INDEX, root), skip=out.resolve())
    index.save(out / INDEX)
    sources = group_subjects(named_images(index.files(), root), settings.kind, labels)
    say(f"{sum(len(f.files) for f in index.folders.values())} files, {len(sources)} subjects", quiet=quiet)
    if not sources and not index.troubles:
        find_subjects(settings.data, labels=labels, kind=settings.kind)  # says what is wrong
    return sources, index.troubles


def _manifest(out: Path, settings: Settings, outcomes: list[Outcome], there: set[str]) -> tuple[str, ...]:
    """Write the manifest of the cohort's heads; return their names."""
    entries = {}
    for folder in (out / HEADS / name for name in sorted(there)):
        facts = read_facts(folder)
        entry = {"kind": facts["kind"], "shape": facts["grid"]["shape"], "head": fingerprint(folder / HEAD)}
        entries[folder.name] = entry | ({"site": facts["site"]} if facts.get("site") else {})
    left = [{"name": o.name, "why": o.why} for o in outcomes if o.state == "left out"]
    content = {"format": FORMAT, "settings": settings.facts(), "subjects": entries, "left_out": left}
    write_atomic(out / MANIFEST, signed(content))
    return tuple(entries)


def _tell(summary: Summary, quiet: bool) -> None:
    counts = {state: sum(o.state == state for o in summary.outcomes) for state in ("made", "mended", "kept")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    say(f"{summary.cache}: {len(summary.subjects)} heads ({told or 'nothing new'})", quiet=quiet)
    for outcome in summary.outcomes:
        if outcome.state == "mended":
            say(f"mended {outcome.name}: {outcome.why}", quiet=quiet)
    if summary.left_out:
        say(f"left out, {len(summary.left_out)}:", quiet=quiet)
        for outcome in summary.left_out:
            say(f"  {outcome.name}: {outcome.why}", quiet=quiet)


@contextmanager
def _claimed(out: Path, settings: Settings) -> Iterator[None]:
    """Hold the cache for this process, and refuse the cache of another cohort, or a folder of something else."""
    with hold(out / LOCK) as alone:
        if not alone:
            raise InputError(out, "a cache that another process is preparing", "one at a time", "Wait.")
        for left in (*(out / HEADS).glob(f"{PART}*"), *out.glob(".*.part-*")):  # of a run that was killed
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
        wanted = json.dumps(settings.facts(), ensure_ascii=False) + "\n"
        known = out / SETTINGS
        before = known.read_text(encoding="utf-8") if known.is_file() else ""
        if before and before != wanted:
            raise InputError(out, f"a cache made with {before.strip()}", wanted.strip(), "Choose another --out.")
        if not known.is_file() and any(p.name not in (LOCK, HEADS, MANIFEST, INDEX) for p in out.iterdir()):
            raise InputError(out, "a folder of something else", "a new or empty folder, or a cache", "Choose another.")
        write_atomic(known, wanted)
        yield
