"""The card that goes with packed weights: what they are, how they came about, what they are for and what not."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from qontrast.basics.errors import InputError
from qontrast.weights.contract import STARTED_FROM, Contract, Origin, Probe

CARD = "README.md"
TOLD = (
    *("net", "encoder", "views.arm", "views.sequences", "contrasts", "protocols", "views.fields"),
    *("views.stripped", "views.anywhere", "classes", "noise.kind", "noise.snr"),
    *("batch", "optimisation.steps", "optimisation.learning_rate", "seed", "trained_on", "cohort.subjects"),
    "trained_before",
)
"""Fields of the plan that a reader wants first; the file itself holds all."""
NOT_TOLD = {
    "encoder": ("contrasts", "protocols", "views.stripped", "views.anywhere", "classes", "noise.kind", "noise.snr"),
    "segmenter": ("views.arm", "views.sequences", "cohort.subjects", "noise.kind", "noise.snr"),
    "denoiser": ("views.arm", "views.sequences", "cohort.subjects", "views.stripped", "classes"),
}
"""Fields that play no part in what such weights learned, or are told by another."""
OBJECTIVE = re.compile(r"objectives\.(\w+)\.weight")
TAUGHT = "objectives.quantitative.weight"
"""Of the objective that learns from the tissue maps themselves."""
TAGS = {"encoder": "representation-learning", "segmenter": "segmentation", "denoiser": "denoising"}

_TEXT = """# {name}

{description}

{what}

## What it takes and gives

| | |
| --- | --- |
| image | one 3D scan of a head; it is {prepared} by itself |
| orientation | {orientation} |
| spacing | {spacing:g} {units}, isotropic |
| window | {crop}³ voxels |
| normalisation | {normalisation} |
{gives}
| levels | {levels} channels |
| precision of the file | {precision} |

## How it was trained

{told}
| training steps | {steps} |
| SHA-256 of the training log | `{journal}` |
| packed by | qontrast {version} |

{plan}

## Integrity

SHA-256 of the file, its own digits set to zero: `{digest}`.
`qontrast weights check {file}` verifies every byte, builds the network, and shows it the scan of recipe `{recipe}`
(SHA-256 `{probe}`): its answer has to come out within {tolerance:g} of the one in the file.

## Licence

Weights: {licence}. Training data: {data_licence}.

## Intended use

{use}

## Limits

It has not been tested on every sequence, field strength, age or disease.
How the weights that come with qontrast did where they were tested stands in its docs/results.md, where they fail in
docs/limits.md.
Compare it with a simple baseline on your own data before you rely on it. {limits}

**Not a medical device.** It must not be used for diagnosis or to guide treatment.
"""

_WHAT = {
    "encoder": """An encoder for 3D brain MRI, pretrained with qontrast, which builds on
