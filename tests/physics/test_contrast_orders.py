"""Which tissue is bright in which preset, as every radiologist knows it."""

import pytest

from qontrast.physics.presets import PRESETS


def shades(name, brain):
    """White matter, grey matter, fluid."""
    return PRESETS[name].image(PRESETS[name].signal(brain)).flatten().tolist()


@pytest.mark.parametrize("name", ["mprage", "spgr", "mp2rage"])
def test_white_matter_is_brightest_where_t1_is_weighted(name, brain):
    white, grey, fluid = shades(name, brain)
    assert white > 1.1 * grey if grey > 0 else white > grey
    assert grey > fluid


def test_fluid_is_brightest_in_t2(brain):
    white, grey, fluid = shades("fse", brain)
    assert fluid > 2 * grey > 2 * white


def test_fluid_is_dark_in_flair_and_grey_matter_bright(brain):
    white, grey, fluid = shades("flair", brain)
    assert fluid < 0.02 * white
    assert white < grey


def test_grey_matter_is_brighter_than_white_in_t2star(brain):
    white, grey, fluid = shades("gre", brain)
    assert white < grey < fluid
