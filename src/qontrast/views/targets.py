"""What objectives ask for beside the two views: matched points, the tissue there, protocols, hidden blocks."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from qontrast.anatomy.subject import Tissue
from qontrast.basics.randomness import derive
from qontrast.physics.protocol_code import protocol_code
from qontrast.physics.tissue import MAP_NAMES
from qontrast.views.acquisition import Simulated
from qontrast.views.pair import View, ViewPair

TYPICAL = {
    "pd": (0.76, 0.15),
    "r1": (math.log(0.84), 0.47),
    "r2": (math.log(10.7), 1.0),
    "r2star": (math.log(17.6), 0.97),
    "mt": (0.011, 0.005),
}
"""Mean and standard deviation of the maps over all tissue of embedded heads 1 to 4; of the rates (1/s) their natural
logarithms. They only set a scale, so that each map counts about as much as another."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Args:
        clean: whether the views without artefacts are wanted, ``clean_a`` and ``clean_b``.
        points: how many matched points of each pair; 0 for none.
        maps: whether the tissue there is wanted.
        protocol: whether the views' protocols are.
        hidden: edge of the blocks (voxels) that are hidden in the views; 0 for none.
        share: of the blocks that are hidden.
    """

    clean: bool = True
    points: int = 0
    maps: bool = False
    protocol: bool = False
    hidden: int = 0
    share: float = 0.0


def targets(pair: ViewPair, wanted: Wanted, seed: int, step: int, turn: int) -> dict[str, Tensor]:
    """Everything that is wanted of a pair.

    Returns:
        ``clean_a`` and ``clean_b`` (``[1, x, y, z]``), ``points_a`` and ``points_b`` (matched voxel coordinates,
        ``[point, 3]``), ``tissue`` (see :func:`tissue_at`, ``[point, map]``) with ``tissue_known`` (1 or 0, ``[map]``),
        ``protocol_a`` and ``protocol_b`` (see :func:`protocol_code`) with ``protocol_known`` (``[1]``), ``hidden_a``
        and ``hidden_b`` (booleans, one a block).
    """
    found: dict[str, Tensor] = {}
    if wanted.clean:
        found["clean_a"], found["clean_b"] = pair.a.clean[0], pair.b.clean[0]
    if wanted.points:
        generator = derive(seed, pair.subject, step, turn, "points")
        found["points_a"], found["points_b"] = matched_points(pair, wanted.points, generator)
    if wanted.maps:
        tissue = pair.a.acquisition.tissue if isinstance(pair.a.acquisition, Simulated) else None
        found["tissue"], found["tissue_known"] = tissue_at(tissue, pair.a, found["points_a"])
    if wanted.protocol:
        known = pair.a.acquisition.sequence is not None and pair.b.acquisition.sequence is not None
        found["protocol_known"] = torch.tensor([float(known)])
        for name, view in (("a", pair.a), ("b", pair.b)):
            found[f"protocol_{name}"] = protocol_code(view.acquisition.sequence)
    if wanted.hidden:
        for name, view in (("a", pair.a), ("b", pair.b)):
            generator = derive(seed, pair.subject, step, turn, "hidden", name)
            found[f"hidden_{name}"] = hidden_blocks(tuple(view.image.shape[2:]), wanted, generator)
    return found


def matched_points(
    pair: ViewPair, count: int, generator: torch.Generator
) -> tuple[Float[Tensor, "point 3"], Float[Tensor, "point 3"]]:
    """Voxels of view a where there is something to see, drawn evenly, and where they lie in view b.

    Without replacement as long as there are enough; voxels whose match lies outside of view b are left out. Of views
    without tissue or overlap, any voxels are taken.
    """
    there = pair.a.there
    seen = there.flatten().nonzero().flatten()
    if not len(seen):
        seen = torch.arange(there.numel(), device=there.device)
    drawn = seen[torch.randperm(len(seen), generator=generator)[: 2 * count].to(seen.device)]
    _, y, z = there.shape
    a = torch.stack((drawn // (y * z), drawn // z % y, drawn % z), dim=1)
    b = a.float()
    if pair.a.warp is not pair.b.warp:
        b = pair.b.warp.inverse(pair.a.place.inside(a).mean(dim=1)[:, None, None])[:, 0, 0]
        inside = ((b >= 0) & (b <= torch.tensor(pair.b.warp.shape).to(b) - 1.0)).all(dim=1)
        if bool(inside.any()):
            a, b = a[inside], b[inside]
    again = torch.arange(count, device=a.device) % len(a)
    return a[again].float(), b[again]


def tissue_at(
    tissue: Tissue | None, view: View, points: Float[Tensor, "point 3"]
) -> tuple[Float[Tensor, "point map"], Float[Tensor, " map"]]:
    """The maps of ``MAP_NAMES`` at points of a view, and which of them are known.

    Averages over each voxel (rates and saturation weighted by PD), at the field where the subject's maps hold;
    logarithms of the rates; all of them shifted and scaled by ``TYPICAL``. Zeros where nothing is known.
    """
    out, known = points.new_zeros(len(points), len(MAP_NAMES)), points.new_zeros(len(MAP_NAMES))
    if tissue is None:
        return out, known
    places, box = view.place.inside(points.long()), view.place.box
    nearest = zip(places.round().long().flatten(0, 1).unbind(dim=1), box, strict=True)
    x, y, z = ((at - a).clamp(0, b - a - 1) for at, (a, b) in nearest)
    flat = (x * (box[1][1] - box[1][0]) + y) * (box[2][1] - box[2][0]) + z
    maps = tissue.at(box, flat).present()
    pd = maps["pd"].reshape(places.shape[:2])
    weight = pd / pd.sum(dim=1, keepdim=True).clamp(min=1e-6)
    for number, name in enumerate(MAP_NAMES):
        if name not in maps:
            continue
        values = maps[name].reshape(places.shape[:2])
        mean = values.mean(dim=1) if name == "pd" else (values * weight).sum(dim=1)
        if name in ("r1", "r2", "r2star"):
            mean = mean.clamp(min=0.05).log()
        centre, width = TYPICAL[name]
        out[:, number] = (mean - centre) / width
        known[number] = 1.0
    return out, known


def hidden_blocks(shape: tuple[int, ...], wanted: Wanted, generator: torch.Generator) -> Bool[Tensor, "u v w"]:
    """Which blocks of a view are hidden: ``wanted.share`` of them, at least one and not all."""
    blocks = [math.ceil(n / wanted.hidden) for n in shape]
    total = math.prod(blocks)
    count = max(1, min(total - 1, round(wanted.share * total)))
    flat = torch.zeros(total, dtype=torch.bool)
    flat[torch.randperm(total, generator=generator)[:count]] = True
    return flat.reshape(blocks)