[Chalcroft et al. 2025](https://arxiv.org/abs/2501.12057): two contrasts of one brain are simulated from its tissue
maps, and the encoder learns by the objectives below what both have in common.{taught}

```python
import qontrast

encoder = qontrast.load("{file}")
vector = encoder.embed("scan.nii.gz")  # numpy, {width} numbers
```""",
    "segmenter": """A segmenter for 3D brain MRI of qontrast.

```shell
qontrast segment scan.nii.gz --out seg.nii.gz --weights {file}
```""",
    "denoiser": """A denoiser for 3D brain MRI of qontrast.

```shell
qontrast denoise scan.nii.gz --out clean.nii.gz --weights {file}
```""",
}
_GIVES = {
    "encoder": "| embedding | {width} numbers, the mean of the deepest features |",
    "segmenter": "| classes | {classes}, on the grid of the input |",
    "denoiser": "| image | without its noise, in the intensities and on the grid of the input |",
}
_USE = {
    "encoder": "Research on brain MRI: features for segmentation, retrieval, quality control and regression, across "
    "sequences and sites.",
    "segmenter": "Research on brain MRI: volumes and masks of structures, across sequences and sites.",
    "denoiser": "Research on brain MRI: images to look at, and to give to other programs.",
}
_LIMITS = {
    "encoder": "Features may carry site, sex, age or identity. Embeddings of other weights, or of images that were "
    "prepared otherwise, cannot be compared with these.",
    "segmenter": "Look at every segmentation before you use it.",
    "denoiser": "What it takes away may be anatomy: compare with the input before you measure anything.",
}


_TAUGHT = """ It was shown the tissue maps themselves: where they are measured that needs no label, where they
are drawn from label maps it is supervision by these."""


def _fill(texts: dict[str, str], contract: Contract, file: str) -> str:
    classes = ", ".join(contract.classes[1:])
    taught = _TAUGHT if contract.plan.get(TAUGHT) else ""
    return texts[contract.kind].format(file=file, width=contract.features[-1], classes=classes, taught=taught)


def model_card(contract: Contract, digest: str, file: str, *, half: bool = False) -> str:
    """The model card of packed weights, as Markdown with the front matter that the hub reads.

    Args:
        contract: of the weights.
        digest: of the file.
        file: its name.
        half: whether it is in half precision.

    Raises:
        InputError: if the weights were not packed.
    """
    origin, probe = packed(contract, file)
    front: dict[str, Any] = {
        "license": origin.licence.lower(),
        "library_name": "qontrast",
        "tags": ["brain", "mri", TAGS[contract.kind], "safetensors"],
    }
    told = [name for name in TOLD if _is_told(name, contract)]
    rows = "".join(f"| `{name}` | {_words(name, contract.plan[name])} |\n" for name in told)
    if objectives := _objectives(contract.plan):
        rows += f"| `objectives` | {objectives} |\n"
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n" + _TEXT.format(
        name=origin.name,
        description=origin.description or "(No description was given.)",
        file=file,
        what=_fill(_WHAT, contract, file),
        gives=_fill(_GIVES, contract, file),
        use=_USE[contract.kind],
        limits=_LIMITS[contract.kind],
        prepared="reoriented, cut and normalised"
        if contract.kind == "denoiser"
        else "reoriented, resampled, cut and normalised",
        orientation=contract.orientation,
        spacing=contract.spacing,
        units=contract.units,
        crop=contract.crop,
        normalisation=contract.normalisation,
        levels=", ".join(map(str, contract.features)),
        precision="half (16 bits)" if half else "single (32 bits)",
        plan=_plan_kept(contract, file),
        told="| | |\n| --- | --- |\n" + rows.rstrip("\n"),
        steps=origin.steps,
        journal=origin.journal_sha256,
        version=origin.qontrast,
        digest=digest,
        recipe=probe.recipe,
        probe=probe.sha256,
        tolerance=probe.tolerance,
        licence=origin.licence,
        data_licence=origin.data_licence,
    )


def _plan_kept(contract: Contract, file: str) -> str:
    """What of the plan stands in the file."""
    shown, begun = f"(`qontrast weights info {file}`)", contract.plan.get("encoder")
    if STARTED_FROM in contract.plan:
        return f"The whole plan, with that of what it started from (`{STARTED_FROM}`), stands in the file {shown}."
    if begun:
        return (
            f"The plan of this run stands in the file {shown}, that of `{begun}`, which it started from, does not.\n"
            "Recipes of the weights that come with qontrast, and of what these started from, lie in its recipes/ under "
            "the same names."
        )
    return f"The whole plan stands in the file {shown}."


def _is_told(name: str, contract: Contract) -> bool:
    """Whether a field of the plan was stated and did something; the network is the encoder's where there is one."""
    if name in NOT_TOLD[contract.kind] or contract.plan.get(name) in (None, "", [], ()):
        return False
    return not (name == "net" and contract.plan.get("encoder"))


def _objectives(plan: Mapping[str, Any]) -> str:
    """Those that had a weight, with it."""
    weights = {found[1]: value for name, value in plan.items() if (found := OBJECTIVE.fullmatch(name)) and value}
    return ", ".join(f"{name} {value:g}" for name, value in weights.items())


def _words(name: str, value: Any) -> str:
    if name == "trained_before":
        return "; ".join(f"{', '.join(people)} of `{data}`" for data, people in value)
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def packed(contract: Contract, where: str | Path) -> tuple[Origin, Probe]:
    """What only packed weights have.

    Raises:
        InputError: if these were not packed.
    """
    if contract.origin is None or contract.probe is None:
        raise InputError(where, "weights that were not packed", "a packed file", "Make one: qontrast weights pack RUN")
    return contract.origin, contract.probe
