"""A cohort to a cache: every head read, checked, measured and packed once, so that training reads crops alone."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from joblib import effective_n_jobs

import qontrast
from qontrast.anatomy.cohort import TABLES, find_subjects
from qontrast.anatomy.grouping import Kind, group_subjects, passed_over
from qontrast.anatomy.prepared import (
    FORMAT,
    HEAD,
    HEADS,
    INDEX,
    MANIFEST,
    fingerprint,
    is_cache,
    read_facts,
    write_head,
)
from qontrast.anatomy.source import EMBEDDED, SubjectSource
from qontrast.basics.atomic import publish_folder, write_atomic
from qontrast.basics.errors import InputError, QontrastError, WriteError
from qontrast.engine.stopping import end_with
from qontrast.scans.names import Named, named_images
from qontrast.scans.signed import signed
from qontrast.scans.table import read_table
from qontrast.scans.walk import load_index, walk
from qontrast.tasks.cache_claim import claimed
from qontrast.tasks.cache_state import outdated, stamps_of
from qontrast.tasks.outcomes import Outcome, outcomes_of
from qontrast.tasks.speaking import bar, say

LISTED = ("made", "mended", "kept")
LONGEST_NAME = 200
"""Bytes; most file systems bear 255, and a folder that is being written has a longer name than the head."""
TOLD = 100
"""Subjects of one state that are told one by one."""


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
    with claimed(out, settings.facts()):
        sources, outcomes = _sources(settings, out, quiet)
        (out / HEADS).mkdir(exist_ok=True)
        work = partial(prepare_one, cache=out, settings=settings.facts(), parent=os.getpid())
        workers = min(effective_n_jobs(jobs or -1), len(sources)) or 1
        for outcome in bar(outcomes_of(work, sources, workers), len(sources), "preparing heads", quiet=quiet):
            outcomes.append(outcome)
        named = {o.name for o in outcomes}
        heads = (p.name for p in (out / HEADS).iterdir() if p.is_dir() and not p.name.startswith("."))
        gone = sorted(name for name in heads if name not in named)
        outcomes += [Outcome(name, "set aside", "not found in the cohort any more") for name in gone]
        outcomes.sort(key=lambda o: o.name)
        try:
            kept = _manifest(out, settings, outcomes)
        finally:  # told even if there is no room for the manifest
            _tell(outcomes, quiet)
    counts = {state: sum(o.state == state for o in outcomes) for state in LISTED}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    say(f"{out}: {len(kept)} heads ({told or 'nothing new'})", quiet=quiet)
    return Summary(out, kept, tuple(outcomes))


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
        _check_name(source.name)
        stamps = stamps_of(source)
        why = outdated(folder, stamps, settings, source.site)
        if why is None:
            return Outcome(source.name, "kept")
        head = source.read()
        told = {
            "made_by": f"qontrast {qontrast.__version__}",
            "sources": [s | fingerprint(Path(s["path"])) for s in stamps],
            "settings": settings,
            "site": source.site,
        }
        if stamps != stamps_of(source):
            raise InputError(source.name, "files that changed while they were read", "files at rest", "Run again.")
        publish_folder(folder, lambda part: write_head(head, part, told))
        return Outcome(source.name, "mended" if why else "made", why)
    except WriteError as error:
        return Outcome(source.name, "left out", str(error), stuck=True)
    except QontrastError as error:
        return Outcome(source.name, "left out", str(error))
    except Exception as error:  # nothing that one subject's files hold may cost the others
        return Outcome(source.name, "left out", f"{type(error).__name__}: {error}")
    finally:
        torch.set_num_threads(threads)


def _check_name(name: str) -> None:
    shown = name.encode("utf-8", "backslashreplace").decode()
    if not name or name.startswith(".") or "/" in name or len(os.fsencode(name)) > LONGEST_NAME:
        wanted = f"another one, of {LONGEST_NAME} bytes at most"
        raise InputError(shown or "(no name)", "a name that no folder of a cache can have", wanted, "Rename it.")
    if shown != name:
        raise InputError(shown, "a name that is no UTF-8", "UTF-8", "Rename it, or name it in a table.")


def _sources(settings: Settings, out: Path, quiet: bool) -> tuple[list[SubjectSource], list[Outcome]]:
    """The subjects, and what is left out already."""
    labels = Path(settings.labels) if settings.labels else None
    root = Path(settings.data)
    if is_cache(root):
        raise InputError(root, "a cache", "the cohort that it was made of", "A cache is given to --data.")
    if settings.data == EMBEDDED or not root.is_dir():
        if settings.data != EMBEDDED and root.suffix in TABLES and root.is_file():
            sources, outcomes = _grouped(read_table(root), settings.kind, labels)
            if sources:
                return sources, outcomes
        return find_subjects(settings.data, embedded=settings.embedded, labels=labels, kind=settings.kind), []
    index = walk(root, load_index(out / INDEX, root), skip=out.resolve())
    index.save(out / INDEX)
    sources, outcomes = _grouped(named_images(index.files(), root), settings.kind, labels)
    say(f"{sum(len(f.files) for f in index.folders.values())} files, {len(sources)} subjects", quiet=quiet)
    if not sources and not index.troubles:
        find_subjects(settings.data, labels=labels, kind=settings.kind)  # says what is wrong
    return sources, outcomes + [Outcome(str(t.path), "left out", t.why) for t in index.troubles]


def _grouped(files: list[Named], kind: Kind, labels: Path | None) -> tuple[list[SubjectSource], list[Outcome]]:
    sources = group_subjects(files, kind, labels)
    return sources, [Outcome(name, "left out", why) for name, why in passed_over(files, sources).items()]


def _manifest(out: Path, settings: Settings, outcomes: list[Outcome]) -> tuple[str, ...]:
    """Write the manifest of the cohort's heads; return their names."""
    entries = {}
    for folder in (out / HEADS / o.name for o in outcomes if o.state in LISTED):
        facts = read_facts(folder)
        entry = {"kind": facts["kind"], "shape": facts["grid"]["shape"], "head": fingerprint(folder / HEAD)}
        entries[folder.name] = entry | ({"site": facts["site"]} if facts.get("site") else {})
    left = [{"name": o.name, "why": o.why} for o in outcomes if o.state == "left out"]
    content = {"format": FORMAT, "settings": settings.facts(), "subjects": entries, "left_out": left}
    write_atomic(out / MANIFEST, signed(content))
    return tuple(entries)


def _tell(outcomes: list[Outcome], quiet: bool) -> None:
    for state in ("mended", "set aside", "left out"):
        those = [o for o in outcomes if o.state == state]
        if those:
            say(f"{state}, {len(those)}:", quiet=quiet)
        for outcome in those[:TOLD]:
            say(f"  {outcome.name}: {outcome.why}", quiet=quiet)
        if len(those) > TOLD:
            say(f"  and {len(those) - TOLD} more; all that are left out are named in {MANIFEST}", quiet=quiet)
