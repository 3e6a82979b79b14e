"""Nanoseconds per voxel of every sequence, fused and unfused, beside the memory-copy floor of the same machine and run.

The floor copies as many bytes as the sequence has to move: its tissue maps and the transmit field in, its signal out.
All write into memory that is there already: a new volume's pages cost more than most sequences' arithmetic.
Fused is one compiled kernel (acquire_fused); in slabs is what is used without a compiler (acquire); unfused is plain
tensor arithmetic on the whole volume.
"""

import statistics
import time

import torch

from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire, acquire_fused
from qontrast.physics.tissue import TissueMaps

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


def nanoseconds(function):
    """Median time of a call per voxel, after one to warm up."""
    voxels = SHAPE[2] * SHAPE[3] * SHAPE[4]
    function()
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return 1e9 * statistics.median(times) / voxels


def floor(maps_in, maps_out):
    """Nanoseconds per voxel of copying half the bytes that so many maps in and out are: a copy reads and writes."""
    elements = (maps_in + maps_out) * SHAPE[2] * SHAPE[3] * SHAPE[4] // 2
    source, target = torch.rand(elements), torch.empty(elements)
    return nanoseconds(lambda: target.copy_(source))


def main():
    """Print the table."""
    tissue = head(torch.Generator().manual_seed(0))
    print(f"{torch.get_num_threads()} threads, {SHAPE[2]} x {SHAPE[3]} x {SHAPE[4]} voxels, ns per voxel")
    print(f"{'sequence':10}{'maps':>6}{'floor':>8}{'fused':>8}{'slabs':>8}{'unfused':>9}{'fused/floor':>13}")
    with torch.no_grad():
        for name in SEQUENCES:
            sequence = PRESETS[name]
            inputs = len(sequence.needs) + 1
            least = floor(inputs, sequence.components)
            out = torch.empty((1, sequence.components, *SHAPE[2:]))
            slabs = nanoseconds(lambda s=sequence, o=out: acquire(s, tissue, o))
            unfused = nanoseconds(lambda s=sequence, o=out: o.copy_(s.signal(tissue)))
            row = f"{name:10}{inputs + sequence.components:6d}{least:8.2f}"
            if name in CLOSED_FORMS:
                fused = nanoseconds(lambda s=sequence, o=out: acquire_fused(s, tissue, o))
                print(f"{row}{fused:8.2f}{slabs:8.2f}{unfused:9.2f}{fused / least:13.1f}")
            else:
                print(f"{row}{'-':>8}{slabs:8.2f}{unfused:9.2f}{'':>13}  reads a table")


if __name__ == "__main__":
    main()
