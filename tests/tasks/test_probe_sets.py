"""The fixed set that an encoder is measured on: who is in it, and that its places are the same tissue."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.observed import ObservedHead, ObservedScan, to_head
from qontrast.anatomy.qmri import QuantitativeSubject
from qontrast.basics.errors import MissingMapError
from qontrast.basics.grid import Grid
from qontrast.physics.tissue import TissueMaps
from qontrast.tasks.plans import Cohort
from qontrast.tasks.probe import CONTRASTS, make_probe, open_probe, probe_sources
from qontrast.views.plan import ViewPlan

VIEWS = ViewPlan(crop=32, spacing=2.0)
SMALL = {"held_out": True, "anatomies": 3, "contrasts": 3, "places": 40}
GRID = Grid((60, 56, 52), np.diag([2.0, 2.0, 2.0, 1.0]))


def phantom(rates=("r1", "r2", "r2star", "mt")):
    """A head of one tissue whose proton density varies smoothly in all directions."""
    index = torch.stack(torch.meshgrid(*(torch.arange(n).float() for n in GRID.shape), indexing="ij"), dim=-1)
    waves = torch.sin(index @ torch.tensor([[0.5, 0.1], [-0.1, 0.4], [0.2, 0.4]])).mean(dim=-1)
    pd = (0.8 + 0.15 * waves)[None, None]
    values = {"r1": 0.8, "r2": 12.0, "r2star": 18.0, "mt": 0.01}
    maps = {name: torch.full_like(pd, value) for name, value in values.items() if name in rates}
    brain = np.ones(GRID.shape, bool)
    return QuantitativeSubject("phantom", TissueMaps(pd=pd, **maps), GRID, brain, [])


def scanned(name, *contrasts):
    scans = {}
    for number, contrast in enumerate(contrasts):
        voxels = np.random.default_rng(number).random(GRID.shape).astype(np.float32) + 0.5
        scans[contrast] = ObservedScan(contrast, voxels, GRID, 100.0, to_head(GRID, GRID))
    return ObservedHead(name, scans, GRID, ((10, 50), (10, 46), (10, 42)))


@pytest.fixture(scope="module")
def heads(new_labels_folder):
    return [source.open() for source in find_subjects(str(new_labels_folder()))]


def test_label_maps_are_shown_in_the_commonest_contrasts_the_same_ones_each_time(heads):
    one, other = (make_probe(heads, VIEWS, 0, **SMALL) for _ in range(2))
    assert one.images.shape == (3, 3, 32, 32, 32)
    assert one.contrasts == ("T1w", "T2w", "FLAIR")
    assert one.echo_times == pytest.approx((2.98e-3, 0.1, 0.09))
    assert one.heads.tolist() == [0, 1, 0]
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.places, other.places)
    assert not torch.equal(one.images, make_probe(heads, VIEWS, 1, **SMALL).images)
    assert torch.isfinite(one.images).all()
    assert one.images.mean(dim=(2, 3, 4)).abs().max() < 1e-3  # normalised, as in training
    said = one.describe()
    assert "3 crops of 32³ of 2 heads that are not trained on, in T1w, T2w, FLAIR (9 images, 1 MB)" in said
    assert "trained on, too (there are no others to spare)" in replace(one, held_out=False).describe()


def test_crops_and_contrasts_differ_within_an_anatomy(heads):
    probe = make_probe(heads, VIEWS, 0, **SMALL)
    flat = probe.images.reshape(9, -1)
    alike = torch.corrcoef(flat) - torch.eye(9)
    assert float(alike.abs().max()) < 0.98
    apart = (probe.places[:, 0] - probe.places[:, 1]).norm(dim=-1)
    assert 0.5 < float(apart.mean()) < 8  # voxels: moved, but not out of sight


def test_measured_maps_are_shown_in_what_they_suffice_for(maps_folder):
    head = find_subjects(str(maps_folder()))[0].open()
    probe = make_probe([head], ViewPlan(crop=16, spacing=3.0), 0, held_out=False, anatomies=2)
    assert 2 <= len(probe.contrasts) <= 6
    assert all(CONTRASTS[name].name in head.sequences for name in probe.contrasts)
    assert not probe.held_out
    assert probe.heads.tolist() == [0, 0]


def test_matched_places_show_the_same_tissue_and_others_do_not():
    probe = make_probe([phantom()], VIEWS, 0, held_out=True, anatomies=2, contrasts=3, places=100)
    assert probe.places.shape == (2, 3, 100, 3)
    assert (probe.places >= 0).all()
    assert (probe.places <= 31).all()

    def read(anatomy, contrast, at):
        x, y, z = probe.places[anatomy, at].round().long().T
        return probe.images[anatomy, contrast, x, y, z]

    for anatomy in range(2):
        for a, b in ((0, 1), (1, 2), (2, 0)):
            matched = torch.corrcoef(torch.stack((read(anatomy, a, a), read(anatomy, b, b))))[0, 1]
            mistaken = torch.corrcoef(torch.stack((read(anatomy, a, a), read(anatomy, b, a))))[0, 1]
            assert matched > 0.8
            assert mistaken < matched - 0.1


def test_real_scans_are_a_smaller_set_of_the_contrasts_that_sessions_share():
    heads = [
        scanned("a", "FLAIR", "T1w", "T2w"),
        scanned("b", "FLAIR", "T1w_run-1", "T1w_run-2"),
        scanned("c", "angio", "inplaneT1"),
    ]
    probe = make_probe(heads, VIEWS, 0, **SMALL)
    assert probe.contrasts == ("FLAIR", "T1w")
    assert probe.images.shape[:2] == (3, 2)
    assert probe.heads.tolist() == [0, 1, 0]
    assert probe.echo_times == ()
    assert probe.places.shape[2] == 40


def test_heads_that_can_be_simulated_are_preferred_to_scans(heads):
    assert make_probe([scanned("a", "FLAIR", "T1w"), *heads], VIEWS, 0, **SMALL).echo_times


def test_a_head_of_one_contrast_is_refused():
    with pytest.raises(MissingMapError, match="a head that can be shown in two"):
        make_probe([phantom(rates=("r1",))], VIEWS, 0, **SMALL)
    with pytest.raises(MissingMapError, match="the contrasts none"):
        make_probe([], VIEWS, 0, **SMALL)


def test_embedded_heads_are_made_beyond_those_of_the_plan():
    sources, held_out = probe_sources([Cohort(embedded=3)], 2)
    assert held_out
    assert [source.name for source in sources] == sorted(source.name for source in sources)
    assert {source.name for source in sources} <= {"sub-mni004", "sub-mni005"}
    assert len(sources) == 2


def test_subjects_that_the_plan_does_not_name_are_taken_and_all_are_where_it_names_none(labels_folder):
    named = Cohort(data=str(labels_folder), subjects=("sub-01",))
    sources, held_out = probe_sources([named])
    assert ([source.name for source in sources], held_out) == (["sub-02"], True)
    everyone = Cohort(data=str(labels_folder))
    sources, held_out = probe_sources([everyone])
    assert ([source.name for source in sources], held_out) == (["sub-01", "sub-02"], False)
    assert probe_sources([named, everyone])[1] is False  # what one cohort spares another trains on
    assert [head.name for head in open_probe(sources, quiet=True)] == ["sub-01", "sub-02"]


def test_another_session_of_a_person_is_not_held_out(labels_folder):
    file = labels_folder / "sub-01" / "anat" / "sub-01_dseg.nii.gz"
    for session in ("ses-1", "ses-2"):
        target = labels_folder / "sub-03" / session / "anat" / f"sub-03_{session}_dseg.nii.gz"
        target.parent.mkdir(parents=True)
        target.write_bytes(file.read_bytes())
    sources, held_out = probe_sources([Cohort(data=str(labels_folder), subjects=("sub-03_ses-1", "sub-02"))])
    assert ([source.name for source in sources], held_out) == (["sub-01"], True)
