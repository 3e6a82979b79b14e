"""What every pulse sequence promises, over its preset and over drawn protocols at three fields."""

import json
from dataclasses import fields, replace

import pytest
import torch

from qontrast.basics.errors import MissingMapError
from qontrast.basics.randomness import derive
from qontrast.physics import sequence as sequences
from qontrast.physics.catalogue import SEQUENCES
from qontrast.physics.field import at_field
from qontrast.physics.presets import PRESETS
from qontrast.physics.protocols import draw_protocol
from qontrast.physics.sequence import acquire
from qontrast.physics.tissue import SPOKEN, TissueMaps

NAMES = list(SEQUENCES)
FIELDS = (1.5, 3.0, 7.0)
DRAWS = 20
OPTIONAL = ("r2", "r2star", "mt")
BIDS = {
    "PulseSequenceType", "EchoTime", "RepetitionTime", "RepetitionTimeExcitation",
    "NumberShots", "InversionTime", "FlipAngle",
    "MTState", "MagneticFieldStrength",
}  # fmt: skip


def head(batch=1, seed=0):
    """Random tissue with a random transmit field, and in the first voxel air, where every map is zero."""
    generator = torch.Generator().manual_seed(seed)

    def maps(low, high):
        values = low + (high - low) * torch.rand((batch, 1, 3, 2, 2), generator=generator, dtype=torch.float64)
        values[:, :, 0, 0, 0] = 0.0
        return values

    r2 = maps(0.5, 25.0)
    return TissueMaps(
        pd=maps(0.5, 1.0), r1=maps(0.2, 2.5), r2=r2, r2star=1.3 * r2, mt=maps(0.0, 0.02), b1_transmit=maps(0.7, 1.3)
    )


def drawn(name, count=DRAWS, at=FIELDS):
    return [draw_protocol(name, field, derive(3, name, str(field), i)) for field in at for i in range(count)]


def protocols(name):
    return [PRESETS[name], *drawn(name)]


def numbers(protocol):
    """The protocol's numbers that may differ between the subjects of a batch."""
    found = {f.name: getattr(protocol, f.name) for f in fields(protocol) if f.name != "field_strength"}
    return {name: value for name, value in found.items() if not isinstance(value, bool)}


def as_one(several):
    """One protocol whose numbers are tensors ``[batch]``, and the tensors themselves."""
    tensors, stacked = [], {}

    def stack(values):
        tensors.append(torch.tensor(values, dtype=torch.float64, requires_grad=True))
        return tensors[-1]

    for name, value in numbers(several[0]).items():
        entries = [getattr(p, name) for p in several]
        stacked[name] = tuple(map(stack, zip(*entries, strict=True))) if isinstance(value, tuple) else stack(entries)
    return replace(several[0], **stacked), tensors


@pytest.mark.parametrize("name", NAMES)
def test_signal_and_image_are_finite_and_of_the_promised_shape(name):
    for protocol in protocols(name):
        tissue = at_field(head(), protocol.field_strength)
        signal = protocol.signal(tissue)
        assert signal.shape == (1, protocol.components, 3, 2, 2)
        assert torch.isfinite(signal).all()
        assert (signal[:, :, 0, 0, 0] == 0).all()
        assert float(signal.abs().max()) <= 1.0
        image = protocol.image(signal)
        assert image.shape == (1, 1, 3, 2, 2)
        assert torch.isfinite(image).all()
        assert float(image.max()) > 0
        if name == "mp2rage":
            assert float(image.abs().max()) <= 0.5 + 1e-12
        else:
            assert float(image.min()) >= 0
            torch.testing.assert_close(image, signal.abs())


@pytest.mark.parametrize("name", NAMES)
def test_the_image_of_a_complex_signal_is_real(name):
    protocol = PRESETS[name]
    signal = protocol.signal(head())
    turned = torch.polar(torch.ones_like(signal), torch.full_like(signal, 0.7)) * signal
    torch.testing.assert_close(protocol.image(turned), protocol.image(signal))


