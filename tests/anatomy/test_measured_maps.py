import json

import nibabel as nib
import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.basics.errors import MissingMapError
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices, whole
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire
from qontrast.views.contrast import draw_contrasts
from qontrast.views.plan import ViewPlan

BOX = ((3, 15), (8, 20), (2, 19))
ALL = list(SEQUENCES)
SPIN_ECHOES = ["mp2rage", "fse", "flair", "bssfp", "ir", "stir", "dir"]


def opened(folder):
    return find_subjects(str(folder))[0].open()


def file(folder, suffix, ending=".nii.gz"):
    return folder / "sub-01" / "anat" / f"sub-01_{suffix}{ending}"


def add_map(folder, like, suffix, change):
    """Write another map beside the map ``like``, with its values changed."""
    image = nib.load(file(folder, like))
    nib.save(nib.Nifti1Image(change(image.get_fdata(dtype=np.float32)), image.affine), file(folder, suffix))


@pytest.fixture(scope="module")
def subject(maps_folder):
    return opened(maps_folder())


def test_maps_are_in_si_units_and_finite(subject):
    tissue = subject.tissue
    brain = tissue.pd > 0
    medians = {name: float(m[brain].median()) for name, m in tissue.present().items()}
    assert medians == pytest.approx({"pd": 0.82, "r1": 0.69, "r2": 0.7 * 16.7, "r2star": 16.7, "mt": 0.0087}, rel=0.05)
    assert all(bool(torch.isfinite(m).all()) and float(m.min()) >= 0 for m in tissue.present().values())
    assert tissue.field_strength == 3.0
    assert subject.sequences == ALL
    assert subject.labels(BOX) is None


def test_the_notes_say_what_was_inferred_and_estimated(subject):
    said = [note.split(", inferred")[0] for note in subject.notes]
    assert said == [
        "sub-01_MTsat.nii.gz: p.u.",
        "sub-01_PDmap.nii.gz: p.u.",
        "sub-01_R1map.nii.gz: 1/s",
        "sub-01_R2starmap.nii.gz: 1/s",
        "MagneticFieldStrength is in no sidecar: the maps are taken to hold at 3 T",
        "R2 is absent: estimated as 0.7 of R2*",
    ]


def test_the_region_is_the_smallest_box_around_the_brain(subject):
    inside = np.argwhere(subject.tissue.pd[0, 0].numpy() > 0)
    assert subject.region == tuple(zip(inside.min(0), inside.max(0) + 1, strict=True))
    assert all(0 <= a < b <= n for (a, b), n in zip(subject.region, subject.grid.shape, strict=True))


@pytest.mark.parametrize("field", [None, 7.0])
def test_a_block_is_a_part_of_the_whole(subject, field):
    tissue = subject.draw(derive(1))
    block, full = tissue.block(BOX, field), tissue.block(whole(subject.grid.shape), field)
    x, y, z = box_slices(BOX)
    assert block.present().keys() == full.present().keys()
    for name, values in block.present().items():
        torch.testing.assert_close(values, getattr(full, name)[:, :, x, y, z], rtol=1e-5, atol=0)


def test_what_was_measured_is_not_drawn_but_follows_the_field(subject):
    at_3, again, at_7 = (
        subject.draw(g).block(BOX, field) for g, field in ((derive(1), None), (derive(2), None), (None, 7.0))
    )
    assert all(torch.equal(m, getattr(again, name)) for name, m in at_3.present().items())
    tissue = (at_3.pd > 0) & (at_3.r1 > 0.5)
    assert at_7.field_strength == 7.0
    np.testing.assert_allclose(at_7.r1[tissue] / at_3.r1[tissue], (7 / 3) ** -0.3675, rtol=0.015)
    assert bool((at_7.r2star[tissue] > at_3.r2star[tissue]).all())


@pytest.mark.parametrize(("suffix", "factor"), [("MTsat", 0.01), ("PDmap", 0.01), ("R1map", 1e-3), ("R2starmap", 1e-3)])
def test_a_map_in_another_unit_gives_the_same_tissue(subject, maps_folder, suffix, factor):
    other = opened(maps_folder(change={suffix: lambda m: m * np.float32(factor)}))
    assert other.notes != subject.notes
    for name, values in subject.tissue.present().items():
        torch.testing.assert_close(getattr(other.tissue, name), values, rtol=1e-5, atol=1e-8)


def test_times_give_the_same_tissue_as_rates(subject, maps_folder):
    folder = maps_folder()
    for rate, time, per_second in (("R1map", "T1map", 1.0), ("R2starmap", "T2starmap", 1e-3)):
        add_map(folder, rate, time, lambda m, k=per_second: np.divide(1.0, m * k, out=np.zeros_like(m), where=m > 0))
        file(folder, rate).unlink()
    other = opened(folder)
    for name, values in subject.tissue.present().items():
        torch.testing.assert_close(getattr(other.tissue, name), values, rtol=1e-5, atol=1e-8)


