"""Encoders as files: ours, and the checkpoints of the method's published code."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qontrast.basics.errors import InputError
from qontrast.basics.imports import is_import
from qontrast.nets.catalogue import rebuild
from qontrast.nets.contract import Encoder
from qontrast.nets.decoder import Decoder
from qontrast.nets.encoder import LEVELS
from qontrast.weights.catalogue import shipped
from qontrast.weights.contract import Contract, read_weights, save_weights
from qontrast.weights.imported import import_encoder

ENCODER = "encoder.safetensors"
PARTS = ("conv_0.", "down_1.", "down_2.", "down_3.", "down_4.")
DECODER = ("upcat_1.", "upcat_2.", "upcat_3.", "upcat_4.", "final_conv.")
OF_DECODER = "decoder."
"""Before the names of a light decoder's weights in an encoder's file."""
PREFIXES = ("_orig_mod.", "module.")
"""Put before every name by torch.compile and by distributed training."""


def save_encoder(
    path: Path,
    encoder: Encoder,
    *,
    decoder: Decoder | None = None,
    spacing: float,
    crop: int,
    normalisation: str,
    plan: dict[str, Any],
) -> None:
    """Write an encoder with the contract of its input, and the light decoder that it was pretrained with, if any.

    Raises:
        WriteError: if the disk is full or the folder cannot be written.
    """
    contract = Contract(
        "encoder",
        encoder.features_per_level,
        spacing,
        crop,
        normalisation,
        encoder=encoder.settings,
        plan=plan,
        decoder=() if decoder is None else decoder.widths,
    )
    weights = encoder.state_dict()
    if decoder is not None:
        weights |= {OF_DECODER + name: value for name, value in decoder.state_dict().items()}
    save_weights(path, weights, contract)


def load_encoder(path: str | Path) -> Encoder:
    """Load an encoder, ready for inference (``eval``).

    Args:
        path: a pretraining run's folder, a safetensors file of qontrast, the short name of an encoder that comes with
            the library (``nano``), or a checkpoint of the method's code: a torch file ``{"config": ..., "state_dict":
            ...}`` with the names of MONAI's BasicUNet, with or without the prefix ``_orig_mod.``. Decoder weights in it
            are passed over. No pickled code is run. Or the name of your own code
            that makes an encoder, ``package.module:function``: it is imported and called.

    Raises:
        InputError: for any other file, naming it and what is wrong with it.
    """
    if isinstance(path, str) and is_import(path) and not Path(path).exists():
        return import_encoder(path)
    path = encoder_file(path)
    if not path.is_file():
        raise InputError(path, "no such file", "an encoder", missing_encoder(path))
    if path.suffix == ".safetensors":
        tensors, contract = read_weights(path, "encoder")
        tensors, _ = split(tensors)
        encoder = build(path, contract.features, contract.encoder)
    else:
        config, tensors = _read_checkpoint(path)
        encoder = _build(path, config)
    fill(encoder, tensors, path)
    return encoder.eval()


def load_decoder(path: str | Path) -> tuple[tuple[int, ...], dict[str, Tensor]] | None:
    """Widths and weights of the light decoder that an encoder was pretrained with; None where there is none.

    Raises:
        InputError: see :func:`load_encoder`.
    """
    contract = _contract(path)
    if contract is None or not contract.decoder:
        return None
    tensors, _ = read_weights(encoder_file(path), "encoder")
    return contract.decoder, split(tensors)[1]


def split(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The encoder's and the decoder's weights of a file, each by their own names."""
    ends = {name: value for name, value in tensors.items() if name.startswith(OF_DECODER)}
    own = {name: value for name, value in tensors.items() if name not in ends}
    return own, {name.removeprefix(OF_DECODER): value for name, value in ends.items()}


def encoder_arm(path: str | Path) -> str:
    """What an encoder is called in ledgers: by its name if it was packed, else by the arm that it was pretrained in, or
    ``external`` where it is not ours.

    Raises:
        InputError: see :func:`load_encoder`.
    """
    contract = _contract(path)
    if contract is not None and contract.origin is not None:
        return contract.origin.name
    return "external" if contract is None else str(contract.plan.get("views.arm", "external"))


def encoder_spacing(path: str | Path) -> float | None:
    """The voxel size in millimetres that an encoder was pretrained at; None where it is not ours.

    Raises:
        InputError: see :func:`load_encoder`.
    """
    contract = _contract(path)
    return None if contract is None else contract.spacing


