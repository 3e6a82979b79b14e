"""The probe is made of integers: every machine makes the same bytes."""

import nibabel as nib
import numpy as np
import pytest

from qontrast.basics.errors import InputError
from qontrast.weights.probe import RECIPE, check_recipe, probe_scan, probe_sha256

SHA256 = "8bd3ad974f6822e5777f1b44ab4b25a5eb40390f3e736e22fe0bbec4615415e0"


def by_hand(i, j, k):
    """The recipe of the docstring for one voxel, in Python's own integers."""
    q = 9 * (2 * i - 45) ** 2 + 8 * (2 * j - 45) ** 2 + 11 * (2 * k - 37) ** 2
    if (2 * i - 35) ** 2 + (2 * j - 53) ** 2 + 2 * (2 * k - 41) ** 2 < 220:
        value = 200
    else:
        value = 600 if q < 5600 else 900 if q < 10800 else 300 if q < 15200 else 0
    return value + 40 * ((i // 6 + 2 * (j // 5) + 3 * (k // 4)) % 5) if value else 0


def test_the_bytes_never_change():
    assert probe_sha256() == SHA256


def test_the_recipe_is_what_its_docstring_says():
    image, grid = probe_scan()
    assert image.dtype == np.int16
    expected = [[[by_hand(i, j, k) for k in range(40)] for j in range(48)] for i in range(44)]
    assert np.array_equal(image, expected)
    assert nib.aff2axcodes(grid.affine) == ("P", "L", "S")
    assert grid.spacing == (2.5, 3.0, 2.75)
    assert (grid.affine @ [22, 24, 20, 1]).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("axis", range(3))
def test_no_axis_can_be_flipped_unseen(axis):
    image, _ = probe_scan()
    assert (image != np.flip(image, axis)).mean() > 0.3


def test_another_recipe_or_digest_is_refused_by_name():
    check_recipe(RECIPE, SHA256, "w")
    with pytest.raises(InputError, match="w: found a probe of recipe 'other'; wanted 'qontrast-probe-1'"):
        check_recipe("other", SHA256, "w")
    with pytest.raises(InputError, match="w: found a probe of SHA-256 00"):
        check_recipe(RECIPE, "00", "w")
