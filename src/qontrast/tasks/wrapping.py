"""Encoders without a contract of their own, given one: a spacing and a window to embed scans with."""

import hashlib
import math
from copy import deepcopy
from pathlib import Path

from qontrast.basics.errors import InputError
from qontrast.basics.imports import is_import
from qontrast.engine.device import pick_device
from qontrast.nets.contract import Encoder
from qontrast.tasks.loading import Loaded, load
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.contract import Contract
from qontrast.weights.encoder import load_encoder
from qontrast.weights.find import PICKLES


def load_any(name: str, *, spacing: float | None = None, crop: int | None = None, device: str = "auto") -> Loaded:
    """Any encoder to embed with: what ``load`` takes, and with a spacing and a crop what it refuses.

    Args:
        name: what ``load`` takes; a checkpoint of the method's code; or ``package.module:function``, which is run.
        spacing: millimetres, of an encoder whose file does not say so; of others it stays what the file says.
        crop: edge of the windows, voxels; likewise.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: as ``load``; or if spacing and crop are wanted and not given, or given and not wanted.
    """
    stated = spacing is None and crop is None
    foreign = is_import(name) or Path(name).suffix.lower() in PICKLES
    if not foreign and stated:
        return load(name, device=device)
    if not foreign:
        raise InputError(name, "weights that say spacing and crop themselves", "neither as a flag", "Leave them out.")
    if spacing is None or crop is None:
        remedy = "Give both: --spacing 1 --crop 96, for instance."
        raise InputError(name, "weights without a contract", "a spacing and a crop", remedy)
    return wrap(load_encoder(name), name, spacing=spacing, crop=crop, device=device)


def wrap(encoder: Encoder, name: str, *, spacing: float, crop: int, device: str = "auto") -> Loaded:
    """An encoder without a contract of its own (adapted, of the method's checkpoints, or with fresh weights), to embed.

    Args:
        encoder: copied.
        name: that it is called by.
        spacing: isotropic voxel size to embed at, millimetres.
        crop: edge of the windows, voxels: for a network of a fixed size, that size.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InputError: for a crop or a spacing that cannot be.
        PlanError: if the device is not there.
    """
    deepest = encoder.strides[-1]
    if crop % deepest or crop < 2 * deepest:
        raise InputError("crop", f"{crop} voxels", f"a multiple of {deepest}, {2 * deepest} or more")
    contract = Contract("encoder", encoder.features_per_level, spacing, crop, NORMALISATION, encoder=encoder.settings)
    if not (math.isfinite(spacing) and 0.1 <= spacing <= 10):
        raise InputError("spacing", f"{spacing:g} mm", "0.1 to 10 mm")
    where = pick_device(device)
    digest = hashlib.sha256(f"{encoder.settings} {spacing:g} mm, {crop} voxels".encode())
    for key, value in encoder.state_dict().items():
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return Loaded(deepcopy(encoder).eval().to(where), contract, Path(name), digest.hexdigest(), where)
