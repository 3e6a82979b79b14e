"""U-Nets that learned a task as files: segmenters and denoisers."""

from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.nets.decoder import widths_of
from qontrast.nets.unet import UNet, unet_widths
from qontrast.weights.contract import Contract, read_weights, save_weights
from qontrast.weights.encoder import build, fill

MODEL = "model.safetensors"
UNETS = ("segmenter", "denoiser")
"""Kinds of contract that a U-Net is stored with."""


def save_segmenter(
    path: Path,
    model: UNet,
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
    )
    save_weights(path, model.state_dict(), contract)


def load_segmenter(path: str | Path, *kinds: str) -> tuple[UNet, Contract]:
    """Load a segmenter, ready for inference (``eval``), and its contract.

    Args:
        path: a fine-tuning run's folder, or its ``model.safetensors``.
        kinds: of ``UNETS`` that will do; a segmenter alone where none is given.

    Raises:
        InputError: for any other file, naming it and what is wrong with it.
    """
    path, kinds = Path(path), kinds or ("segmenter",)
    if path.is_dir():
        path = path / MODEL
    if not path.is_file():
        wanted = f"a {' or a '.join(kinds)}"
        raise InputError(path, "no such file", wanted, "Has the fine-tuning finished? (--resume goes on with it)")
    tensors, contract = read_weights(path, *kinds)
    encoder = build(path, contract.features, contract.encoder)
    widths = widths_of(tensors)  # of a decoder that was pretrained, perhaps: not always the encoder's
    fits = len(widths) == len(unet_widths(encoder))
    model = UNet(encoder, len(contract.classes), widths=widths if fits else None)
    fill(model, tensors, path)
    return model.eval(), contract
