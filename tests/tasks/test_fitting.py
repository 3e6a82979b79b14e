"""`qontrast fit`: from files to derivatives that the library reads again, and what it refuses."""

import json
import math
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.basics.errors import InputError
from qontrast.physics.inversion_trains import MP2RAGE
from qontrast.physics.tissue import TissueMaps
from qontrast.tasks.fit import fit
from qontrast.tasks.simulate import simulate

SHAPE = (6, 5, 4)
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
R1, PD, R2STAR, MT, B1 = 0.9, 6000.0, 20.0, 0.012, 1.1


def save(folder, name, data, shape=SHAPE, **meta):
    """One image of sub-01 and its sidecar."""
    path = folder / "sub-01" / ("fmap" if name.startswith("TB1map") else "anat") / f"sub-01_{name}.nii.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.broadcast_to(data, shape).astype(np.float32), AFFINE), path)
    if meta:
        path.with_name(f"sub-01_{name}.json").write_text(json.dumps(meta))
    return path


def flash(flip, te, mt=0.0, tr=0.03):
    angle, e = np.deg2rad(flip) * B1, np.exp(-tr * R1)
    local = 1 - mt * B1**2 * (1 - 0.4 * B1) / 0.6
    return PD * np.sin(angle) * local * (1 - e) / (1 - local * np.cos(angle) * e) * np.exp(-te * R2STAR)


@pytest.fixture
def raw(tmp_path):
    """Echoes without noise at a protocol without published correction, a B1 map in percent, a mask."""
    folder = tmp_path / "raw"
    for flip, angle, mt in ((1, 6, "off"), (2, 20, "off"), (1, 6, "on")):
        for echo in range(1, 5):
            te = 0.003 * echo
            name = f"echo-{echo}_flip-{flip}_mt-{mt}_MPM"
            signal = flash(angle, te, MT if mt == "on" else 0.0)
            facts = {"EchoTime": te, "FlipAngle": angle, "RepetitionTimeExcitation": 0.03, "MTState": mt == "on"}
            save(folder, name, signal, **facts, MagneticFieldStrength=3)
    save(folder, "TB1map", 100 * B1)
    save(folder, "mask", 1)
    return folder


def change(folder, name="echo-2_flip-2_mt-off_MPM", **fields):
    file = folder / "sub-01" / "anat" / f"sub-01_{name}.json"
    meta = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({k: v for k, v in meta.items() if v is not None}))
    return file


def refusal(folder, out, **options):
    with pytest.raises(InputError) as caught:
        fit(folder, out, quiet=True, sigma=1.0, **options)
    assert not out.exists()
    return str(caught.value)


def load(out, name):
    return nib.load(out / "sub-01" / "anat" / f"sub-01_{name}.nii.gz").get_fdata()


def test_maps_errors_and_sidecars(raw, tmp_path):
    out = tmp_path / "maps"
    files = fit(raw, out, sigma=1.0, quiet=True)
    assert sorted(f.name for f in files) == [f"sub-01_{s}.nii.gz" for s in ("MTsat", "PDmap", "R1map", "R2starmap")]
    truth = {"R1map": R1, "PDmap": PD, "R2starmap": R2STAR, "MTsat": 100 * MT}
    for suffix, value in truth.items():
        np.testing.assert_allclose(load(out, suffix), value, rtol=1e-3)
        assert (load(out, f"desc-{suffix}_stderror") > 0).all()
    about = json.loads((out / "sub-01" / "anat" / "sub-01_R1map.json").read_text())
    assert about["Units"] == "1/s"
    assert about["MagneticFieldStrength"] == 3
    assert "bids:raw:sub-01/anat/sub-01_echo-1_flip-1_mt-off_MPM.nii.gz" in about["Sources"]
    assert "bids:raw:sub-01/fmap/sub-01_TB1map.nii.gz" in about["Sources"]
    assert about["GeneratedBy"][0]["Name"] == "qontrast"
    assert json.loads((out / "dataset_description.json").read_text())["DatasetType"] == "derivative"


