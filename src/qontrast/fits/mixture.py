"""Class probabilities by a scan's own intensities: a network's answer as the prior of a mixture of Gaussians.

The numbers below, and that all classes are equally wide, were chosen on real scans (docs/limits.md says which).
"""

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy import ndimage
from torch import Tensor

ROUNDS = 5
SMOOTH_MM = 12.0
"""Standard deviation of what a class's local mean is averaged over."""
FLUID_WIDTH = 4.0
"""How much farther the means of fluid reach: lesions about a ventricle outnumber the fluid near them."""
COARSE = 4
"""Voxels along the edge of the blocks that local means are kept in."""
LEAST_MM3 = 1000.0
"""A class of less is too small to say how bright it is."""
LEAST_PRIOR = 1e-6
FAINT = 0.1
"""Weight of a block, in voxels learned from, at which a class's local mean is half its mean in the whole scan."""
CAVITY = 0.1
"""Of ``outlier``, for cavities."""
LOST = 0.1
"""Share of a fluid class that has to remain, or else it is no fluid like the others in this scan. About the brain bone
is taken for fluid, which in a PDw is dark where fluid is bright. Of ventricles among lesions a third remained."""
APART = 1.5
"""Standard deviations between the means of two tissues that differ clearly."""
EXTREME = (0.001, 0.999)
"""Quantiles beyond which an intensity says nothing more."""
THIN = 5
"""One voxel in so many tells how bright classes are; prime to COARSE, so that these lie all over each block."""


def by_intensity(
    image: Float[Tensor, "x y z"],
    probabilities: Float[Tensor, "classes x y z"],
    spacing: float,
    *,
    tissues: Sequence[str] = (),
    fluid: str = "cerebrospinal fluid",
    cavities: Collection[int] = (),
    outlier: float = 0.01,
) -> Float[Tensor, "classes x y z"]:
    """Probabilities that agree with how bright each class is in this very scan.

    Where a network blurs a border that the scan shows, the scan decides; where the scan cannot tell two classes apart
    (their Gaussians overlap), the network does. Expectation maximisation of a mixture of one Gaussian for each class,
    whose prior at a voxel is the network's probability (Ashburner and Friston 2005,
    doi:10.1016/j.neuroimage.2005.02.018; with means learned anew for each scan, whatever its contrast: Puonti et al.
    2016, doi:10.1016/j.neuroimage.2016.09.011). The means vary slowly over the head, which takes up receive fields
    (Pappas 1992, doi:10.1109/78.127962). A voxel that no Gaussian explains is left to the network, and where that is
    sure, it stays: a lesion as bright as grey matter is still white matter to a network that gives it 0.999.

    A voxel that looks like another tissue does not teach how bright its own is, where the two differ clearly: voxels at
    borders, and lesions that the network takes for fluid, would have tissues look more alike than they are. Fluid is
    one tissue whatever it fills (Puonti et al. share Gaussians between such structures).

    Args:
        image: the scan, in any unit.
        probabilities: of each class, the background first, which stays as it is.
        spacing: voxel size, mm.
        tissues: of each class, the background first; each is its own where none are given.
        fluid: the tissue all of whose classes share one mean.
        cavities: indices of classes that are hardly ever diseased: for them ``outlier`` is a tenth.
        outlier: likelihood of an intensity that a class does not explain, relative to the class that explains it best:
            no scan outweighs odds of the network of more than its inverse (ten times that against a cavity).
    """
    inside = (probabilities[0] < 0.5).flatten().nonzero()[:, 0]
    values, prior = image.flatten()[inside], probabilities.flatten(1)[1:, inside].clamp_min(LEAST_PRIOR)
    if values.numel() < LEAST_MM3 / spacing**3:
        return probabilities
    # A few voxels as bright as no tissue (spikes, a saturated vessel) would make all tissues look alike.
    values = values.clamp(*torch.quantile(values[::THIN], torch.tensor(EXTREME, dtype=values.dtype)).tolist())
    if not values.std() > 0:
        return probabilities
    values = (values - values.mean()) / values.std()
    prior /= prior.sum(dim=0)
    blocks = _Blocks.of(image.shape, spacing)
    at = blocks.of_voxels(image.shape)[inside]
    some, some_at, some_prior = values[::THIN], at[::THIN], prior[:, ::THIN].contiguous()
    kinds = list(tissues[1:]) or [str(index) for index in range(len(prior))]
    shared = [index for index, kind in enumerate(kinds) if kind == fluid]

    def explained(one: Sequence[int], undiseased: Collection[int]) -> Float[Tensor, "classes voxel"]:
        floor = torch.full((len(prior), 1), outlier)
        floor[[index - 1 for index in undiseased]] *= CAVITY
        learned = _Mixture.of(some, some_at, some_prior, blocks, spacing, kinds, one)
        for _ in range(ROUNDS - 1):
            weights = learned.weigh(some, some_at, some_prior, floor)
            learned = _Mixture.of(some, some_at, weights, blocks, spacing, kinds, one)
        return learned.weigh(values, at, prior, floor)

    found = explained(shared, cavities)
    if shared and bool((found[shared].sum(dim=1) < LOST * prior[shared].sum(dim=1)).any()):
        found = explained((), ())
    out = probabilities.flatten(1).clone()
    out[1:, inside] = found * (1 - out[0, inside])
    return out.reshape(probabilities.shape)


