"""An ONNX file as a network: onnxruntime computes, torch's tensors go in and come out. Wants the extra ``export``."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.weights.contract import KEY, Contract, parse_contract

SURE = 20.0  # a logit for the label of a file that gives labels alone


class OnnxNet(nn.Module):
    """A network whose forward pass is an ONNX file's.

    Args:
        path: the file: one input ``[batch, 1, x, y, z]``.
        classes: how many labels there are, for a file that gives a label map instead of one channel per class.

    Raises:
        InputError: if onnxruntime is missing, the file is no readable ONNX, or its input is no single-channel volume.
    """

    def __init__(self, path: Path, classes: int = 0) -> None:
        super().__init__()
        self.path, self.classes = path, classes
        self.session = _open(path)
        inputs = self.session.get_inputs()
        shape = inputs[0].shape
        single = len(shape) == 5 and (shape[1] == 1 or not isinstance(shape[1], int))
        if len(inputs) != 1 or not single:
            found = "; ".join(f"{i.name} {i.shape}" for i in inputs)
            raise InputError(path, f"inputs {found}", "one input [batch, 1, x, y, z]", "Wrap it in a Python function.")
        self.input = inputs[0].name
        self.batch = shape[0] if isinstance(shape[0], int) else None
        edges = [n for n in shape[2:] if isinstance(n, int)]
        self.crop: int | None = edges[0] if len(edges) == 3 and len(set(edges)) == 1 else None
        if len(edges) == 3 and self.crop is None:
            raise InputError(path, f"a window of {edges} voxels", "one with equal edges", "Wrap it in a function.")
        outputs = self.session.get_outputs()
        named = {o.name: o for o in outputs}
        chosen = named.get("features", outputs[0])
        self.output, self.rank = chosen.name, len(chosen.shape)
        self.digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def forward(self, image: Tensor) -> Tensor:
        """Class scores ``[batch, classes, x, y, z]``, features, or embeddings as ``[batch, feature, 1, 1, 1]``."""
        step = self.batch or len(image)
        parts = []
        for begin in range(0, len(image), step):
            some = image[begin : begin + step]
            padded = torch.cat([some, some[-1:].expand(step - len(some), *some.shape[1:])])
            (found,) = self.session.run([self.output], {self.input: padded.float().cpu().numpy()})
            parts.append(torch.from_numpy(np.asarray(found))[: len(some)])
        return self._shaped(torch.cat(parts)).to(image.device)

    def _shaped(self, found: Tensor) -> Tensor:
        if found.ndim == 2:
            return found[:, :, None, None, None].float()
        labels = found[:, 0] if found.ndim == 5 and found.shape[1] == 1 and self.classes > 1 else found
        if labels.ndim == 4:
            whole = labels.float().round().long()
            if self.classes and int(whole.max()) >= self.classes:
                found_labels = f"the label {int(whole.max())}"
                raise InputError(self.path, found_labels, f"0 to {self.classes - 1}", "Name more --form.classes.")
            return SURE * nn.functional.one_hot(whole, self.classes).movedim(-1, 1).float()
        return found.float()


def onnx_contract(path: Path) -> Contract | None:
    """The contract in a file that qontrast exported; None in any other.

    Raises:
        InputError: if the file cannot be read, or its contract is garbled.
    """
    text = _open(path).get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        return None
    try:
        return parse_contract(json.loads(text))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(path, f"a garbled contract ({error})", "the one that was exported", "Export again.") from error


def _open(path: Path) -> Any:
    if not path.is_file():
        raise InputError(path, "no such file", "an ONNX file", "Check the path.")
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError("onnx", f"no {error.name}", "the extra export", 'pip install "qontrast[export]"') from error
    try:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for every kind of damage
        raise InputError(
            path, f"no readable ONNX file ({str(error)[:200]})", "an ONNX model", "Export it again."
        ) from error