def test_the_maps_are_a_subject_that_can_be_simulated(raw, tmp_path):
    out = tmp_path / "maps"
    fit(raw, out, sigma=1.0, quiet=True)
    (source,) = find_subjects(str(out))
    subject = source.open(canonical=False)
    assert set(subject.maps) >= {"pd", "r1", "r2star", "mt"}
    assert float(subject.tissue.mt.median()) == pytest.approx(MT, rel=1e-3)
    image = simulate(str(out), "spgr", tmp_path / "spgr.nii.gz", quiet=True)
    assert (nib.load(image).get_fdata() > 0).all()


def test_maps_that_are_there_are_kept_unless_told(raw, tmp_path):
    out = tmp_path / "maps"
    fit(raw, out, sigma=1.0, quiet=True)
    with pytest.raises(InputError, match=r"already there.*--overwrite"):
        fit(raw, out, sigma=1.0, quiet=True)
    fit(raw, out, sigma=1.0, quiet=True, overwrite=True)


def test_derivatives_inside_the_data_set_are_not_read(raw):
    out = raw / "derivatives"
    fit(raw, out, sigma=1.0, quiet=True)
    fit(raw, out, sigma=1.0, quiet=True, overwrite=True)
    assert "derivatives" not in (out / "sub-01" / "anat" / "sub-01_R1map.json").read_text()


