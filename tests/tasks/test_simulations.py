"""Every sequence can be simulated from measured maps, on their own grid, with its protocol beside the image."""

import json
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError, MissingMapError, ProtocolError
from qontrast.physics.catalogue import SEQUENCES
from qontrast.scans.nifti import read_image
from qontrast.tasks.scan_protocol import read_protocol
from qontrast.tasks.simulate import simulate


@pytest.fixture(scope="module")
def maps(maps_folder):
    """sub-01's maps on an oblique grid whose axes run left, back, up."""
    folder = maps_folder()
    turn = np.array([[-1.9, 0.3, 0.0, 20.7], [-0.3, -1.9, 0.1, 31.1], [0.02, 0.1, 2.1, -18.3], [0, 0, 0, 1]])
    for file in (folder / "sub-01" / "anat").iterdir():
        image = nib.load(file)
        nib.save(nib.Nifti1Image(np.asarray(image.dataobj), turn), file)
    return folder


def run(source, sequence, out, **given):
    file = simulate(str(source), sequence, out, quiet=True, **given)
    return nib.load(file), json.loads(out.with_name(out.name.split(".")[0] + ".json").read_text())


@pytest.mark.parametrize("sequence", SEQUENCES)
def test_shape_and_affine_are_those_of_the_maps(sequence, maps, tmp_path):
    given = nib.load(maps / "sub-01" / "anat" / "sub-01_R1map.nii.gz")
    image, about = run(maps, sequence, tmp_path / "image.nii.gz")
    data = image.get_fdata()
    assert image.shape == given.shape
    assert image.affine.tobytes() == given.affine.tobytes()
    assert np.isfinite(data).all()
    assert data.std() > 0
    assert about["SimulatedFrom"] == "sub-01"
    assert about["PulseSequenceType"].lower() == sequence
    assert 0.5 <= about["MagneticFieldStrength"] <= 11.7
    for name in ("EchoTime", "RepetitionTime", "InversionTime"):
        values = about.get(name, [])
        assert all(0 < v < 20 for v in (values if isinstance(values, list) else [values]))  # seconds
    assert "EchoTime" in about
    assert "RepetitionTime" in about
    angles = about.get("FlipAngle", [])
    assert all(2 <= v <= 180 for v in (angles if isinstance(angles, list) else [angles]))  # degrees
    assert ("InversionTime" in about) == (sequence in ("mprage", "mp2rage", "flair", "ir", "stir", "dir"))


def test_white_matter_is_brightest_in_mprage_and_fluid_in_fse(maps, tmp_path):
    r1 = nib.load(maps / "sub-01" / "anat" / "sub-01_R1map.nii.gz").get_fdata()
    white, fluid = r1 > 1.0, (r1 > 0.1) & (r1 < 0.35)
    t1, _ = run(maps, "mprage", tmp_path / "t1.nii.gz")
    t2, _ = run(maps, "fse", tmp_path / "t2.nii.gz")
    assert t1.get_fdata()[white].mean() > 2 * t1.get_fdata()[fluid].mean()
    assert t2.get_fdata()[fluid].mean() > 2 * t2.get_fdata()[white].mean()


def test_flags_change_protocol_and_image(maps, tmp_path):
    plain, _ = run(maps, "mprage", tmp_path / "plain.nii.gz")
    flags = {"inversion_time": (1.1,), "flip_angle": (7.0,), "repetition_time": (2.5,), "echo_time": (0.003,)}
    image, about = run(maps, "mprage", tmp_path / "other.nii.gz", **flags)
    stated = {k: about[k] for k in ("InversionTime", "FlipAngle", "RepetitionTime", "EchoTime")}
    assert stated == pytest.approx({"InversionTime": 1.1, "FlipAngle": 7, "RepetitionTime": 2.5, "EchoTime": 0.003})
    assert not np.allclose(image.get_fdata(), plain.get_fdata())


@pytest.mark.parametrize("sequence", ["fse", "ixi-guys-t2"])
def test_a_number_that_the_sequence_has_not_is_refused(sequence, maps, tmp_path):
    with pytest.raises(InputError, match=r"--inversion-time: found a number that fse has not"):
        run(maps, sequence, tmp_path / "x.nii", inversion_time=(0.9,))


