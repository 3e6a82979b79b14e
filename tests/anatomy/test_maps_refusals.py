"""Maps that cannot be used are refused with the file, what was found, and a remedy."""

import json

import nibabel as nib
import numpy as np
import pytest

from qontrast.anatomy.cohort import find_subjects
from qontrast.basics.errors import InputError, MissingMapError


def file(folder, suffix, ending=".nii.gz"):
    return folder / "sub-01" / "anat" / f"sub-01_{suffix}{ending}"


def save(path, data, affine):
    nib.save(nib.Nifti1Image(data, affine), path)


def refusal(folder, kind=InputError):
    with pytest.raises(kind) as caught:
        find_subjects(str(folder))[0].open()
    return str(caught.value)


def test_maps_of_different_shapes(maps_folder):
    folder = maps_folder(change={"R1map": lambda m: m[:-2]})
    message = refusal(folder)
    assert message.startswith(f"{file(folder, 'R1map')}: found a grid of 22 x 28 x 22 voxels of 2 x 2 x 2 mm")
    assert "than sub-01_MTsat.nii.gz (24 x 28 x 22 voxels" in message
    assert message.endswith("wanted all maps of a subject on one grid. Resample the maps to one of them first.")


def test_maps_that_are_shifted(maps_folder):
    folder = maps_folder()
    image = nib.load(file(folder, "PDmap"))
    affine = image.affine.copy()
    affine[0, 3] += 0.5
    save(file(folder, "PDmap"), image.get_fdata(dtype=np.float32), affine)
    assert refusal(folder).startswith(f"{file(folder, 'PDmap')}: found a grid of 24 x 28 x 22")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", ["PDmap", "R1map", "R2starmap", "MTsat"])
def test_a_map_with_voxels_that_are_not_finite(maps_folder, suffix, bad):
    def spoil(data):
        data[0, 0, :2] = bad
        return data

    folder = maps_folder(change={suffix: spoil})
    message = refusal(folder)
    assert message.startswith(f"{file(folder, suffix)}: found 2 voxels that are NaN or infinite (0.01%)")
    assert "numpy.nan_to_num" in message


@pytest.mark.parametrize("suffix", ["PDmap", "R1map"])
def test_maps_without_a_brain(maps_folder, suffix):
    folder = maps_folder(change={suffix: np.zeros_like})
    expected = f"{file(folder, 'PDmap')}: found no voxel above 0; wanted a brain. The mask or the maps are empty"
    assert refusal(folder).startswith(expected)


def test_an_empty_mask(maps_folder):
    folder = maps_folder()
    image = nib.load(file(folder, "PDmap"))
    save(file(folder, "mask"), np.zeros(image.shape, np.uint8), image.affine)
    assert refusal(folder).startswith(f"{file(folder, 'mask')}: found no voxel above 0; wanted a brain.")


def test_a_mask_on_another_grid(maps_folder):
    folder = maps_folder()
    save(file(folder, "mask"), np.ones((12, 14, 11), np.uint8), np.diag([4.0, 4, 4, 1]))
    message = refusal(folder)
    assert message.startswith(f"{file(folder, 'mask')}: found a grid of 12 x 14 x 11")
    assert message.endswith("Resample the mask.")


def test_a_map_cut_in_half(maps_folder):
    folder = maps_folder()
    path = file(folder, "R1map")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    message = refusal(folder)
    assert message.startswith(f"{path}: found a file that ends early or is damaged")
    assert message.endswith("Copy or download it again.")


def test_t1_in_ms_named_as_r1(maps_folder):
    as_t1 = {"R1map": lambda r1: np.divide(1000.0, r1, out=np.zeros_like(r1), where=r1 > 0)}
    folder = maps_folder(change=as_t1)
    message = refusal(folder)
    median = 1000 / 0.69
    found = float(message.split("median of ")[1].split(",")[0])
    assert message.startswith(f"{file(folder, 'R1map')}: found a brain median of ")
    assert found == pytest.approx(median, rel=0.02)
    assert message.endswith("These look like values of a T1map in ms: rename the file to _T1map.")


@pytest.mark.parametrize(
    ("omit", "absent", "present"),
    [
        (["R1map"], "R1", "MTsat, PD, R2*"),
        (["PDmap"], "PD", "MTsat, R1, R2*"),
        (["PDmap", "R1map", "MTsat"], "PD, R1", "R2*"),
    ],
)
def test_without_pd_or_r1_nothing_can_be_simulated(maps_folder, omit, absent, present):
    message = refusal(maps_folder(omit=omit), MissingMapError)
    assert message.startswith(f"sub-01: found no map of {absent} (present: {present}); wanted PD and R1 (or T1)")
    assert message.endswith("Add the missing map.")


def test_two_files_of_one_map(maps_folder):
    folder = maps_folder()
    second = file(folder, "acq-2_R1map")
    second.write_bytes(file(folder, "R1map").read_bytes())
    message = refusal(folder)
    assert message.startswith("sub-01: found two R1map files: ")
    assert "sub-01_R1map.nii.gz" in message
    assert "sub-01_acq-2_R1map.nii.gz" in message
    assert message.endswith("Move one away.")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"Units": "1/s"', "found broken JSON (Expecting"),
        ("\xff\xfe", "found broken JSON ("),
        ('["1/s"]', "found a JSON list; wanted a JSON object."),
        ('{"Units": 5}', "found Units = 5; wanted a text"),
        (
            '{"MagneticFieldStrength": "3T"}',
            "found MagneticFieldStrength = '3T'; wanted a number from 0.05 to 11.7 (tesla)",
        ),
        ('{"MagneticFieldStrength": 3000}', "found MagneticFieldStrength = 3000; wanted a number from 0.05 to 11.7"),
    ],
)
def test_a_sidecar_that_is_not_understood(maps_folder, content, message):
    folder = maps_folder()
    path = file(folder, "R1map", ".json")
    path.write_bytes(content.encode("latin-1"))
    assert refusal(folder).startswith(f"{path}: {message}")


def test_a_sidecar_that_contradicts_the_values(maps_folder):
    folder = maps_folder()
    file(folder, "MTsat", ".json").write_text(json.dumps({"Units": "fraction"}))
    message = refusal(folder)
    assert message.startswith(f"{file(folder, 'MTsat')}: found a brain median of 0.8")
    assert message.endswith("The values fit p.u.: mend Units in the JSON sidecar.")


def test_maps_measured_at_two_fields(maps_folder):
    folder = maps_folder()
    for suffix, field in (("R1map", 3), ("PDmap", 1.5)):
        file(folder, suffix, ".json").write_text(json.dumps({"MagneticFieldStrength": field}))
    assert refusal(folder).startswith("sub-01: found maps measured at [1.5, 3.0] T; wanted one field strength.")
