"""What a segmenter tells apart: tissues, or structures that add up to them."""

from typing import Literal

from qontrast.anatomy.priors import TISSUE_CLASSES

Scheme = Literal["tissues", "structures"]
FLUID = ("cerebrospinal fluid", "choroid plexus")
VENTRICLES = (4, 5, 14, 15, 43, 44, 72, 31, 63, 136, 137, 163, 164)
"""FreeSurfer's ventricles, with the choroid plexus that lies in them."""
VENTRICLE = "ventricle"
"""Stands for the tissues of :data:`FLUID` where the label is one of :data:`VENTRICLES`."""

STRUCTURE_CLASSES: dict[str, tuple[str, ...]] = {
    "background": (),
    "grey matter": ("cortical grey matter", "limbic grey matter"),
    "white matter": ("white matter", "white-matter lesion"),
    "cerebrospinal fluid": ("cerebrospinal fluid",),
    "deep grey matter": ("thalamus", "caudate", "putamen", "pallidum", "ventral diencephalon"),
    "ventricles": (VENTRICLE, "choroid plexus"),
    "cerebellar grey matter": ("cerebellar grey matter",),
    "cerebellar white matter": ("cerebellar white matter",),
    "brain stem": ("brain stem",),
}
"""Classes of a segmentation of structures, in order, and the tissues in each; whatever is in none is background."""

CLASSES: dict[Scheme, dict[str, tuple[str, ...]]] = {"tissues": TISSUE_CLASSES, "structures": STRUCTURE_CLASSES}

TISSUE_OF = {
    **{
        structure: next(name for name, tissues in TISSUE_CLASSES.items() if set(parts) <= set(tissues))
        for structure, parts in STRUCTURE_CLASSES.items()
        if parts and VENTRICLE not in parts
    },
    "ventricles": "cerebrospinal fluid",
}
"""The class among the tissues that each structure is part of."""


def class_names(scheme: Scheme) -> tuple[str, ...]:
    """The classes of a scheme, background first."""
    return tuple(CLASSES[scheme])


def class_index(scheme: Scheme, label: int, tissue: str) -> int:
    """The class of a label of some tissue; 0 (background) where it is in none."""
    inner = label in VENTRICLES and tissue in FLUID and scheme == "structures"
    wanted = VENTRICLE if inner else tissue
    return next((i for i, parts in enumerate(CLASSES[scheme].values()) if wanted in parts), 0)


def in_words_of(names: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Class names as a truth has them: a structure that it does not tell apart is called by its tissue."""
    return tuple(name if name in wanted else TISSUE_OF.get(name, name) for name in names)
