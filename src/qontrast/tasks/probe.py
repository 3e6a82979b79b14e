"""A fixed set of heads that a pretraining never sees, each in several contrasts, to tell how the encoder is doing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from qontrast.anatomy.observed import HEAD_SHARE, ObservedHead
from qontrast.anatomy.source import EMBEDDED, SubjectSource
from qontrast.anatomy.subject import Head, Subject
from qontrast.basics.errors import MissingMapError
from qontrast.basics.randomness import derive
from qontrast.geometry.warp import WarpRanges, draw_warp, still
from qontrast.physics.clinical import CLINICAL
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import first
from qontrast.tasks.plans import Cohort
from qontrast.tasks.speaking import track
from qontrast.tasks.subjects import sources_of
from qontrast.views.acquisition import Acquisition, Observed, Simulated
from qontrast.views.pair import draw_centre
from qontrast.views.plan import ArtefactRanges, ViewPlan
from qontrast.views.render import Place

CONTRASTS = {
    "T1w": PRESETS["mprage"],
    "T2w": PRESETS["fse"],
    "FLAIR": PRESETS["flair"],
    "T2*w": PRESETS["gre"],
    "PDw": CLINICAL["ixi-hh-pd"].sequence,
    "FLASH": PRESETS["spgr"],
    "UNI": PRESETS["mp2rage"],
    "MTw": PRESETS["mt"],
    "IR": PRESETS["ir"],
    "bSSFP": PRESETS["bssfp"],
    "STIR": PRESETS["stir"],
    "DIR": PRESETS["dir"],
}
"""The clinic's commonest first: a set takes the first few that the maps of all its heads suffice for."""
MOVED = WarpRanges(rotation=10.0, scale=(0.95, 1.05), shear=0.02, elastic=1.0, flip=0.0, shared=False)
"""Each contrast lies a little differently, as patients do; nothing is mirrored."""
SHIFT = 1 / 12  # of the crop's edge: by how much each contrast's crop may lie aside, along each axis
MILD = ArtefactRanges(
    strength=0.25, dropout=0.0, motion=0.0, thick_slices=0.0, gibbs=0.0, partial_fourier=0.0, erasure=0.0
)
"""A quarter of the usual noise and bias, and nothing else."""
TISSUE = 0.5  # of water's proton density: what has less is air, or bone
CANDIDATES = 12  # places that are drawn for each that is wanted: some lie outside one of the crops
FEWEST_PLACES = 16
MOST_HEADS = 4  # that are opened: several crops of one head are told apart like those of several


@dataclass(frozen=True)
class ProbeSet:
    """Crops of heads, each in all contrasts, with places whose tissue is known to be the same.

    Args:
        images: as the encoder sees them.
        places: voxel coordinates in each image of the same places of each anatomy.
        heads: number of the head of each anatomy.
        contrasts: their names.
        echo_times: of each contrast, seconds; empty for scans that were really made.
        held_out: whether training never sees these heads.
    """

    images: Float[Tensor, "anatomy contrast x y z"]
    places: Float[Tensor, "anatomy contrast place 3"]
    heads: Int[Tensor, " anatomy"]
    contrasts: tuple[str, ...]
    echo_times: tuple[float, ...]
    held_out: bool

    def describe(self) -> str:
        """A sentence: how many of what, from whom, and how much memory they take."""
        anatomies, contrasts = self.images.shape[:2]
        crop, heads = self.images.shape[2], len(self.heads.unique())
        who = "that are not trained on" if self.held_out else "that are trained on, too (there are no others to spare)"
        size = self.images.numel() * self.images.element_size() / 1e6
        return (
            f"probe: {anatomies} crops of {crop}³ of {heads} heads {who}, in {', '.join(self.contrasts)} "
            f"({anatomies * contrasts} images, {size:.0f} MB)"
        )


def probe_sources(
    cohorts: Sequence[Cohort], heads: int = MOST_HEADS, seed: int = 0
) -> tuple[list[SubjectSource], bool]:
    """Subjects for a probe set, and whether none of them is trained on.

    Embedded heads are made beyond those of the plan; of a cohort of which the plan names subjects, others are taken.
    Where there are none, those that are trained on are taken (crops and contrasts are still others than in training).

    Args:
        cohorts: the plan's.
        heads: how many to take at most.
        seed: of the choice.

    Raises:
        InputError: if there is no subject at all.
    """
    used = [source for cohort in cohorts for source in sources_of(cohort)]
    people = {_person(source) for source in used}
    spare: dict[str, SubjectSource] = {}
    for cohort in cohorts:
        if cohort.data == EMBEDDED or cohort.subjects:
            whole = sources_of(replace(cohort, subjects=(), embedded=cohort.embedded + heads))
            spare |= {source.name: source for source in whole if _person(source) not in people}
    chosen = list((spare or {source.name: source for source in used}).values())
    order = torch.randperm(len(chosen), generator=derive(seed, "probe", "heads"))[:heads].tolist()
    return [chosen[index] for index in sorted(order)], bool(spare)


def open_probe(sources: Sequence[SubjectSource], *, quiet: bool = False) -> list[Head]:
    """Read the heads of a probe set; they are not kept in memory for later, as those of a training are."""
    reading = track(list(sources), "reading heads of the probe", quiet=quiet)
    return [source.open() if source.kind == "prepared" else source.read() for source in reading]


