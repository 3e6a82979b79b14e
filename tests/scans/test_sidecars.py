"""Sidecars, and what files above say of all images of their kind."""

import json

import pytest

from qontrast.basics.errors import InputError
from qontrast.scans.names import find_images
from qontrast.scans.sidecars import inherited


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "data" / "sub-01" / "anat" / "sub-01_echo-2_MESE.nii.gz"
    path.parent.mkdir(parents=True)
    path.touch()
    return find_images(path)[0]


def state(folder, name, **fields):
    (folder / name).write_text(json.dumps(fields))


def test_the_nearer_file_counts_more(image):
    anat, root = image.path.parent, image.path.parents[2]
    state(root, "MESE.json", EchoTime=9, RepetitionTime=2, FlipAngle=90)
    state(anat, "sub-01_MESE.json", EchoTime=8, RepetitionTime=3)
    state(anat, "sub-01_echo-2_MESE.json", EchoTime=0.02)
    assert inherited(image) == {"EchoTime": 0.02, "RepetitionTime": 3, "FlipAngle": 90}


def test_files_of_other_images_do_not_apply(image):
    anat = image.path.parent
    state(anat, "sub-01_echo-1_MESE.json", EchoTime=1)
    state(anat, "sub-01_acq-fast_MESE.json", FlipAngle=1)
    state(anat, "sub-01_T1w.json", RepetitionTime=1)
    assert inherited(image) == {}


def test_nothing_beyond_the_data_set(image):
    root = image.path.parents[2]
    state(root, "dataset_description.json", Name="d")
    state(root.parent, "MESE.json", EchoTime=9)
    assert inherited(image) == {}


@pytest.mark.parametrize(("text", "found"), [("{", "broken JSON"), ("[1]", "a JSON list")])
def test_a_damaged_sidecar(image, text, found):
    file = image.path.parent / "sub-01_echo-2_MESE.json"
    file.write_text(text)
    with pytest.raises(InputError, match=found) as caught:
        inherited(image)
    assert str(caught.value).startswith(str(file))
