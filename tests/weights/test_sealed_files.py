"""One altered byte anywhere in a file of weights is refused, and so is what a checksum cannot know."""

import hashlib
import json
import os
import pickle
import re
from dataclasses import asdict, replace

import pytest
import safetensors
import safetensors.torch
import torch

from qontrast.basics.errors import InputError
from qontrast.nets.encoder import CNNEncoder
from qontrast.weights.contract import Contract, Origin, Probe, read_weights, save_weights
from qontrast.weights.encoder import load_encoder, save_encoder
from qontrast.weights.find import find_weights
from qontrast.weights.seal import BLANK, seal, seal_of

TINY = (2, 2, 4, 4, 6)
ORIGIN = Origin("n", "cc0", "cc0", "", "0.1", "ab", 3)
PROBE = Probe("r", "cd", 32, (0.5, -1.0), 1e-3)
CONTRACT = Contract("encoder", TINY, 2.0, 32, "words", origin=ORIGIN, probe=PROBE)


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("b", torch.arange(24, dtype=torch.float32))
        self.register_buffer("a", torch.tensor([3], dtype=torch.int64))


@pytest.fixture
def small(tmp_path):
    """A whole file of a few hundred bytes."""
    save_weights(tmp_path / "small.safetensors", Small().state_dict(), CONTRACT)
    return tmp_path / "small.safetensors"


def resealed(path, change):
    """The same file with another contract and a right checksum, as a forger would write it."""
    with safetensors.safe_open(path, framework="pt") as file:
        values = json.loads(file.metadata()["qontrast"])
    change(values)
    if "sha256" in values:
        values["sha256"] = BLANK
    content = safetensors.torch.save(safetensors.torch.load_file(path), metadata={"qontrast": json.dumps(values)})
    path.write_bytes(seal(content) if "sha256" in values else content)


def test_what_was_written_is_read(small):
    tensors, contract = read_weights(small, "encoder")
    assert contract == CONTRACT
    assert tensors["b"].tolist() == list(range(24))


def test_the_same_weights_give_the_same_bytes(small, tmp_path):
    save_weights(tmp_path / "again.safetensors", Small().state_dict(), CONTRACT)
    assert (tmp_path / "again.safetensors").read_bytes() == small.read_bytes()


def test_the_digest_is_that_of_the_file_with_its_digits_blank(small):
    content = small.read_bytes()
    stated = re.search(rb'sha256\\": \\"([0-9a-f]{64})', content).group(1)
    assert hashlib.sha256(content.replace(stated, b"0" * 64)).hexdigest() == stated.decode() == seal_of(small)


@pytest.mark.parametrize("change", [1, 0x80, 0x20])
def test_every_altered_byte_is_refused(small, change):
    good = small.read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= change
        small.write_bytes(bytes(bad))
        with pytest.raises(InputError) as caught:
            read_weights(small, "encoder")
        assert str(small) in str(caught.value)


def test_the_reason_is_the_digest_where_the_file_can_be_read(small):
    content = small.read_bytes()
    for start, end in ((content.index(b"2.0"), b"3.0"), (content.index(b"RAS"), b"LAS"), (len(content) - 3, b"\x55")):
        small.write_bytes(content[:start] + end + content[start + len(end) :])
        with pytest.raises(InputError, match=r"found bytes of SHA-256 .*; wanted those that were written.*altered or"):
            read_weights(small, "encoder")


def test_padding_in_the_header_is_covered(small):
    content = small.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    padded = content[:end] + b" " * 8 + content[end:]
    small.write_bytes((end).to_bytes(8, "little") + padded[8:])
    with pytest.raises(InputError, match="SHA-256"):
        read_weights(small, "encoder")


def test_every_shorter_and_longer_file_is_refused(small):
    good = small.read_bytes()
    for size in range(0, len(good), 7):
        small.write_bytes(good[:size])
        with pytest.raises(InputError, match="no readable safetensors file"):
            read_weights(small, "encoder")
    small.write_bytes(good + b"\0")
    with pytest.raises(InputError, match="no readable safetensors file"):
        read_weights(small, "encoder")