def encoder_plan(path: str | Path) -> dict[str, Any]:
    """The plan that an encoder was pretrained by; empty where it is not ours.

    Raises:
        InputError: see :func:`load_encoder`.
    """
    contract = _contract(path)
    return {} if contract is None else contract.plan


def _contract(path: str | Path) -> Contract | None:
    path = encoder_file(path)
    return read_weights(path, "encoder")[1] if path.suffix == ".safetensors" else None


def encoder_file(name: str | Path) -> Path:
    """The file of an encoder, whether it is there or not: a run's, a path, or that of a short name of the library."""
    path = Path(name)
    if path.is_dir():
        return path / ENCODER
    return path if path.exists() else shipped().get(str(name), path)


def missing_encoder(path: Path) -> str:
    """What to do about an encoder that is not there."""
    if path.name == ENCODER or not shipped():
        return "Has the pretraining finished? (--resume goes on with it)"
    return f"Give a run's folder, a file or {' or '.join(shipped())}."


def fill(model: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Put weights into a network, each of them and no other.

    Raises:
        InputError: naming the first weight that is missing, left over or of another shape.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in tensors]
    spare = [name for name in tensors if name not in own]
    if missing or spare:
        found = f"no weight {missing[0]!r}" if missing else f"the unknown weight {spare[0]!r}"
        raise InputError(
            path, f"{found} ({len(missing)} missing, {len(spare)} unknown)", "exactly the network's weights"
        )
    for name, value in own.items():
        if tensors[name].shape != value.shape:
            raise InputError(
                path, f"{name!r} of shape {tuple(tensors[name].shape)}", f"shape {tuple(value.shape)}", "Another net?"
            )
    model.load_state_dict(dict(tensors))


def build(path: Path, features: Sequence[Any], settings: Mapping[str, Any]) -> Encoder:
    """The encoder that a file describes, with fresh weights.

    Raises:
        InputError: naming the file, if there is no such network.
    """
    try:
        return rebuild(tuple(int(f) for f in features), settings)
    except (InputError, TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise InputError(path, f"a config that makes no network ({error})", "the config of a BasicUNet") from error


def _read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    wanted = 'a torch file {"config": ..., "state_dict": ...} with the names of MONAI\'s BasicUNet'
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = "pickled code, which is never run" if "GLOBAL" in str(error) else "a file that torch cannot read"
        raise InputError(path, reason, wanted, "Save plain tensors and numbers only.") from error
    except Exception as error:  # damaged bytes fail anywhere in torch's reader: IndexError, struct.error, ...
        raise InputError(path, f"a file that torch cannot read ({error})", wanted, "Copy it again.") from error
    if not isinstance(content, dict) or not {"config", "state_dict"} <= content.keys():
        found = f"keys {', '.join(map(str, content))[:80]}" if isinstance(content, dict) else type(content).__name__
        raise InputError(path, found, wanted, "Is this a checkpoint of the method's pretraining?")
    config, state = content["config"], content["state_dict"]
    if not isinstance(config, dict) or not isinstance(state, dict):
        raise InputError(path, f"config and state_dict of {type(config).__name__}, {type(state).__name__}", wanted)
    tensors: dict[str, Tensor] = {}
    for key, value in state.items():
        name = str(key)
        while any(name.startswith(p) for p in PREFIXES):
            name = name.split(".", 1)[1]
        if name.startswith(DECODER):
            continue
        if not name.startswith(PARTS) or not isinstance(value, Tensor):
            raise InputError(path, f"the weight {key!r}", f"names that begin with {', '.join(PARTS)}", "Another net?")
        tensors[name] = value
    return config, tensors


def _build(path: Path, config: Mapping[str, Any]) -> Encoder:
    features = config.get("features")
    if not isinstance(features, (tuple, list)) or len(features) not in (LEVELS, LEVELS + 1):
        raise InputError(path, f"config with features = {features!r}", f"the channels of {LEVELS} levels")
    if config.get("spatial_dims", 3) != 3:
        raise InputError(path, f"a {config['spatial_dims']}D network", "a 3D network")
    known = {k: config[k] for k in ("in_channels", "act", "norm", "bias", "dropout") if k in config}
    return build(path, features[:LEVELS], known)