def test_a_scans_protocol_is_that_of_all_sidecars_that_apply_to_it(tmp_path):
    anat = tmp_path / "sub-01" / "anat"
    anat.mkdir(parents=True)
    (tmp_path / "dataset_description.json").write_text("{}")
    above = {"InversionTime": 0.9, "PulseSequenceType": "MPRAGE", "MagneticFieldStrength": 1.5}
    (tmp_path / "T1w.json").write_text(json.dumps(above), encoding="utf-8-sig")
    own = {"EchoTime": 0.003, "RepetitionTime": 2.3, "FlipAngle": 9, "ScanningSequence": "GR"}
    (anat / "sub-01_T1w.json").write_text(json.dumps(own))
    (anat / "sub-01_T1w.nii.gz").touch()
    protocol, _ = read_protocol(anat / "sub-01_T1w.nii.gz")
    assert (protocol.name, protocol.inversion_time, protocol.field_strength) == ("mprage", 0.9, 1.5)
    (anat / "sub-01_T1w.json").unlink()
    with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / 'T1w.json'))}: found no EchoTime"):
        read_protocol(anat / "sub-01_T1w.nii.gz")  # the file that is there is named
    told = {"EchoTime": 0.1, "RepetitionTime": 8.2, "FlipAngle": 90, "EchoTrainLength": 16, "MagneticFieldStrength": 3}
    (tmp_path / "IXI002-Guys-0828-T2.json").write_text(json.dumps(told))
    (tmp_path / "IXI002-Guys-0828-T2.nii.gz").touch()
    assert read_protocol(tmp_path / "IXI002-Guys-0828-T2.nii.gz")[0].name == "fse"
    for name in ("sub-99_T1w.nii.gz", ".hidden_T1w.nii.gz"):  # misspelt, and no image to us
        with pytest.raises(InputError, match="no such sidecar"):
            read_protocol(anat / name)


def test_mp2rage_takes_two_times_and_two_angles(maps, tmp_path):
    _, about = run(maps, "mp2rage", tmp_path / "uni.nii", inversion_time=(0.8, 2.7), flip_angle=(5.0, 6.0))
    assert about["InversionTime"] == pytest.approx([0.8, 2.7])
    assert about["FlipAngle"] == pytest.approx([5, 6])


def test_another_field_is_recorded_and_changes_the_image(maps, tmp_path):
    own, about = run(maps, "mprage", tmp_path / "3t.nii")
    assert about["MagneticFieldStrength"] == 3.0
    low, about = run(maps, "mprage", tmp_path / "low.nii", field=0.5)
    assert about["MagneticFieldStrength"] == 0.5
    assert not np.allclose(own.get_fdata(), low.get_fdata())


def test_the_field_is_that_of_the_maps(maps_folder, tmp_path):
    folder = maps_folder()
    sidecar = folder / "sub-01" / "anat" / "sub-01_R1map.json"
    sidecar.write_text(json.dumps({"MagneticFieldStrength": 7, "Units": "1/s"}))
    assert run(folder, "mprage", tmp_path / "7t.nii")[1]["MagneticFieldStrength"] == 7.0


def test_noise_is_added_and_comes_again_with_its_seed(maps, tmp_path):
    images = [
        run(maps, "fse", tmp_path / f"{name}.nii", **given)[0].get_fdata()
        for name, given in {
            "none": {}, "a": {"snr": 20.0, "seed": 1}, "b": {"snr": 20.0, "seed": 1}, "c": {"snr": 20.0, "seed": 2}
        }.items()
    ]  # fmt: skip
    none, a, b, c = images
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)
    head = none > 0.5 * none.max()
    level = (a - none)[head].std() * 20 / none[none > 0.05 * none.max()].mean()
    assert level == pytest.approx(1.0, abs=0.1)
    assert json.loads((tmp_path / "a.json").read_text())["SignalToNoiseRatio"] == 20
    assert "SignalToNoiseRatio" not in json.loads((tmp_path / "none.json").read_text())


def test_a_label_map_gives_an_image_on_its_grid(labels_folder, tmp_path):
    source = labels_folder / "sub-02" / "anat" / "sub-02_dseg.nii.gz"
    image, about = run(source, "flair", tmp_path / "flair.nii.gz")
    assert image.affine.tobytes() == nib.load(source).affine.tobytes()
    assert image.shape == (40, 40, 40)
    assert (about["SimulatedFrom"], about["Seed"]) == ("sub-02", 0)


@pytest.mark.parametrize(
    ("sequence", "given", "error", "message"),
    [
        ("mprage", {"inversion_time": (0.1,)}, ProtocolError, "InversionTime = 0.1 s below half of the readout"),
        ("mprage", {"repetition_time": (1.0,)}, ProtocolError, "nearest feasible value"),
        ("mprage", {"echo_time": (2.98,)}, ProtocolError, "Times are in seconds"),
        ("spgr", {"echo_time": (0.03,)}, ProtocolError, "RepetitionTime"),
        (
            "mprage",
            {"inversion_time": (0.7, 2.5)},
            InputError,
            "--inversion-time: found 2 numbers; wanted 1 for mprage",
        ),
        ("mp2rage", {"flip_angle": (5.0,)}, InputError, "--flip-angle: found 1 numbers; wanted 2 for mp2rage"),
        ("fse", {"inversion_time": (1.0,)}, InputError, "--inversion-time: found a number that fse has not"),
        ("mprge", {}, InputError, "Did you mean 'mprage'"),
        ("mprage", {"field": 3000.0}, InputError, "tesla"),
        ("mprage", {"field": -1.0}, InputError, "tesla"),
        ("mprage", {"snr": 0.0}, InputError, "SNR"),
    ],
)
def test_what_no_scanner_could_run_is_refused(sequence, given, error, message, maps, tmp_path):
    with pytest.raises(error, match=message):
        simulate(str(maps), sequence, tmp_path / "image.nii", quiet=True, **given)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_map_is_named_with_what_can_still_be_simulated(maps_folder, tmp_path):
    with pytest.raises(MissingMapError, match=r"R2\*.*What the maps suffice for: mp2rage"):
        simulate(str(maps_folder(omit=("R2starmap",))), "mprage", tmp_path / "image.nii", quiet=True)


