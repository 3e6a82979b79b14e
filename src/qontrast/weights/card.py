"""The card that goes with packed weights: what they are, how they came about, what they are for and what not."""

from pathlib import Path
from typing import Any

import yaml

from qontrast.basics.errors import InputError
from qontrast.weights.contract import Contract, Origin, Probe

CARD = "README.md"
TOLD = ("net", "views.arm", "views.sequences", "batch", "optimisation.steps", "optimisation.learning_rate", "seed")
"""Fields of the plan that a reader wants first; the file itself holds all."""

_TEXT = """# {name}

{description}

An encoder for 3D brain MRI, pretrained with [qontrast](https://arxiv.org/abs/2501.12057): two contrasts of one brain
are simulated from its tissue maps, and the encoder learns that they show the same brain.

```python
import qontrast

encoder = qontrast.load("{file}")
vector = encoder.embed("scan.nii.gz")  # numpy, {width} numbers
```

## What it takes and gives

| | |
| --- | --- |
| image | one 3D scan of a head; `qontrast.load` reorients, resamples, cuts and normalises it by itself |
| orientation | {orientation} |
| spacing | {spacing:g} {units}, isotropic |
| window | {crop}³ voxels |
| normalisation | {normalisation} |
| embedding | {width} numbers, the mean of the deepest features |
| levels | {levels} channels |
| precision of the file | {precision} |

## How it was trained

{told}
| training steps | {steps} |
| SHA-256 of the training log | `{journal}` |
| packed by | qontrast {version} |

The whole plan stands in the file (`qontrast weights info {file}`).

## Integrity

SHA-256 of the file, its own digits set to zero: `{digest}`.
`qontrast weights check {file}` verifies every byte, builds the network, and embeds the scan of recipe `{recipe}`
(SHA-256 `{probe}`), which has to come out within {tolerance:g} of the embedding in the file.

## Licence

Weights: {licence}. Training data: {data_licence}.

## Intended use

Research on brain MRI: features for segmentation, retrieval, quality control and regression, across sequences and sites.

## Limits

It was trained on simulated contrasts{data}. It has not been tested on every sequence, field strength, age or disease,
and features may carry site, sex, age or identity. Compare it with a simple baseline on your own data before you rely on
it. Embeddings of other weights, or of images that were prepared otherwise, cannot be compared with these.

**Not a medical device.** It must not be used for diagnosis or to guide treatment.
"""


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
        "tags": ["brain", "mri", "self-supervised-learning", "safetensors"],
    }
    rows = "".join(f"| `{name}` | {contract.plan[name]} |\n" for name in TOLD if name in contract.plan)
    source = contract.plan.get("cohort.data")
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n" + _TEXT.format(
        name=origin.name,
        description=origin.description or "(No description was given.)",
        file=file,
        width=contract.features[-1],
        orientation=contract.orientation,
        spacing=contract.spacing,
        units=contract.units,
        crop=contract.crop,
        normalisation=contract.normalisation,
        levels=", ".join(map(str, contract.features)),
        precision="half (16 bits)" if half else "single (32 bits)",
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
        data=f" of `{source}`" if source else "",
    )


def packed(contract: Contract, where: str | Path) -> tuple[Origin, Probe]:
    """What only packed weights have.

    Raises:
        InputError: if these were not packed.
    """
    if contract.origin is None or contract.probe is None:
        raise InputError(where, "weights that were not packed", "a packed file", "Make one: qontrast weights pack RUN")
    return contract.origin, contract.probe
