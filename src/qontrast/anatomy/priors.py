"""Relaxation of each tissue at 3 T, from the literature, and which FreeSurfer label is which tissue.

Means per row; the sources of each column:
T1: Stanisz et al. 2005 (doi:10.1002/mrm.20605), Wansapura et al. 1999 (doi:10.1002/(SICI)1522-2586(199904)9:4<531::
AID-JMRI4>3.0.CO;2-L), Rooney et al. 2007 (doi:10.1002/mrm.21122); blood: Lu et al. 2004 (doi:10.1002/mrm.20178);
fat and muscle: de Bazelaire et al. 2004 (doi:10.1148/radiol.2303021331).
T2: Wansapura et al. 1999 and Stanisz et al. 2005 (cortex 110 and 99 ms), Cox and Gowland 2010
(doi:10.1002/mrm.22406; cortex 68 to 76 ms): between them, so
that turbo spin echoes at 1.5 T come out as real ones; blood: Zhao et al. 2007 (doi:10.1002/mrm.21342). No cortical T2
serves both weightings at 3 T: with 89 ms grey matter is 1.52 times as bright as white in the preset of the fast spin
echo and 1.05 times in that of FLAIR, with 99 ms 1.70 and 1.16 times; on three real heads of open_ms_data it was 1.17 to
1.24 and 1.10 to 1.16 times, some partial volume included (claims/grey_over_white.py).
T2*: Peters et al. 2007 (doi:10.1016/j.mri.2007.02.014), Wansapura et al. 1999.
PD: Tofts 2003, Quantitative MRI of the Brain, chapter 4; Volz et al. 2012 (doi:10.1016/j.neuroimage.2012.06.076).
MTsat: Helms et al. 2008 (doi:10.1002/mrm.21732); Weiskopf et al. 2013 (doi:10.3389/fnins.2013.00095).
Tissues that those do not give (mucosa, choroid plexus, marrow, skin, soft tissue) hold values between their
constituents' and are marked as composed.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Prior:
    """Mean tissue parameters at 3 T and how much people differ.

    Args:
        t1: s.
        t2: ms.
        t2star: ms.
        pd: fraction of water's proton density.
        mt: MT saturation, percent units.
        spread: relative standard deviation between people of the relaxation rates and MTsat (PD: a third of it).
    """

    t1: float
    t2: float
    t2star: float
    pd: float
    mt: float
    spread: float = 0.06


PRIORS: dict[str, Prior] = {
    "air": Prior(1.0, 1.0, 1.0, 0.0, 0.0, 0.0),
    "white matter": Prior(0.85, 72, 50, 0.70, 1.65),
    "cerebellar white matter": Prior(0.89, 74, 50, 0.71, 1.55),
    "cortical grey matter": Prior(1.45, 89, 60, 0.82, 0.87),
    "cerebellar grey matter": Prior(1.40, 89, 58, 0.82, 0.85),
    "thalamus": Prior(1.15, 84, 50, 0.78, 1.15),
    "caudate": Prior(1.30, 90, 48, 0.81, 0.98),
    "putamen": Prior(1.22, 84, 43, 0.80, 1.02),
    "pallidum": Prior(0.98, 68, 28, 0.75, 1.30, 0.09),
    "limbic grey matter": Prior(1.42, 92, 58, 0.83, 0.85),
    "ventral diencephalon": Prior(1.05, 78, 42, 0.76, 1.25),
    "brain stem": Prior(0.98, 78, 48, 0.74, 1.40),
    "spinal cord": Prior(0.95, 76, 45, 0.73, 1.40),
    "optic nerve": Prior(0.95, 76, 50, 0.72, 1.40),
    "cerebrospinal fluid": Prior(4.3, 1900, 700, 1.0, 0.02, 0.012),
    "choroid plexus": Prior(2.1, 180, 90, 0.90, 0.30, 0.10),  # composed
    "white-matter lesion": Prior(1.25, 130, 80, 0.82, 0.80, 0.12),
    "arterial blood": Prior(1.75, 140, 60, 0.80, 0.10, 0.10),
    "venous blood": Prior(1.65, 60, 22, 0.80, 0.10, 0.12),
    "eye": Prior(3.8, 900, 300, 0.98, 0.02, 0.08),
    "muscle": Prior(1.25, 36, 26, 0.78, 2.0, 0.08),
    "fat": Prior(0.37, 95, 35, 0.85, 0.10, 0.08),
    "soft tissue": Prior(0.75, 55, 28, 0.80, 1.0, 0.15),  # composed: muscle and fat
    "mucosa": Prior(1.35, 90, 35, 0.80, 0.60, 0.12),  # composed
    "skin": Prior(0.65, 45, 22, 0.75, 0.80, 0.15),  # composed: dermis and fat under it
    "cortical bone": Prior(0.40, 3.0, 1.0, 0.06, 0.10, 0.15),
    "bone marrow": Prior(0.50, 60, 10, 0.55, 0.20, 0.15),  # composed: fat between trabeculae
}

FREESURFER: dict[int, str] = {
    0: "air",
    **dict.fromkeys((2, 41, 192, 251, 252, 253, 254, 255), "white matter"),
    **dict.fromkeys((7, 46), "cerebellar white matter"),
    **dict.fromkeys((3, 42, 19, 20, 55, 56), "cortical grey matter"),
    **dict.fromkeys((8, 47), "cerebellar grey matter"),
    **dict.fromkeys((4, 43, 5, 44, 14, 15, 24, 72), "cerebrospinal fluid"),
    **dict.fromkeys((9, 10, 48, 49), "thalamus"),
    **dict.fromkeys((11, 50), "caudate"),
    **dict.fromkeys((12, 51), "putamen"),
    **dict.fromkeys((13, 52), "pallidum"),
    **dict.fromkeys((17, 53, 18, 54, 26, 58), "limbic grey matter"),
    **dict.fromkeys((28, 60), "ventral diencephalon"),
    16: "brain stem",
    **dict.fromkeys((30, 62), "venous blood"),
    **dict.fromkeys((31, 63, 136, 137, 163, 164), "choroid plexus"),
    **dict.fromkeys((25, 57, 77, 78, 79), "white-matter lesion"),
    85: "optic nerve",
    80: "cortical grey matter",
    258: "soft tissue",
    # Extracerebral classes of the SynthSeg training labels.
    502: "arterial blood",
    506: "eye",
    507: "soft tissue",
    508: "muscle",
    509: "mucosa",
    511: "skin",
    512: "spinal cord",
    514: "venous blood",
    515: "cortical bone",
    516: "bone marrow",
    530: "optic nerve",
    # Cortical parcellations of aparc+aseg (left 1000s, right 2000s).
    **dict.fromkeys((*range(1000, 1036), *range(2000, 2036)), "cortical grey matter"),
}

TISSUE_CLASSES: dict[str, tuple[str, ...]] = {
    "background": (),
    "grey matter": (
        "cortical grey matter",
        "cerebellar grey matter",
        "thalamus",
        "caudate",
        "putamen",
        "pallidum",
        "limbic grey matter",
        "ventral diencephalon",
    ),
    "white matter": ("white matter", "cerebellar white matter", "brain stem", "white-matter lesion"),
    "cerebrospinal fluid": ("cerebrospinal fluid", "choroid plexus"),
}
"""Classes of tissue segmentation, in order, and the tissues in each; whatever is in none is background."""
