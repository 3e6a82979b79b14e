"""The plan of a sweep: which model, which heads, which protocols."""

import math
from dataclasses import dataclass, field
from typing import Literal

from qontrast.basics.errors import PlanError, nearest
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.clinical import CLINICAL, is_protocol
from qontrast.physics.field import FIELD_RANGE
from qontrast.physics.presets import PRESETS
from qontrast.sweeps.planes import PLANES, Plane

FREESURFER = "freesurfer"
MOST_POINTS = 64  # along an axis


@dataclass(frozen=True)
class ModelForm:
    """What the file of a model does not say; weights of qontrast say all of it.

    Args:
        spacing: isotropic voxel size that the model takes, mm; null for the model's own, 2 for a callable.
        crop: voxels along a window's edge, for an ONNX file whose input has no fixed size.
        normalisation: of each window for a foreign ONNX file, zscore (clipped to its percentiles 0.5 and 99.5) or
            minmax (the same clipping, then 0 to 1); a callable gets the scanner's own values.
        classes: names of the labels that come out, background first; or freesurfer, for FreeSurfer's indices.
        overlap: of a segmenter's sliding windows, as in evaluate.
    """

    spacing: float | None = None
    crop: int | None = None
    normalisation: Literal["zscore", "minmax"] = "zscore"
    classes: tuple[str, ...] = ()
    overlap: float = 0.25

    def __post_init__(self) -> None:
        if self.spacing is not None and not 0.1 <= self.spacing <= 10:
            raise PlanError("form.spacing", f"{self.spacing:g}", "0.1 to 10 mm")
        if not 0 <= self.overlap < 1:
            raise PlanError("form.overlap", f"{self.overlap:g}", "0 or more, and below 1")
        if self.crop is not None and self.crop < 1:
            raise PlanError("form.crop", f"{self.crop}", "1 voxel or more")
        if self.classes and self.classes != (FREESURFER,) and self.classes[0] != "background":
            raise PlanError("form.classes", str(list(self.classes)), "'background' first, or freesurfer alone")
        if len(set(self.classes)) != len(self.classes):
            raise PlanError("form.classes", str(list(self.classes)), "each name once")


@dataclass(frozen=True)
class SweepPlan:
    """A sweep.

    Args:
        model: run's folder, packed weights, ONNX file, or package.module:function.
        maps: a subject's tissue maps or label map, a folder of several, or embedded.
        labels: TSV with the tissue of each label, for label maps that are not FreeSurfer's.
        heads: how many of the subjects are swept; retrieval wants two or more.
        subjects: names of the subjects to take; the first ones where not given.
        sequences: that are swept.
        planes: other parameters or ranges than a sequence's own plane; see qontrast.sweeps.planes.
        fields: field strengths, tesla.
        points: values along each axis of a plane; those of 3 are among those of 5 and of 9, and are not computed again.
        clinical: whether the named protocols of the swept sequences are scored too, as they are.
        protocols: JSON sidecars of scans (or the scans beside them) whose protocols are scored too.
        reference: the protocol that others are compared with, a named one or a sequence.
        truth: labels (of the label map), own (the model's segmentation at the reference), or auto: labels if there are.
        snr: signal-to-noise ratio of each protocol; null for no noise.
        noise: same_snr at every protocol, or same_noise (its deviation is that of the reference).
        seed: of noise and of the tissue of label maps; the noise is the same in every protocol.
        form: what the model's file does not say.
        device: auto, cpu or cuda.
        figures: png and pdf, to be written beside the report.
    """

    model: str | None = None
    maps: str = "embedded"
    labels: str | None = None
    heads: int = 1
    subjects: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ("mprage", "fse", "flair", "spgr")
    planes: tuple[Plane, ...] = ()
    fields: tuple[float, ...] = (0.064, 1.5, 3.0, 7.0)
    points: int = 3
    clinical: bool = True
    protocols: tuple[str, ...] = ()
    reference: str = "adni3-mprage"
    truth: Literal["auto", "labels", "own"] = "auto"
    snr: float | None = 30.0
    noise: Literal["same_snr", "same_noise"] = "same_snr"
    seed: int = 0
    form: ModelForm = field(default_factory=ModelForm)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    figures: tuple[Literal["png", "pdf"], ...] = ()

    def __post_init__(self) -> None:
        for name in self.sequences:
            if name not in SEQUENCES:
                raise PlanError("sequences", repr(name), "known sequences", nearest(name, SEQUENCES))
        for plane in self.planes:
            if plane.sequence not in self.sequences:
                found = f"a plane of {plane.sequence}, which is not swept"
                raise PlanError("planes", found, f"one of {', '.join(self.sequences)}", "Add it to the sequences.")
        if not is_protocol(self.reference):
            known = (*CLINICAL, *PRESETS)
            raise PlanError("reference", repr(self.reference), "a named protocol", nearest(self.reference, known))
        if not self.sequences or not self.fields:
            empty = "sequences" if not self.sequences else "fields"
            raise PlanError(empty, "none", "one at least", "The grid would be empty.")
        low, high = FIELD_RANGE
        for strength in self.fields:
            if not low <= strength <= high:
                raise PlanError("fields", f"{strength:g}", f"{low:g} to {high:g} T")
        if not 1 <= self.points <= MOST_POINTS:
            raise PlanError("points", f"{self.points}", f"1 to {MOST_POINTS} along an axis")
        if self.heads < 1:
            raise PlanError("heads", f"{self.heads}", "1 or more")
        if self.snr is not None and not (math.isfinite(self.snr) and self.snr > 0):
            raise PlanError("snr", f"{self.snr:g}", "above 0", "null means no noise.")

    def swept(self) -> list[Plane]:
        """The plane of each sequence."""
        own = {plane.sequence: plane for plane in self.planes}
        return [own.get(name, PLANES[name]) for name in dict.fromkeys(self.sequences)]
