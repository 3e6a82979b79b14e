"""Loaded weights prepare a scan by themselves, however it was saved, and refuse what they cannot be right about."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from scipy import ndimage

import qontrast
from qontrast.basics.errors import InputError
from qontrast.tasks.loading import Loaded, load
from qontrast.views.normalise import normalise
from qontrast.weights.encoder import load_encoder
from qontrast.weights.probe import probe_scan
from qontrast.weights.seal import BLANK, seal

INTENSITY = {0: 0, 258: 300, 24: 150, 3: 700, 42: 700, 2: 1000, 41: 1000, 10: 850, 49: 850, 4: 150, 43: 150}


@pytest.fixture(scope="module")
def loaded(packed):
    return load(packed, device="cpu")


@pytest.fixture(scope="module")
def heads(new_labels_folder):
    """Two heads as T1-like images of 40³ voxels at 2 mm, axes RAS."""
    images = []
    for file in sorted(new_labels_folder().rglob("*_dseg.nii.gz")):
        labels = nib.load(file)
        data = np.vectorize(INTENSITY.get)(np.asarray(labels.dataobj)).astype(np.float32)
        images.append(nib.Nifti1Image(ndimage.gaussian_filter(data, 0.7), labels.affine))
    return images


def apart(one, other):
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_the_package_offers_this_very_function():
    assert qontrast.load is load


def test_one_vector_of_single_precision(loaded, heads):
    vector = loaded.embed(heads[0])
    assert isinstance(loaded, Loaded)
    assert (vector.shape, vector.dtype) == ((12,), np.float32)
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("codes", ["LPS", "SRA", "PIL", "ASR"])
def test_another_orientation_gives_the_same_embedding(codes, loaded, heads, tmp_path):
    ornt = nib.orientations.ornt_transform(
        nib.io_orientation(heads[0].affine), nib.orientations.axcodes2ornt(tuple(codes))
    )
    turned = heads[0].as_reoriented(ornt)
    assert "".join(nib.aff2axcodes(turned.affine)) == codes
    nib.save(turned, tmp_path / "turned.nii.gz")
    assert apart(loaded.embed(tmp_path / "turned.nii.gz"), loaded.embed(heads[0])) < 1e-6


def test_every_voxel_split_into_eight_gives_the_same_embedding(loaded, heads):
    data = np.asarray(heads[0].dataobj).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    affine = heads[0].affine @ np.diag([0.5, 0.5, 0.5, 1.0])
    affine[:3, 3] -= 0.5  # the first small voxel's centre
    assert apart(loaded.embed(data, affine), loaded.embed(heads[0])) < 1e-5


class Histogram(torch.nn.Module):
    """A smooth stand-in for a trained network: which share of each 16³ block is brighter than so and so."""

    def forward(self, image):
        levels = [torch.sigmoid(4 * (image - level)) for level in (-0.5, 0.0, 0.5, 1.0, 1.5)]
        return torch.nn.functional.avg_pool3d(torch.cat(levels, dim=1), 16)


def test_another_voxel_size_gives_a_close_embedding(loaded, heads):
    data, affine = np.asarray(heads[0].dataobj), heads[0].affine
    fine = ndimage.affine_transform(data, np.full(3, 0.65), output_shape=(61, 61, 61), order=1)
    resaved = (fine, affine @ np.diag([0.65, 0.65, 0.65, 1.0]))
    assert apart(loaded.embed(*resaved), loaded.embed(heads[0])) < 0.05  # weights that were never trained
    smooth = replace(loaded, encoder=Histogram())
    own, other = smooth.embed(heads[0]), smooth.embed(heads[1])
    assert apart(smooth.embed(*resaved), own) < min(0.01, 0.5 * apart(other, own))


def test_air_around_the_head_hardly_matters(loaded, heads):
    smooth = replace(loaded, encoder=Histogram())
    padded = np.pad(np.asarray(heads[0].dataobj), ((20, 0), (4, 12), (0, 30)))
    affine = heads[0].affine.copy()
    affine[:3, 3] -= [40.0, 8.0, 0.0]
    own, other = smooth.embed(heads[0]), smooth.embed(heads[1])
    assert apart(smooth.embed(padded, affine), own) < min(0.01, 0.25 * apart(other, own))


def test_scale_of_the_intensities_does_not_matter(loaded, heads):
    data = np.asarray(heads[0].dataobj)
    assert apart(loaded.embed(37.5 * data + 0, heads[0].affine), loaded.embed(heads[0])) < 1e-5


def test_a_file_an_image_and_an_array_are_one(loaded, heads, tmp_path):
    nib.save(heads[0], tmp_path / "scan.nii")
    found = [
        loaded.embed(tmp_path / "scan.nii"),
        loaded.embed(str(tmp_path / "scan.nii")),
        loaded.embed(nib.load(tmp_path / "scan.nii")),
        loaded.embed(heads[0]),
        loaded.embed(np.asarray(heads[0].dataobj), heads[0].affine),
    ]
    assert all(np.array_equal(f, found[0]) for f in found)


def test_windows_are_embedded_as_in_training(loaded, packed, heads):
    """One window that holds the whole image: the embedding is the network's own of the normalised window."""
    inner = np.asarray(heads[0].dataobj)[4:36, 4:36, 4:36]
    affine = heads[0].affine.copy()
    affine[:3, 3] += 8.0
    window = torch.from_numpy(np.ascontiguousarray(inner))[None, None]
    with torch.inference_mode():
        expected = load_encoder(packed).embed(normalise(window)).numpy()[0]
    found = loaded.encode(inner, affine)
    assert found.windows == 1
    assert np.allclose(found.embedding, expected, atol=1e-6)
    given = loaded.embed_tensor(window, spacing=2.0, orientation="RAS").numpy()[0]
    assert np.allclose(given, expected, atol=1e-6)
    with torch.inference_mode():
        deepest = load_encoder(packed)(normalise(window)).numpy()[0]
    assert np.allclose(found.features, deepest, atol=1e-5)