@pytest.mark.parametrize("version", [2, 99, -1, "1", None, 1.5])
def test_an_unknown_version_is_refused(small, version):
    resealed(small, lambda values: values.update(version=version))
    with pytest.raises(InputError, match=rf"a contract of version {version!r}; wanted version 1 or older.*Update"):
        read_weights(small, "encoder")


def test_a_missing_checksum_is_refused_in_files_that_have_one(small):
    resealed(small, lambda values: values.pop("sha256"))
    with pytest.raises(InputError, match="found no checksum"):
        read_weights(small, "encoder")


@pytest.mark.parametrize("part", ["origin", "probe"])
def test_a_torn_origin_or_probe_is_refused(small, part):
    resealed(small, lambda values: values[part].popitem())
    with pytest.raises(InputError, match="without a contract of qontrast"):
        read_weights(small, "encoder")


def test_files_of_the_first_version_still_load(tmp_path):
    torch.manual_seed(0)
    encoder, path = CNNEncoder(TINY), tmp_path / "encoder.safetensors"
    old = {k: v for k, v in asdict(CONTRACT).items() if k not in ("units", "version", "origin", "probe")}
    state = {name: value.contiguous() for name, value in encoder.state_dict().items()}
    path.write_bytes(safetensors.torch.save(state, metadata={"qontrast": json.dumps(old)}))
    assert torch.equal(load_encoder(tmp_path).conv_0.conv_0.conv.weight, encoder.conv_0.conv_0.conv.weight)
    contract = read_weights(path, "encoder")[1]
    assert contract == replace(CONTRACT, version=0, origin=None, probe=None)
    assert seal_of(path) == ""


def test_fields_of_later_versions_are_passed_over(small):
    resealed(small, lambda values: values.update(colour="red"))
    assert read_weights(small, "encoder")[1] == CONTRACT


def test_half_precision_rounds_weights_and_nothing_else(tmp_path):
    model = Small()
    model.b[0] = 1 / 3
    save_weights(tmp_path / "half.safetensors", model.state_dict(), CONTRACT, half=True)
    tensors, _ = read_weights(tmp_path / "half.safetensors", "encoder")
    assert (tensors["b"].dtype, tensors["a"].dtype) == (torch.float16, torch.int64)
    assert abs(float(tensors["b"][0]) - 1 / 3) < 2**-12
    model.b[0] = 1e6
    with pytest.raises(InputError, match=r"'b' beyond 65504.*Leave out --half"):
        save_weights(tmp_path / "large.safetensors", model.state_dict(), CONTRACT, half=True)
    assert not (tmp_path / "large.safetensors").exists()


def test_a_run_writes_a_checksum_too(tmp_path):
    path = tmp_path / "encoder.safetensors"
    save_encoder(path, CNNEncoder(TINY), spacing=2.0, crop=32, normalisation="words", plan={})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="SHA-256"):
        load_encoder(tmp_path)


class Malicious:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (self.victim,)


@pytest.mark.parametrize("name", ["w.pt", "w.ckpt", "w.pkl", "w.bin", "w.safetensors", "weights"])
@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_pickle_is_refused_before_anything_of_it_is_read(tmp_path, name, form):
    victim, path = tmp_path / "owned", tmp_path / name
    if form == "torch":
        torch.save({"state_dict": Malicious(str(victim))}, path)
    else:
        path.write_bytes(pickle.dumps(Malicious(str(victim))))
    with pytest.raises(InputError, match=r"a pickle or archive, which can hold code; wanted safetensors.*load_encoder"):
        find_weights(path)
    assert not victim.exists()


@pytest.mark.parametrize("name", ["absent.safetensors", "runs/absent.safetensors", "runs/absent.pt", "absent"])
def test_what_is_not_there_is_not_looked_for_on_the_hub(name):
    with pytest.raises(InputError, match=f"{name}: found nothing of that name; wanted a file, a run's folder or"):
        find_weights(name)


def test_a_wrong_path_into_a_folder_is_not_looked_for_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("runs/seqinv", "../b"):
        with pytest.raises(InputError, match="found nothing of that name"):
            find_weights(name)


def test_a_folder_without_an_encoder_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"encoder\.safetensors: found no such file"):
        find_weights(tmp_path)