@dataclass(frozen=True)
class _Blocks:
    """Blocks of voxels, in which local means are kept.

    Args:
        shape: blocks along each axis.
        sigma: of what means are averaged over, in blocks.
    """

    shape: tuple[int, int, int]
    sigma: float

    @classmethod
    def of(cls, shape: Sequence[int], spacing: float) -> "_Blocks":
        u, v, w = (-(-size // COARSE) for size in shape)
        return cls((u, v, w), SMOOTH_MM / (COARSE * spacing))

    def of_voxels(self, shape: Sequence[int]) -> Int[Tensor, " voxel"]:
        """The block of each voxel of an image."""
        x, y, z = (torch.arange(size) // COARSE for size in shape)
        return ((x[:, None, None] * self.shape[1] + y[:, None]) * self.shape[2] + z).flatten()

    def local_mean(
        self, values: Float[Tensor, " voxel"], at: Int[Tensor, " voxel"], weight: Float[Tensor, " voxel"], width: float
    ) -> Float[Tensor, " block"]:
        """The mean of a class about each block, over ``width`` times as far as :data:`SMOOTH_MM`."""
        count = self.shape[0] * self.shape[1] * self.shape[2]
        sums = [torch.bincount(at, weights=w, minlength=count) for w in (weight, weight * values)]
        share, bright = (self._smooth(part, width) for part in sums)
        everywhere = (weight * values).sum() / weight.sum()
        return ((bright + FAINT * everywhere) / (share + FAINT)).to(values.dtype)

    def _smooth(self, sums: Float[Tensor, " block"], width: float) -> Float[Tensor, " block"]:
        blocks = sums.reshape(self.shape).numpy()
        found = ndimage.gaussian_filter(blocks, width * self.sigma, mode="constant", truncate=3.0)
        return torch.from_numpy(found).flatten()


@dataclass(frozen=True)
class _Mixture:
    """How bright each class is, and how widely its voxels are spread about that.

    All classes are equally wide, as the one is in which half of the tissue's volume is reached: a class that partial
    volumes widen would otherwise lose its own borders to a narrower neighbour.

    Args:
        means: of each class, in each block.
        variance: of all.
    """

    means: Float[Tensor, "classes block"]
    variance: Float[Tensor, ""]

    @classmethod
    def of(
        cls,
        values: Float[Tensor, " voxel"],
        at: Int[Tensor, " voxel"],
        weights: Float[Tensor, "classes voxel"],
        blocks: _Blocks,
        spacing: float,
        kinds: Sequence[str],
        shared: Sequence[int],
    ) -> "_Mixture":
        """Learned from voxels that lie ``at`` blocks and belong to classes by ``weights``.

        Args:
            values: of the voxels.
            at: their blocks.
            weights: how much they belong to each class.
            blocks: of the image.
            spacing: voxel size, mm.
            kinds: tissue of each class.
            shared: classes that have one mean.
        """
        large = LEAST_MM3 / (THIN * spacing**3)
        totals = weights.sum(dim=1)

        def means_of(by: Float[Tensor, "classes voxel"], before: Float[Tensor, "classes block"]) -> Tensor:
            means = before.clone()
            for i, weight in enumerate(by):
                if i not in shared and float(weight.sum()) >= large:
                    means[i] = blocks.local_mean(values, at, weight, 1.0)
            if shared and float((fluid := by[shared].sum(dim=0)).sum()) >= large:
                means[shared] = blocks.local_mean(values, at, fluid, FLUID_WIDTH)
            return means

        def variance_of(there: Float[Tensor, "classes voxel"]) -> Tensor:
            variances = (weights * (values - there).square()).sum(dim=1) / totals
            order = variances.argsort()
            reached = (totals * (totals >= large))[order].cumsum(dim=0)
            return variances[order][int((reached < reached[-1] / 2).sum())].clamp_min(1e-6)  # of a scan without noise

        means = means_of(weights, values.mean().expand(len(weights), math.prod(blocks.shape)))
        there = means[:, at]
        away, apart = (values - there).abs(), APART * variance_of(there).sqrt()
        pure = weights.clone()
        for one, other in itertools.permutations(range(len(kinds)), 2):
            if kinds[one] != kinds[other]:
                clear = (means[other] - means[one]).abs() > apart
                pure[one] *= ~((away[other] < away[one]) & clear[at])
        means = means_of(pure, means)
        return cls(means, variance_of(means[:, at]))

    def weigh(
        self,
        values: Float[Tensor, " voxel"],
        at: Int[Tensor, " voxel"],
        prior: Float[Tensor, "classes voxel"],
        floor: Float[Tensor, "classes 1"],
    ) -> Float[Tensor, "classes voxel"]:
        """How much each voxel belongs to each class, given how much it did before it was seen."""
        away = torch.stack([(values - mean[at]).square() for mean in self.means])
        found = prior * ((-0.5 * (away - away.amin(dim=0)) / self.variance).exp() + floor)
        return found / found.sum(dim=0)