def test_features_lie_on_a_grid_of_their_own(loaded, heads):
    features, grid = loaded.features(heads[0])
    assert features.shape[0] == 12
    assert features.shape[1:] == grid.shape
    assert grid.spacing == (32.0, 32.0, 32.0)
    middle = grid.affine @ [*((np.array(grid.shape) - 1) / 2), 1]
    assert np.abs(middle[:3]).max() <= 4.0  # the head's, within the blocks that find it


def test_features_follow_what_moves_in_the_world(loaded, heads):
    data, affine = np.asarray(heads[0].dataobj), heads[0].affine.copy()
    affine[:3, 3] += [10.0, -20.0, 30.0]
    moved, grid = loaded.features(data, affine)
    still, before = loaded.features(heads[0])
    assert np.allclose(grid.affine[:3, 3] - before.affine[:3, 3], [10, -20, 30])
    assert np.array_equal(moved, still)


def changed(head, **kind):
    data, affine = np.asarray(head.dataobj).copy(), head.affine.copy()
    if "nan" in kind:
        data[20, 20, 20] = np.nan
    if "four" in kind:
        data = np.stack([data] * 3, axis=-1)
    if "flat" in kind:
        data = data[:, :, :1]
    if "scale" in kind:
        affine[:3] *= kind["scale"]
    if "fill" in kind:
        data[:] = kind["fill"]
    if "singular" in kind:
        affine[:3, 0] = affine[:3, 1]
    return data, affine


WRONG = {
    "metres": ({"scale": 1e-3}, r"voxels of 0\.002 x 0\.002 x 0\.002 mm; wanted 0\.05 to 20 mm.*in metres"),
    "micrometres": ({"scale": 1e3}, r"voxels of 2000 x 2000 x 2000 mm.*in micrometres"),
    "a head of 4 cm": ({"scale": 0.5}, r"something of \d+ x \d+ x \d+ mm in voxels of 1 x 1 x 1 mm; wanted a head"),
    "NaN": ({"nan": True}, "1 voxels that are NaN or infinite"),
    "a series": ({"four": True}, "a 4D image of shape .*Split a series"),
    "a slice": ({"flat": True}, "a single slice cannot be used"),
    "nothing": ({"fill": 0}, "0 in every voxel.*The image is empty"),
    "one value": ({"fill": 7}, "7 in every voxel"),
    "two axes": ({"singular": True}, "not invertible|nibabel refuses"),
}


