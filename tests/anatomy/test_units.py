import re

import numpy as np
import pytest

from qontrast.anatomy.qmri import SUFFIXES
from qontrast.anatomy.units import to_si
from qontrast.basics.errors import InputError

WHERE = "/data/sub-01_map.nii.gz"

# suffix, spelling in a sidecar, white matter's value on disk in that unit, and inside
WHITE_MATTER = [
    ("R1map", "1/s", 1.18, 1.18),
    ("R1map", "1/ms", 1.18e-3, 1.18),
    ("T1map", "s", 0.85, 1 / 0.85),
    ("T1map", "ms", 850.0, 1 / 0.85),
    ("R2map", "1/s", 13.9, 13.9),
    ("R2map", "1/ms", 13.9e-3, 13.9),
    ("T2map", "s", 0.072, 1 / 0.072),
    ("T2map", "ms", 72.0, 1 / 0.072),
    ("R2starmap", "1/s", 20.0, 20.0),
    ("R2starmap", "1/ms", 20e-3, 20.0),
    ("T2starmap", "s", 0.05, 20.0),
    ("T2starmap", "ms", 50.0, 20.0),
    ("MTsat", "p.u.", 1.65, 0.0165),
    ("MTsat", "fraction", 0.0165, 0.0165),
    ("TB1map", "percent", 110.0, 1.1),
    ("TB1map", "relative", 1.1, 1.1),
]


def disk(value):
    """A map around ``value``, zero outside the brain, and where the brain is."""
    brain = np.zeros((6, 6, 6), bool)
    brain[1:5, 1:5, 1:5] = True
    spread = np.linspace(0.8, 1.2, brain.sum())
    data = np.zeros(brain.shape, np.float32)
    data[brain] = value * spread / np.median(spread)
    return data, brain


def test_every_suffix_that_is_read_is_covered_here():
    assert {row[0] for row in WHITE_MATTER} | {"PDmap", "RB1map"} == set(SUFFIXES)


@pytest.mark.parametrize(("suffix", "unit", "stored", "inside"), WHITE_MATTER)
def test_a_stated_unit_is_converted_and_said(suffix, unit, stored, inside):
    data, brain = disk(stored)
    converted, note = to_si(data, suffix, brain, f" {unit.upper()} ", WHERE)
    assert np.median(converted[brain]) == pytest.approx(inside, rel=1e-4)
    assert note.endswith(", as its sidecar states")
    assert not converted[~brain].any()
    assert converted.dtype == np.float32


@pytest.mark.parametrize("stated", [None, "", "arbitrary"])
@pytest.mark.parametrize(("suffix", "unit", "stored", "inside"), WHITE_MATTER)
def test_an_unstated_unit_is_inferred_and_said(suffix, unit, stored, inside, stated):
    data, brain = disk(stored)
    converted, note = to_si(data, suffix, brain, stated, WHERE)
    assert np.median(converted[brain]) == pytest.approx(inside, rel=1e-4)
    assert note == f"{note.split(',')[0]}, inferred from the brain's median {stored:.4g}"
    assert note.startswith(unit)


@pytest.mark.parametrize(
    ("suffix", "stated", "stored", "found"),
    [
        ("R1map", "1/s", 1.18e-3, "0.00118 with the stated unit 1/s"),
        ("T1map", "s", 850.0, "850 with the stated unit s"),
        ("T2map", "ms", 0.072, "0.072 with the stated unit ms"),
        ("R2starmap", "1/ms", 20.0, "20 with the stated unit 1/ms"),
        ("MTsat", "p.u.", 0.0165, "0.0165 with the stated unit p.u."),
        ("MTsat", "fraction", 1.65, "1.65 with the stated unit fraction"),
        ("TB1map", "relative", 110.0, "110 with the stated unit relative"),
    ],
)
def test_a_stated_unit_that_the_values_contradict_is_refused(suffix, stated, stored, found):
    data, brain = disk(stored)
    with pytest.raises(InputError) as caught:
        to_si(data, suffix, brain, stated, WHERE)
    assert str(caught.value).startswith(f"{WHERE}: found a brain median of {found}; wanted ")
    right = next(row[1] for row in WHITE_MATTER if row[0] == suffix and row[2] == stored)
    assert re.fullmatch(rf"The values fit {re.escape(right)}.*: mend Units in the JSON sidecar\.", caught.value.remedy)


