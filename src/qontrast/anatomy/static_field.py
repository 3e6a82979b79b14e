"""The static field of a label map: what the head's own susceptibility leaves after the shim.

Susceptibilities (volume, SI, ppm): air 0.36 and tissue like water -9.05 (Schenck 1996, doi:10.1118/1.597854); cortical
bone -11.3 (Hopkins and Wehrli 1997, doi:10.1002/mrm.1910370404); fat about 0.6 above water; venous blood by its
deoxyhaemoglobin (Spees et al. 2001, doi:10.1002/mrm.1072); deep grey matter above water by its iron, white matter below
by its myelin (a few hundredths of a ppm to 0.13 in the pallidum; Treit et al. 2021, doi:10.1002/hbm.25569). The largest
step by far is that of air, so the sinuses and ear cells must be air (label 0) in the map.
"""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.compartments import BRAIN, Compartments
from qontrast.basics.shapes import Box, Device, Volume
from qontrast.basics.spline import sample_along_axes
from qontrast.physics.susceptibility import GYROMAGNETIC, field_of, shimmed

WATER, AIR = -9.05, 0.36
SUSCEPTIBILITY = {
    "air": AIR,
    "white matter": WATER - 0.03,
    "cerebellar white matter": WATER - 0.03,
    "pallidum": WATER + 0.13,
    "putamen": WATER + 0.05,
    "caudate": WATER + 0.05,
    "venous blood": WATER + 0.4,
    "fat": WATER + 0.6,
    "bone marrow": WATER + 0.4,
    "cortical bone": -11.3,
}
"""ppm; every other tissue is like water."""
NECK_SHARE = 0.4  # of the largest cross-section: below the lowest slice with so much head the map is cut off
NECK_MM = 120.0  # how far it is continued downwards


class StaticField:
    """The field of a head at about 3 mm, computed when it is first asked for.

    Args:
        head: the sketch of the label map.
    """

    def __init__(self, head: Compartments) -> None:
        self.head = head

    @cached_property
    def ppm(self) -> Tensor:
        """Off-resonance relative to the field, ppm, shimmed over the brain to second order, ``[x, y, z]``, coarse."""
        head = self.head
        table = torch.tensor([SUSCEPTIBILITY.get(head.table.tissues.get(int(v), ""), WATER) for v in head._values])
        chi = head.mean_of(table.float(), AIR)
        along = head.affine[2, :3] / np.array(head.spacing)  # world's superior in the grid's axes
        axis, up = int(np.argmax(np.abs(along))), float(np.sign(along[np.argmax(np.abs(along))]))
        continued = _with_neck(chi if up > 0 else chi.flip(axis), axis, round(NECK_MM / head.spacing[axis]))
        x, y, z = (float(a) for a in (along if up > 0 else np.where(np.arange(3) == axis, -along, along)))
        field = field_of(continued, head.spacing, (x, y, z), surroundings=AIR, padding=1.5)
        field = field.narrow(axis, field.shape[axis] - chi.shape[axis], chi.shape[axis])
        field = field if up > 0 else field.flip(axis)
        brain = torch.from_numpy(head.share(head.has(*BRAIN)) > 0.5)
        return shimmed(field, brain, head.spacing) if int(brain.sum()) > 50 else field

    def hertz(self, box: Box, field_strength: float, device: Device = "cpu") -> Volume:
        """Off-resonance in ``box`` of the head's grid at a field (tesla), Hz, ``[1, 1, x, y, z]``."""
        values = (self.ppm[None] * (GYROMAGNETIC * field_strength)).to(device)
        axes = [(torch.arange(a, b) - (f - 1) / 2) / f for (a, b), f in zip(box, self.head.factor, strict=True)]
        return sample_along_axes(values, axes)[None]


def _with_neck(chi: Tensor, axis: int, length: int) -> Tensor:
    """The head continued downwards (to index 0 of ``axis``) by its lowest whole slice, for ``length`` more voxels."""
    others = [i for i in range(3) if i != axis]
    area = (chi < (AIR + WATER) / 2).float().sum(dim=others)
    whole = torch.nonzero(area >= NECK_SHARE * area.max()).flatten()
    if len(whole) == 0:
        return chi
    lowest = int(whole[0])
    slab = chi.narrow(axis, lowest, 1)
    count = [1, 1, 1]
    count[axis] = lowest + length
    return torch.cat((slab.repeat(count), chi.narrow(axis, lowest, chi.shape[axis] - lowest)), dim=axis)