def test_of_a_rate_and_its_time_the_rate_is_read(subject, maps_folder):
    folder = maps_folder()
    add_map(folder, "R1map", "T1map", lambda m: 3 * m)
    assert torch.equal(opened(folder).tissue.r1, subject.tissue.r1)


def test_a_sidecar_states_unit_and_field(maps_folder):
    folder = maps_folder()
    file(folder, "R1map", ".json").write_text(json.dumps({"Units": "1/s", "MagneticFieldStrength": 7}))
    subject = opened(folder)
    assert "sub-01_R1map.nii.gz: 1/s, as its sidecar states" in subject.notes
    assert subject.tissue.field_strength == 7.0


def test_a_measured_r2_and_b1_are_used_as_they_are(maps_folder):
    folder = maps_folder()
    add_map(folder, "R2starmap", "R2map", lambda m: 0.8 * m)
    add_map(folder, "R2starmap", "TB1map", lambda m: np.full_like(m, 104))
    subject = opened(folder)
    there = subject.tissue.pd > 0
    torch.testing.assert_close(subject.tissue.r2[there], 0.8 * subject.tissue.r2star[there])
    torch.testing.assert_close(subject.tissue.b1_transmit, torch.full_like(subject.tissue.pd, 1.04))
    assert not any("R2 is absent" in note for note in subject.notes)


def test_failed_fits_are_clamped_and_counted(maps_folder):
    def spoil(r1):
        r1[12, 14, 9:11], r1[12, 13, 9] = 55.0, 1e6
        r1[0, 0, 0] = 99.0  # outside the brain: clamped, not counted
        return r1

    def negative(mt):
        mt[10, 14, 11] = -3.0
        return mt

    subject = opened(maps_folder(change={"R1map": spoil, "MTsat": negative}))
    brain = int((subject.tissue.pd > 0).sum())
    assert f"sub-01_R1map.nii.gz: 3 of {brain} brain voxels outside 0 to 20 were clamped" in subject.notes
    assert f"sub-01_MTsat.nii.gz: 1 of {brain} brain voxels outside 0 to 0.3 were clamped" in subject.notes
    assert float(subject.tissue.r1.max()) == 20.0
    assert float(subject.tissue.mt.min()) == 0.0


def test_medians_are_taken_inside_the_mask(maps_folder):
    nonsense_but_in_grey = {"R1map": lambda m: np.where((m > 0.9) | (m < 0.4), m * 1000, m)}
    folder = maps_folder(change=nonsense_but_in_grey)
    add_map(folder, "PDmap", "mask", lambda pd: ((pd > 75) & (pd < 90)).astype(np.uint8))
    add_map(folder, "PDmap", "label-lesion_mask", lambda pd: (pd > 95).astype(np.uint8))
    subject = opened(folder)
    median = next(float(note.split("median ")[1]) for note in subject.notes if "R1map" in note)
    assert median == pytest.approx(0.69, rel=0.02)


def test_without_r2star_the_subject_says_what_is_left(maps_folder):
    subject = opened(maps_folder(omit=["R2starmap"]))
    assert subject.sequences == ["mp2rage"]
    lost = [name for name in SEQUENCES if name not in ("mp2rage", "mt")]
    assert subject.notes[-1] == f"R2* is absent: {', '.join(lost)} cannot be simulated; still possible: mp2rage"


def test_without_r2star_a_measured_r2_still_serves_spin_echoes(maps_folder):
    folder = maps_folder()
    add_map(folder, "R2starmap", "R2map", lambda m: 0.8 * m)
    file(folder, "R2starmap").unlink()
    subject = opened(folder)
    assert subject.sequences == SPIN_ECHOES
    assert subject.notes[-1] == (
        f"R2* is absent: mprage, gre, spgr, t2star cannot be simulated; still possible: {', '.join(SPIN_ECHOES)}"
    )


def test_without_mtsat_only_the_mt_pulse_is_lost(maps_folder):
    subject = opened(maps_folder(omit=["MTsat"]))
    rest = [name for name in ALL if name != "mt"]
    assert subject.sequences == rest
    said = "MTsat is absent: SPGR without its MT pulse only, and no mt; still possible: "
    assert subject.notes[-1] == said + ", ".join(rest)


def test_a_plan_that_wants_only_what_is_lost_is_refused_with_what_is_possible(maps_folder):
    subject = opened(maps_folder(omit=["R2starmap"]))
    for plan in (ViewPlan(sequences=("mprage", "gre")), ViewPlan(arm="base")):
        with pytest.raises(MissingMapError, match=r"^sub-01: found maps .*mp2rage.*; wanted maps for .*mprage"):
            draw_contrasts(plan, subject, derive(0))


def test_a_sequence_that_lacks_its_map_is_refused_by_name(maps_folder):
    maps = opened(maps_folder(omit=["R2starmap"])).draw(None).block(BOX)
    with pytest.raises(MissingMapError, match=r"mprage: found no map of R2\* \(present: PD, R1, MTsat\).*Add"):
        acquire(PRESETS["mprage"], maps)
    assert bool(torch.isfinite(acquire(PRESETS["mp2rage"], maps)).all())
