"""An ONNX file in the place of a network: the same answers as the network itself."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.unet import UNet
from qontrast.sweeps.models import open_model
from qontrast.sweeps.plan import ModelForm
from qontrast.sweeps.sweep import sweep
from qontrast.views.normalise import NORMALISATION
from qontrast.weights.contract import Contract
from qontrast.weights.onnx_file import export_onnx
from qontrast.weights.segmenter import save_segmenter

CLASSES = ("background", "grey matter", "white matter", "cerebrospinal fluid")


@pytest.fixture(scope="module")
def labels(new_labels_folder):
    return new_labels_folder()


def test_an_exported_encoder_drifts_as_the_packed_one(packed, labels, small_plan, tmp_path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    file = export_onnx(packed, tmp_path / "tiny.onnx")
    plan = small_plan(labels, spacing=None, sequences=("fse",), points=1)
    native = sweep(plan, tmp_path / "native", model=packed, quiet=True)
    other = sweep(plan, tmp_path / "onnx", model=file, quiet=True)
    assert (native.kind, other.kind) == ("encoder", "encoder")
    assert max(o.value for o in native.grid) > 1e-4
    for one, two in zip(native.grid, other.grid, strict=True):
        assert two.value == pytest.approx(one.value, rel=1e-2, abs=1e-6)
    rows = [[json.loads(line) for line in (tmp_path / name / "sweep.jsonl").open()] for name in ("native", "onnx")]
    for one, two in zip(*rows, strict=True):
        assert np.abs(np.array(one["embedding"]) - np.array(two["embedding"])).max() < 1e-4
        assert one["key"] != two["key"]


@pytest.fixture(scope="module")
def segmenters(tmp_path_factory):
    """A U-Net of qontrast, as its own file and as ONNX without any contract (a window of any batch)."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("segmenters")
    torch.manual_seed(1)
    net = UNet(CNNEncoder((4, 4, 8, 8, 12)), len(CLASSES)).eval()
    save_segmenter(
        folder / "model.safetensors", net, classes=CLASSES, spacing=2.0, crop=32, normalisation=NORMALISATION, plan={}
    )
    program = torch.onnx.export(net, (torch.zeros(1, 1, 32, 32, 32),), dynamo=True, opset_version=18, verbose=False)
    program.save(str(folder / "bare.onnx"))
    contract = Contract("segmenter", (), 2.0, 32, NORMALISATION, classes=CLASSES)
    program.model.metadata_props["qontrast"] = json.dumps(asdict(contract))
    program.save(str(folder / "stated.onnx"))
    return folder


def test_a_segmenter_gives_the_same_labels_as_onnx(segmenters, monkeypatch):
    off = torch.autocast("cpu", dtype=torch.bfloat16, enabled=False)
    monkeypatch.setattr("qontrast.tasks.models.autocast_for", lambda device: off)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((1, 1, 40, 40, 40), generator=generator)
    grid = Grid((40, 40, 40), np.diag([2.0, 2.0, 2.0, 1.0]))
    native = open_model(segmenters, ModelForm())
    bare = open_model(segmenters / "bare.onnx", ModelForm(spacing=2.0, classes=CLASSES))
    stated = open_model(segmenters / "stated.onnx", ModelForm())
    wanted = native.answer(image, grid)
    assert len(np.unique(wanted)) > 1
    for model in (bare, stated):
        assert (model.spacing, model.classes) == (2.0, CLASSES)
        assert (model.answer(image, grid) == wanted).mean() > 0.999
    assert len({native.digest, bare.digest, stated.digest}) == 3


def test_what_a_bare_file_does_not_say_has_to_be_said(segmenters, tmp_path):
    with pytest.raises(InputError, match=r"no contract of qontrast; wanted --form\.spacing"):
        open_model(segmenters / "bare.onnx", ModelForm())
    with pytest.raises(InputError, match="channels without names"):
        open_model(segmenters / "bare.onnx", ModelForm(spacing=2.0))
    with pytest.raises(InputError, match="none for weights of qontrast"):
        open_model(segmenters, ModelForm(spacing=2.0))
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="no readable ONNX file"):
        open_model(tmp_path / "broken.onnx", ModelForm())
    with pytest.raises(InputError, match="neither a segmenter nor an encoder"):
        open_model(tmp_path, ModelForm())


def test_a_file_that_gives_labels_or_wants_0_to_1(tmp_path):
    """Two graphs of one node each, whose answers are plain."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    shape = [None, 1, 16, 16, 16]

    def write(name, node, kind, extra=()):
        value = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            [node], name, [value("x", onnx.TensorProto.FLOAT, shape)], [value("y", kind, shape)], extra
        )
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
        onnx.save(model, str(tmp_path / f"{name}.onnx"))
        return tmp_path / f"{name}.onnx"

    half = onnx.helper.make_tensor("half", onnx.TensorProto.FLOAT, [], [0.5])
    file = write("greater", onnx.helper.make_node("Greater", ["x", "half"], ["y"]), onnx.TensorProto.BOOL, [half])
    form = ModelForm(spacing=2.0, classes=("background", "bright"), normalisation="minmax")
    model = open_model(file, form)
    image = torch.zeros(1, 1, 16, 16, 16)
    image[:, :, 4:12, 4:12, 4:12] = 3.0
    found = model.answer(image, Grid((16, 16, 16), np.diag([2.0, 2.0, 2.0, 1.0])))
    assert (found == (image[0, 0] > 1).numpy()).all()
