"""What a network needs to know of an image, kept in the same file as its weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError
from qontrast.weights.seal import BLANK, FIELD, seal, seal_of

KEY = "qontrast"
VERSION = 1
"""Of the contract: 0 has no checksum and states no version, 1 has both."""
STARTED_FROM = "started_from"
"""Where a model's plan holds the plan of what it started from, which may hold another."""


@dataclass(frozen=True)
class Probe:
    """A small scan that every machine can make, and what the network made of it.

    Args:
        recipe: of the scan; see :mod:`qontrast.weights.probe`.
        sha256: of its voxels, 16-bit little-endian integers in C order.
        window: voxels along the edge of the cube in its middle that is embedded.
        embedding: that was found when the weights were packed.
        tolerance: largest distance of another embedding from it, relative to its length.
    """

    recipe: str
    sha256: str
    window: int
    embedding: tuple[float, ...]
    tolerance: float


@dataclass(frozen=True)
class Origin:
    """Where packed weights come from, and what may be done with them.

    Args:
        name: that people call them by.
        licence: of the weights, as an SPDX identifier or in words.
        data_licence: of the training data, or its terms in words.
        description: a sentence or two.
        qontrast: version that packed them.
        journal_sha256: of the training run's ``journal.jsonl``, byte by byte.
        steps: optimiser steps of that run.
    """

    name: str
    licence: str
    data_licence: str
    description: str
    qontrast: str
    journal_sha256: str
    steps: int


@dataclass(frozen=True)
class Contract:
    """How an image has to be prepared, and what comes out.

    Args:
        kind: ``encoder``, ``segmenter`` or ``denoiser``.
        features: channels of the encoder's levels, finest first.
        spacing: isotropic voxel size that the network was trained at, millimetres.
        crop: voxels along each edge of its window.
        normalisation: of each window, in words.
        classes: names of the output channels; none for an encoder.
        orientation: directions of the axes.
        encoder: the encoder's other settings (activation, norm, bias, dropout, channels in).
        plan: the run's plan, dotted field to value.
        units: of the spacing; intensities may have any, since each window is normalised.
        decoder: channels of the light decoder that the encoder was pretrained with, finest first; none without one.
        head: of a segmenter, what lies on its encoder: ``decoder``, ``linear-probe`` or ``knn``.
        version: of the contract.
        origin: of packed weights; a run's own files have none.
        probe: of packed weights; a run's own files have none.
    """

    kind: str
    features: tuple[int, ...]
    spacing: float
    crop: int
    normalisation: str
    classes: tuple[str, ...] = ()
    orientation: str = "RAS"
    encoder: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    units: str = "mm"
    decoder: tuple[int, ...] = ()
    head: str = "decoder"
    version: int = VERSION
    origin: Origin | None = None
    probe: Probe | None = None


def save_weights(path: Path, weights: Mapping[str, Tensor], contract: Contract, *, half: bool = False) -> None:
    """Write weights, contract and their checksum as one safetensors file, atomically.

    Args:
        path: of the file.
        weights: by name.
        contract: of its input.
        half: store in half precision (16 bits, 11 of them significant).

    Raises:
        InputError: if a weight does not fit into half precision.
        WriteError: if the disk is full or the folder cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    if half:
        tensors = halved(tensors, path)
    text = json.dumps({FIELD: BLANK, **asdict(contract)})
    write_atomic(path, seal(safetensors.torch.save(tensors, metadata={KEY: text})))


def halved(weights: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Weights in half precision; whole numbers stay.

    Raises:
        InputError: if a weight does not fit.
    """
    found = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    for name, value in found.items():
        if not torch.isfinite(value).all():
            raise InputError(path, f"{name!r} beyond 65504", "weights that fit half precision", "Leave out --half.")
    return found


def read_weights(path: Path, *kinds: str) -> tuple[dict[str, Tensor], Contract]:
    """Read what :func:`save_weights` wrote, checking every byte; nothing is unpickled.

    Raises:
        InputError: if the file is damaged or altered, is not ours, has a contract of another version, or holds another
            kind of network.
    """
    wanted = f"a {' or a '.join(kinds)}"
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(path, f"no readable safetensors file ({error})", wanted, "Copy it again.") from error
    contract = _parse(path, meta, seal_of(path), wanted)
    if contract.kind not in kinds:
        remedy = "Give an encoder's file." if "encoder" in kinds else "finetune makes one of an encoder."
        raise InputError(path, f"a {contract.kind}", wanted, remedy)
    return tensors, contract


def _parse(path: Path, meta: Mapping[str, str], digest: str, wanted: str) -> Contract:
    try:
        values = json.loads(meta[KEY])
        version = values.setdefault("version", 0)
        if type(version) is not int or version not in range(VERSION + 1):
            found, known_ones = f"a contract of version {version!r}", f"version {VERSION} or older"
            raise InputError(path, found, known_ones, "Update qontrast to read it.")
        contract = parse_contract(values)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            path, "a safetensors file without a contract of qontrast", f"{wanted} written by qontrast"
        ) from error
    if version and not digest:
        raise InputError(path, "no checksum", "the one that it was packed with", "Copy it again from its origin.")
    return contract


def parse_contract(values: Mapping[str, Any]) -> Contract:
    """A contract from its JSON object; fields of later versions are passed over.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: for anything else.
    """
    known = _known(Contract, values)
    known["origin"] = Origin(**_known(Origin, values["origin"])) if values.get("origin") else None
    known["probe"] = Probe(**_known(Probe, values["probe"])) if values.get("probe") else None
    return Contract(**known)


def _known(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that this version knows; JSON has lists only."""
    known = {f.name: values[f.name] for f in fields(kind) if f.name in values}
    tuples = ("features", "classes", "decoder", "embedding")
    return {name: tuple(v) if name in tuples else v for name, v in known.items()}
