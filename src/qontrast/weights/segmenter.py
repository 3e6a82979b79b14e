"""Segmenters as files."""

from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError
from qontrast.nets.decoder import widths_of
from qontrast.nets.unet import UNet, unet_widths
from qontrast.weights.contract import Contract, read_weights, save_weights
from qontrast.weights.encoder import build, fill

MODEL = "model.safetensors"


def save_segmenter(
    path: Path,
    model: UNet,
    *,
    classes: tuple[str, ...],
    spacing: float,
    crop: int,
    normalisation: str,
    plan: dict[str, Any],
) -> None:
    """Write a segmenter with the contract of its input and the names of its classes.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    encoder = model.encoder
    contract = Contract(
        "segmenter",
        encoder.features_per_level,
        spacing,
        crop,
        normalisation,
        classes=classes,
        encoder=encoder.settings,
        plan=plan,
    )
    save_weights(path, model.state_dict(), contract)


def load_segmenter(path: str | Path) -> tuple[UNet, Contract]:
    """Load a segmenter, ready for inference (``eval``), and its contract.

    Args:
        path: a fine-tuning run's folder, or its ``model.safetensors``.

    Raises:
        InputError: for any other file, naming it and what is wrong with it.
    """
    path = Path(path)
    if path.is_dir():
        path = path / MODEL
    if not path.is_file():
        raise InputError(
            path, "no such file", "a segmenter", "Has the fine-tuning finished? (--resume goes on with it)"
        )
    tensors, contract = read_weights(path, "segmenter")
    encoder = build(path, contract.features, contract.encoder)
    widths = widths_of(tensors)  # of a decoder that was pretrained, perhaps: not always the encoder's
    fits = len(widths) == len(unet_widths(encoder))
    model = UNet(encoder, len(contract.classes), widths=widths if fits else None)
    fill(model, tensors, path)
    return model.eval(), contract
