"""A view's geometry: where in the subject each of its voxels lies. Drawn once, applied in one resampling."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from qontrast.basics.randomness import Range, chance, uniform
from qontrast.basics.shapes import Coordinates, Device, Volume
from qontrast.basics.spline import draw_spline, linear_control, spline_spread, upsample_spline
from qontrast.geometry.reading import Reading

CONTROL_POINTS = 7
CLOSE = 1e-3
"""Voxels by which an inverse may miss."""
SUBSTITUTIONS, NEWTON_STEPS, LONGEST_STEP = 12, 30, 1.0
NOWHERE = -1e6
"""A coordinate that lies outside of every view."""


@dataclass(frozen=True)
class Warp:
    """Crop, flip, affine and elastic warp in one.

    Args:
        centre: the view's centre in the subject, voxel coordinates ``[3]``.
        matrix: view millimetres to subject millimetres, ``[3, 3]`` (a flip, then a stretch, then a rotation).
        displacement: control values of a cubic B-spline over the view, ``[3, k, k, k]``, millimetres of the view: what
            they move is then turned and scaled by ``matrix``.
        shape: voxels of the view.
        spacing: isotropic voxel size of the view, millimetres.
        subject_spacing: voxel size of the subject's grid, millimetres, ``[3]``.
    """

    centre: Tensor
    matrix: Tensor
    displacement: Tensor
    shape: tuple[int, int, int]
    spacing: float
    subject_spacing: Tensor

    def coordinates(self, oversampling: int = 1, onward: Tensor | None = None, device: Device = "cpu") -> Coordinates:
        """Subject voxel coordinates of every voxel of the view, or of ``oversampling``³ points inside each of them.

        Args:
            oversampling: as above.
            onward: from the subject's voxels to those of another grid, ``[4, 4]``: its coordinates are given instead.
            device: where they are wanted.

        Returns:
            ``[x, y, z, 3]`` with each axis ``oversampling`` times as long as the view's.
        """
        x, y, z = (n * oversampling for n in self.shape)
        to_voxels = (self.matrix / self.subject_spacing[:, None]).double()
        control = torch.einsum("ij,jabc->iabc", to_voxels, self.displacement.double())
        # A cubic B-spline can be a straight line: so the affine part costs nothing.
        for axis, (n, controls) in enumerate(zip((x, y, z), control.shape[1:], strict=True)):
            step = self.spacing / oversampling
            line = linear_control((step, -0.5 * (n - 1) * step), controls, n)
            control += to_voxels[:, axis].reshape(3, 1, 1, 1) * line.reshape([-1 if a == axis else 1 for a in range(3)])
        control += self.centre.double().reshape(3, 1, 1, 1)
        if onward is not None:
            rotation, shift = onward.double()[:3, :3], onward.double()[:3, 3]
            control = torch.einsum("ij,jabc->iabc", rotation, control) + shift.reshape(3, 1, 1, 1)
        return upsample_spline(control.float().to(device), (x, y, z)).movedim(0, -1)

    def inverse(self, points: Coordinates) -> Coordinates:
        """The view's voxel coordinates of points of the subject: what :meth:`coordinates` would lead there.

        By repeated substitution, which closes in wherever the elastic part stretches by less than its own length, and
        by Newton's method where it did not. Beyond the view the elastic part goes on as at its border.

        Args:
            points: subject voxel coordinates, ``[u, v, w, 3]``.

        Returns:
            ``[u, v, w, 3]``, right to a hundredth of a voxel. Of a warp that folds, one of several places that show a
            point; :data:`NOWHERE` where none was found.
        """
        back = torch.linalg.inv(self.matrix / self.subject_spacing[:, None]) / self.spacing
        middle = (torch.tensor(self.shape, dtype=torch.float32) - 1) / 2
        affine = (points - self.centre.to(points)) @ back.T.to(points) + middle.to(points)
        if not bool((self.displacement != 0).any()):
            return affine
        moved = upsample_spline((self.displacement / self.spacing).to(points), self.shape)[None]
        found = affine
        for _ in range(SUBSTITUTIONS):
            off = affine - found - self._at(found)(moved)[0].movedim(0, -1)
            found = found + off
            if float(off.abs().max()) < CLOSE:
                return found
        amiss = off.abs().amax(dim=-1) > CLOSE
        found[amiss] = self._sought(affine[amiss], moved)
        return found

    def _at(self, places: Coordinates) -> Reading:
        """The reading of the view's voxels at places in it, or at its border nearest to them."""
        last = torch.tensor(self.shape).to(places) - 1
        return Reading(torch.minimum(places.clamp(min=0), last), self.shape)

    def _sought(self, affine: Float[Tensor, "point 3"], moved: Volume) -> Float[Tensor, "point 3"]:
        """Places that the elastic part ``moved`` leads to ``affine``, by damped Newton steps."""
        slopes = torch.cat(torch.gradient(moved[0], dim=(1, 2, 3)))[None]  # of the components along x, y, then z
        at, best, least = affine, affine, affine.new_full((len(affine),), torch.inf)
        for _ in range(NEWTON_STEPS):
            reading = self._at(at[:, None, None])
            off = affine - at - reading(moved)[0, :, :, 0, 0].T
            error = off.abs().amax(dim=1)
            best = torch.where((error < least)[:, None], at, best)
            least = torch.minimum(least, error)
            if bool((least < CLOSE).all()):
                break
            slope = reading(slopes)[0, :, :, 0, 0].reshape(3, 3, -1).permute(2, 1, 0)
            step = torch.linalg.solve_ex(slope + torch.eye(3).to(slope), off[..., None]).result[..., 0]
            at = at + step.nan_to_num(0.0).clamp(-LONGEST_STEP, LONGEST_STEP)
        return torch.where((least < 2 * CLOSE)[:, None], best, NOWHERE)

    def describe(self) -> str:
        """For a caption."""
        flip = "flipped, " if torch.linalg.det(self.matrix) < 0 else ""
        rigid = self.matrix @ torch.diag(torch.tensor([-1.0 if flip else 1.0, 1.0, 1.0]))
        cosine = (torch.trace(torch.linalg.svd(rigid).U @ torch.linalg.svd(rigid).Vh) - 1) / 2
        angle = math.degrees(math.acos(max(-1.0, min(1.0, float(cosine)))))
        return f"{flip}turned {angle:.0f}°, warped {spline_spread(self.displacement):.1f} mm"


