"""Crops of whole scans with one number each: what a network learns people's sex or age from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from qontrast.artefacts.bias import draw_bias
from qontrast.basics.randomness import chance, derive, uniform
from qontrast.basics.shapes import Box, Volume
from qontrast.views.normalise import normalise

KEPT = 64
"""Scans that each loader process keeps open."""
BIAS, NOISE = 0.2, 0.05
"""Strongest variation of the receive field, and noise over the image's deviation, that a crop is given."""


@dataclass
class HeadCrops:
    """Crops as a loader wants them: ``image`` ``[1, x, y, z]`` and ``target``.

    A crop begins anywhere between the first and the last of the windows that a prediction would take, is mirrored left
    to right every second time, and has a mild bias field and noise added.

    Args:
        opened: for each scan, a function that gives its image ``[1, 1, x, y, z]``, and along each axis the first voxel
            of the first window and of the last one.
        targets: for each scan.
        crop: voxels along the edges.
        seed: of all draws.
    """

    opened: Sequence[Callable[[], tuple[Volume, Box]]]
    targets: Sequence[float]
    crop: int
    seed: int
    _kept: dict[int, tuple[Tensor, Box]] = field(default_factory=dict)

    def __call__(self, which: int, step: int, turn: int) -> dict[str, Tensor]:
        if which not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[which] = self.opened[which]()
        image, starts = self._kept[which]
        generator = derive(self.seed, "head", which, step, turn)
        crop = self._cut(image, starts, generator)
        crop = crop.flip(2) if chance(0.5, generator) else crop
        crop = draw_bias(BIAS * uniform((0.0, 1.0), generator), generator)(crop)
        noise = NOISE * uniform((0.0, 1.0), generator) * float(crop.std())
        crop = crop + noise * torch.randn(crop.shape, generator=generator)
        return {"image": normalise(crop)[0], "target": torch.tensor(float(self.targets[which]))}

    def _cut(self, image: Tensor, starts: Box, generator: torch.Generator) -> Tensor:
        """A window; zero beyond the image, as in prediction."""
        window = torch.zeros(1, 1, *(self.crop,) * 3)
        read: list[slice] = []
        written: list[slice] = []
        for (first_start, last_start), size in zip(starts, image.shape[2:], strict=True):
            start = round(uniform((float(first_start), float(last_start)), generator))
            first, last = max(0, start), min(size, start + self.crop)
            read.append(slice(first, last))
            written.append(slice(first - start, last - start))
        x, y, z = written
        u, v, w = read
        window[:, :, x, y, z] = image[:, :, u, v, w]
        return window