def test_an_unknown_stated_unit_is_refused_with_the_known_ones():
    data, brain = disk(1.18)
    with pytest.raises(InputError, match=r"the unit 'ms' in its sidecar; wanted one of 1/s, 1/ms\. Mend Units"):
        to_si(data, "R1map", brain, "ms", WHERE)


@pytest.mark.parametrize(
    ("suffix", "stored", "rename"),
    [
        ("R1map", 850.0, "a T1map in ms: rename the file to _T1map."),
        ("R2map", 80.0, "a T2map in ms: rename the file to _T2map."),
        ("R2starmap", 300.0, "a T2starmap in ms: rename the file to _T2starmap."),
        ("T1map", 0.0012, "a R1map in 1/ms: rename the file to _R1map."),
        ("T2map", 13.9e-3, "a R2map in 1/ms: rename the file to _R2map."),
    ],
)
def test_a_time_named_as_a_rate_or_the_reverse_is_recognised(suffix, stored, rename):
    data, brain = disk(stored)
    with pytest.raises(InputError, match=rf"median of {stored:.4g}, which fits no unit; .*{rename}"):
        to_si(data, suffix, brain, None, WHERE)


def test_a_median_that_fits_nothing_is_refused_with_the_brackets():
    data, brain = disk(4000.0)
    with pytest.raises(InputError, match=r"4000, which fits no unit; wanted 0\.2 to 10 p\.u\. or 0\.002 to 0\.1 frac"):
        to_si(data, "MTsat", brain, None, WHERE)


@pytest.mark.parametrize("suffix", ["T1map", "T2map", "T2starmap"])
def test_a_time_of_zero_or_less_is_no_tissue_and_has_no_rate(suffix):
    data, brain = disk({"T1map": 850.0, "T2map": 72.0, "T2starmap": 50.0}[suffix])
    data[2, 2, 2], data[0, 0, 0] = 0, -5
    converted, _ = to_si(data, suffix, brain, "ms", WHERE)
    assert np.isfinite(converted).all()
    assert converted[2, 2, 2] == converted[0, 0, 0] == 0


@pytest.mark.parametrize(("stored", "said"), [(0.8, "fraction"), (80.0, "p.u.")])
def test_proton_density_in_known_units_becomes_a_fraction(stored, said):
    data, brain = disk(stored)
    converted, note = to_si(data, "PDmap", brain, None, WHERE)
    assert np.median(converted[brain]) == pytest.approx(0.8, rel=1e-4)
    assert note == f"{said}, inferred from the brain's median {stored:g}"


@pytest.mark.parametrize("stored", [5700.0, 3.0, 0.01])
def test_arbitrary_proton_density_is_divided_by_its_99th_percentile_and_that_is_said(stored):
    data, brain = disk(stored)
    data[4, 4, 4] = 1000 * stored  # one hot voxel does not decide
    converted, note = to_si(data, "PDmap", brain, None, WHERE)
    top = np.percentile(data[brain], 99)
    np.testing.assert_allclose(converted, data / top, rtol=1e-5)
    assert note == f"arbitrary (median {np.median(data[brain]):.4g}): divided by its 99th percentile {top:.4g}"


@pytest.mark.parametrize("suffix", ["PDmap", "RB1map"])
def test_a_median_of_zero_cannot_be_scaled(suffix):
    data, brain = disk(0.0)
    with pytest.raises(InputError, match=r"sub-01_map.nii.gz: found a .*median of 0; wanted a .* above 0"):
        to_si(data, suffix, brain, None, WHERE)


def test_a_receive_field_is_relative_to_its_median():
    data, brain = disk(340.0)
    converted, note = to_si(data, "RB1map", brain, None, WHERE)
    assert np.median(converted[brain]) == pytest.approx(1.0, rel=1e-5)
    assert note == "relative: divided by its median 340"
