"""A segmentation lies on the image's own grid, however its axes run and whatever its voxels."""

import csv
import itertools
import math

import nibabel as nib
import numpy as np
import pytest
import torch

from qontrast.anatomy.classes import class_names
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.nets.unet import UNet
from qontrast.tasks import models
from qontrast.tasks import predict as module
from qontrast.tasks.models import Segmenter
from qontrast.tasks.predict import predict
from qontrast.tasks.resampling import at_spacing, head_box
from qontrast.weights.contract import Contract


def oblique(zooms=(1.3, 1.1, 2.5)):
    """An affine whose axes run back, left, up, turned by 20 degrees."""
    turn = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, 1]])
    c, s = math.cos(math.radians(20)), math.sin(math.radians(20))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ turn @ np.diag(zooms)
    affine[:3, 3] = [31.5, 40.25, -22.75]
    return affine


def ball(shape, affine, centre=(6.0, -4.0, 3.0), radius=14.0):
    """Where a ball lies (mm from the middle of the grid), on any grid."""
    world = np.einsum("ij,j...->i...", affine[:3, :3], np.indices(shape, float))
    middle = affine[:3, :3] @ ((np.array(shape) - 1) / 2) + np.array(centre)
    return np.sqrt(((world - middle.reshape(3, 1, 1, 1)) ** 2).sum(axis=0)) / radius


GRIDS = {
    "RAS at 2 mm": ((30, 34, 32), np.diag([2.0, 2.0, 2.0, 1.0])),
    "oblique, permuted, 1.3 x 1.1 x 2.5 mm": ((48, 56, 24), oblique()),
    "smaller than the window": ((14, 12, 13), np.diag([2.0, 2.0, 2.0, 1.0])),
    "left, posterior at 3 mm": ((20, 22, 21), np.diag([-3.0, -3.0, 3.0, 1.0])),
}


@pytest.fixture
def image_on(tmp_path):
    """A function that writes a bright ball on a grid and returns the file."""

    def write(shape, affine, name="scan.nii.gz"):
        noise = np.random.default_rng(1).normal(0, 2, shape)
        data = (100 * (ball(shape, affine) < 1) + 5 + noise).astype(np.float32)
        nib.save(nib.Nifti1Image(data, affine), tmp_path / name)
        return tmp_path / name

    return write


@pytest.mark.parametrize("grid", GRIDS)
def test_shape_and_affine_are_those_of_the_image(grid, segmenter, image_on, tmp_path):
    image = image_on(*GRIDS[grid])
    out = predict(segmenter, image, tmp_path / "seg.nii.gz", device="cpu", quiet=True)
    given, found = nib.load(image), nib.load(out)
    assert found.shape == given.shape
    assert found.affine.tobytes() == given.affine.tobytes()
    assert found.header["sform_code"] == given.header["sform_code"]
    assert found.get_data_dtype() == np.uint8
    assert set(np.unique(found.dataobj)) <= {0, 1, 2, 3}


class Bright(UNet):
    """A network that calls bright what lies above its window's mean plus half a standard deviation."""

    def __init__(self):
        torch.nn.Module.__init__(self)

    def forward(self, image):
        return torch.cat((torch.full_like(image, 0.5), image), dim=1) * 50


@pytest.mark.parametrize("grid", GRIDS)
def test_what_the_network_sees_comes_back_to_where_it_lies(grid, image_on, tmp_path, monkeypatch):
    shape, affine = GRIDS[grid]
    contract = Contract("segmenter", (16,), 2.0, 32, "as in training", classes=("background", "bright"))
    monkeypatch.setattr(module, "open_model", lambda *_, **__: Segmenter(Bright(), contract, "cpu"))
    out = predict(tmp_path, image_on(shape, affine), tmp_path / "seg.nii", quiet=True)
    found, distance = np.asarray(nib.load(out).dataobj), ball(shape, affine)
    rim = max(2.5, *np.linalg.norm(affine[:3, :3], axis=0)) / 14  # a voxel on the border may fall on either side
    assert found[distance < 1 - rim].min() == 1
    assert found[distance > 1 + rim].max() == 0


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
def test_a_turned_copy_has_the_same_classes_voxel_for_voxel(order, segmenter, labels_folder, tmp_path):
    labels = nib.load(labels_folder / "sub-01" / "anat" / "sub-01_dseg.nii.gz")
    data = np.asarray(labels.dataobj).astype(np.float32)
    flips = [-1 if axis in order[:2] else 1 for axis in range(3)]
    ornt = np.array([[axis, flip] for axis, flip in zip(order, flips, strict=True)])
    plain = nib.Nifti1Image(data, labels.affine)
    turned = plain.as_reoriented(ornt)
    assert nib.aff2axcodes(turned.affine) != nib.aff2axcodes(plain.affine)
    found = []
    for name, image in (("plain", plain), ("turned", turned)):
        nib.save(image, tmp_path / f"{name}.nii.gz")
        out = predict(segmenter, tmp_path / f"{name}.nii.gz", tmp_path / f"{name}_seg.nii", device="cpu", quiet=True)
        found.append(np.asarray(nib.as_closest_canonical(nib.load(out)).dataobj))
    assert found[0].any()
    assert np.array_equal(found[0], found[1])


