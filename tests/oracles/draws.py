"""What the default prior gives on real heads: useless draws, the orders of brightness, nulled fluid."""

from collections import Counter
from dataclasses import dataclass

import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.labelled import LabelSubject
from qontrast.basics.errors import ProtocolError
from qontrast.basics.randomness import choice, derive
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.usefulness import draw_useful_protocol
from qontrast.views.plan import ViewPlan

TISSUES = ("grey", "white", "CSF")  # classes 1, 2 and 3 of the label maps
HALF_EDGE = 32  # voxels: the ventricles, deep and cortical grey matter lie this near the middle
NULLED = 0.1
"""Fluid is nulled where its signal is below a tenth of grey matter's: what real FLAIRs at 1.5 T leave is 0.10 of white
matter's."""


@dataclass
class Draws:
    """What was counted.

    Args:
        count: draws that were kept.
        rejected: draws that were of no use, on the way.
        impossible: draws with a timing that no scanner could run.
        orders: how often each order of brightness came, brightest first.
        flair: ratios of fluid to grey matter in FLAIR.
    """

    count: int
    rejected: int
    impossible: int
    orders: Counter
    flair: list[float]


def open_heads(data, most):
    """The first label maps of a folder, or embedded heads where there is none."""
    found = find_subjects(data, embedded=most)[:most]
    heads = [source.open() for source in found]
    assert all(isinstance(head, LabelSubject) for head in heads)
    return heads


def brains_of(head, generator, fields, each=60):
    """One person's tissue at each field, in a few voxels of grey matter, white matter and fluid from the head's middle.

    Returns:
        For each field maps of shape ``[1, 1, 3 * each, 1, 1]``.
    """
    tissue = head.draw(generator)
    middle = [(low + high) // 2 for low, high in head.region]
    x, y, z = ((m - HALF_EDGE, m + HALF_EDGE) for m in middle)
    box = (x, y, z)
    classes = head.classes(box).flatten()
    voxels = []
    for label in (1, 2, 3):
        index = torch.nonzero(classes == label).flatten()
        voxels.append(index[torch.randint(len(index), (each,), generator=generator)])
    chosen = torch.cat(voxels)
    return {
        field: tissue.block(box, field).apply(lambda m: m.flatten()[chosen].reshape(1, 1, -1, 1, 1)) for field in fields
    }


def try_prior(data, count, heads=5, people=4):
    """Draw ``count`` protocols of the default prior and scan real heads with them."""
    plan, generator = ViewPlan(), derive(0, "draws")
    subjects = open_heads(data, heads)
    brains = [brains_of(h, derive(1, h.name, i), plan.fields) for h in subjects for i in range(people)]
    found = Draws(0, 0, 0, Counter(), [])
    while found.count < count:
        field, name = choice(plan.fields, generator), choice(plan.sequences, generator)
        try:
            sequence, rejected = draw_useful_protocol(name, field, generator)
        except ProtocolError:
            found.impossible += 1
            continue
        brain = brains[found.count % len(brains)][field]
        shades = sequence.image(sequence.signal(brain)).reshape(3, -1).median(dim=1).values
        order = shades.argsort(descending=True).tolist()
        found.orders[" > ".join(TISSUES[i] for i in order)] += 1
        if name == "flair":
            found.flair.append(float(shades[2] / shades[0]))
        found.count += 1
        found.rejected += rejected
    assert set(plan.sequences) == set(SEQUENCES)
    return found
