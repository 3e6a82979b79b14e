import numpy as np
import pytest
import torch

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.label_table import BUILT_IN, LabelTable
from qontrast.anatomy.labelled import LabelSubject
from qontrast.anatomy.priors import PRIORS
from qontrast.basics.errors import InputError
from qontrast.basics.grid import Grid
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import box_slices, whole
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.tissue import MAP_NAMES, TissueMaps

BOX = ((5, 24), (11, 30), (17, 36))
CLASSES = {0: 0, 258: 0, 24: 3, 4: 3, 43: 3, 3: 1, 42: 1, 10: 1, 49: 1, 2: 2, 41: 2}


@pytest.fixture(scope="module")
def subject(new_labels_folder) -> LabelSubject:
    return find_subjects(str(new_labels_folder()))[0].open()


@pytest.fixture(scope="module")
def labels(subject) -> np.ndarray:
    return subject.labels(whole(subject.grid.shape)).numpy()


def draw(subject, seed: int | None, field: float | None = None) -> TissueMaps:
    generator = None if seed is None else derive(seed, "person")
    return subject.draw(generator).block(whole(subject.grid.shape), field)


def of(maps: torch.Tensor, labels: np.ndarray, *wanted: int) -> torch.Tensor:
    return maps[0, 0][torch.from_numpy(np.isin(labels, wanted))]


def small(values, origin="/data/x_dseg.nii.gz"):
    return LabelSubject("x", np.asarray(values, np.int32), Grid(np.shape(values), np.eye(4)), BUILT_IN, origin)


def test_without_a_generator_every_label_has_its_priors_means(subject, labels):
    maps = draw(subject, None)
    assert maps.field_strength == 3.0
    assert maps.b1_transmit is None
    for label in np.unique(labels):
        prior = BUILT_IN.priors[int(label)]
        expected = (prior.pd, 1 / prior.t1, 1000 / prior.t2, 1000 / prior.t2star, prior.mt / 100)
        for name, value in zip(MAP_NAMES, expected, strict=True):
            assert of(getattr(maps, name), labels, label).numpy() == pytest.approx(value, rel=1e-5), (label, name)


@pytest.mark.parametrize("field", [None, 0.064, 1.5, 7.0])
def test_maps_are_finite_and_rates_are_positive(subject, labels, field):
    maps = draw(subject, 4, field)
    for name, values in maps.present().items():
        assert torch.isfinite(values).all(), name
    assert min(float(m.min()) for m in (maps.r1, maps.r2, maps.r2star, maps.b1_transmit)) > 0
    assert float(maps.mt.min()) >= 0
    assert bool((maps.r2star >= maps.r2).all())
    assert float(maps.pd.max()) < 1.2
    np.testing.assert_array_equal(maps.pd[0, 0].numpy() > 0, labels > 0)


def test_one_seed_is_one_person_and_two_seeds_are_two(subject, labels):
    one, again, other = (draw(subject, seed) for seed in (4, 4, 5))
    for name, values in one.present().items():
        assert torch.equal(values, getattr(again, name)), name
        inside = of(values, labels, 2, 41, 3, 42)
        change = (of(getattr(other, name), labels, 2, 41, 3, 42) / inside - 1).abs()
        assert 0.002 < float(change.mean()) < 0.3, name


def test_people_differ_by_the_priors_spread(subject, labels):
    r1 = torch.tensor([float(of(draw(subject, seed).r1, labels, 2).mean()) for seed in range(40)])
    relative = float(r1.std() / r1.mean())
    assert 0.6 * BUILT_IN.priors[2].spread < relative < 1.5 * BUILT_IN.priors[2].spread
    assert float(r1.mean()) == pytest.approx(1 / BUILT_IN.priors[2].t1, rel=0.05)


def test_tissue_varies_smoothly_within_a_structure(subject, labels):
    r1 = draw(subject, 4).r1[0, 0]
    within = torch.from_numpy((labels[1:] == labels[:-1]) & np.isin(labels[1:], (2, 41, 3, 42)))
    jumps = (r1[1:] / r1[:-1] - 1).abs()[within]
    white = of(r1[None, None], labels, 2)
    assert float(white.std() / white.mean()) > 0.01
    assert float(jumps.max()) < 0.05


@pytest.mark.parametrize("field", [None, 7.0])
@pytest.mark.parametrize("seed", [None, 4])
def test_a_block_is_a_part_of_the_whole(subject, seed, field):
    tissue = subject.draw(None if seed is None else derive(seed, "person"))
    block, full = tissue.block(BOX, field), tissue.block(whole(subject.grid.shape), field)
    x, y, z = box_slices(BOX)
    assert block.present().keys() == full.present().keys()
    for name, values in block.present().items():
        torch.testing.assert_close(values, getattr(full, name)[:, :, x, y, z], rtol=1e-5, atol=1e-6)
    assert block.field_strength == full.field_strength == (field or 3.0)


