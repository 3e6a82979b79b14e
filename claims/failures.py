"""Pictures for docs/limits.md: one embedded head, scanned and spoilt in ways that `tissue-nano` may not bear.

python claims/failures.py     (three minutes; prints the Dice of grey matter, white matter and fluid of each)
"""

import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from qontrast.anatomy.classes import class_names
from qontrast.basics.atomic import write_atomic
from qontrast.basics.grid import Grid
from qontrast.physics.clinical import protocol_of
from qontrast.scans.nifti import read_image, write_image
from qontrast.sweeps.heads import in_terms_of
from qontrast.sweeps.scores import overlaps
from qontrast.tasks.cases import label_maps
from qontrast.tasks.plans import Cohort
from qontrast.tasks.predict import predict
from qontrast.views.whole_scan import simulate_scan

PICTURES = Path(__file__).parents[1] / "docs" / "limits"
TISSUES = class_names("tissues")
SLICES = 6
Spoilt = tuple[np.ndarray, np.ndarray, Grid]


def as_it_is(image: np.ndarray, truth: np.ndarray, grid: Grid) -> Spoilt:
    """Nothing is changed."""
    return image, truth, grid


def inverted(image: np.ndarray, truth: np.ndarray, grid: Grid) -> Spoilt:
    """Black is white."""
    return image.max() - image, truth, grid


def upside_down(image: np.ndarray, truth: np.ndarray, grid: Grid) -> Spoilt:
    """The header says up where it is down."""
    return image[..., ::-1], truth[..., ::-1], grid


def thick_slices(image: np.ndarray, truth: np.ndarray, grid: Grid) -> Spoilt:
    """Slices of 6 mm."""
    count = image.shape[2] // SLICES
    affine = grid.affine.copy()
    affine[:3, 2] *= SLICES
    affine[:3, 3] += grid.affine[:3, 2] * (SLICES - 1) / 2
    means = image[..., : count * SLICES].reshape(*image.shape[:2], count, SLICES).mean(axis=3)
    return means, truth[..., SLICES // 2 :: SLICES][..., :count], Grid((*image.shape[:2], count), affine)


def a_part(image: np.ndarray, truth: np.ndarray, grid: Grid, height: int = 40) -> Spoilt:
    """A slab of 40 mm through the middle of the brain."""
    low = int(np.median(np.nonzero(truth)[2])) - height // 2
    affine = grid.affine.copy()
    affine[:3, 3] += grid.affine[:3, 2] * low
    slab = (..., slice(low, low + height))
    return image[slab], truth[slab], Grid((*image.shape[:2], height), affine)


def a_wide_part(image: np.ndarray, truth: np.ndarray, grid: Grid) -> Spoilt:
    """A slab of 70 mm."""
    return a_part(image, truth, grid, 70)


def resected(image: np.ndarray, truth: np.ndarray, grid: Grid) -> Spoilt:
    """A ball of 25 mm radius taken out of the right hemisphere, full of fluid."""
    x, y, z = (int(np.median(axis)) for axis in np.nonzero(truth))
    index = np.indices(image.shape)
    ball = sum((axis - at) ** 2 for axis, at in zip(index, (x + 35, y, z + 15), strict=True)) < 25**2
    fluid = TISSUES.index("cerebrospinal fluid")
    image, truth = image.copy(), truth.copy()
    image[ball & (truth > 0)] = np.median(image[truth == fluid])
    truth[ball & (truth > 0)] = fluid
    return image, truth, grid


KINDS = (as_it_is, inverted, upside_down, thick_slices, a_part, a_wide_part, resected)


def small(picture: Path) -> bytes:
    """The picture in 256 colours, which leaves those of the legend apart; half of its size."""
    out = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(out, "png", optimize=True)
    return out.getvalue()


def main() -> None:
    """Draw all of them."""
    head = label_maps(Cohort(), quiet=True)[0]
    scan = simulate_scan(head, protocol_of("adni3-mprage"), 1.0, 30.0, 0)
    image, truth = scan.image[0, 0].numpy(), scan.classes.numpy()
    lines = ["what," + ",".join(TISSUES[1:])]
    for spoil in KINDS:
        name = spoil.__name__.replace("_", "-")
        spoilt, true, grid = spoil(image, truth, scan.grid)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.nii"
            write_image(path, np.ascontiguousarray(spoilt, dtype=np.float32), grid)
            out = predict("tissue-nano", path, Path(folder) / "seg.nii", picture=True, refine=True, quiet=True)
            found = read_image(out, canonical=True).data.astype(int)
            write_atomic(PICTURES / f"{name}.png", small(out.with_suffix(".png")))
        tissues = in_terms_of(found, class_names("structures"), TISSUES)
        scores = overlaps(tissues, true, TISSUES, 0.0)[0].values()
        lines.append(",".join([name, *(f"{score:.4f}" for score in scores)]))
        print(name, *(f"{score:.2f}" for score in scores), flush=True)
    write_atomic(PICTURES / "failures.csv", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
