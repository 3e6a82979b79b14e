"""Embedded heads: the MNI152 maps that nilearn ships, each deformed strongly and smoothly into another person.

The grey-matter, white-matter and T1 maps become labels (FreeSurfer indices): cortex, white matter, deep grey,
cerebellum, brain stem, ventricles, fluid; around the brain a shell of fluid, skull and scalp is added, which the
maps do not have. Every head is then warped by a diffeomorphism of its own (scaling and squaring of a smooth random
velocity, Arsigny et al. 2006, doi:10.1007/11866565_113). Templates: Fonov et al. 2011
(doi:10.1016/j.neuroimage.2010.07.033).
"""

from functools import cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from qontrast.anatomy.label_table import BUILT_IN
from qontrast.anatomy.labelled import LabelSubject
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.basics.spline import upsample_spline
from qontrast.geometry.sample import box_slices, occupied

MARGIN = 6  # voxels of air around the head
VELOCITY_STEP = 4  # mm between samples of the velocity field
SCALES = ((90.0, 4.0), (26.0, 3.4))
"""Largest knot spacing and standard deviation (mm) of the velocity's parts: build and head shape, then gyri."""


def mni_head(index: int, seed: int = 0) -> LabelSubject:
    """The embedded head with this number: 1 mm labels of a brain that is nobody else's.

    The same number and seed always give the same head.
    """
    template, grid = _template()
    generator = derive(seed, "mni152", index)
    warped = _warp_labels(template, _displacement(tuple(template.shape), generator))
    name = f"sub-mni{index:03d}"
    return LabelSubject(name, warped.numpy(), grid, BUILT_IN, f"embedded head {index}")