@pytest.mark.parametrize(("kind", "pattern"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("form", ["array", "file"])
def test_what_is_no_head_in_millimetres_is_refused(kind, pattern, form, loaded, heads, tmp_path):
    data, affine = changed(heads[0], **kind)
    if form == "array":
        given = (data, affine)
    else:
        if "singular" in kind:
            pytest.skip("nibabel writes no such file")
        nib.save(nib.Nifti1Image(data, affine), tmp_path / "scan.nii")
        given = (tmp_path / "scan.nii",)
    with pytest.raises(InputError, match=pattern) as caught:
        loaded.embed(*given)
    assert ("scan.nii" if form == "file" else "array") in str(caught.value)


def test_an_array_wants_its_affine_and_nothing_else_one(loaded, heads):
    with pytest.raises(InputError, match=r"array: found no affine.*affine="):
        loaded.embed(np.asarray(heads[0].dataobj))
    with pytest.raises(InputError, match="an affine beside an image"):
        loaded.embed(heads[0], heads[0].affine)
    with pytest.raises(InputError, match=r"complex64 voxels.*real numbers"):
        loaded.embed(np.asarray(heads[0].dataobj).astype(np.complex64), heads[0].affine)


def test_a_tensor_says_what_it_is(loaded):
    window = torch.rand((2, 1, 32, 32, 32), generator=torch.Generator().manual_seed(0))
    assert loaded.embed_tensor(window, spacing=2.0, orientation="RAS").shape == (2, 12)
    for spacing, orientation, image, pattern in (
        (1.0, "RAS", window, "spacing: found 1 mm; wanted 2 mm"),
        (0.002, "RAS", window, r"spacing: found 0\.002 mm"),
        (2.0, "LPS", window, "orientation: found 'LPS'; wanted 'RAS'"),
        (2.0, "RAS", window[..., :16], r"a shape of \(32, 32, 16\); wanted windows of 32³"),
        (2.0, "RAS", window / 0 * 0, "NaN or infinite"),
    ):
        with pytest.raises(InputError, match=pattern):
            loaded.embed_tensor(image, spacing=spacing, orientation=orientation)


def forged(packed, path, change):
    """The packed weights with another contract and a right checksum."""
    with safetensors.safe_open(packed, framework="pt") as file:
        values = json.loads(file.metadata()["qontrast"])
    change(values)
    content = safetensors.torch.save(
        safetensors.torch.load_file(packed), metadata={"qontrast": json.dumps({**values, "sha256": BLANK})}
    )
    path.write_bytes(seal(content))
    return path


FORGED = {
    "spacing": (lambda v: v.update(spacing=2.1), r"a probe's embedding 0\.\d+ away.*not those that were packed"),
    "spacing in metres": (lambda v: v.update(spacing=0.002), r"a contract with spacing 0\.002; wanted 0\.1 to 10 mm"),
    "orientation": (lambda v: v.update(orientation="LPS"), "a contract with orientation 'LPS'; wanted RAS"),
    "units": (lambda v: v.update(units="m"), "a contract with units 'm'; wanted mm"),
    "crop": (lambda v: v.update(crop=40), "a contract with crop 40"),
    "normalisation": (lambda v: v.update(normalisation="none"), "a contract with normalisation 'none'"),
    "activation": (lambda v: v["encoder"].update(act="RELU"), "a probe's embedding .* away"),
    "architecture": (lambda v: v.update(features=[4, 4, 8, 8, 16]), r"of shape .*; wanted shape .*Another net"),
    "levels": (lambda v: v.update(features=[4, 8, 12]), "a config that makes no network"),
    "kind": (lambda v: v.update(kind="segmenter"), "found a segmenter; wanted a encoder"),
    "channels": (lambda v: v["encoder"].update(in_channels=2), "channels in 2; wanted 1"),
    "recipe": (lambda v: v["probe"].update(recipe="other"), "a probe of recipe 'other'"),
    "probe": (lambda v: v["probe"].update(embedding=[0.0] * 12), "a probe's embedding .* away"),
    "shorter probe": (lambda v: v["probe"].update(embedding=[0.1]), "a probe's embedding inf away"),
    "version": (lambda v: v.update(version=2), "a contract of version 2"),
}


@pytest.mark.parametrize(("change", "pattern"), FORGED.values(), ids=FORGED)
def test_a_forged_contract_is_refused_even_with_a_right_checksum(change, pattern, packed, tmp_path):
    path = forged(packed, tmp_path / "forged.safetensors", change)
    with pytest.raises(InputError, match=pattern) as caught:
        load(path, device="cpu")
    assert str(path) in str(caught.value)


def test_what_is_forged_to_the_same_is_fine(packed, tmp_path):
    same = forged(packed, tmp_path / "same.safetensors", lambda v: None)
    assert load(same, device="cpu").embed(probe_scan()[0], probe_scan()[1].affine).shape == (12,)


def test_altered_weights_with_a_right_checksum_are_refused(packed, tmp_path):
    path = tmp_path / "other.safetensors"
    with safetensors.safe_open(packed, framework="pt") as file:
        meta = file.metadata()["qontrast"]
    tensors = safetensors.torch.load_file(packed)
    tensors["conv_0.conv_0.conv.weight"] *= -1
    values = {**json.loads(meta), "sha256": BLANK}
    path.write_bytes(seal(safetensors.torch.save(tensors, metadata={"qontrast": json.dumps(values)})))
    with pytest.raises(InputError, match="a probe's embedding"):
        load(path, device="cpu")


def test_a_runs_folder_loads_without_a_probe(finished_run, loaded, heads):
    plain = load(finished_run, device="cpu")
    assert plain.contract.probe is None
    assert np.array_equal(plain.embed(heads[0]), loaded.embed(heads[0]))