def test_images_kept_elsewhere_behind_links(raw, tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    for k, file in enumerate(sorted(raw.rglob("*.nii.gz"))):
        file.rename(store / f"{k}.nii.gz")
        file.symlink_to(store / f"{k}.nii.gz")
    fit(raw, tmp_path / "out", sigma=1.0, quiet=True)
    np.testing.assert_allclose(load(tmp_path / "out", "R1map"), R1, rtol=1e-3)


@pytest.mark.parametrize("field", ["EchoTime", "FlipAngle", "RepetitionTimeExcitation"])
def test_a_sidecar_that_lacks_a_number(raw, tmp_path, field):
    file = change(raw, **{field: None})
    message = refusal(raw, tmp_path / "out")
    assert message.startswith(f"{file}: found no {field}")
    assert f'Add it, for instance "{field}":' in message


@pytest.mark.parametrize(("field", "value", "remedy"), [
    ("EchoTime", 90, "90 ms is 0.09"),
    ("EchoTime", 6.0, "6 ms is 0.006"),
    ("RepetitionTimeExcitation", 2000, "2000 ms is 2"),
    ("EchoTime", -1, "above 0"),
    ("EchoTime", "0.006", "above 0"),
    ("FlipAngle", 400, "at most 180"),
    ("MagneticFieldStrength", 7, "Mend the sidecars"),
    ("MTState", True, "file named mt-off"),
    ("EchoTime", 0.003, "protocol of sub-01_echo-1_flip-2_mt-off_MPM.nii.gz again"),
    ("EchoTime", 0.05, "TR >= TE"),
])  # fmt: skip
def test_impossible_numbers(raw, tmp_path, field, value, remedy):
    change(raw, **{field: value})
    message = refusal(raw, tmp_path / "out")
    assert remedy in message
    assert "sub-01" in message or "raw" in message


def test_images_without_sidecars(raw, tmp_path):
    file = raw / "sub-01" / "anat" / "sub-01_echo-2_flip-2_mt-off_MPM.json"
    file.unlink()
    assert refusal(raw, tmp_path / "out").startswith(f"{file}: found no such file, and no EchoTime in any sidecar")


@pytest.mark.parametrize(("name", "expected"), [
    ("echo-4_flip-2_mt-off_MPM", "with another shape or affine than"),
    ("mask", "Resample the mask"),
    ("TB1map", "Register and resample the TB1map"),
])  # fmt: skip
def test_images_on_another_grid(raw, tmp_path, name, expected):
    path = save(raw, name, 100, shape=(5, 5, 4))
    message = refusal(raw, tmp_path / "out")
    assert message.startswith(f"{path}: found a grid of 5 x 5 x 4 voxels")
    assert expected in message


def test_one_flip_angle_is_too_few(raw, tmp_path):
    for file in (raw / "sub-01" / "anat").glob("*flip-2*"):
        file.unlink()
    assert "flip angles without MT pulse of 6 degrees; wanted two different ones" in refusal(raw, tmp_path / "out")


def test_two_echoes_are_too_few_for_t2(tmp_path):
    for echo in (1, 2):
        save(tmp_path, f"echo-{echo}_MESE", 100, EchoTime=0.01 * echo)
    assert "MESE images with 2 echoes; wanted at least 3" in refusal(tmp_path, tmp_path / "out")


def test_two_flip_angles_need_a_noise_level(tmp_path):
    for flip in (3, 18):
        save(tmp_path, f"flip-{flip}_VFA", flash(flip, 0.0), EchoTime=0.002, FlipAngle=flip, RepetitionTime=0.03)
    save(tmp_path, "TB1map", B1)
    with pytest.raises(InputError, match=r"2 images for 2 parameters.*--sigma"):
        fit(tmp_path, tmp_path / "out", quiet=True)
    fit(tmp_path, tmp_path / "out", sigma=1.0, quiet=True)
    np.testing.assert_allclose(load(tmp_path / "out", "T1map"), 1 / R1, rtol=1e-4)


def test_values_below_zero_are_no_magnitudes(raw, tmp_path):
    path = save(raw, "echo-1_flip-1_mt-off_MPM", -5)
    assert refusal(raw, tmp_path / "out").startswith(f"{path}: found a value of -5")


@pytest.mark.parametrize(("kind", "suffix"), [("MESE", "T2map"), ("MEGRE", "T2starmap")])
def test_decay_times_from_files_with_inherited_sidecars(tmp_path, kind, suffix):
    for echo in range(1, 6):
        save(tmp_path, f"echo-{echo}_{kind}", 900 * np.exp(-0.012 * echo / 0.07), EchoTime=0.012 * echo)
    (tmp_path / f"{kind}.json").write_text('{"MagneticFieldStrength": 1.5}')
    fit(tmp_path, tmp_path / "out", sigma=1.0, quiet=True)
    np.testing.assert_allclose(load(tmp_path / "out", suffix), 0.07, rtol=1e-4)
    about = json.loads((tmp_path / "out" / "sub-01" / "anat" / f"sub-01_{suffix}.json").read_text())
    assert (about["Units"], about["MagneticFieldStrength"]) == ("s", 1.5)


MP2RAGE_FACTS = {"EchoTime": 0.0029, "RepetitionTimePreparation": 5, "RepetitionTimeExcitation": 0.0067}
MP2RAGE_FACTS |= {"InversionTime": [0.7, 2.5], "FlipAngle": [4, 5], "NumberShots": 160}


@pytest.mark.parametrize("twelve_bits", [False, True])
def test_t1_of_uni(tmp_path, maps_folder, twelve_bits):
    maps = maps_folder()
    made = simulate(str(maps), "mp2rage", tmp_path / "uni.nii.gz", quiet=True)
    protocol, uni = json.loads((tmp_path / "uni.json").read_text()), nib.load(made).get_fdata()
    r1 = nib.load(maps / "sub-01" / "anat" / "sub-01_R1map.nii.gz").get_fdata()
    raw = tmp_path / "raw"
    save(raw, "UNIT1", np.round((uni + 0.5) * 4095) if twelve_bits else uni, shape=uni.shape, **protocol)
    save(raw, "mask", r1 > 0, shape=uni.shape)
    fit(raw, tmp_path / "out", quiet=True)
    found, truth = load(tmp_path / "out", "T1map")[r1 > 0], 1 / r1[r1 > 0]
    np.testing.assert_allclose(found, truth, rtol=5e-3 if twelve_bits else 1e-3)


@pytest.mark.parametrize("stored", ["rad", "twelve bits", "degrees"])
def test_t1_of_two_inversions(tmp_path, stored):
    t1 = np.linspace(0.7, 2.0, int(np.prod(SHAPE))).reshape(SHAPE)
    angles = (math.radians(4), math.radians(5))
    sequence = MP2RAGE(0.0029, 5.0, (0.7, 2.5), angles, echo_spacing=0.0067, excitations=160.0)
    r1 = torch.from_numpy(1 / t1)[None, None]
    parts = sequence.signal(TissueMaps(pd=1000 * torch.ones_like(r1), r1=r1))[0].numpy()
    turned = parts * np.exp(1j * (0.5 + np.indices(SHAPE).sum(0)))  # a phase that changes from voxel to voxel
    facts = {k: v for k, v in MP2RAGE_FACTS.items() if k not in ("InversionTime", "FlipAngle")}
    for k, (part, ti, angle) in enumerate(zip(turned, (0.7, 2.5), (4, 5), strict=True), 1):
        own = {**facts, "InversionTime": ti, "FlipAngle": angle}
        scale = {"rad": 1.0, "twelve bits": 4096 / np.pi, "degrees": 180 / np.pi}[stored]
        save(tmp_path, f"inv-{k}_part-mag_MP2RAGE", np.abs(part), **own)
        save(tmp_path, f"inv-{k}_part-phase_MP2RAGE", np.clip(scale * np.angle(part), -4096, 4095), **own)
    save(tmp_path, "mask", 1)
    if stored == "degrees":
        assert "Convert the phase to radians" in refusal(tmp_path, tmp_path / "out")
        return
    fit(tmp_path, tmp_path / "out", sigma=1.0, quiet=True)
    np.testing.assert_allclose(load(tmp_path / "out", "T1map"), t1, rtol=1e-3)
    assert (load(tmp_path / "out", "desc-T1map_stderror") > 0).all()


def test_inversions_need_their_phases_and_their_shots(tmp_path):
    for inversion in (1, 2):
        save(tmp_path, f"inv-{inversion}_part-mag_MP2RAGE", 100, **MP2RAGE_FACTS)
    assert "0 images of inv-1 with part-phase" in refusal(tmp_path, tmp_path / "out")
    facts = {k: v for k, v in MP2RAGE_FACTS.items() if k != "NumberShots"}
    save(tmp_path, "UNIT1", np.linspace(-0.4, 0.4, 4), **facts)
    assert "sub-01_UNIT1.json: found no NumberShots" in refusal(tmp_path, tmp_path / "out")


def test_nothing_to_fit(tmp_path, maps_folder):
    assert "no images to fit" in refusal(maps_folder(), tmp_path / "out")


@pytest.mark.skipif("QONTRAST_DATA" not in os.environ, reason="QONTRAST_DATA names no folder of real data")
def test_real_maps_come_back_from_their_echoes(tmp_path):
    source = Path(os.environ["QONTRAST_DATA"]) / "qmri" / "sub-mpm"
    if not source.is_dir():
        pytest.skip("no qmri/sub-mpm in QONTRAST_DATA")
    fit(source, tmp_path, quiet=True)

    def voxels(folder, name):
        data = nib.load(folder / "anat" / f"sub-mpm_{name}.nii.gz").get_fdata()
        return data[nib.load(source / "anat" / "sub-mpm_mask.nii.gz").get_fdata() > 0]

    for suffix, bias in (("R1map", 0.01), ("R2starmap", 0.01), ("MTsat", 0.02), ("PDmap", 0.01)):
        truth = voxels(source, suffix)
        found, error = (voxels(tmp_path / "sub-mpm", name) for name in (suffix, f"desc-{suffix}_stderror"))
        there = truth != 0
        assert abs(np.median((found - truth)[there] / truth[there])) < bias, suffix
        z = (found - truth) / error
        assert 0.95 < 1.4826 * np.median(np.abs(z - np.median(z))) < 1.05, suffix
    about = json.loads((tmp_path / "sub-mpm" / "anat" / "sub-mpm_R1map.json").read_text())
    assert about["NoiseStandardDeviation"] == pytest.approx(50, rel=0.02)
