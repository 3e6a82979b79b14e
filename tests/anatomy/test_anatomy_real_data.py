"""Real maps and real heads, from the folder that the environment variable QONTRAST_DATA names."""

import os
from pathlib import Path

import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.pathology import PathologyRanges
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices, whole
from qontrast.physics.catalogue import SEQUENCES

DATA = Path(os.environ.get("QONTRAST_DATA", "/QONTRAST_DATA-is-not-set"))
LESIONS = DATA / "lesions"
MAPS, HEAD = DATA / "qmri" / "sub-mpm", DATA / "anatomies" / "sub-01"


@pytest.mark.skipif(not MAPS.is_dir(), reason=f"no real maps: {MAPS} is absent (set QONTRAST_DATA)")
def test_real_3_tesla_maps_come_out_in_the_published_ranges():
    (source,) = find_subjects(str(MAPS))
    subject = source.open()
    assert subject.grid.shape == (40, 21, 40)
    said = " ".join(subject.notes)
    for phrase in ("MTsat.nii.gz: p.u.", "PDmap.nii.gz: arbitrary", "R1map.nii.gz: 1/s", "TB1map.nii.gz: percent"):
        assert phrase in said
    assert subject.sequences == list(SEQUENCES)
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


@pytest.mark.skipif(not HEAD.is_dir(), reason=f"no real head: {HEAD} is absent (set QONTRAST_DATA)")
def test_a_real_heads_ventricles_and_sulci_grow_as_asked_and_its_skull_stays():
    (source,) = find_subjects(str(DATA / "anatomies" / "sub-04"))
    head = source.open()
    labels = head.labels(whole(head.grid.shape))
    grown = labels[tuple(head.atrophy.to(2.0, 1.15).source(whole(head.grid.shape)))]

    def growth(*wanted):
        wanted = torch.tensor(wanted)
        return float(torch.isin(grown, wanted).sum() / torch.isin(labels, wanted).sum())

    assert growth(4, 5, 14, 15, 43, 44, 72) == pytest.approx(2.0, rel=0.1)
    assert growth(24) == pytest.approx(1.15, abs=0.06)
    assert growth(3, 42) < 1
    assert growth(2, 41) < 1
    assert growth(507, 511) == pytest.approx(1.0, abs=0.01)
    assert growth(515, 516) == pytest.approx(1.0, abs=0.03)


@pytest.mark.skipif(not (HEAD.is_dir() and LESIONS.is_dir()), reason=f"{HEAD} or {LESIONS} is absent (QONTRAST_DATA)")
def test_real_lesions_lie_in_parenchyma_and_on_the_brain_of_a_tilted_head():
    (source,) = find_subjects(str(HEAD))
    head = source.open()
    to_mni = head.compartments.to_mni
    centre = head.grid.affine[:3, :3] @ [sum(edge) / 2 for edge in head.region] + head.grid.affine[:3, 3]
    # The brain's box has its middle near (0, -18, 8) of MNI space.
    assert abs(to_mni[:3, :3] @ centre + to_mni[:3, 3] - (0, -18, 8)).max() < 15
    box = whole(head.grid.shape)
    volumes = []
    for seed in range(4):
        ranges = PathologyRanges(1.0, ("acute-stroke",), 0.0, folder=str(LESIONS))
        tissue = head.draw(derive(seed, "stroke"), ranges)
        inside = tissue.lesion(box) > 0
        volumes.append(int(inside.sum()) / 1000)
        assert bool(((head.classes(box)[inside] == 1) | (head.classes(box)[inside] == 2)).all())
    assert sum(v > 0.3 for v in volumes) >= 3
    assert max(volumes) < 400
