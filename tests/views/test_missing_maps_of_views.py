"""A subject that lacks a map is scanned with what it has, or refused with what it could do."""

from dataclasses import replace

import pytest

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.qmri import QuantitativeSubject
from qontrast.basics.errors import MissingMapError
from qontrast.basics.randomness import derive
from qontrast.physics.catalogue import SEQUENCES
from qontrast.views.contrast import check_contrasts, draw_contrasts
from qontrast.views.pair import make_pair


def lacking(subject, **maps):
    """The same head without the named maps, or with another field."""
    return QuantitativeSubject("sub-09", replace(subject.tissue, **maps), subject.grid, brain(subject), [])


def brain(subject):
    return (subject.tissue.pd[0, 0] > 0).numpy()


def drawn(plan, subject, steps=60):
    return [s for step in range(steps) for s in draw_contrasts(plan, subject, derive(step))]


def test_without_mtsat_spgr_never_has_its_mt_pulse(maps_folder, measured, plan):
    poor = find_subjects(str(maps_folder(omit=("MTsat",))))[0].open()
    spgr = plan("seqinv", sequences=("spgr",))
    assert not any(sequence.mt_pulse for sequence in drawn(spgr, poor))
    with_pulse = [sequence.mt_pulse for sequence in drawn(spgr, measured)]
    assert any(with_pulse)
    assert not all(with_pulse)
    # These very steps have an MT pulse where MTsat is known: they once raised MissingMapError where it is not.
    steps = [i for i in range(60) if any(s.mt_pulse for s in draw_contrasts(spgr, measured, derive(i)))][:4]
    assert len(steps) == 4
    assert not any(s.mt_pulse for i in steps for s in draw_contrasts(spgr, poor, derive(i)))
    for step in range(6):
        make_pair(poor, spgr, 0, step)


def test_every_sequence_stays_possible_without_mtsat(measured, plan):
    assert check_contrasts(plan("seqinv"), lacking(measured, mt=None)) == [name for name in SEQUENCES if name != "mt"]


def test_base_without_r2star_is_refused_and_told_what_can_be_simulated(measured, plan):
    poor = lacking(measured, r2star=None)
    with pytest.raises(MissingMapError) as caught:
        make_pair(poor, plan("base"), 0, 0)
    message = str(caught.value)
    assert message.startswith("sub-09: found maps that suffice for mp2rage, fse, flair, bssfp, ir, stir, dir;")
    assert "wanted maps for mprage" in message
    assert "--views.sequences" in message
    assert poor.sequences == ["mp2rage", "fse", "flair", "bssfp", "ir", "stir", "dir"]


def test_base_without_r2star_map_on_disk_is_refused_too(maps_folder, plan):
    poor = find_subjects(str(maps_folder(omit=("R2starmap",))))[0].open()
    with pytest.raises(MissingMapError, match="suffice for mp2rage; wanted maps for mprage"):
        make_pair(poor, plan("base"), 0, 0)


def test_only_the_possible_ones_of_the_plans_sequences_are_drawn(measured, plan):
    poor = lacking(measured, r2star=None)
    names = {sequence.name for sequence in drawn(plan("seqinv", sequences=("mprage", "flair", "gre", "fse")), poor)}
    assert names == {"flair", "fse"}
    with pytest.raises(MissingMapError, match="wanted maps for gre or mprage"):
        check_contrasts(plan("seqaug", sequences=("gre", "mprage")), poor)


def test_fields_are_drawn_from_the_plans(measured, plan):
    fields = [sequence.field_strength for sequence in drawn(plan("seqinv", fields=(1.5, 7.0)), measured)]
    assert set(fields) == {1.5, 7.0}


@pytest.mark.parametrize("field", [1.5, 3.0, 7.0])
def test_no_fields_keep_the_field_of_the_maps(measured, plan, field):
    scanned = lacking(measured, field_strength=field)
    assert {sequence.field_strength for sequence in drawn(plan("seqinv", fields=()), scanned)} == {field}
