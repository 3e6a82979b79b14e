"""An encoder as a MONAI bundle: a folder of configurations and weights that ``monai.bundle`` builds and runs.

MONAI's own loaders expect a pickle, ``models/model.pt``. The configuration here reads ``models/model.safetensors``
instead. MONAI evaluates the configurations of every bundle as Python: run only bundles from a source that you trust.
"""

import json
from pathlib import Path
from typing import Any

import monai
import numpy as np
import safetensors.torch
import torch

from qontrast.basics.atomic import publish_folder, write_atomic
from qontrast.basics.errors import InputError
from qontrast.weights.card import model_card, packed
from qontrast.weights.contract import Contract, read_weights
from qontrast.weights.encoder import load_encoder
from qontrast.weights.seal import seal_of

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"


def export_bundle(file: Path, out: Path) -> Path:
    """Write an encoder as a MONAI bundle; qontrast has to be installed where it is used.

    ``python -m monai.bundle run --config_file BUNDLE/configs/inference.json --bundle_root BUNDLE --image SCAN --output
    OUT.txt`` (which wants the package fire) embeds the window in the middle of a scan. It prepares the scan by MONAI's
    transforms, whose interpolation differs a little from ours; :func:`qontrast.load` averages windows over the head.

    Args:
        file: packed weights.
        out: a new folder.

    Raises:
        InputError: if the weights cannot be used, or the folder holds something.
        WriteError: if the folder cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(out, "something that is there already", "a new folder", "Choose another --out.")
    contract = read_weights(file, "encoder")[1]
    packed(contract, file)
    state = {name: value.contiguous() for name, value in load_encoder(file).state_dict().items()}
    card = model_card(contract, seal_of(file), file.name)

    def fill(folder: Path) -> None:
        for name, values in (("metadata", metadata(contract)), ("inference", inference(contract))):
            write_atomic(folder / "configs" / f"{name}.json", json.dumps(values, indent=2) + "\n")
        write_atomic(folder / "models" / "model.safetensors", safetensors.torch.save(state))
        write_atomic(folder / "docs" / "README.md", card)

    publish_folder(out, fill)
    return out


def inference(contract: Contract) -> dict[str, Any]:
    """The configuration that builds the network, loads its weights and embeds the middle of a scan."""
    keys = {"keys": "image"}
    edge = [contract.crop] * 3
    steps = [
        {"_target_": "LoadImaged", **keys},
        {"_target_": "EnsureChannelFirstd", **keys},
        {"_target_": "Orientationd", **keys, "axcodes": contract.orientation},
        {"_target_": "Spacingd", **keys, "pixdim": [contract.spacing] * 3, "mode": "bilinear"},
        {"_target_": "ResizeWithPadOrCropd", **keys, "spatial_size": edge},
        {"_target_": "ClipIntensityPercentilesd", **keys, "lower": 0.5, "upper": 99.5},
        {"_target_": "NormalizeIntensityd", **keys},
    ]
    return {
        "imports": ["$import numpy", "$import pathlib", "$from safetensors.torch import load_file", "$import torch"],
        "bundle_root": ".",
        "image": "scan.nii.gz",
        "output": "embedding.txt",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": {
            "_target_": "qontrast.weights.encoder.build",
            "path": "$pathlib.Path(@bundle_root)",
            "features": list(contract.features),
            "settings": contract.encoder,
        },
        "network": "$@network_def.eval().to(@device)",
        "weights": "$load_file(@bundle_root + '/models/model.safetensors')",
        "load": "$@network.load_state_dict(@weights)",
        "preprocessing": {"_target_": "Compose", "transforms": steps},
        "window": "$@preprocessing({'image': @image})['image'].as_tensor()[None].to(@device)",
        "embed": "$@network.embed(@window).detach().cpu().numpy()",
        "run": ["$@load", "$numpy.savetxt(@output, @embed)"],
    }


def metadata(contract: Contract) -> dict[str, Any]:
    """What MONAI's schema asks for."""
    origin, _ = packed(contract, "weights")
    shared = {"format": "magnitude", "modality": "MR", "dtype": "float32", "is_patch_data": True}
    image = {"type": "image", "num_channels": 1, "spatial_shape": [contract.crop] * 3, "value_range": []}
    width = contract.features[-1]
    pred = {"type": "feature", "num_channels": width, "spatial_shape": [], "value_range": []}
    return {
        "schema": SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": f"packed by qontrast {origin.qontrast}"},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {
            "qontrast": origin.qontrast,
            "nibabel": "5.2",
            "safetensors": safetensors.__version__,
        },
        "name": origin.name,
        "task": "Embedding of 3D brain MRI",
        "description": origin.description or "An encoder of 3D brain MRI, pretrained on simulated contrasts.",
        "authors": "see docs/README.md",
        "copyright": f"weights: {origin.licence}; training data: {origin.data_licence}",
        "intended_use": "Research only; not a medical device.",
        "qontrast_contract": {
            "orientation": contract.orientation,
            "spacing": contract.spacing,
            "units": contract.units,
            "crop": contract.crop,
            "normalisation": contract.normalisation,
        },
        "network_data_format": {
            "inputs": {"image": {**image, **shared, "channel_def": {"0": "image"}}},
            "outputs": {"pred": {**pred, **shared, "channel_def": {"0": "first feature"}}},
        },
    }
