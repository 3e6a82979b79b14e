"""Real maps and real heads, from the folder that the environment variable QONTRAST_DATA names."""

import os
from pathlib import Path

import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices

DATA = Path(os.environ.get("QONTRAST_DATA", "/QONTRAST_DATA-is-not-set"))
MAPS, HEAD = DATA / "qmri" / "sub-mpm", DATA / "anatomies" / "sub-01"


@pytest.mark.skipif(not MAPS.is_dir(), reason=f"no real maps: {MAPS} is absent (set QONTRAST_DATA)")
def test_real_3_tesla_maps_come_out_in_the_published_ranges():
    (source,) = find_subjects(str(MAPS))
    subject = source.open()
    assert subject.grid.shape == (40, 21, 40)
    said = " ".join(subject.notes)
    for phrase in ("MTsat.nii.gz: p.u.", "PDmap.nii.gz: arbitrary", "R1map.nii.gz: 1/s", "TB1map.nii.gz: percent"):
        assert phrase in said
    assert subject.sequences == ["mprage", "mp2rage", "gre", "spgr", "fse", "flair"]
    brain = subject.draw(None).block(subject.region)
    assert all(bool(torch.isfinite(m).all()) for m in brain.present().values())
    medians = {name: float(m.median()) for name, m in brain.present().items()}
    assert 0.55 < medians["r1"] < 1.2
    assert 12 < medians["r2star"] < 35
    assert 0.006 < medians["mt"] < 0.018
    assert 0.5 < medians["pd"] < 1.0
    assert 0.9 < medians["b1_transmit"] < 1.3


@pytest.mark.skipif(not HEAD.is_dir(), reason=f"no real head: {HEAD} is absent (set QONTRAST_DATA)")
def test_a_real_head_has_priors_for_all_its_labels_and_the_volumes_of_a_person():
    (source,) = find_subjects(str(HEAD))
    subject = source.open()
    classes = subject.classes(subject.region)
    grey, white, fluid = (int((classes == k).sum()) / 1000 for k in (1, 2, 3))
    assert 350 < white < 750
    assert 350 < grey < 900
    assert 30 < fluid < 700
    maps = subject.draw(derive(0, "person")).block(subject.region, 1.5)
    assert all(bool(torch.isfinite(m).all()) for m in maps.present().values())
    inside = maps.pd[0, 0] > 0
    assert torch.equal(inside, subject.labels(subject.region) > 0)
    r1 = maps.r1[0, 0]
    assert float(r1[classes == 2].mean()) > 1.2 * float(r1[classes == 1].mean()) > 0
    assert [b - a for a, b in subject.region] == list(classes.shape)
    assert subject.labels(subject.region).shape == torch.Size(s.stop - s.start for s in box_slices(subject.region))
