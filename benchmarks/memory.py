"""Peak memory of the loader by the number of subjects, and how long indexing a large cohort takes.

    python benchmarks/memory.py [--subjects 20 200 2000] [--names 20000]

The cohort is one prepared head, linked so many times. Each number of subjects is measured in a process of its own,
which makes pairs with two loader processes. Peak memory is the proportional set size of all of them together, so that
pages shared between them count once.
"""

import argparse
import multiprocessing
import os
import shutil
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.grouping import group_subjects
from qontrast.anatomy.prepared import read_manifest
from qontrast.scans.names import named_images
from qontrast.scans.signed import signed
from qontrast.scans.walk import load_index, walk
from qontrast.tasks.prepare import Settings, prepare
from qontrast.views.loader import Examples, batches
from qontrast.views.maker import PairMaker
from qontrast.views.plan import ViewPlan

WORKERS, BATCH = 2, 4


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--names", type=int, default=20000)
    parser.add_argument("--steps", type=int, default=48, help="batches of 4 pairs of 48³")
    given = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder:
        prepare(Settings("embedded", embedded=1), Path(folder) / "one", jobs=1, quiet=True)
        peaks = {}
        for count in given.subjects:
            queue = context.Queue()
            process = context.Process(target=_load, args=(Path(folder), count, given.steps, queue))
            process.start()
            peaks[count] = queue.get()
            process.join()
            print(f"{count:6d} subjects: peak of the loader {peaks[count]:.0f} MB", flush=True)
        print(f"largest over smallest peak: {max(peaks.values()) / min(peaks.values()):.3f} (goal: below 1.1)")
    with TemporaryDirectory() as folder:
        index(Path(folder), given.names)


def linked(folder: Path, count: int) -> Path:
    """A cache of so many subjects, each a link to the one that was prepared."""
    one, many = folder / "one", folder / f"linked-{count}"
    (many / "heads").mkdir(parents=True)
    manifest = read_manifest(one)
    ((name, entry),) = manifest["subjects"].items()
    manifest["subjects"] = {f"sub-{i:05d}": entry for i in range(count)}
    for subject in manifest["subjects"]:
        (many / "heads" / subject).symlink_to(one / "heads" / name, target_is_directory=True)
    (many / "manifest.json").write_text(signed(manifest))
    return many


def _load(folder: Path, count: int, steps: int, queue: "multiprocessing.Queue[float]") -> None:
    sources = find_subjects(str(linked(folder, count)))
    examples = Examples(PairMaker(sources, ViewPlan(crop=48, spacing=2.0), 0), len(sources), BATCH, 0)
    peak = 0.0
    for _ in batches(examples, 0, steps, WORKERS):
        children = [p.pid for p in multiprocessing.active_children()]
        peak = max(peak, sum(_proportional(pid) for pid in (os.getpid(), *children) if pid))
    queue.put(peak)


def _proportional(pid: int) -> float:
    """Proportional set size of a process, MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def index(folder: Path, count: int) -> None:
    """Time the first and a second look at a BIDS tree of so many subjects, four maps each."""
    bids = folder / "bids"
    for i in range(count):
        anat = bids / f"sub-{i:05d}" / "anat"
        anat.mkdir(parents=True)
        for suffix in ("PDmap", "R1map", "R2starmap", "MTsat"):
            (anat / f"sub-{i:05d}_{suffix}.nii.gz").touch()
    times = []
    for _ in range(2):
        began = time.perf_counter()
        found = walk(bids, load_index(folder / "index.json", bids))
        found.save(folder / "index.json")
        subjects = group_subjects(named_images(found.files(), bids))
        times.append(time.perf_counter() - began)
    assert len(subjects) == count
    print(f"{count} subjects by BIDS names ({4 * count} files): {times[0]:.1f} s, with the kept index {times[1]:.1f} s")
    shutil.rmtree(bids)


if __name__ == "__main__":
    main()
