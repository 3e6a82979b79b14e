"""What a network needs to know of an image, kept in the same file as its weights."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from qontrast.basics.atomic import write_atomic
from qontrast.basics.errors import InputError

KEY = "qontrast"


@dataclass(frozen=True)
class Contract:
    """How an image has to be prepared, and what comes out.

    Args:
        kind: ``encoder`` or ``segmenter``.
        features: channels of the encoder's levels, finest first.
        spacing: isotropic voxel size that the network was trained at, millimetres.
        crop: voxels along each edge of its window.
        normalisation: of each window, in words.
        classes: names of the output channels; none for an encoder.
        orientation: directions of the axes.
        encoder: the encoder's other settings (activation, norm, bias, dropout, channels in).
        plan: the run's plan, dotted field to value.
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


def save_weights(path: Path, model: nn.Module, contract: Contract) -> None:
    """Write weights and contract as one safetensors file, atomically.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    write_atomic(path, safetensors.torch.save(tensors, metadata={KEY: json.dumps(asdict(contract))}))


def read_weights(path: Path, kind: str) -> tuple[dict[str, Tensor], Contract]:
    """Read what :func:`save_weights` wrote; nothing is unpickled.

    Raises:
        InputError: if the file is damaged, is not ours, or holds another kind of network.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(path, f"no readable safetensors file ({error})", f"a {kind}", "Copy it again.") from error
    try:
        values = json.loads(meta[KEY])
        known = {f.name: values[f.name] for f in fields(Contract) if f.name in values}
        known |= {name: tuple(known[name]) for name in ("features", "classes") if name in known}  # JSON has lists only
        contract = Contract(**known)
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            path, "a safetensors file without a contract of qontrast", f"a {kind} written by qontrast"
        ) from error
    if contract.kind != kind:
        remedy = "finetune makes a segmenter of an encoder." if kind == "segmenter" else "Give an encoder's file."
        raise InputError(path, f"a {contract.kind}", f"a {kind}", remedy)
    return tensors, contract
