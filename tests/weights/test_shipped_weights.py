"""The weights that come with the library: whole, small, licensed, and described by the card beside them."""

import numpy as np
import pytest

import qontrast
from qontrast.anatomy.mni_heads import mni_head
from qontrast.physics.presets import PRESETS
from qontrast.scans.nifti import write_image
from qontrast.tasks.models import check_file
from qontrast.tasks.pack import write_card
from qontrast.views.labelled import simulate_scan
from qontrast.weights.catalogue import FOLDER, shipped
from qontrast.weights.contract import read_weights
from qontrast.weights.encoder import load_decoder
from qontrast.weights.seal import seal_of
from qontrast.weights.segmenter import KINDS

NAMES = sorted(shipped())
MOST_BYTES = 12e6
TESTED = {"sub-04", "sub-08", "sub-12", "sub-16"}
"""The heads of docs/claims.md, which nothing may have seen."""


def test_they_are_there_and_small_together():
    assert "nano" in NAMES
    assert sum(path.stat().st_size for path in shipped().values()) <= MOST_BYTES
    assert {path.suffix for path in FOLDER.iterdir()} == {".safetensors", ".md"}


@pytest.mark.parametrize("name", NAMES)
def test_each_is_what_its_card_says(name, tmp_path):
    file = shipped()[name]
    check_file(file)
    tensors, contract = read_weights(file, *KINDS)
    assert {value.element_size() for value in tensors.values() if value.is_floating_point()} == {2}
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    assert seal_of(file) in card
    assert contract.origin is not None
    assert contract.origin.name == name
    assert contract.origin.data_licence == "Apache-2.0"
    assert contract.origin.data_licence in card
    copy = tmp_path / file.name
    copy.write_bytes(file.read_bytes())
    assert write_card(copy).read_text(encoding="utf-8") == card
    seen = contract.plan.get("trained_on", contract.plan["cohort.subjects"])
    assert len(seen) == 16
    assert not TESTED & set(seen)


def test_the_encoder_comes_with_its_decoder_and_embeds_a_scan(tmp_path):
    assert load_decoder("nano") is not None
    scan = simulate_scan(mni_head(1), PRESETS["flair"], 2.0, 30.0, 0)
    write_image(tmp_path / "scan.nii.gz", scan.image[0, 0].numpy(), scan.grid)
    vector = qontrast.load("nano").embed(tmp_path / "scan.nii.gz")
    assert vector.shape == (96,)
    assert np.isfinite(vector).all()