def _displacement(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A diffeomorphic displacement in voxels, ``[3, x, y, z]`` sampled every ``VELOCITY_STEP`` voxels."""
    coarse = tuple(-(-n // VELOCITY_STEP) for n in shape)
    velocity = torch.zeros(3, *coarse)
    for knot, strength in SCALES:
        control = [4 + int(n / knot) for n in shape]
        # 0.33 is the standard deviation of a three-dimensional cubic B-spline of independent unit control values.
        values = torch.randn(3, *control, generator=generator) * strength / 0.33
        velocity += upsample_spline(values, (coarse[0], coarse[1], coarse[2]))
    steps = 6
    field = velocity / 2**steps / VELOCITY_STEP
    for _ in range(steps):
        field = field + _read(field, field)
    return field * VELOCITY_STEP


def _read(values: Tensor, displacement: Tensor) -> Tensor:
    """``values`` ``[channel, x, y, z]`` at the voxels moved by ``displacement`` (voxels), borders repeated."""
    shape = values.shape[1:]
    axes = [torch.arange(n, dtype=torch.float32) for n in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij")) + displacement
    size = torch.tensor(shape, dtype=torch.float32).reshape(3, 1, 1, 1)
    normal = (2 * grid / (size - 1) - 1).movedim(0, -1).flip(-1)
    read = torch.nn.functional.grid_sample(values[None], normal[None], padding_mode="border", align_corners=True)
    return read[0]


def _warp_labels(labels: Tensor, displacement: Tensor) -> Tensor:
    """Labels ``[x, y, z]`` read at the displaced voxels, nearest neighbour; slab by slab to keep memory low."""
    full = torch.nn.functional.interpolate(
        displacement[None], size=tuple(labels.shape), mode="trilinear", align_corners=True
    )[0]
    out = torch.empty_like(labels)
    limits = torch.tensor(labels.shape) - 1
    axes = [torch.arange(n, dtype=torch.float32) for n in labels.shape]
    for start in range(0, labels.shape[0], 32):
        grids = torch.meshgrid(axes[0][start : start + 32], axes[1], axes[2], indexing="ij")
        index = [
            (g + d).round().long().clamp(0, int(n))
            for g, d, n in zip(grids, full[:, start : start + 32], limits, strict=True)
        ]
        out[start : start + 32] = labels[index[0], index[1], index[2]]
    return out


def mni_maps(resolution: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Grid]:
    """The MNI152 brain without its skull, as nilearn ships it (Fonov et al. 2011, see above).

    Args:
        resolution: of the voxels, whole millimetres.

    Returns:
        T1-weighted intensities, shares of grey and of white matter, ``[x, y, z]`` each, and their grid.
    """
    from nilearn import datasets

    loaders = (datasets.load_mni152_template, datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)
    images = [load(resolution=resolution) for load in loaders]
    t1, grey, white = (np.asarray(image.dataobj, dtype=np.float32) for image in images)
    x, y, z = t1.shape
    return t1, grey, white, Grid((x, y, z), np.array(images[0].affine, dtype=np.float64))


@cache
def _template() -> tuple[Tensor, Grid]:
    """The MNI152 head as labels ``[x, y, z]``, cropped, with its grid."""
    t1, grey, white, grid = mni_maps(1)
    affine = grid.affine
    labels = _label(t1, grey, white, affine)
    box = occupied(torch.from_numpy(labels > 0))
    assert box is not None
    lows = [a for a, _ in box]
    cropped = np.pad(labels[box_slices(box)], MARGIN)
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (np.array(lows) - MARGIN)
    shape = cropped.shape
    return torch.from_numpy(cropped.astype(np.int32)), Grid((shape[0], shape[1], shape[2]), affine)


def _label(t1: np.ndarray, grey: np.ndarray, white: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """FreeSurfer-like labels from the three maps and shells around the brain."""
    pad = 18  # room for skull and scalp; trimmed again by the caller's crop
    t1, grey, white = (np.pad(a, pad) for a in (t1, grey, white))
    affine[:3, 3] -= affine[:3, :3] @ np.full(3, pad)
    index = np.indices(t1.shape, dtype=np.float32)
    x, y, z = (affine[i, i] * index[i] + affine[i, 3] for i in range(3))
    brain = ndimage.binary_fill_holes((t1 > 0.05) | (grey + white > 0.3))
    depth = ndimage.distance_transform_edt(brain)
    labels = np.zeros(t1.shape, dtype=np.int32)
    right = np.where(x > 0, 1, 0)

    labels[brain] = 24
    is_white, is_grey = brain & (white > 0.5), brain & (grey >= 0.45) & (white <= 0.5)
    fluid = brain & ~is_white & ~is_grey
    ventricle = fluid & (depth > 22) & (np.abs(x) < 45) & (z > -20)
    labels[ventricle] = np.where(right, 43, 4)[ventricle]
    labels[is_grey] = np.where(right, 42, 3)[is_grey]
    labels[is_white] = np.where(right, 41, 2)[is_white]
    # Deep nuclei and the posterior fossa lie at known places of MNI space.
    inner = is_grey & (depth > 24)
    thalamus = inner & (np.abs(x) < 24) & (y < -4) & (y > -36) & (z > -4) & (z < 20)
    striatum = inner & ~thalamus & (y > -24) & (y < 28) & (z > -14) & (z < 26)
    labels[striatum] = np.where(right, 51, 12)[striatum]
    labels[thalamus] = np.where(right, 49, 10)[thalamus]
    fossa = (z < -14) & (y < -38) & (z < -8 + 0.45 * (y + 38) + 4) & (np.abs(x) < 56)
    labels[fossa & is_grey] = np.where(right, 47, 8)[fossa & is_grey]
    labels[fossa & is_white] = np.where(right, 46, 7)[fossa & is_white]
    stem = (is_white | is_grey) & (z < -10) & (y > -46) & (y < -14) & (np.abs(x) < 17)
    labels[stem] = 16

    outside = ndimage.distance_transform_edt(~brain)
    for label, inner_edge, outer_edge in ((24, 0.0, 2.0), (515, 2.0, 4.0), (516, 4.0, 6.5), (515, 6.5, 8.5)):
        labels[(outside > inner_edge) & (outside <= outer_edge)] = label
    # Thicker soft tissue below, where the neck and the face begin.
    scalp = np.clip(7.0 + 0.12 * (-z - 20.0), 5.0, 16.0)
    labels[(outside > 8.5) & (outside <= 8.5 + scalp)] = 507
    labels[(outside > 8.5 + scalp) & (outside <= 10.5 + scalp)] = 511
    return labels
