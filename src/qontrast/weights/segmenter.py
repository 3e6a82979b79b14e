"""U-Nets that learned a task as files: segmenters and denoisers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from qontrast.basics.errors import InputError
from qontrast.nets.adapter import ADAPTED
from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import widths_of
from qontrast.nets.linear_probe import LinearProbe
from qontrast.nets.neighbours import Neighbours
from qontrast.nets.unet import UNet, unet_widths
from qontrast.weights.contract import Contract, read_weights, save_weights
from qontrast.weights.encoder import build, fill, load_encoder
from qontrast.weights.find import find_weights

MODEL = "model.safetensors"
SegmentationNet: TypeAlias = UNet | LinearProbe | Neighbours
HEADS = {LinearProbe: "linear-probe", Neighbours: "knn"}
"""What lies on the encoder, by name; of all other networks a decoder."""
UNETS = ("segmenter", "denoiser")
"""Kinds of contract that a U-Net is stored with."""
KINDS = ("encoder", *UNETS)
"""All kinds of contract."""


def save_segmenter(
    path: Path,
    model: SegmentationNet,
    *,
    classes: tuple[str, ...],
    spacing: float,
    crop: int,
    normalisation: str,
    plan: dict[str, Any],
    kind: str = "segmenter",
) -> None:
    """Write a U-Net with the contract of its input and the names of its classes, or of what else it gives.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    encoder = model.encoder
    contract = Contract(
        kind,
        encoder.features_per_level,
        spacing,
        crop,
        normalisation,
        classes=classes,
        encoder=encoder.settings,
        plan=plan,
        head=HEADS.get(type(model), "decoder"),
    )
    save_weights(path, model.state_dict(), contract)


def load_segmenter(
    path: str | Path, *kinds: str, encoder: Encoder | str | None = None
) -> tuple[SegmentationNet, Contract]:
    """Load a segmenter, ready for inference (``eval``), and its contract.

    Args:
        path: a fine-tuning run's folder, its ``model.safetensors``, a packed file, or the name of weights.
        kinds: of ``UNETS`` that will do; a segmenter alone where none is given.
        encoder: of a segmenter on an adapted network, which a file cannot make: the network (its weights are replaced),
            or ``package.module:function`` that makes it. A file never says which code to run.

    Raises:
        InputError: for any other file, naming it and what is wrong with it.
    """
    path, kinds = find_model(path), kinds or ("segmenter",)
    tensors, contract = read_weights(path, *kinds)
    model = build_model(path, contract, tensors, encoder)
    fill(model, tensors, path)
    return model.eval(), contract


def find_model(name: str | Path) -> Path:
    """The file of a fine-tuned network: in a run's folder, else what :func:`find_weights` finds.

    Raises:
        InputError: if there is none.
    """
    path = Path(name)
    if path.is_dir():
        path = path / MODEL
        if not path.is_file():
            remedy = "Has the fine-tuning finished? (--resume goes on with it)"
            raise InputError(path, "no such file", "a run's model", remedy)
    return find_weights(path if path.exists() else name)


def find_any(name: str | Path) -> Path:
    """The file of weights of any kind; of a run's folder its model, else its encoder.

    Raises:
        InputError: if there is none.
    """
    return find_model(name) if (Path(name) / MODEL).is_file() else find_weights(name)


def build_model(
    path: Path, contract: Contract, tensors: Mapping[str, Tensor], encoder: Encoder | str | None = None
) -> SegmentationNet:
    """The network of a contract, its weights not yet filled in; see :func:`load_segmenter`.

    Raises:
        InputError: if it cannot be made.
    """
    return _head_on(_encoder_of(path, contract, encoder), contract, tensors)


def _encoder_of(path: Path, contract: Contract, encoder: Encoder | str | None) -> Encoder:
    if contract.encoder.get("family") != ADAPTED:
        return build(path, contract.features, contract.encoder)
    if encoder is None:
        source = contract.encoder.get("source", "another library")
        raise InputError(
            path,
            f"an encoder that was adapted from {source}",
            "that encoder",
            "Give --encoder package.module:function (in Python: encoder=), which makes it: a file does not run code.",
        )
    encoder = load_encoder(encoder) if isinstance(encoder, str) else encoder
    if encoder.features_per_level != contract.features:
        found = f"an encoder of {encoder.features_per_level} channels"
        raise InputError(path, found, f"{contract.features}", "Was the segmenter trained on another network?")
    return encoder


def _head_on(encoder: Encoder, contract: Contract, tensors: Mapping[str, Tensor]) -> SegmentationNet:
    classes = len(contract.classes)
    if contract.head == "linear-probe":
        return LinearProbe(encoder, classes)
    if contract.head == "knn":
        return Neighbours(encoder, classes, size=len(tensors.get("bank", ())))
    widths = widths_of(tensors)  # of a decoder that was pretrained, perhaps: not always the encoder's
    fits = len(widths) == len(unet_widths(encoder))
    return UNet(encoder, classes, widths=widths if fits else None)
