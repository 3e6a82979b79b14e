"""How many times as bright as white matter grey matter is in real scans, for docs/limits.md and anatomy/priors.py.

python claims/grey_over_white.py T1W SCAN [SCAN ...]     (15 s; the scans lie on the grid of the T1w)

Medians over cortex, and over white matter two voxels from all else, as `tissue-nano` finds both in the T1w: thin cortex
is mixed with what lies beside it.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from qontrast.basics.errors import InputError
from qontrast.scans.names import stem
from qontrast.scans.nifti import read_image
from qontrast.tasks.models import Segmenter
from qontrast.tasks.predict import open_for_scans


def ratios(network: Segmenter, t1w: Path, scans: list[Path]) -> dict[str, float]:
    """The ratio in each scan, by its name."""
    seen = read_image(t1w, canonical=True)
    classes = network.segment(torch.from_numpy(seen.data)[None, None], seen.grid, refine=True).numpy()
    grey, white = (classes == network.contract.classes.index(name) for name in ("grey matter", "white matter"))
    white = ndimage.binary_erosion(white, iterations=2)
    found = {}
    for path in scans:
        scan = read_image(path, canonical=True)
        if not scan.grid.matches(seen.grid):
            raise InputError(path, f"a grid of {scan.grid}", f"that of {t1w}: {seen.grid}", "Resample it.")
        found[stem(path)] = float(np.median(scan.data[grey]) / np.median(scan.data[white]))
    return found


if __name__ == "__main__":
    model = open_for_scans("tissue-nano", "auto", "segmenter")
    assert isinstance(model, Segmenter)
    first, *rest = map(Path, sys.argv[1:])
    for name, ratio in ratios(model, first, rest).items():
        print(f"{name}: {ratio:.2f}")