def test_a_folder_of_two_subjects_is_refused(labels_folder, tmp_path):
    with pytest.raises(InputError, match=r"2 subjects .sub-01, sub-02.*folder of one of them"):
        simulate(str(labels_folder), "mprage", tmp_path / "image.nii", quiet=True)


def test_a_wrong_ending_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InputError, match=r"\.nii or \.nii\.gz"):
        simulate(str(tmp_path / "absent"), "mprage", tmp_path / "image.png", quiet=True)


def test_a_lesion_is_put_into_a_label_map_and_its_mask_lies_beside_the_image(tmp_path, new_labels_folder):
    head = next(iter(sorted(new_labels_folder().glob("**/*dseg.nii.gz"))))
    out = tmp_path / "sub-01_FLAIR.nii.gz"
    simulate(str(head), "flair", out, lesion="acute-stroke", age=75.0, quiet=True)
    simulate(str(head), "flair", tmp_path / "healthy.nii.gz", quiet=True)
    mask, image, healthy = (
        read_image(tmp_path / name)
        for name in ("sub-01_FLAIR_label-lesion_mask.nii.gz", "sub-01_FLAIR.nii.gz", "healthy.nii.gz")
    )
    assert mask.grid.matches(image.grid)
    assert set(np.unique(mask.data)) == {0, 1}
    assert not (tmp_path / "healthy_label-lesion_mask.nii.gz").exists()
    assert image.data[mask.data > 0].mean() > 1.1 * healthy.data[mask.data > 0].mean()
    about = json.loads((tmp_path / "sub-01_FLAIR.json").read_text())
    assert (about["Lesion"], about["Age"]) == ("acute-stroke", 75.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lesion": "stroke"}, r"--lesion: found 'stroke'; wanted a known kind of lesion"),
        ({"age": 7.0}, r"--age: found 7 years; wanted 18 to 100 years"),
        ({"lesion": "ms", "lesions": Path("masks")}, r"--lesions: found masks; wanted --lesion acute-stroke"),
    ],
)
def test_lesions_that_cannot_be_are_refused(tmp_path, new_labels_folder, options, message):
    head = next(iter(sorted(new_labels_folder().glob("**/*dseg.nii.gz"))))
    with pytest.raises(InputError, match=message):
        simulate(str(head), "flair", tmp_path / "x.nii.gz", quiet=True, **options)


def test_measured_maps_are_given_no_lesion(tmp_path, maps_folder):
    with pytest.raises(InputError, match=r"--lesion: found measured maps of .*; wanted a label map"):
        simulate(str(maps_folder()), "spgr", tmp_path / "x.nii.gz", lesion="ms", quiet=True)


def test_a_realistic_scan_is_written_down_and_comes_again(maps, tmp_path):
    one, about = run(maps, "gre", tmp_path / "one.nii", realistic=True, seed=3)
    again, same = run(maps, "gre", tmp_path / "again.nii", realistic=True, seed=3)
    assert np.array_equal(one.get_fdata(), again.get_fdata())
    assert about == same
    assert {"noise", "bias"} <= about["Artefacts"].keys()
    assert about["Artefacts"]["noise"]["snr"] == pytest.approx(about["SignalToNoiseRatio"], rel=1e-5)
    other, drawn = run(maps, "gre", tmp_path / "other.nii", realistic=True, seed=4)
    assert not np.array_equal(one.get_fdata(), other.get_fdata())
    assert drawn["Artefacts"] != about["Artefacts"]


def test_coils_and_snr_of_a_scan_can_be_stated(maps, tmp_path):
    _, plain = run(maps, "fse", tmp_path / "plain.nii")
    assert not {"Artefacts", "CombinedCoils", "SignalToNoiseRatio"} & plain.keys()
    air = {}
    for coils in (1, 32):
        image, about = run(maps, "fse", tmp_path / f"{coils}.nii", snr=20.0, coils=coils)
        assert (about["SignalToNoiseRatio"], about["CombinedCoils"]) == (20.0, coils)
        air[coils] = image.get_fdata()[0].mean()
    assert 5 < air[32] / air[1] < 8  # sqrt(64) / sqrt(pi / 2)
    _, about = run(maps, "fse", tmp_path / "both.nii", snr=7.0, coils=4, realistic=True)
    assert (about["Artefacts"]["noise"]["snr"], about["Artefacts"]["noise"]["coils"]) == (7.0, 4)


def test_coils_without_noise_are_refused(maps, tmp_path):
    with pytest.raises(InputError, match=r"--coils: found 8 coils and no noise"):
        run(maps, "fse", tmp_path / "image.nii", coils=8)
    with pytest.raises(InputError, match="combined with their phases"):
        run(maps, "mp2rage", tmp_path / "image.nii", coils=8, snr=10.0)
