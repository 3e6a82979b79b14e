"""Whatever the user calls a model, opened: a run, packed weights, an ONNX file, a function."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.imports import import_function, is_import
from qontrast.basics.shapes import Volume
from qontrast.sweeps.callables import CallableModel, name_of
from qontrast.sweeps.model import Model
from qontrast.sweeps.plan import FREESURFER, ModelForm
from qontrast.tasks.loading import Loaded, check_contract, load
from qontrast.tasks.models import Segmenter, open_segmenter
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.contract import KEY, Contract
from qontrast.weights.encoder import ENCODER
from qontrast.weights.find import find_weights
from qontrast.weights.onnx_net import OnnxNet, onnx_contract
from qontrast.weights.segmenter import MODEL


class SegmenterModel(Model):
    """A segmenter of qontrast, or an ONNX file in its place: windows slide over the head, as in ``predict``."""

    def __init__(self, segmenter: Segmenter, name: str, digest: str, overlap: float) -> None:
        self.segmenter, self.name = replace(segmenter, overlap=overlap), name
        self.digest = f"{digest}, windows overlap by {overlap:g}"
        self.spacing, self.classes = segmenter.contract.spacing, segmenter.contract.classes

    def raw(self, image: Volume, grid: Grid) -> np.ndarray:
        """See :meth:`Model.raw`."""
        return self.segmenter.segment(image, grid).numpy()


class EncoderModel(Model):
    """An encoder of qontrast, or an ONNX file in its place: the mean over windows, as in ``embed``."""

    def __init__(self, loaded: Loaded, name: str) -> None:
        self.loaded, self.name, self.digest = loaded, name, loaded.digest
        self.spacing, self.classes = loaded.contract.spacing, ()

    def raw(self, image: Volume, grid: Grid) -> np.ndarray:
        """See :meth:`Model.raw`."""
        return self.loaded.encode(image[0, 0].numpy(), grid.affine).embedding


def open_model(model: str | Path | Callable[..., Any], form: ModelForm, device: str = "auto") -> Model:
    """Open a model for a sweep.

    Args:
        model: a fine-tuning's or pretraining's folder, packed weights or their name, an ONNX file,
            ``package.module:function``, or a callable.
        form: what a foreign ONNX file or a callable does not say.
        device: ``auto``, ``cpu`` or ``cuda``; an ONNX file runs on the CPU.

    Raises:
        InputError: for whatever is none of these, naming it.
        PlanError: if the device is not there.
    """
    if callable(model):
        return CallableModel(model, name_of(model), form)
    text, path = str(model), Path(model)
    if not path.exists() and is_import(text):
        return CallableModel(import_function(text), text, form)
    if path.suffix == ".onnx":
        return _onnx(path, form)
    if path.is_dir():
        path = path / (MODEL if (path / MODEL).is_file() else ENCODER)
        if not path.is_file():
            raise InputError(model, "neither a segmenter nor an encoder", f"{MODEL} or {ENCODER} in it", "Finished?")
    if not path.exists():
        path = find_weights(text)
    if form.spacing is not None:
        raise InputError(
            "form.spacing", f"{form.spacing:g} mm", "none for weights of qontrast", "They state their own."
        )
    name = path.parent.name if path.name in (MODEL, ENCODER) else path.name
    if _kind(path) == "segmenter":
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return SegmenterModel(open_segmenter(path, device), name, digest, form.overlap)
    return EncoderModel(load(path, device=device), name)


def _kind(path: Path) -> str:
    """What the file says that it holds; readers check all of it afterwards."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return str(json.loads((file.metadata() or {})[KEY])["kind"])
    except (safetensors.SafetensorError, OSError, KeyError, ValueError, TypeError):
        return "encoder"


class _Rescaled(nn.Module):
    """A network that wants windows from 0 to 1."""

    def __init__(self, net: OnnxNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        low, high = image.amin(dim=(1, 2, 3, 4), keepdim=True), image.amax(dim=(1, 2, 3, 4), keepdim=True)
        return self.net((image - low) / (high - low).clamp(min=1e-12))


def _onnx(path: Path, form: ModelForm) -> Model:
    stated = onnx_contract(path)
    classes = stated.classes if stated is not None else form.classes
    if classes == (FREESURFER,):
        raise InputError("form.classes", FREESURFER, "the names of the file's channels", "Or wrap it in a function.")
    net = OnnxNet(path, len(classes))
    contract = stated if stated is not None else _contract(path, net, form)
    inner: nn.Module = net if stated is not None or form.normalisation == "zscore" else _Rescaled(net)
    settings = f"{net.digest} {form.normalisation} {contract.spacing:g} {contract.crop} {contract.classes}"
    digest = net.digest if stated is not None else hashlib.sha256(settings.encode()).hexdigest()
    if contract.kind == "segmenter":
        return SegmenterModel(Segmenter(inner, contract, "cpu"), path.name, digest, form.overlap)
    if stated is not None:
        check_contract(contract, path)
    return EncoderModel(Loaded(inner, contract, path, digest, "cpu"), path.name)


def _contract(path: Path, net: OnnxNet, form: ModelForm) -> Contract:
    """The contract of a file that states none."""
    crop = net.crop or form.crop
    if form.spacing is None or crop is None:
        found = "no contract of qontrast" + ("" if crop else ", and an input of any size")
        wanted = "--form.spacing" if crop else "--form.spacing and --form.crop"
        raise InputError(path, found, wanted, "Say at which voxel size (mm) and window (voxels) it was trained.")
    kind = "encoder" if net.rank == 2 else "segmenter"
    if kind == "segmenter" and not form.classes:
        raise InputError(
            path, "channels without names", "--form.classes", 'For instance ["background", "grey matter"].'
        )
    return Contract(kind, (), form.spacing, crop, NORMALISATION, classes=form.classes)
