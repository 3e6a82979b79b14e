"""An encoder as an ONNX file, for programs without PyTorch. Wants the extra ``export`` (onnx, onnxscript)."""

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qontrast.basics.atomic import publish
from qontrast.basics.errors import InputError
from qontrast.nets.padding import pool
from qontrast.weights.contract import read_weights
from qontrast.weights.encoder import load_encoder

OPSET = 18


class _Both(nn.Module):
    """Embedding and deepest features of a window."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        deepest = self.encoder(image)
        return pool(deepest), deepest


def export_onnx(file: Path, out: Path) -> Path:
    """Write an encoder as ONNX, opset 18.

    The input ``image`` is ``[batch, 1, crop, crop, crop]``, one or more windows that were oriented, resampled and
    normalised by the contract, which stands as JSON under ``qontrast`` in the file's metadata. The outputs are
    ``embedding`` ``[batch, feature]`` and ``features`` ``[batch, channel, x, y, z]``. The batch may have any size.

    Args:
        file: packed weights, or a run's encoder.
        out: the file, ending in ``.onnx``.

    Raises:
        InputError: if the weights cannot be used, the ending is another, or onnx is not installed.
        WriteError: if the file cannot be written.
    """
    if out.suffix != ".onnx":
        raise InputError(out, f"the ending {out.suffix!r}", ".onnx", "Rename the output file.")
    contract = read_weights(file, "encoder")[1]
    model = _Both(load_encoder(file)).eval()
    window = torch.zeros(2, 1, *(contract.crop,) * 3)
    program = _trace(model, window)
    program.model.metadata_props["qontrast"] = json.dumps(asdict(contract))
    publish(out, lambda part: program.save(str(part)))
    return out


def _trace(model: nn.Module, window: Tensor) -> Any:
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)  # it warns of torchvision, which is not wanted
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                model,
                (window,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["image"],
                output_names=["embedding", "features"],
                dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
    except ImportError as error:
        raise InputError("onnx", f"no {error.name}", "the extra export", 'pip install "qontrast[export]"') from error
    finally:
        logger.setLevel(before)
