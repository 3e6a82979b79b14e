"""Nanoseconds per voxel of every sequence, fused and unfused, beside the memory-copy floor of the same machine and run.

The floor copies as many bytes as the sequence has to move: its tissue maps and the transmit field in, its signal out.
All write into memory that is there already: a new volume's pages cost more than most sequences' arithmetic.
Fused is one compiled kernel (acquire_fused); in slabs is what is used without a compiler (acquire); unfused is plain
tensor arithmetic on the whole volume.
"""

import statistics
import time
from dataclasses import replace

import torch

from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire, acquire_fused
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

SHAPE = (1, 1, 160, 192, 160)
REPEATS = 9
CLOSED_FORMS = ("mprage", "mp2rage", "gre", "spgr", "bssfp", "mt", "t2star")


def head(generator):
    """Random tissue in random order: nothing that a cache or a branch could learn."""

    def maps(low, high):
        return low + (high - low) * torch.rand(SHAPE, generator=generator)

    r2 = maps(0.5, 25.0)
    fields = {"b1_transmit": maps(0.8, 1.2)}
    return TissueMaps(pd=maps(0.5, 1), r1=maps(0.2, 2.5), r2=r2, r2star=1.3 * r2, mt=maps(0, 0.02), **fields)


def nanoseconds(*functions):
    """Median time of a call per voxel for each function, taken in turn, after one call of each to warm up."""
    voxels = SHAPE[2] * SHAPE[3] * SHAPE[4]
    times = [[] for _ in functions]
    for repeat in range(REPEATS + 1):
        for function, taken in zip(functions, times, strict=True):
            began = time.perf_counter()
            function()
            if repeat > 0:
                taken.append(time.perf_counter() - began)
    return [1e9 * statistics.median(taken) / voxels for taken in times]


def floor(maps):
    """A copy of half as many bytes as the maps in and out are: a copy reads and writes."""
    elements = maps * SHAPE[2] * SHAPE[3] * SHAPE[4] // 2
    source, target = torch.rand(elements), torch.empty(elements)
    return lambda: target.copy_(source)


def only(tissue, needed):
    """The maps that the sequence needs and the transmit field: what a sequence may read beyond those costs time too."""
    return replace(tissue, **{name: None for name in MAP_NAMES if name not in ("pd", "r1", *needed)})


def main():
    """Print the table."""
    everything = head(torch.Generator().manual_seed(0))
    print(f"{torch.get_num_threads()} threads, {SHAPE[2]} x {SHAPE[3]} x {SHAPE[4]} voxels, ns per voxel")
    print(f"{'sequence':10}{'maps':>6}{'floor':>8}{'fused':>8}{'slabs':>8}{'unfused':>9}{'fused/floor':>13}")
    with torch.no_grad():
        for name in SEQUENCES:
            sequence = PRESETS[name]
            tissue = only(everything, sequence.needs)
            maps = len(tissue.present()) + sequence.components
            out = torch.empty((1, sequence.components, *SHAPE[2:]))
            functions = [
                floor(maps),
                lambda s=sequence, t=tissue, o=out: acquire(s, t, o),
                lambda s=sequence, t=tissue, o=out: o.copy_(s.signal(t)),
            ]
            if name in CLOSED_FORMS:
                functions.append(lambda s=sequence, t=tissue, o=out: acquire_fused(s, t, o))
            least, slabs, unfused, *fused = nanoseconds(*functions)
            kernel = f"{fused[0]:8.2f}" if fused else f"{'-':>8}"
            ratio = f"{fused[0] / least:13.1f}" if fused else f"{'':>13}  reads a table"
            print(f"{name:10}{maps:6d}{least:8.2f}{kernel}{slabs:8.2f}{unfused:9.2f}{ratio}")


if __name__ == "__main__":
    main()
