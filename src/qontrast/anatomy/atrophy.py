"""Atrophy: ventricles and sulci grow and the brain around them gives way, as one smooth invertible flow.

A stationary velocity field flows out of the fluid and converges in the parenchyma: its potential solves Poisson's
equation with sources in the fluid and as many sinks in the tissue, no flow through the box around the brain, and it
fades out towards the skull. Flowing along it for a longer time gives a larger expansion; the flow of a smooth field is
invertible (Arsigny et al. 2006, doi:10.1007/11866565_113). Ventricles have no sources in the sulcal field, nor sulci in
the ventricular one, so that each keeps its volume under the other.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import fft, ndimage
from torch import Tensor

from qontrast.anatomy import atrophy_tensors
from qontrast.anatomy.atrophy_loops import dither
from qontrast.anatomy.compartments import Compartments
from qontrast.basics.compiled import by_loops
from qontrast.basics.shapes import Box, Device
from qontrast.basics.spline import sample_along_axes
from qontrast.geometry.reading import Reading
from qontrast.geometry.sample import occupied

STEPS = 5  # of the flow
WAVES = ((0.061, 0.127, 0.083), (0.109, -0.071, 0.119), (-0.087, 0.113, 0.067))
"""Wave vectors of the dither along each axis, cycles per voxel."""
TIMES = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0)
"""Flow times at which the growth is measured, once per head."""
SKULL_MM = 6.0  # over which the flow fades out towards the skull
SINK_MM = 40.0  # how far into the brain the ventricles' growth is felt


class Atrophy:
    """The two fields of a head and how much volume they give; computed when first used.

    Args:
        head: the sketch of the label map.
    """

    def __init__(self, head: Compartments) -> None:
        self.head = head

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """The coarse voxels around what the skull encloses."""
        found = occupied(torch.from_numpy(self.head.cavity))
        assert found is not None, "heads without a brain do not age"
        x, y, z = (slice(max(0, a - 1), min(n, b + 1)) for (a, b), n in zip(found, self.head.shape, strict=True))
        return x, y, z

    @cached_property
    def velocities(self) -> Tensor:
        """Of ventricles and of sulci, ``[2, 3, x, y, z]`` in coarse voxels per unit of time, half precision."""
        head, box = self.head, self.box
        near = np.exp(-np.minimum(head.from_ventricles, 500.0) / SINK_MM)
        ventricles = self._velocity(head.ventricular_fluid[box], (head.brain * near)[box], 0.7)
        sulci = self._velocity(head.outer_fluid[box], (head.grey + 0.6 * head.white)[box], 0.5)
        return torch.from_numpy(np.stack([ventricles, sulci])).half()

    @cached_property
    def growth(self) -> np.ndarray:
        """Volume of ventricles and of outer fluid at ``TIMES``, relative to the first, ``[2, time]``."""
        shares = (self.head.ventricular_fluid[self.box], self.head.outer_fluid[self.box] * self.head.cavity[self.box])
        out = np.ones((2, len(TIMES)))
        shape = shares[0].shape
        # Every second voxel along each axis is enough of a sample.
        axes = [torch.arange(n, dtype=torch.float32)[::2] for n in shape]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        for which, share in enumerate(shares):
            if share.sum() < 1:
                continue
            field, moved = self.velocities[which].float(), points
            volume = torch.from_numpy(np.ascontiguousarray(share, dtype=np.float32))[None]
            before = float(_read(volume, points).sum())
            for i in range(1, len(TIMES)):
                moved = flow(field, moved, TIMES[i] - TIMES[i - 1], 2)
                out[which, i] = float(_read(volume, moved).sum()) / before
        return np.maximum.accumulate(out, axis=1)

    def to(self, ventricles: float, sulci: float) -> "Flow":
        """The flow by which the volumes grow by these factors, as far as the head lets them."""
        asked = [min(f, float(g[-1])) for f, g in zip((ventricles, sulci), self.growth, strict=True)]
        times = [float(np.interp(f, g, TIMES)) for f, g in zip(asked, self.growth, strict=True)]
        return Flow(self, (times[0], times[1]), (asked[0], asked[1]))

    def _velocity(self, source: np.ndarray, sink: np.ndarray, smoothing: float) -> np.ndarray:
        """Gradient of the potential, ``[3, x, y, z]``, in coarse voxels; 0 where nothing grows or nothing gives way."""
        spacing = np.array(self.head.spacing)
        if source.sum() < 1 or sink.sum() < 1:
            return np.zeros((3, *source.shape), dtype=np.float32)
        divergence = ndimage.gaussian_filter(source - sink * (source.sum() / sink.sum()), smoothing, mode="nearest")
        waves = [2 * np.cos(np.pi * np.arange(n) / n) - 2 for n in divergence.shape]
        laplace = sum(
            (w / s**2).reshape([-1 if i == a else 1 for i in range(3)])
            for a, (w, s) in enumerate(zip(waves, spacing, strict=True))
        )
        laplace = np.asarray(laplace)
        laplace[0, 0, 0] = 1.0
        spectrum = fft.dctn(divergence, type=2) / laplace
        spectrum[0, 0, 0] = 0.0
        potential = fft.idctn(spectrum, type=2)
        velocity = np.stack(np.gradient(potential, *spacing))
        depth = ndimage.distance_transform_edt(np.pad(self.head.cavity[self.box], 1), sampling=tuple(spacing))
        fade = np.clip(depth[1:-1, 1:-1, 1:-1] / SKULL_MM, 0, 1)
        return np.asarray(velocity * (fade**2 * (3 - 2 * fade)) / spacing[:, None, None, None], dtype=np.float32)


@dataclass(frozen=True)
class Flow:
    """One head's atrophy, drawn.

    Args:
        atrophy: the head's fields.
        times: along the ventricular and the sulcal field.
        factors: by which ventricles and sulci grow.
    """

    atrophy: Atrophy
    times: tuple[float, float]
    factors: tuple[float, float]

    def source(self, box: Box, device: Device = "cpu") -> Tensor:
        """Where in the label map each voxel of ``box`` reads, rounded to whole voxels: ``[3, x, y, z]``."""
        head, fields = self.atrophy.head, self.atrophy.velocities.to(device)
        velocity = (self.times[0] * fields[0].float()).add_(fields[1].float(), alpha=self.times[1])
        # Knots every 1.5 coarse voxels: at 2 the growth falls short by some percent.
        sides = [(a, b, 1.5 * f) for (a, b), f in zip(box, head.factor, strict=True)]
        axes = [a + step * torch.arange(int((b - a) / step) + 2, dtype=torch.float32) for a, b, step in sides]
        fine = torch.stack(torch.meshgrid(*axes, indexing="ij")).to(device)
        factor = torch.tensor(head.factor).to(fine).reshape(3, 1, 1, 1)
        corner = torch.tensor([s.start for s in self.atrophy.box]).to(fine).reshape(3, 1, 1, 1)
        start = (fine - (factor - 1) / 2) / factor - corner
        moved = (flow(velocity, start, 1.0, STEPS) - start) * factor
        full = sample_along_axes(moved, [torch.arange(b - a) / step for a, b, step in sides])
        return dithered(full, box, head.grid.shape)


def dithered(displacement: Tensor, box: Box, shape: tuple[int, int, int]) -> Tensor:
    """Whole voxels of a grid of ``shape`` that the voxels of ``box`` plus ``displacement`` ``[3, x, y, z]`` fall into.

    Before rounding a wave between -1/2 and 1/2 voxel is added, evenly distributed, a triangle of 5 to 8 voxels' period
    that runs askew to the axes. So 0.3 voxel moves three tenths of a border by one voxel, in patches as wide as a
    gyrus's irregularities, and a standing border stands. Any box of a head has the same wave.
    """
    first = box[0][0], box[1][0], box[2][0]
    if not by_loops(displacement):
        found = [atrophy_tensors.dither(displacement[i], wave, first, i, shape[i] - 1) for i, wave in enumerate(WAVES)]
        return torch.stack(found)
    out = torch.empty(displacement.shape, dtype=torch.int32)
    for i, wave in enumerate(WAVES):
        dither(displacement[i].contiguous().numpy(), wave, first, i, shape[i] - 1, out[i].numpy())
    return out


def flow(velocity: Tensor, points: Tensor, time: float, steps: int) -> Tensor:
    """Follow ``velocity`` ``[3, x, y, z]`` (voxels) backwards from ``points`` ``[3, ...]``: where they came from."""
    h = time / steps
    for _ in range(steps):
        half = points - 0.5 * h * _read(velocity, points)
        points = points - h * _read(velocity, half)
    return points


def _read(values: Tensor, points: Tensor) -> Tensor:
    """``values`` ``[channel, x, y, z]`` at voxel coordinates ``[3, u, v, w]``; borders repeated."""
    x, y, z = values.shape[1:]
    last = torch.tensor([x - 1, y - 1, z - 1]).to(points).reshape(3, 1, 1, 1)
    within = torch.minimum(points.clamp(min=0), last).movedim(0, -1)
    return Reading(within, (x, y, z))(values[None])[0]