def make_probe(
    heads: Sequence[Head],
    views: ViewPlan,
    seed: int,
    *,
    held_out: bool,
    anatomies: int = 8,
    contrasts: int = 6,
    places: int = 128,
) -> ProbeSet:
    """Make a probe set: the same for the same heads, plan and seed.

    Crops lie in the heads as those of a training do, in health. Each contrast of a crop has a warp of its own
    (:data:`MOVED`, shifted by up to a twelfth of the crop) and mild artefacts (:data:`MILD`). Heads whose tissue is
    known are preferred to scans; of these, suffixes (T1w, FLAIR) that several sessions share are the contrasts.

    Args:
        heads: open ones; crops are taken from them in turn.
        views: whose crop and spacing are used.
        seed: the plan's; what training draws from it is something else.
        held_out: whether training never sees these heads.
        anatomies: crops; memory is 4 bytes a voxel: 8 crops of 48³ in 6 contrasts take 21 MB.
        contrasts: at most so many.
        places: voxels of tissue in each crop that are to be found in its other contrasts.

    Raises:
        MissingMapError: if no head can be shown in two contrasts.
    """
    chosen, names = _shared_contrasts(heads, contrasts)
    plan = replace(views, geometry=MOVED, artefacts=MILD)
    made = [_crop(chosen[i % len(chosen)], names, plan, seed, i, places) for i in range(anatomies)]
    count = min(found.shape[1] for _, found in made)
    observed = isinstance(chosen[0], ObservedHead)
    return ProbeSet(
        images=torch.stack([images for images, _ in made]),
        places=torch.stack([found[:, :count] for _, found in made]),
        heads=torch.arange(anatomies) % len(chosen),
        contrasts=tuple(names),
        echo_times=() if observed else tuple(first(CONTRASTS[name].echo_time) for name in names),  # type: ignore[attr-defined]
        held_out=held_out,
    )


def _person(source: SubjectSource) -> str:
    """Sessions of one person are one person."""
    return source.name.split("_ses-")[0]


def _shared_contrasts(heads: Sequence[Head], most: int) -> tuple[list[Head], list[str]]:
    """Heads of one kind that share two contrasts or more, and which; as many heads as possible, then contrasts."""
    kind = Subject if any(isinstance(head, Subject) for head in heads) else ObservedHead
    offered = [(head, _contrasts_of(head)) for head in heads if isinstance(head, kind)]
    counts = Counter(name for _, names in offered for name in names)
    wanted = {name for name, _ in counts.most_common(2)}
    able = [(head, names) for head, names in offered if len(wanted) == 2 and wanted <= names.keys()]
    if not able:
        found = ", ".join(sorted(counts)) or "none"
        remedy = "Set probe.every to 0."
        raise MissingMapError("probe", f"the contrasts {found}", "a head that can be shown in two", remedy)
    shared = [name for name in able[0][1] if all(name in names for _, names in able)]
    return [head for head, _ in able], shared[:most]


def _contrasts_of(head: Head) -> dict[str, str]:
    """The contrasts that a head can be shown in: what each is called in a probe set, and by the head."""
    if isinstance(head, ObservedHead):
        first_of = {name.split("_")[0]: name for name in sorted(head.scans, reverse=True)}
        return dict(sorted(first_of.items()))
    assert isinstance(head, Subject)
    possible = head.sequences
    return {name: sequence.name for name, sequence in CONTRASTS.items() if sequence.name in possible}


def _acquisitions(head: Head, names: Sequence[str], generator: torch.Generator) -> list[Acquisition]:
    if isinstance(head, ObservedHead):
        own = _contrasts_of(head)
        return [Observed(head.scans[own[name]]) for name in names]
    assert isinstance(head, Subject)
    tissue = head.draw(generator)
    return [Simulated(CONTRASTS[name], tissue) for name in names]


def _crop(
    head: Head, names: Sequence[str], plan: ViewPlan, seed: int, number: int, places: int
) -> tuple[Float[Tensor, "contrast x y z"], Float[Tensor, "contrast place 3"]]:
    """One anatomy in all contrasts, and where up to ``places`` of its voxels lie in each."""
    generator = derive(seed, "probe", head.name, number)
    shape, spacing = (plan.crop,) * 3, head.grid.spacing
    acquisitions = _acquisitions(head, names, generator)
    centre = draw_centre(head.region, spacing, plan.crop * plan.spacing, generator)
    points = _tissue(acquisitions, Place(head.grid, still(centre, shape, plan.spacing, spacing)))
    order = torch.randperm(len(points), generator=generator)[: CANDIDATES * places]
    points = points[order][:, None, None]
    images, found = [], []
    reach = SHIFT * plan.crop * plan.spacing / torch.tensor(spacing)
    for acquisition in acquisitions:
        aside = centre + reach * (2 * torch.rand(3, generator=generator) - 1)
        warp = draw_warp(plan.geometry, aside, shape, plan.spacing, spacing, generator)
        signal = acquisition.render(Place(head.grid, warp))
        spoiling = acquisition.draw_spoiling(plan, generator, field_known=signal[1] is not None)
        images.append(acquisition.image(signal, spoiling)[0, 0])
        found.append(warp.inverse(points)[:, 0, 0] if len(points) else torch.zeros(0, 3))
    at = torch.stack(found)
    inside = ((at >= 0) & (at <= plan.crop - 1)).all(dim=-1).all(dim=0)
    return torch.stack(images), at[:, inside][:, :places]


def _tissue(acquisitions: Sequence[Acquisition], place: Place) -> Float[Tensor, "point 3"]:
    """Where in the head the voxels of a place lie that hold tissue, coordinates of the head's grid."""
    one = acquisitions[0]
    if isinstance(one, Simulated):
        dense = place.read(one.tissue.block(place.box).pd) > TISSUE
    else:
        bright = torch.stack([acquisition.render(place)[0] for acquisition in acquisitions])
        dense = bright.amax(dim=0) > HEAD_SHARE
    return place.warp.coordinates()[dense[0, 0]]