def test_field_strength_scales_relaxation_of_tissue_but_not_of_fluid(subject, labels):
    low, middle, high = (draw(subject, None, field) for field in (1.5, 3.0, 7.0))
    for tissue in ((2, 41), (3, 42), (10, 49)):
        r1 = [float(of(m.r1, labels, *tissue).mean()) for m in (low, middle, high)]
        assert r1[2] / r1[1] == pytest.approx((7 / 3) ** -0.3675, rel=0.01)  # between grey and white matter's powers
        assert r1[0] / r1[1] == pytest.approx(0.5**-0.3675, rel=0.01)
        r2star = [float(of(m.r2star, labels, *tissue).mean()) for m in (low, middle, high)]
        assert r2star[0] < r2star[1] < r2star[2]
    fluid = [float(of(m.r1, labels, 24).mean()) for m in (low, middle, high)]
    assert fluid == pytest.approx([fluid[1]] * 3, rel=0.01)
    assert torch.equal(low.pd, high.pd)
    assert torch.equal(low.mt, high.mt)


def test_the_transmit_field_of_a_person_is_twice_as_uneven_at_7_tesla_as_at_3(subject):
    at_3, at_7 = (draw(subject, 4, field).b1_transmit for field in (3.0, 7.0))
    assert 0.03 < float(at_3.std()) < 0.3
    torch.testing.assert_close(at_7 - 1, 2 * (at_3 - 1), rtol=1e-4, atol=1e-5)


def test_labels_come_back_as_they_were_given(subject, labels):
    assert set(np.unique(labels)) == set(CLASSES)
    assert subject.labels(BOX).numpy().tolist() == labels[box_slices(BOX)].tolist()


def test_classes_are_those_of_the_labels(subject, labels):
    classes = subject.classes(BOX).numpy()
    expected = np.vectorize(CLASSES.get)(labels[box_slices(BOX)])
    np.testing.assert_array_equal(classes, expected)


def test_the_region_is_the_smallest_box_around_grey_and_white_matter(subject, labels):
    inside = np.argwhere(np.isin(labels, [k for k, v in CLASSES.items() if v in (1, 2)]))
    assert subject.region == tuple(zip(inside.min(0), inside.max(0) + 1, strict=True))
    assert all(0 <= a < b <= n for (a, b), n in zip(subject.region, subject.grid.shape, strict=True))


def test_without_grey_or_white_matter_the_region_is_all_that_is_not_air():
    values = np.zeros((6, 6, 6))
    values[1:3, 2:5, 3:4] = 24
    assert small(values).region == ((1, 3), (2, 5), (3, 4))


def test_every_sequence_can_be_simulated_from_labels(subject):
    assert subject.sequences == list(SEQUENCES)


def test_a_label_without_a_prior_is_named_with_its_voxels_and_the_remedy():
    values = np.full((4, 4, 4), 2)
    values[0, 0, :3], values[1, 1, 1] = 9001, 333
    with pytest.raises(InputError) as caught:
        small(values)
    message = str(caught.value)
    assert message.startswith("/data/x_dseg.nii.gz: found labels without a prior: 333 (1 voxels), 9001 (3 voxels);")
    assert "the built-in FreeSurfer table" in message
    assert "Give a TSV with --labels: columns index and tissue" in message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, r"found no tissue at all \(only air\); wanted a head or a brain"),
        (-2, r"found labels from -2 to 0; wanted labels from 0 to 1000000"),
        (2_000_000, r"found labels from 0 to 2000000; wanted labels from 0 to 1000000"),
    ],
)
def test_a_map_without_a_head_or_with_impossible_labels_is_refused(value, message):
    values = np.zeros((4, 4, 4))
    values[1, 1, 1] = value
    with pytest.raises(InputError, match=f"^/data/x_dseg.nii.gz: {message}"):
        small(values)


def test_more_than_255_different_labels_are_kept_apart():
    values = np.resize([0, *range(1000, 1036), *range(2000, 2036)], (4, 5, 4))
    many = np.arange(300).reshape(5, 6, 10)
    table = LabelTable(dict.fromkeys(range(300), PRIORS["fat"]), dict.fromkeys(range(300), "fat"), "here")
    subject = LabelSubject("x", many.astype(np.int32), Grid(many.shape, np.eye(4)), table, "x")
    np.testing.assert_array_equal(subject.labels(whole(many.shape)).numpy(), many)
    np.testing.assert_array_equal(small(values).labels(whole(values.shape)).numpy(), values)
