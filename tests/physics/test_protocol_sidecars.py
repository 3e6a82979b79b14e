"""Protocols read from BIDS sidecars."""

import math

import pytest

from qontrast.basics.errors import InputError, ProtocolError
from qontrast.physics.clinical import CLINICAL, clinical
from qontrast.physics.presets import PRESETS
from qontrast.physics.sidecar import from_bids, sequence_of


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_what_a_sequence_writes_is_read_back(name):
    assert from_bids(PRESETS[name].bids(), "x.json") == (PRESETS[name], [])


SCANS = [
    # what scanners and converters write, the file's suffix, the sequence
    ({"ScanningSequence": "GR\\IR", "SequenceName": "*tfl3d1_16ns", "InversionTime": 0.9}, "T1w", "mprage"),
    ({"ScanningSequence": ["GR", "IR"], "InversionTime": 0.9}, "T1w", "mprage"),
    ({"ScanningSequence": "SE", "SequenceName": "tse2d1_17", "InversionTime": 2.5}, "FLAIR", "flair"),
    ({"SeriesDescription": "t2_space_dark-fluid_sag"}, "FLAIR", "flair"),
    ({"SeriesDescription": "Ax T2 PROPELLER", "ScanningSequence": "SE"}, "T2w", "fse"),
    ({"PulseSequenceName": "3D FIESTA-C"}, "T2w", "bssfp"),
    ({"ProtocolName": "SWI_Images"}, "swi", "t2star"),
    ({"MTState": True, "ScanningSequence": "GR", "SequenceName": "fl3d"}, "MPM", "mt"),
    ({"ScanningSequence": "GR"}, "T1w", "spgr"),
    ({}, "UNIT1", "mp2rage"),
    ({}, "T2w", "fse"),
]


@pytest.mark.parametrize(("fields", "suffix", "expected"), SCANS)
def test_a_scan_is_known_by_its_names_or_numbers(fields, suffix, expected):
    assert sequence_of(fields, "x.json", suffix) == expected


def test_a_scanner_that_states_the_time_between_excitations_is_understood():
    """As IXI's and others do: TR 9.8 ms is not that of the inversions."""
    told = {"PulseSequenceType": "MPRAGE", "EchoTime": 0.0046, "RepetitionTime": 0.0098, "InversionTime": 0.9}
    protocol, assumed = from_bids({**told, "FlipAngle": 8, "MagneticFieldStrength": 1.5}, "x.json")
    assert protocol.echo_spacing == 0.0098
    assert protocol.repetition_time > 1.8
    assert protocol.field_strength == 1.5
    assert any("between excitations" in note for note in assumed)


def test_what_is_not_stated_is_assumed_and_said():
    told = {"EchoTime": 0.1, "RepetitionTime": 6.0, "FlipAngle": 150, "EchoTrainLength": 16}
    protocol, assumed = from_bids(told, "x.json", "T2w")
    assert protocol.echo_time / protocol.echo_spacing == pytest.approx(
        round(protocol.echo_time / protocol.echo_spacing)
    )
    assert protocol.echo_train_length == 16
    assert protocol.refocusing_flip == pytest.approx(math.radians(150))
    for word in ("EchoSpacing", "FlipAngle", "MagneticFieldStrength"):
        assert any(word in note for note in assumed)


REFUSED = [
    ({"RepetitionTime": 9.0}, "FLAIR", InputError, r"x\.json: found no EchoTime; wanted EchoTime as a number"),
    ({"EchoTime": 90, "RepetitionTime": 9.0}, "FLAIR", InputError, r"EchoTime = 90; .*90 ms is 0\.09 s"),
    ({"EchoTime": 0.09, "RepetitionTime": 9000}, "FLAIR", InputError, r"RepetitionTime = 9000; .*is 9 s"),
    ({"EchoTime": "0.09", "RepetitionTime": 9.0}, "T2w", InputError, r"EchoTime = '0\.09'"),
    ({"EchoTime": 0.09, "RepetitionTime": 9.0}, "FLAIR", InputError, r"no InversionTime"),
    ({"EchoTime": 0.09, "RepetitionTime": 2.0, "InversionTime": 2.5}, "FLAIR", ProtocolError, r"nearest feasible"),
    ({"EchoTime": 0.003, "RepetitionTime": 2.0, "InversionTime": 0.9}, "UNIT1", InputError, r"FlipAngle as two"),
    (
        {**PRESETS["mprage"].bids(), "NumberShots": ["1"]},
        "",
        InputError,
        "NumberShots = '1'; wanted NumberShots as a number",
    ),
    ({**PRESETS["flair"].bids(), "InversionTime": "long"}, "", InputError, "InversionTime = 'long'"),
    ({"EchoTime": 0.09}, "", InputError, r"nothing that names the sequence .*Add \"PulseSequenceType\""),
]


@pytest.mark.parametrize("blank", ["n/a", "", None, []])
def test_what_says_nothing_is_as_if_it_were_not_there(blank):
    told = {"EchoTime": [0.1], "RepetitionTime": 6.0, "FlipAngle": 90, "EchoTrainLength": 16}
    assert from_bids(told | {"InversionTime": blank}, "x.json", "T2w") == from_bids(told, "x.json", "T2w")
    whole = PRESETS["mprage"].bids()
    own = {key: value for key, value in whole.items() if key != "NumberShots"}
    assert from_bids(own | {"NumberShots": blank}, "x.json") == from_bids(own, "x.json")


@pytest.mark.parametrize(("fields", "suffix", "kind", "message"), REFUSED)
def test_what_cannot_be_simulated_is_refused(fields, suffix, kind, message):
    with pytest.raises(kind, match=message):
        from_bids(fields, "x.json", suffix)


@pytest.mark.parametrize("name", sorted(CLINICAL))
def test_named_protocols_state_their_source_and_survive_their_sidecar(name):
    named = clinical(name)
    assert len(named.source) > 10
    back, _ = from_bids(named.sequence.bids(), "x.json")
    assert type(back) is type(named.sequence)
    assert back.echo_time == pytest.approx(named.sequence.echo_time)
    assert back.repetition_time == pytest.approx(named.sequence.repetition_time)


def test_an_unknown_name_is_refused_with_the_nearest_known_one():
    with pytest.raises(InputError, match="Did you mean 'ixi-guys-t2'"):
        clinical("ixi-guy-t2")
