"""What is drawn for a scan, and how it comes to its image."""

import json
import math
from dataclasses import replace

import pytest
import torch

from qontrast.artefacts.dropout import Dephasing
from qontrast.artefacts.encoding import Encoding
from qontrast.artefacts.kspace import PartialFourier, Resolution, draw_phase
from qontrast.artefacts.motion import Pose, RigidMotion
from qontrast.artefacts.noise import ComplexNoise
from qontrast.artefacts.prevalence import PREVALENCE
from qontrast.artefacts.slices import SliceStack
from qontrast.basics.errors import PlanError
from qontrast.basics.randomness import derive
from qontrast.geometry.sample import whole
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.presets import PRESETS
from qontrast.physics.sequence import acquire
from qontrast.views.acquisition import Simulated
from qontrast.views.pair import make_pair
from qontrast.views.plan import ArtefactRanges
from qontrast.views.render import Place, resampled
from qontrast.views.spoiling import draw_spoiling, noise_alone, scanned

SHAPE, VOXEL = (24, 24, 24), (2.0, 2.0, 2.0)
QUIET = ComplexNoise(math.inf, 0)


def drawn(name, count=300, ranges=None, **more):
    sequence = replace(PRESETS[name], **more)
    return [draw_spoiling(ranges or ArtefactRanges(), sequence, SHAPE, VOXEL, derive(i)) for i in range(count)]


def share(found):
    return sum(bool(f) for f in found) / len(found)


def sliced(spoiling):
    return any(isinstance(part, SliceStack) for part in spoiling.encoding.parts)


@pytest.mark.parametrize("name", SEQUENCES)
def test_each_artefact_is_as_frequent_as_the_table_says(name):
    found, row = drawn(name, 300), PREVALENCE[name]
    assert share([s.motion for s in found]) == pytest.approx(row.motion, abs=0.06)
    assert share([sliced(s) for s in found]) == pytest.approx(row.slices, abs=0.09)
    assert share([s.partial_fourier for s in found]) == pytest.approx(row.partial_fourier, abs=0.09)
    assert share([s.erasure for s in found]) == pytest.approx(0.3, abs=0.09)
    assert share([s.dropout for s in found]) == pytest.approx(0.4 * row.gradient_echo, abs=0.09)
    assert all(row.snr[0] <= s.noise.snr <= row.snr[1] for s in found)
    assert {s.motion.order for s in found if s.motion} == {row.order}


def test_twice_the_strength_doubles_the_rates_and_halves_the_snr():
    usual, strong = drawn("flair", 200), drawn("flair", 200, ArtefactRanges(strength=2.0))
    assert share([s.motion for s in strong]) == pytest.approx(2 * share([s.motion for s in usual]), rel=0.35)
    assert all(
        two.noise.snr == pytest.approx(max(3.0, one.noise.snr / 2)) for one, two in zip(usual, strong, strict=True)
    )


@pytest.mark.parametrize("name", SEQUENCES)
def test_no_strength_leaves_the_image_as_it_is(name, head):
    sequence = PRESETS[name]
    signal = acquire(sequence, head.draw(None).block(whole(head.grid.shape), 3.0))
    for seed in range(5):
        nothing = draw_spoiling(ArtefactRanges(strength=0.0), sequence, SHAPE, VOXEL, derive(seed))
        scan = Simulated(sequence, head.draw(None))
        found, expected = scan.image((signal, None), nothing), scan.image((signal, None), None)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("knob", "part"), [("motion", "motion"), ("dropout", "dropout"), ("partial_fourier", "partial_fourier")]
)
def test_each_knob_turns_off_its_own_artefact_and_no_other(knob, part):
    usual, without = drawn("gre", 40), drawn("gre", 40, ArtefactRanges(**{knob: 0.0}))
    assert not any(getattr(s, part) for s in without)
    for one, two in zip(usual, without, strict=True):
        assert one.noise == two.noise
        assert one.encoding == two.encoding
        assert one.erasure == two.erasure


def test_dropout_knows_echo_time_field_and_the_acquired_voxel():
    found = [s for s in drawn("gre", 200, echo_time=0.03, field_strength=1.5) if s.dropout]
    assert {(s.dropout.echo_time, s.dropout.field_strength) for s in found} == {(0.03, 1.5)}
    for spoiling in found:
        for part in spoiling.encoding.parts:
            size = part.thickness if isinstance(part, SliceStack) else part.acquired
            assert spoiling.dropout.acquired[part.axis] == size


def test_slices_and_the_lines_of_k_space_never_share_an_axis():
    for spoiling in drawn("fse", 150):
        axes = [part.axis for part in spoiling.encoding.parts]
        assert len(set(axes)) == len(axes)
        across = [part.axis for part in spoiling.encoding.parts if isinstance(part, SliceStack)]
        for part in (spoiling.motion, spoiling.partial_fourier):
            assert part is None or part.axis not in across


def test_low_field_is_noisy_thick_and_coarse():
    low, high = drawn("flair", 80, field_strength=0.064), drawn("flair", 80, field_strength=3.0)
    assert all(sliced(s) for s in low)
    assert min(p.thickness for s in low for p in s.encoding.parts if isinstance(p, SliceStack)) >= 5.0
    assert max(s.noise.coils for s in low) <= 8 < max(s.noise.coils for s in high)
    mean = [sum(s.noise.snr for s in found) / len(found) for found in (low, high)]
    assert mean[0] < 0.3 * mean[1]