@pytest.mark.parametrize("name", NAMES)
def test_single_precision_is_finite_too(name):
    single = head().apply(lambda m: m.float())
    for protocol in protocols(name)[::6]:
        signal = protocol.signal(single)
        assert signal.dtype == torch.float32
        assert torch.isfinite(protocol.image(signal)).all()


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_finite_in_every_map_and_number(name):
    mt = [p for p in drawn(name) if getattr(p, "mt_pulse", False)]
    for protocol in [PRESETS[name], *drawn(name, 2), *mt[:1]]:
        tissue = head().apply(lambda m: m.requires_grad_())
        protocol, tensors = as_one([protocol])
        signal = protocol.signal(tissue)
        (signal.square().sum() + protocol.image(signal).sum()).backward()
        for needed in protocol.needs:
            assert tissue.present()[needed].grad is not None, needed
            assert float(tissue.present()[needed].grad.abs().max()) > 0, needed
        for values in (*tissue.present().values(), *tensors):
            assert values.grad is None or torch.isfinite(values.grad).all()
        assert all(values.grad is not None for values in tensors)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_of_protocols_is_each_of_them_alone(name):
    several = [p for p in protocols(name) if not getattr(p, "mt_pulse", False)][::8][:4]
    tissue = head(batch=len(several), seed=1)
    together = as_one(several)[0].signal(tissue)
    for i, protocol in enumerate(several):
        alone = protocol.signal(tissue.apply(lambda m, i=i: m[i : i + 1]))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(together[0], together[-1])


@pytest.mark.parametrize("name", NAMES)
def test_acquire_gives_the_signal_slab_by_slab(name, monkeypatch):
    monkeypatch.setattr(sequences, "SLAB_VOXELS", 16)  # two of three planes at a time
    tissue = head(batch=2)
    for protocol in protocols(name)[::7]:
        torch.testing.assert_close(acquire(protocol, tissue), protocol.signal(tissue), rtol=1e-12, atol=0)
    batched = as_one(drawn(name, 1, at=(1.5, 3.0)))[0]
    taken = acquire(batched, tissue)
    torch.testing.assert_close(taken, batched.signal(tissue).detach(), rtol=1e-12, atol=0)
    assert not taken.requires_grad


@pytest.mark.parametrize("name", NAMES)
def test_proton_density_scales_the_signal(name):
    tissue = head()
    for protocol in protocols(name)[::5]:
        signal = protocol.signal(tissue)
        torch.testing.assert_close(protocol.signal(replace(tissue, pd=0.25 * tissue.pd)), 0.25 * signal)
        assert (protocol.signal(replace(tissue, pd=torch.zeros_like(tissue.pd))) == 0).all()
        assert float(signal.abs().max()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_sidecar_is_bids_and_json(name):
    for protocol in protocols(name):
        terms = protocol.bids()
        assert set(terms) <= BIDS
        assert {"PulseSequenceType", "EchoTime", "RepetitionTime", "FlipAngle", "MagneticFieldStrength"} <= set(terms)
        assert json.loads(json.dumps(terms, allow_nan=False)) == terms
        assert terms["EchoTime"] == pytest.approx(protocol.echo_time, abs=1e-8)
        assert terms["RepetitionTime"] == pytest.approx(protocol.repetition_time, abs=1e-8)
        assert terms["MagneticFieldStrength"] == protocol.field_strength
        for inside, written in (("inversion_time", "InversionTime"), ("inversion_times", "InversionTime")):
            if hasattr(protocol, inside):
                expected = getattr(protocol, inside)
                expected = list(expected) if isinstance(expected, tuple) else expected
                assert terms[written] == pytest.approx(expected, abs=1e-8)
        angle = getattr(protocol, "flip_angle", None)
        if angle is not None:
            assert terms["FlipAngle"] == pytest.approx(angle * 180 / torch.pi, abs=1e-5)
    assert json.dumps(as_one([PRESETS[name]] * 2)[0].bids()) == json.dumps(PRESETS[name].bids())


@pytest.mark.parametrize("missing", OPTIONAL)
@pytest.mark.parametrize("name", NAMES)
def test_a_missing_map_is_refused_by_name_or_not_needed(name, missing):
    protocol = replace(PRESETS[name], mt_pulse=True) if name == "spgr" else PRESETS[name]
    tissue = replace(head(), **{missing: None})
    if missing not in protocol.needs:
        assert torch.isfinite(protocol.signal(tissue)).all()
        return
    for scan in (protocol.signal, lambda t: acquire(protocol, t)):
        with pytest.raises(MissingMapError) as caught:
            scan(tissue)
        message = str(caught.value)
        assert message.startswith(f"{name}: found no map of {SPOKEN[missing]} (present: ")
        assert "Add the missing map" in message


@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_a_protocol_matter(name):
    """Each number of the protocol changes the signal (one that doesn't would be forgotten in the equation)."""
    tissue, protocol = head(), PRESETS[name]
    before = protocol.signal(tissue)
    for number, value in numbers(protocol).items():
        changed = tuple(0.999 * v for v in value) if isinstance(value, tuple) else 0.999 * value
        assert not torch.equal(replace(protocol, **{number: changed}).signal(tissue), before), number
