"""What is computed once per label map, kept in a cache: the sketches that lesions, ageing and the static field need."""

from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qontrast.anatomy.atrophy import Atrophy
from qontrast.anatomy.compartments import Compartments
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.static_field import StaticField
from qontrast.basics.shapes import Box
from qontrast.scans.chunks import Chunks

PREFIX = "sketch_"


def sketches_of(head: LabelSubject) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The sketches of a head as arrays by file name, and what of them is a few numbers."""
    brief = head.compartments
    arrays: dict[str, np.ndarray] = {
        "from_ventricles": brief.from_ventricles,
        "ventricular_fluid": brief.ventricular_fluid,
        "ppm": head.static_field.ppm.numpy(),
    }
    facts: dict[str, Any] = {"to_mni": brief.to_mni.tolist(), "sites": {}}
    for number, (site, voxels) in enumerate(brief.sites.items()):
        facts["sites"][site] = f"site_{number}" if len(voxels) else None
        if len(voxels):
            arrays[f"site_{number}"] = voxels
    if brief.periventricular is not None:
        distance, caps, allowed, box = brief.periventricular
        arrays |= {"distance": distance.numpy(), "caps": caps.numpy(), "allowed": allowed.numpy().astype(np.uint8)}
        facts["periventricular"] = box
    if len(brief.sites["brain"]):  # heads without a brain do not age
        arrays["velocities"] = head.atrophy.velocities.numpy()
        facts["atrophy"] = {
            "box": [[s.start, s.stop] for s in head.atrophy.box],
            "growth": head.atrophy.growth.tolist(),
        }
    return {f"{PREFIX}{name}": array for name, array in arrays.items()}, facts


def stored_sketches(head: LabelSubject, chunks: dict[str, Chunks], facts: dict[str, Any]) -> None:
    """Give a head the sketches that are in its cache; each is read when it is first asked for."""
    own = {name.removeprefix(PREFIX): part for name, part in chunks.items() if name.startswith(PREFIX)}
    brief = StoredCompartments(head, own, facts)
    # These are cached properties: what is put there is what they give.
    head.__dict__["compartments"] = brief
    head.__dict__["atrophy"] = StoredAtrophy(brief)
    head.__dict__["static_field"] = StoredField(brief)


class StoredCompartments(Compartments):
    """The sketch of a head, read from a cache."""

    def __init__(self, head: LabelSubject, stored: dict[str, Chunks], facts: dict[str, Any]) -> None:
        super().__init__(torch.empty(0), head.values, head.grid, head.table)  # the labels are not looked at again
        self.stored, self.facts = stored, facts

    @cached_property
    def from_ventricles(self) -> np.ndarray:
        """See :class:`Compartments`, as all of these."""
        return self.stored["from_ventricles"].whole()

    @cached_property
    def ventricular_fluid(self) -> np.ndarray:
        """Share of fluid of the ventricles."""
        return self.stored["ventricular_fluid"].whole()

    @cached_property
    def sites(self) -> dict[str, np.ndarray]:
        """Where lesions begin."""
        nowhere = np.zeros((0, 3), dtype=np.int16)
        return {site: self.stored[n].whole() if n else nowhere for site, n in self.facts["sites"].items()}

    @cached_property
    def periventricular(self) -> tuple[Tensor, Tensor, Tensor, Box] | None:
        """Where white matter may change about the ventricles."""
        if "periventricular" not in self.facts:
            return None
        distance, caps, allowed = (
            torch.from_numpy(self.stored[name].whole()) for name in ("distance", "caps", "allowed")
        )
        x, y, z = ((int(a), int(b)) for a, b in self.facts["periventricular"])
        return distance, caps, allowed.bool(), (x, y, z)

    @cached_property
    def to_mni(self) -> np.ndarray:
        """From this head's world to MNI space."""
        return np.array(self.facts["to_mni"])


class StoredAtrophy(Atrophy):
    """How a head would shrink, read from a cache."""

    head: StoredCompartments

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """See :class:`Atrophy`, as all of these."""
        x, y, z = (slice(a, b) for a, b in self.head.facts["atrophy"]["box"])
        return x, y, z

    @cached_property
    def velocities(self) -> Tensor:
        """Of ventricles and of sulci."""
        return torch.from_numpy(self.head.stored["velocities"].whole())

    @cached_property
    def growth(self) -> np.ndarray:
        """Volumes by time."""
        return np.array(self.head.facts["atrophy"]["growth"])


class StoredField(StaticField):
    """What a head does to the static field, read from a cache."""

    head: StoredCompartments

    @cached_property
    def ppm(self) -> Tensor:
        """See :class:`StaticField`."""
        return torch.from_numpy(self.head.stored["ppm"].whole())