@pytest.mark.parametrize("refine", [True, False])
@pytest.mark.parametrize("tissues", [True, False])
def test_the_scans_intensities_decide_borders_of_tissues_alone_and_where_they_are_asked(
    refine, tissues, segmenter, image_on, tmp_path, monkeypatch
):
    asked = []

    def all_white(image, probabilities, spacing, **_):
        asked.append(spacing)
        return torch.tensor([0.0, 0.0, 1.0, 0.0]).reshape(4, 1, 1, 1).expand_as(probabilities).clone()

    monkeypatch.setattr(models, "by_intensity", all_white)
    if not tissues:
        monkeypatch.setattr(module, "BRAINS", ())
    image = image_on(*GRIDS["left, posterior at 3 mm"])
    out = predict(segmenter, image, tmp_path / "seg.nii.gz", device="cpu", refine=refine, quiet=True)
    assert bool(asked) == (refine and tissues)
    assert bool((np.asarray(nib.load(out).dataobj)[8:12, 8:12, 8:12] == 2).all()) or not asked


class Nothing(torch.nn.Module):
    """A network that finds background alone."""

    def forward(self, image):
        return torch.cat((image * 0 + 50, *[image * 0] * 3), dim=1)


class Generous(Bright):
    """A network that calls fluid what lies two voxels and less from anything bright, and that grey matter."""

    def forward(self, image):
        bright = (image > 0).float()
        near = torch.nn.functional.max_pool3d(bright, 5, stride=1, padding=2)
        return torch.cat((0.5 + 0 * image, 2 * bright, 0 * image, near), dim=1) * 50


@pytest.mark.parametrize(("refine", "outside"), [(True, 0.0), (True, -1.5), (False, 0.0)])
def test_nothing_is_found_where_the_skull_was_taken_away(refine, outside, tmp_path, monkeypatch):
    shape, affine = GRIDS["RAS at 2 mm"]
    brain = ball(shape, affine) < 1
    data = np.where(brain, 100 + np.random.default_rng(1).normal(0, 2, shape), outside).astype(np.float32)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "brain.nii")
    contract = Contract("segmenter", (16,), 2.0, 32, "as in training", classes=class_names("tissues"))
    monkeypatch.setattr(module, "open_model", lambda *_, **__: Segmenter(Generous(), contract, "cpu"))
    out = predict(tmp_path, tmp_path / "brain.nii", tmp_path / "seg.nii", refine=refine, quiet=True)
    found = np.asarray(nib.load(out).dataobj) > 0
    assert found[brain].all()
    assert found[~brain].any() != refine


@pytest.mark.parametrize("size", [1.0, 1.0 + 3e-8])
def test_an_image_at_the_networks_spacing_is_not_resampled_for_its_headers_rounding(size):
    image = torch.randn(1, 1, 142, 178, 140)
    moved, grid = at_spacing(image, Grid(image.shape[2:], np.diag([size, 1.0, size, 1.0])), 1.0)
    assert moved is image
    assert grid.shape == image.shape[2:]


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (1.0, 1.0, 5.0), (0.5, 0.5, 0.5)])
def test_a_resampled_image_does_not_fade_at_its_rim(spacing):
    image = torch.full((1, 1, 20, 22, 24), -3.0)
    moved, _ = at_spacing(image, Grid(image.shape[2:], np.diag([*spacing, 1.0])), 1.0)
    assert torch.allclose(moved, torch.tensor(-3.0))


def test_the_names_of_the_classes_lie_beside(segmenter, image_on, tmp_path):
    image = image_on(*GRIDS["RAS at 2 mm"])
    predict(segmenter / "model.safetensors", image, tmp_path / "deep" / "seg.nii.gz", device="cpu", quiet=True)
    with (tmp_path / "deep" / "seg.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert [(row["index"], row["name"]) for row in rows] == [
        ("0", "background"), ("1", "grey matter"), ("2", "white matter"), ("3", "cerebrospinal fluid"),
    ]  # fmt: skip


