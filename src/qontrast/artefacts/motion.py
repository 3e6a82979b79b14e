"""Rigid motion while k-space is acquired: its segments come from differently posed images."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from qontrast.artefacts.lines import AXES, along, line_numbers, mirrored
from qontrast.artefacts.planes import Planes
from qontrast.basics.errors import InputError
from qontrast.basics.randomness import chance, normal, uniform
from qontrast.basics.shapes import AnyVolume
from qontrast.geometry.reading import askew

Order = Literal["linear", "interleaved"]


@dataclass(frozen=True)
class Pose:
    """Where the head is.

    Args:
        shift: along right, anterior, superior, mm.
        turn: rotation vector about the image's centre, degrees: its direction is the axis, its length the angle.
    """

    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def relative_to(self, other: "Pose") -> "Pose":
        """The difference of both, exact for shifts and right to second order for small turns."""
        x, y, z = (a - b for a, b in zip(self.shift, other.shift, strict=True))
        u, v, w = (a - b for a, b in zip(self.turn, other.turn, strict=True))
        return Pose((x, y, z), (u, v, w))

    def __call__(self, image: AnyVolume, voxel: tuple[float, float, float]) -> AnyVolume:
        """The image of the head in this pose: turned and shifted by one resampling, or only shifted by phase ramps."""
        if any(self.turn):
            return turned(image, self.turn, voxel, self.shift)
        for axis in range(3):
            if self.shift[axis]:
                count = image.shape[axis + 2]
                cycles = line_numbers(count) / (2 * count) * self.shift[axis] / voxel[axis]
                ramp = mirrored(torch.polar(torch.ones_like(cycles), -2 * math.pi * cycles))
                # The ramp is Hermitian but for the outermost line: a real image stays real.
                image = along(image, ramp.real, axis)
        return image


@dataclass(frozen=True)
class RigidMotion:
    """Take each line of k-space from the image in the pose that the head has when the line is acquired.

    Poses count from the one at the centre of k-space, so the anatomy keeps its place. Three-dimensional gradient
    echoes step through k-space once (*linear*); the shots of a fast spin echo each take every n-th line
    (*interleaved*), and motion between them becomes ghosts (Wood and Henkelman 1986, doi:10.1118/1.595851; Zaitsev et
    al. 2015, doi:10.1002/jmri.24850).

    Args:
        axis: of phase encoding, along which k-space is stepped through: 0, 1 or 2 (right, anterior, superior).
        order: as above.
        poses: one after the other.
        starts: when each pose begins, as a share of the scan; the first at 0.
        voxel: voxel size of the grid along each axis, mm.
        kept: share of the grid's k-space lines that is acquired (see ``Resolution``).
        shots: of an interleaved acquisition.
    """

    axis: int
    order: Order
    poses: tuple[Pose, ...]
    starts: tuple[float, ...]
    voxel: tuple[float, float, float]
    kept: float = 1.0
    shots: int = 12

    def __post_init__(self) -> None:
        if len(self.poses) != len(self.starts) or not self.poses or self.starts[0] != 0:
            raise InputError(
                "motion", f"{len(self.poses)} poses that start at {self.starts}", "a start for each, from 0"
            )
        if list(self.starts) != sorted(self.starts) or self.starts[-1] >= 1:
            raise InputError("motion", f"starts at {self.starts}", "shares of the scan in order, below 1")
        if self.shots < 1 or not 0 < self.kept <= 1:
            raise InputError(
                "motion", f"{self.shots} shots, {self.kept:g} of k-space", "1 shot or more, a share up to 1"
            )

    def when(self, count: int) -> Tensor:
        """When each of the ``2 count`` lines is acquired, as a share of the scan, ``[2 count]``."""
        lines = line_numbers(count)
        if self.order == "interleaved":
            return (lines.remainder(self.shots) + 0.5) / self.shots
        return (0.5 + 0.5 * lines / (self.kept * count)).clamp(0, 1)

    def __call__(self, signal: AnyVolume) -> AnyVolume:
        return self.apart(Planes.of(signal)).joined()

    def apart(self, image: Planes) -> Planes:
        """The same for the planes of an image."""
        count = image.real.shape[self.axis + 2]
        which = torch.bucketize(self.when(count), torch.tensor(self.starts, dtype=torch.float64), right=True) - 1
        reference = self.poses[int(which[0])]
        signal = image.joined()
        out = image
        for number, pose in enumerate(self.poses):
            relative = pose.relative_to(reference)
            lines = (which == number).to(torch.float64)
            if relative == Pose() or not bool(lines.any()):
                continue
            # Only what differs is exchanged: a still head is left exactly as it is.
            change = Planes.of(relative(signal, self.voxel) - signal)
            out = out.plus(change.along(mirrored(lines + 0j), self.axis))
        return out

    def extent(self) -> tuple[float, float]:
        """Largest distance (mm) and largest turn (degrees) between two poses."""
        pairs = [one.relative_to(other) for one in self.poses for other in self.poses]
        return max(math.hypot(*p.shift) for p in pairs), max(math.hypot(*p.turn) for p in pairs)

    def describe(self) -> str:
        """For a caption."""
        shift, turn = self.extent()
        return f"motion {shift:.1f} mm {turn:.1f}° {AXES[self.axis]} {self.order}"


def turned(
    image: AnyVolume,
    turn: tuple[float, float, float],
    voxel: tuple[float, float, float],
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> AnyVolume:
    """The content of ``image`` turned by a rotation vector (degrees) about its centre, then shifted (mm).

    Trilinear, edges repeated.
    """
    u, v, w = (math.radians(t) for t in turn)
    skew = torch.tensor([[0.0, -w, v], [w, 0.0, -u], [-v, u, 0.0]], dtype=torch.float64)
    back = torch.linalg.matrix_exp(-skew)
    size = torch.tensor(voxel, dtype=torch.float64)
    to_voxels = back * size[None, :] / size[:, None]
    middle = torch.tensor([(n - 1) / 2 for n in image.shape[-3:]], dtype=torch.float64)
    first = middle - to_voxels @ (middle + torch.tensor(shift, dtype=torch.float64) / size)
    return askew(image, to_voxels, first)


def draw_motion(
    strength: tuple[float, float],
    axis: int,
    order: Order,
    voxel: tuple[float, float, float],
    generator: torch.Generator,
    *,
    kept: float = 1.0,
    shots: int = 12,
) -> RigidMotion:
    """Draw two to four poses: nods and shifts with standard deviations ``strength`` (mm, degrees).

    Now and then the head returns to where it was (a cough), else it stays in the new pose (it slid).
    """
    shift, turn = strength
    count = 2 + int(3 * uniform((0.0, 1.0), generator))
    starts = (0.0, *sorted(uniform((0.05, 0.95), generator) for _ in range(count - 1)))
    poses = [Pose()]
    for _ in range(count - 1):
        mm = [shift * normal(generator) for _ in range(3)]
        degrees = [turn * normal(generator) for _ in range(3)]
        before = poses[-2] if len(poses) > 1 and chance(0.3, generator) else None
        poses.append(before or Pose((mm[0], mm[1], mm[2]), (degrees[0], degrees[1], degrees[2])))
    return RigidMotion(axis, order, tuple(poses), starts, voxel, kept, shots)
