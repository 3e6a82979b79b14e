"""The weights that come with the library: whole, small, licensed, and described by the card beside them."""

import os
from pathlib import Path

import numpy as np
import pytest

import qontrast
from qontrast.anatomy.classes import class_names
from qontrast.anatomy.mni_heads import mni_head
from qontrast.physics.presets import PRESETS
from qontrast.scans.nifti import read_image, write_image
from qontrast.sweeps.heads import in_terms_of
from qontrast.sweeps.scores import overlaps
from qontrast.tasks.models import check_file
from qontrast.tasks.pack import write_card
from qontrast.tasks.predict import predict
from qontrast.views.whole_scan import simulate_scan
from qontrast.weights.catalogue import FOLDER, shipped
from qontrast.weights.contract import read_weights
from qontrast.weights.encoder import load_decoder
from qontrast.weights.seal import seal_of
from qontrast.weights.segmenter import KINDS

NAMES = sorted(shipped())
DATA = Path(os.environ.get("QONTRAST_DATA", "/QONTRAST_DATA-is-not-set"))
REAL = DATA / "scans" / "sub-tissue" / "anat"
TISSUES = class_names("tissues")
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


def test_the_segmenter_finds_the_tissues_of_a_t2w(tmp_path):
    scan = simulate_scan(mni_head(2), PRESETS["fse"], 1.0, 30.0, 0)
    write_image(tmp_path / "scan.nii", scan.image[0, 0].numpy(), scan.grid)
    found = segmented(tmp_path / "scan.nii", tmp_path)
    dice = overlaps(found, scan.classes.numpy(), TISSUES, 0.0)[0]
    assert dice["grey matter"] > 0.93
    assert dice["white matter"] > 0.9
    assert dice["cerebrospinal fluid"] > 0.9


def test_the_denoiser_brings_a_noisy_scan_nearer_to_the_clean_one(tmp_path):
    clean, noisy = (simulate_scan(mni_head(1), PRESETS["mprage"], 1.0, snr, 0) for snr in (1e5, 5.0))
    write_image(tmp_path / "noisy.nii", noisy.image[0, 0].numpy(), noisy.grid)
    restored = read_image(predict("denoise-nano", tmp_path / "noisy.nii", tmp_path / "clean.nii", quiet=True)).data
    brain, truth = clean.classes.numpy() > 0, clean.image[0, 0].numpy()
    errors = [np.square(image - truth)[brain].mean() for image in (noisy.image[0, 0].numpy(), restored)]
    assert 10 * np.log10(errors[0] / errors[1]) > 4  # dB


@pytest.mark.skipif(not REAL.is_dir(), reason="no scans/sub-tissue in QONTRAST_DATA")
def test_the_segmenter_agrees_with_fast_on_a_real_t1w(tmp_path):
    scan = REAL / "sub-tissue_desc-brain_T1w.nii.gz"
    found = segmented(scan, tmp_path)
    for name, label in (("grey matter", "GM"), ("white matter", "WM")):
        fast = read_image(REAL / f"sub-tissue_label-{label}_probseg.nii.gz", canonical=True).data > 0.5
        mine = found == TISSUES.index(name)
        assert 2 * (mine & fast).sum() / (mine.sum() + fast.sum()) > 0.85


def segmented(scan, folder):
    """Tissue classes by the library's segmenter, axes RAS."""
    out = predict("tissue-nano", scan, folder / "seg.nii", refine=True, quiet=True)
    return in_terms_of(read_image(out, canonical=True).data.astype(int), class_names("structures"), TISSUES)
