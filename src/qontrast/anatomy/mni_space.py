"""Where MNI space lies in a head: an affine registration of its grey and white matter to the MNI152 templates.

Robust rather than exact: lesions only have to fall into the territory they came from.
"""

from functools import cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

STEP_MM = 4.0  # resolution of the registration
EVERY = 3  # every third voxel of the template in and around the brain is compared
SCALES = ((10.0, 30, 0.05), (5.0, 20, 0.02))
"""Smoothing (mm), iterations and step size, coarse to fine."""


def register(maps: np.ndarray, head_affine: np.ndarray, spacing: tuple[float, float, float]) -> np.ndarray:
    """The affine (4x4) from a head's world to MNI space, both in mm; the identity for a head without a brain.

    It starts from the two brains' centroids and volumes, and minimises the squared difference of grey and white
    matter, first of smooth maps, then of sharper ones. Deterministic on one machine.

    Args:
        maps: shares of grey and of white matter, ``[2, x, y, z]``.
        head_affine: voxels of ``maps`` to world mm.
        spacing: of ``maps``, mm.
    """
    fixed, affine = _templates()
    brain = maps.sum(axis=0)
    if brain.max() < 0.5:
        return np.eye(4)
    start = _start(brain, head_affine, fixed.sum(dim=0).numpy(), affine)
    moving = torch.from_numpy(maps).float()
    index = torch.nonzero(_smooth(fixed.sum(dim=0)[None], 6.0, (STEP_MM,) * 3)[0] > 0.02)[::EVERY]
    points = index.float() @ torch.from_numpy(affine[:3, :3]).float().T + torch.from_numpy(affine[:3, 3]).float()
    matrix, shift = torch.from_numpy(start[:3, :3]).float(), torch.from_numpy(start[:3, 3]).float()
    with torch.enable_grad():
        for sigma, rounds, rate in SCALES:
            goal = _smooth(fixed, sigma, (STEP_MM,) * 3)[:, *index.T]
            seen = _smooth(moving, sigma, spacing)[None]
            matrix, shift = _descend(goal, seen, points, matrix, shift, np.linalg.inv(head_affine), rounds, rate)
    back = np.eye(4)  # from MNI space to the head
    back[:3, :3], back[:3, 3] = matrix.double().numpy(), shift.double().numpy()
    return np.linalg.inv(back)


def _descend(
    goal: Tensor,
    seen: Tensor,
    points: Tensor,
    matrix: Tensor,
    shift: Tensor,
    to_voxel: np.ndarray,
    rounds: int,
    rate: float,
) -> tuple[Tensor, Tensor]:
    """Adam on the twelve parameters of the affine from MNI space to the head; 50 mm of shift weigh as 1 of matrix."""
    change = torch.zeros(3, 4, requires_grad=True)
    optimiser = torch.optim.Adam([change], lr=rate)
    size = torch.tensor(seen.shape[2:], dtype=torch.float32)
    voxel, origin = torch.from_numpy(to_voxel[:3, :3]).float(), torch.from_numpy(to_voxel[:3, 3]).float()
    for _ in range(rounds):
        optimiser.zero_grad()
        world = points @ (matrix + change[:, :3]).T + shift + 50.0 * change[:, 3]
        normal = 2 * (world @ voxel.T + origin) / (size - 1) - 1
        read = torch.nn.functional.grid_sample(seen, normal.flip(-1)[None, :, None, None], align_corners=True)
        loss = (read[0, :, :, 0, 0] - goal).square().mean() + 1e-3 * change[:, :3].square().sum()
        loss.backward()
        optimiser.step()
    moved = change.detach()
    return matrix + moved[:, :3], shift + 50.0 * moved[:, 3]


def _start(brain: np.ndarray, affine: np.ndarray, fixed: np.ndarray, fixed_affine: np.ndarray) -> np.ndarray:
    """From MNI space to the head: the centroids laid upon each other, and the ratio of the brains' sizes."""
    centres, volumes = [], []
    for share, where in ((brain, affine), (fixed, fixed_affine)):
        index = np.argwhere(share > 0.5)
        centres.append(where[:3, :3] @ index.mean(axis=0) + where[:3, 3])
        volumes.append(len(index) * abs(np.linalg.det(where[:3, :3])))
    out = np.eye(4)
    out[:3, :3] *= (volumes[0] / volumes[1]) ** (1 / 3)
    out[:3, 3] = centres[0] - out[:3, :3] @ centres[1]
    return out


def _smooth(maps: Tensor, sigma: float, spacing: tuple[float, ...]) -> Tensor:
    return torch.stack(
        [torch.from_numpy(ndimage.gaussian_filter(m.numpy(), [sigma / s for s in spacing], truncate=3.0)) for m in maps]
    )


@cache
def _templates() -> tuple[Tensor, np.ndarray]:
    """The template's grey and white matter ``[2, x, y, z]`` every ``STEP_MM`` and the affine, voxel to MNI mm."""
    from nilearn import datasets

    images = [load(resolution=2) for load in (datasets.load_mni152_gm_template, datasets.load_mni152_wm_template)]
    factor = round(STEP_MM / 2)
    maps = torch.stack([torch.from_numpy(np.asarray(i.dataobj, dtype=np.float32)) for i in images])
    pooled = torch.nn.functional.avg_pool3d(maps[None], factor, ceil_mode=True, count_include_pad=False)[0]
    affine = np.asarray(images[0].affine, dtype=np.float64).copy()
    affine[:3, 3] += affine[:3, :3] @ np.full(3, (factor - 1) / 2)
    affine[:3, :3] *= factor
    return pooled, affine
