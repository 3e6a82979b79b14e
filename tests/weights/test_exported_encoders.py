"""Exports give what the encoder gives: ONNX by onnxruntime, the MONAI bundle by MONAI's own parser."""

import json

import monai
import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from qontrast.basics.errors import InputError
from qontrast.views.normalise import normalise
from qontrast.weights.bundle import export_bundle
from qontrast.weights.encoder import load_encoder
from qontrast.weights.onnx_file import export_onnx


@pytest.fixture(scope="module")
def windows():
    return normalise(torch.rand((3, 1, 32, 32, 32), generator=torch.Generator().manual_seed(0)) ** 2)


@pytest.fixture(scope="module")
def onnx_file(packed, tmp_path_factory):
    pytest.importorskip("onnxscript")
    return export_onnx(packed, tmp_path_factory.mktemp("onnx") / "tiny.onnx")


@pytest.fixture(scope="module")
def bundle(packed, tmp_path_factory):
    return export_bundle(packed, tmp_path_factory.mktemp("monai") / "bundle")


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_onnx_gives_the_embedding_and_the_features_for_any_batch(batch, onnx_file, packed, windows):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    embedding, features = session.run(None, {"image": windows[:batch].numpy()})
    encoder = load_encoder(packed)
    with torch.inference_mode():
        assert np.abs(embedding - encoder.embed(windows[:batch]).numpy()).max() < 1e-4
        assert np.abs(features - encoder(windows[:batch]).numpy()).max() < 1e-4


def test_onnx_is_one_valid_file_with_its_contract(onnx_file):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(onnx_file), load_external_data=False)
    onnx.checker.check_model(model)
    assert [p.name for p in onnx_file.parent.iterdir()] == ["tiny.onnx"]
    assert {o.domain: o.version for o in model.opset_import}[""] == 18
    contract = json.loads({p.key: p.value for p in model.metadata_props}["qontrast"])
    assert (contract["spacing"], contract["orientation"], contract["crop"]) == (2.0, "RAS", 32)


def test_onnx_wants_its_ending(packed, tmp_path):
    with pytest.raises(InputError, match=r"the ending '.pt'; wanted \.onnx"):
        export_onnx(packed, tmp_path / "x.pt")


def parser(bundle, **changes):
    config = ConfigParser()
    config.read_config(str(bundle / "configs" / "inference.json"))
    config.read_meta(str(bundle / "configs" / "metadata.json"))
    config.update({"bundle_root": str(bundle), "device": "$torch.device('cpu')", **changes})
    config.parse()
    return config


def test_the_bundle_builds_the_same_network_with_the_same_weights(bundle, packed, windows):
    config = parser(bundle)
    network = config.get_parsed_content("network")
    config.get_parsed_content("load")
    encoder = load_encoder(packed)
    assert not network.training
    assert str(network) == str(encoder)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), encoder.parameters(), strict=True))
    with torch.inference_mode():
        assert torch.equal(network.embed(windows), encoder.embed(windows))


def test_the_bundle_runs_on_a_scan_as_its_format_wants(bundle, packed, tmp_path):
    """A scan that has the contract's grid: MONAI's transforms then only reorient, cut and normalise it."""
    data = np.random.default_rng(0).random((32, 32, 32)).astype(np.float32) ** 2
    turned = nib.Nifti1Image(data, np.diag([2.0, 2.0, 2.0, 1.0])).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]]))
    nib.save(turned, tmp_path / "scan.nii.gz")
    config = parser(bundle, image=str(tmp_path / "scan.nii.gz"), output=str(tmp_path / "out.txt"))
    config.get_parsed_content("run", eval_expr=True)
    found = np.loadtxt(tmp_path / "out.txt")
    window = torch.from_numpy(data)[None, None]
    low, high = np.percentile(data, [0.5, 99.5])
    window = window.clamp(float(low), float(high))
    window = (window - window.mean()) / window.std(correction=0)
    with torch.inference_mode():
        expected = load_encoder(packed).embed(window).numpy()[0]
    assert np.abs(found - expected).max() < 1e-4


def test_the_bundle_has_the_files_and_the_metadata_of_the_format(bundle):
    files = sorted(str(p.relative_to(bundle)) for p in bundle.rglob("*") if p.is_file())
    assert files == ["configs/inference.json", "configs/metadata.json", "docs/README.md", "models/model.safetensors"]
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    wanted = {"version", "changelog", "monai_version", "pytorch_version", "numpy_version", "task", "description",
              "authors", "copyright", "network_data_format"}  # fmt: skip
    assert wanted <= metadata.keys()
    assert metadata["monai_version"] == monai.__version__
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [32, 32, 32]
    assert "not a medical device" in metadata["intended_use"]


def test_a_bundle_replaces_nothing_and_wants_packed_weights(bundle, packed, finished_run, tmp_path):
    with pytest.raises(InputError, match="something that is there already"):
        export_bundle(packed, bundle)
    with pytest.raises(InputError, match="weights that were not packed"):
        export_bundle(finished_run / "encoder.safetensors", tmp_path / "new")
    assert not (tmp_path / "new").exists()