def test_mp2rage_is_never_a_sum_of_squares():
    assert {s.noise.coils for s in drawn("mp2rage", 80)} == {1}
    assert len({s.noise.coils for s in drawn("mprage", 80)}) > 5


EVERYTHING = {
    "dropout": Dephasing(0.003, (2.0, 2.0, 4.0), VOXEL, 3.0, readout=0, bandwidth=200.0),
    "motion": RigidMotion(1, "linear", (Pose(), Pose((0, 3.0, 1.0), (3.0, 0, 2.0))), (0.0, 0.6), VOXEL),
    "phase": draw_phase(0.3, derive(1)),
    "encoding": Encoding((Resolution(0, 3.0, 2.0), Resolution(1, 3.4, 2.0), SliceStack(2, 4.0, 1.0, 2.0))),
    "partial_fourier": PartialFourier(1, 0.75, "zero-filled", 2.0 / 3.4),
}


def test_both_inversion_images_have_one_geometry_and_noise_of_their_own(head):
    """Where both images are the same, all that is done to them before the noise is too: UNI stays 1/2 everywhere."""
    sequence = PRESETS["mp2rage"]
    signal = acquire(sequence, head.draw(None).block(whole(head.grid.shape), 3.0))[:, 1:].expand(-1, 2, -1, -1, -1)
    b0 = torch.linspace(0, 60, 40).expand(1, 1, 40, 40, 40)
    quiet = replace(noise_alone(QUIET), **EVERYTHING)
    there = signal[:, :1].abs() > 0.2 * signal.max()
    uni = scanned(sequence, signal, quiet, b0)
    torch.testing.assert_close(uni[there], torch.full_like(uni[there], 0.5), rtol=0, atol=1e-5)
    noisy = scanned(sequence, signal, replace(quiet, noise=ComplexNoise(20.0, 3)), b0)
    assert float((noisy[there] - 0.5).abs().mean()) > 1e-4


def test_the_stated_snr_is_that_of_the_acquired_voxels(head):
    """In the image of a coarse acquisition, interpolated to the grid, noise is as strong as asked at the slices."""
    sequence = PRESETS["fse"]
    signal = torch.ones(1, 1, 40, 40, 40)
    encoding = Encoding((Resolution(0, 4.0, 2.0), Resolution(1, 3.0, 2.0), SliceStack(2, 6.0, 0.0, 2.0, offset=1 / 6)))
    image = scanned(sequence, signal, replace(noise_alone(ComplexNoise(25.0, 1)), encoding=encoding))
    at = [round(float(c) / 2 - 0.5) for c in encoding.parts[2].centres(40)]
    centres = image[..., at]
    assert float(centres.mean() / centres.std()) == pytest.approx(25, rel=0.05)


def test_a_map_of_the_static_field_is_taken_where_there_is_one(measured, plan):
    tissue = measured.tissue
    ramp = torch.linspace(0, 400, tissue.shape[2]).reshape(1, 1, -1, 1, 1).expand(tissue.shape).contiguous()
    subject = type(measured)("sub-01", replace(tissue, b0=ramp), measured.grid, (tissue.pd[0, 0] > 0).numpy(), [])
    for name in ("gre", "fse"):
        pair = make_pair(subject, plan(sequences=(name,), fields=(3.0,)), 0, 0)
        dropout = pair.a.spoiling.dropout
        assert (dropout is not None) == (name == "gre")
        if dropout is not None:
            assert dropout.cavities == ()
            _, b0 = resampled(subject.draw(None), pair.a.sequence, Place(subject.grid, pair.a.warp))
            inside = pair.a.warp.coordinates()
            within = (inside >= 0.5).all(dim=-1) & (inside <= torch.tensor(tissue.shape[2:]) - 1.5).all(dim=-1)
            expected = 400 / (tissue.shape[2] - 1) * inside[..., 0]
            torch.testing.assert_close(b0[0, 0][within], expected[within], rtol=1e-3, atol=0.5)


def test_all_that_was_drawn_can_be_written_down():
    for spoiling in drawn("gre", 40):
        facts = json.loads(json.dumps(spoiling.facts()))
        assert facts.keys() == spoiling.parts().keys()
        assert facts["noise"]["seed"] == spoiling.noise.seed
        assert facts["noise"]["snr"] == pytest.approx(spoiling.noise.snr, rel=1e-5)
        assert all(part.describe() in spoiling.describe() for part in spoiling.parts().values())


@pytest.mark.parametrize("knob", ["strength", "motion", "gibbs", "bias", "erasure"])
@pytest.mark.parametrize("value", [-0.1, math.inf, math.nan])
def test_senseless_knobs_are_refused(knob, value):
    with pytest.raises(PlanError, match=rf"views\.artefacts\.{knob}: found .*0 or more"):
        ArtefactRanges(**{knob: value})


@pytest.mark.parametrize("snr", [(0.0, 5.0), (9.0, 3.0)])
def test_senseless_limits_of_the_snr_are_refused(snr):
    with pytest.raises(PlanError, match=r"views\.artefacts\.snr"):
        ArtefactRanges(snr=snr)