@dataclass(frozen=True)
class WarpRanges:
    """How strongly views are moved.

    Args:
        rotation: largest rotation about each axis (x, then y, then z), degrees.
        scale: smallest and largest zoom along each axis of the view: how many millimetres of the subject one of the
            view spans (anatomy looks smaller above 1).
        shear: largest shear of each pair of the view's axes: the cosine of the angle between them in the subject. It
            turns nothing.
        elastic: how far voxels are moved along each axis by the elastic warp: the standard deviation over the view's
            voxels, in every draw, millimetres of the view. Their mean is 0. The default folds nothing in views of
            32 mm and more; in a view of 96 mm twice as much is safe.
        flip: probability of mirroring left and right, both views of a pair alike.
        shared: whether both views of a pair are moved alike; if not, each is moved on its own around a common
            centre, and the pair still says which voxel is which.
        shift: how far at most the centre of a view that is moved on its own lies from the common one along each axis,
            as a share of the view's edge.
    """

    rotation: float = 12.0
    scale: Range = (0.9, 1.1)
    shear: float = 0.05
    elastic: float = 1.0
    flip: float = 0.5
    shared: bool = True
    shift: float = 0.0


def draw_warp(
    ranges: WarpRanges,
    centre: Tensor,
    shape: tuple[int, int, int],
    spacing: float,
    subject_spacing: tuple[float, float, float],
    generator: torch.Generator,
) -> Warp:
    """Draw a warp about ``centre`` (voxel coordinates of the subject)."""
    angles = [math.radians(uniform((-ranges.rotation, ranges.rotation), generator)) for _ in range(3)]
    zoom = torch.tensor([uniform(ranges.scale, generator) for _ in range(3)])
    shear = torch.eye(3)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        shear[i, j] = shear[j, i] = 0.5 * uniform((-ranges.shear, ranges.shear), generator)
    stretch = zoom.sqrt()[:, None] * shear * zoom.sqrt()  # symmetric: it turns nothing
    mirror = torch.diag(torch.tensor([-1.0 if chance(ranges.flip, generator) else 1.0, 1.0, 1.0]))
    matrix = rotation(angles) @ stretch @ mirror
    control = draw_spline(ranges.elastic, CONTROL_POINTS, generator, channels=3)
    return Warp(centre, matrix, control, shape, spacing, torch.tensor(subject_spacing))


def still(
    centre: Tensor, shape: tuple[int, int, int], spacing: float, subject_spacing: tuple[float, float, float]
) -> Warp:
    """The crop alone: no flip, no affine, no elastic warp."""
    nothing = torch.zeros((3, *(CONTROL_POINTS,) * 3))
    return Warp(centre, torch.eye(3), nothing, shape, spacing, torch.tensor(subject_spacing))


def rotation(angles: list[float]) -> Tensor:
    """Rotation matrix for angles (rad) about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = [math.cos(a) for a in angles], [math.sin(a) for a in angles]
    about_x = torch.tensor([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = torch.tensor([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
