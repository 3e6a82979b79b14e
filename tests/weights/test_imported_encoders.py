"""Encoders that a user's own function makes, and what is said where there is none."""

import pytest
import torch

from qontrast.basics.errors import InputError
from qontrast.basics.imports import is_import
from qontrast.weights.encoder import encoder_arm, encoder_spacing, load_decoder, load_encoder

CODE = """
from qontrast.nets.encoder import CNNEncoder
from qontrast.nets.adapter import adapt
from torch import nn

def good():
    return CNNEncoder((2, 2, 4, 4, 6))

def adapted():
    return adapt(nn.Sequential(nn.Conv3d(1, 4, 3, 2, 1)), ["0"])

def plain():
    return nn.Conv3d(1, 4, 3)

def needy(weights):
    return good()

def bad():
    return adapt(nn.Conv3d(2, 4, 3), ["0"])

constant = 3
"""


@pytest.fixture(scope="module", autouse=True)
def own_module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_package").mkdir()
    (folder / "own_package" / "__init__.py").write_text("")
    (folder / "own_package" / "encoders_of_mine.py").write_text(CODE)
    (folder / "own_package" / "broken.py").write_text("1 / 0")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield


def test_a_function_that_returns_an_encoder_is_called():
    encoder = load_encoder("own_package.encoders_of_mine:good")
    assert not encoder.training
    assert encoder(torch.zeros(1, 1, 32, 32, 32)).shape == (1, 6, 2, 2, 2)
    assert (
        load_encoder("own_package.encoders_of_mine:adapted").settings["source"]
        == "own_package.encoders_of_mine:adapted"
    )


def test_nothing_else_is_known_of_it():
    name = "own_package.encoders_of_mine:good"
    assert (encoder_arm(name), encoder_spacing(name), load_decoder(name)) == ("external", None, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_packge.encoders:good", "a module that cannot be imported .*PYTHONPATH"),
        ("own_package.broken:good", "ZeroDivisionError on import"),
        ("own_package.encoders_of_mine:god", "no 'god' in .*; wanted a function. Did you mean 'good'"),
        ("own_package.encoders_of_mine:constant", "a int; wanted a function"),
        ("own_package.encoders_of_mine:plain", "a Conv3d; wanted an Encoder. Wrap it with qontrast.nets.adapter.adapt"),
        ("own_package.encoders_of_mine:needy", "TypeError: needy.. missing 1 required positional argument"),
        ("own_package.encoders_of_mine:bad", "layer '0'|no layer"),
    ],
)
def test_what_makes_no_encoder_is_refused(name, message):
    with pytest.raises(InputError, match=message):
        load_encoder(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("package:function", True),
        ("a.b_c.d:make_1", True),
        ("a.b:Class.method", True),
        ("run/encoder.safetensors", False),
        ("C:\\runs\\one", False),
        ("owner/repo", False),
        ("a.b", False),
        ("a:b:c", False),
        ("a.1b:c", False),
        (None, False),
    ],
)
def test_which_names_are_imports(name, expected):
    assert is_import(name) == expected


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own:file").write_bytes(b"nothing")
    with pytest.raises(InputError, match="a file that torch cannot read"):
        load_encoder("own:file")
