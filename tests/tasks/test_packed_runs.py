"""A run's folder becomes one file that says where it comes from, and nothing about this machine."""

import hashlib
import json
import shutil

import pytest
import torch

import qontrast
from qontrast.basics.errors import InputError
from qontrast.tasks.loading import embed_probe, load
from qontrast.tasks.pack import pack, training_log, without_folders, write_card
from qontrast.weights import catalogue
from qontrast.weights.contract import read_weights
from qontrast.weights.encoder import encoder_arm, load_encoder

TERMS = {"licence": "cc-by-4.0", "data_licence": "CC0"}


def test_weights_are_those_of_the_run_to_the_bit(packed, finished_run):
    for one, other in zip(load_encoder(packed).parameters(), load_encoder(finished_run).parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_origin_is_that_of_the_run(packed, finished_run):
    contract = read_weights(packed, "encoder")[1]
    origin = contract.origin
    journal = finished_run / "journal.jsonl"
    assert origin.journal_sha256 == hashlib.sha256(journal.read_bytes()).hexdigest()
    assert (origin.steps, origin.name, origin.licence, origin.data_licence) == (7, "tiny", "cc-by-4.0", "CC0")
    assert origin.qontrast == qontrast.__version__
    assert contract.plan["views.arm"] == "seqinv"


def test_no_folder_of_this_machine_is_given_away(packed):
    assert b"/data/site" not in packed.read_bytes()
    plan = read_weights(packed, "encoder")[1].plan
    assert plan["cohort.data"] == "cohort"
    assert plan["others"] == [{"data": "more"}]


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("/a/b/c", "c"), ("C:\\a\\b", "b"), ("\\\\host\\share\\x", "x"), ("a/b", "a/b"), ("embedded", "embedded"),
        (3, 3), (None, None), (["/x/y", {"k": ("/z",)}], ["y", {"k": ["z"]}]),
    ],
)  # fmt: skip
def test_absolute_paths_are_cut_to_their_last_part(value, kept):
    assert without_folders(value) == kept


def test_half_precision_is_half_the_size_and_its_probe_is_its_own(finished_run, packed, tmp_path):
    half = pack(finished_run, tmp_path / "half.safetensors", **TERMS, half=True)
    header = 8 + int.from_bytes(half.read_bytes()[:8], "little")
    whole = 8 + int.from_bytes(packed.read_bytes()[:8], "little")
    assert (packed.stat().st_size - whole) == 2 * (half.stat().st_size - header)
    loaded = load(half, device="cpu")
    assert {p.dtype for p in loaded.encoder.parameters()} == {torch.float32}
    assert embed_probe(loaded.encoder, 2.0, 32).tolist() == pytest.approx(list(loaded.contract.probe.embedding))
    assert loaded.contract.probe.embedding != load(packed, device="cpu").contract.probe.embedding


def test_packing_again_gives_the_same_bytes(finished_run, packed, tmp_path):
    again = pack(finished_run, tmp_path / "tiny.safetensors", **TERMS, description="For tests.")
    assert again.read_bytes() == packed.read_bytes()


def test_the_card_says_how_where_from_what_for_and_what_not(packed, tmp_path):
    file = tmp_path / "tiny.safetensors"
    shutil.copy(packed, file)
    text = write_card(file).read_text(encoding="utf-8")
    contract = read_weights(packed, "encoder")[1]
    for said in (
        "license: cc-by-4.0", "# tiny", "For tests.", "| orientation | RAS |", "| spacing | 2 mm", "32³",
        contract.normalisation, "12 numbers", "| training steps | 7 |", contract.origin.journal_sha256,
        contract.probe.sha256, "Training data: CC0", "## Intended use", "## Limits", "**Not a medical device.**",
        load(packed, device="cpu").digest, "single (32 bits)", "| `views.arm` | seqinv |",
    ):  # fmt: skip
        assert said in text


def test_an_encoder_of_the_library_goes_by_its_short_name(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FOLDER", packed.parent)
    monkeypatch.chdir(tmp_path)
    for one, other in zip(load_encoder("tiny").parameters(), load_encoder(packed).parameters(), strict=True):
        assert torch.equal(one, other)
    assert encoder_arm("tiny") == "tiny"
    with pytest.raises(InputError, match="a file or tiny"):
        load_encoder("tiyn")
    with pytest.raises(InputError, match="pretraining finished"):
        load_encoder(tmp_path / "encoder.safetensors")


def broken(run, tmp_path, change):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    change(copy)
    return copy


CHANGES = {
    "no encoder": (
        lambda r: (r / "encoder.safetensors").unlink(),
        r"encoder\.safetensors: found no such file.*finished",
    ),
    "no journal": (
        lambda r: (r / "journal.jsonl").unlink(),
        r"journal\.jsonl: found no such file; wanted the run's tr",
    ),
    "torn journal": (
        lambda r: (r / "journal.jsonl").write_text('{"step": 1}\n{"st'),
        r"journal\.jsonl: found a damaged",
    ),
}


@pytest.mark.parametrize(("change", "pattern"), CHANGES.values(), ids=CHANGES)
def test_an_unfinished_run_is_refused(change, pattern, finished_run, tmp_path):
    with pytest.raises(InputError, match=pattern):
        pack(broken(finished_run, tmp_path, change), tmp_path / "out.safetensors", **TERMS)
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(
    ("terms", "pattern"),
    [
        ({"licence": " ", "data_licence": "CC0"}, "--licence: found nothing; wanted a licence"),
        ({"licence": "mit", "data_licence": ""}, "--data-licence: found nothing"),
    ],
)
def test_a_licence_is_wanted(terms, pattern, finished_run, tmp_path):
    with pytest.raises(InputError, match=pattern):
        pack(finished_run, tmp_path / "out.safetensors", **terms)


def test_the_ending_is_wanted(finished_run, tmp_path):
    with pytest.raises(InputError, match=r"the ending '\.pt'; wanted \.safetensors"):
        pack(finished_run, tmp_path / "out.pt", **TERMS)


def test_a_real_run_can_be_packed_and_loaded(pretrained, tmp_path):
    out = pack(pretrained, tmp_path / "real.safetensors", **TERMS, card=True)
    assert training_log(pretrained / "journal.jsonl")[1] == 2
    assert load(out, device="cpu").contract.origin.steps == 2
    assert (tmp_path / "real.md").is_file()
    lines = (pretrained / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [0, 1]