def test_what_is_said_are_volumes_in_millilitres(segmenter, image_on, tmp_path, capsys):
    out = predict(segmenter, image_on(*GRIDS["RAS at 2 mm"]), tmp_path / "seg.nii", device="cpu")
    volume = np.count_nonzero(np.asarray(nib.load(out).dataobj) == 1) * 8 / 1000
    assert f"grey matter {volume:.1f} ml" in capsys.readouterr().out


def test_one_broken_voxel_does_not_take_the_heads_place(segmenter, image_on, tmp_path):
    whole = nib.load(image_on(*GRIDS["RAS at 2 mm"]))
    data = whole.get_fdata(dtype=np.float32)
    data[1, 2, 3] = 1e9
    nib.save(nib.Nifti1Image(data, whole.affine), tmp_path / "broken.nii")
    box = head_box(torch.from_numpy(data)[None, None], 0.0)
    assert all(low <= 9 and high >= 21 for low, high in box)


def test_a_scan_without_any_brain_is_refused_and_nothing_is_written(image_on, tmp_path, monkeypatch):
    contract = Contract("segmenter", (16,), 2.0, 32, "as in training", classes=class_names("tissues"))
    nothing = Segmenter(Nothing(), contract, "cpu")
    monkeypatch.setattr(module, "open_model", lambda *_, **__: nothing)
    with pytest.raises(InputError, match="nothing that looks like brain"):
        predict(tmp_path, image_on(*GRIDS["RAS at 2 mm"]), tmp_path / "seg.nii", quiet=True)
    assert not (tmp_path / "seg.nii").exists()


@pytest.mark.parametrize("scaled", [True, False])
def test_a_background_amid_tissue_is_said(scaled, segmenter, image_on, tmp_path, capsys):
    shape, affine = GRIDS["RAS at 2 mm"]
    brain = ball(shape, affine) < 1
    data = np.where(brain, np.random.default_rng(1).normal(0 if scaled else 5, 1, shape), 0).astype(np.float32)
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "scaled.nii")
    predict(segmenter, tmp_path / "scaled.nii", tmp_path / "seg.nii", device="cpu", refine=False)
    assert ("scaled to mean 0 within a mask" in capsys.readouterr().out) == scaled


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_an_empty_image_is_refused(value, segmenter, tmp_path):
    nib.save(nib.Nifti1Image(np.full((20, 20, 20), value, np.float32), np.eye(4)), tmp_path / "empty.nii")
    with pytest.raises(InputError, match=rf"empty\.nii: found {value:g} in every voxel.*The image is empty"):
        predict(segmenter, tmp_path / "empty.nii", tmp_path / "seg.nii", quiet=True)
    assert not (tmp_path / "seg.nii").exists()


@pytest.mark.parametrize(("scale", "unit"), [(1e-3, "metres"), (1e3, "micrometres")])
def test_an_image_in_another_unit_is_refused(scale, unit, segmenter, image_on, tmp_path):
    image = nib.load(image_on(*GRIDS["RAS at 2 mm"]))
    affine = np.diag([scale, scale, scale, 1.0]) @ image.affine
    nib.save(nib.Nifti1Image(image.get_fdata(dtype=np.float32), affine), tmp_path / "scan.nii")
    with pytest.raises(InputError, match=rf"scan\.nii: found voxels of .* mm; wanted 0\.05 to 20 mm.*in {unit}\?"):
        predict(segmenter, tmp_path / "scan.nii", tmp_path / "seg.nii", quiet=True)
    assert not (tmp_path / "seg.nii").exists()


def test_a_scan_is_not_written_over(segmenter, image_on, tmp_path):
    image = image_on(*GRIDS["RAS at 2 mm"])
    before = image.read_bytes()
    (tmp_path / "link").symlink_to(image.parent)
    for out in (image, tmp_path / "link" / image.name):
        with pytest.raises(InputError, match=r"found the scan itself.*Choose another --out"):
            predict(segmenter, image, out, device="cpu", quiet=True)
    assert image.read_bytes() == before


def test_a_folder_without_a_model_is_refused(image_on, tmp_path):
    with pytest.raises(InputError, match=r"model\.safetensors: found no such file.*fine-tuning finished"):
        predict(tmp_path, image_on(*GRIDS["RAS at 2 mm"]), tmp_path / "seg.nii", quiet=True)


def test_an_encoder_is_no_segmenter(pretrained, image_on, tmp_path):
    with pytest.raises(InputError, match=r"encoder\.safetensors: found an? encoder; wanted a segmenter or a denoiser"):
        predict(pretrained / "encoder.safetensors", image_on(*GRIDS["RAS at 2 mm"]), tmp_path / "s.nii", quiet=True)


def test_a_wrong_ending_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match=r"\.nii or \.nii\.gz"):
        predict(tmp_path / "no-model", tmp_path / "no-image.nii", tmp_path / "seg.png", quiet=True)
