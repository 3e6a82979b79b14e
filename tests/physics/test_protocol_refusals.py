"""Protocols that no scanner could run are refused, with the numbers and the remedy."""

import math

import pytest
import torch

from qontrast.basics.errors import ProtocolError
from qontrast.physics.gradient_echo import SPGR
from qontrast.physics.inversion_recovery import FLAIR
from qontrast.physics.inversion_trains import MPRAGE
from qontrast.physics.protocols import preset

REFUSED = [
    # sequence, numbers, what the message must say
    ("mprage", {"repetition_time": 2300.0}, ("repetition_time = 2300 s", "in seconds", "2300 ms is 2.3 s")),
    ("mprage", {"echo_time": 2.98}, ("echo_time = 2.98 s", "in seconds", "2.98 ms is 0.00298 s")),
    ("mprage", {"flip_angle": 9.0}, ("flip_angle = 9 rad", "in radians", "9 degrees is 0.1571 rad")),
    ("mprage", {"inversion_time": 0.5}, ("InversionTime = 0.5 s", "half of the readout train = 0.6248 s")),
    ("mprage", {"repetition_time": 1.5}, ("RepetitionTime = 1.5 s", "nearest feasible", "1.5248 s")),
    ("mprage", {"echo_time": 0.008}, ("the echo spacing = 0.0071 s", "EchoTime = 0.008 s")),
    ("mprage", {"excitations": 0.0}, ("excitations = 0", "above 0")),
    ("mprage", {"inversion_efficiency": 96.0}, ("inversion_efficiency = 96", "from 0 to 1", "96 % is 0.96")),
    ("mprage", {"inversion_efficiency": -0.1}, ("inversion_efficiency = -0.1", "from 0 to 1")),
    ("mp2rage", {"flip_angles": (4.0, 5.0)}, ("first_flip_angle = 4 rad", "in radians", "0.06981 rad")),
    ("mp2rage", {"inversion_times": (0.7, 1.5)}, ("the second InversionTime = 1.5 s", "1.9496 s")),
    ("mp2rage", {"inversion_times": (0.5, 2.5)}, ("the first InversionTime = 0.5 s", "0.6248 s")),
    ("mp2rage", {"inversion_times": (700.0, 2500.0)}, ("700 ms is 0.7 s",)),
    ("mp2rage", {"repetition_time": 3.0}, ("RepetitionTime = 3 s", "3.1248 s")),
    ("spgr", {"echo_time": 4.6, "repetition_time": 9.8}, ("4.6 ms is 0.0046 s",)),
    ("spgr", {"echo_time": 0.03}, ("RepetitionTime = 0.025 s", "EchoTime = 0.03 s")),
    ("spgr", {"flip_angle": 21.0}, ("21 degrees is 0.3665 rad",)),
    ("gre", {"flip_angle": -0.1}, ("flip_angle = -0.1", "above 0", "radians")),
    ("gre", {"flip_angle": 0.0}, ("flip_angle = 0", "above 0")),
    ("gre", {"echo_time": 0.7}, ("RepetitionTime = 0.65 s", "nearest feasible", "0.7 s")),
    ("fse", {"echo_time": 100.0}, ("100 ms is 0.1 s",)),
    ("fse", {"repetition_time": 0.15}, ("RepetitionTime = 0.15 s", "the echo train's duration = 0.2 s")),
    ("fse", {"echo_time": 0.3}, ("the echo train's duration = 0.2 s", "EchoTime = 0.3 s")),
    ("fse", {"repetition_time": math.nan}, ("repetition_time = nan", "finite")),
    ("fse", {"repetition_time": math.inf}, ("repetition_time = inf", "finite")),
    ("flair", {"inversion_time": 2500.0}, ("2500 ms is 2.5 s",)),
    (
        "flair",
        {"inversion_time": 8.9},
        ("RepetitionTime = 9 s", "the echo train's duration = 9.1 s"),
    ),
    ("flair", {"repetition_time": 2.0}, ("RepetitionTime = 2 s", "nearest feasible value of RepetitionTime")),
]


@pytest.mark.parametrize(("name", "numbers", "said"), REFUSED, ids=lambda v: str(v) if not isinstance(v, tuple) else "")
def test_what_no_scanner_could_run_is_refused(name, numbers, said):
    with pytest.raises(ProtocolError) as caught:
        preset(name, **numbers)
    message = str(caught.value)
    assert message.startswith(f"{name}: found ")
    for part in said:
        assert part in message


def test_one_bad_subject_in_a_batch_is_enough():
    with pytest.raises(ProtocolError, match=r"RepetitionTime = 0\.025 s below EchoTime = 0\.03 s"):
        SPGR(torch.tensor([0.002, 0.03, 0.004]), torch.tensor([0.02, 0.025, 0.03]), 0.3)
    with pytest.raises(ProtocolError, match="flip_angle = 9 rad"):
        SPGR(0.002, 0.02, torch.tensor([0.2, 9.0]))
    with pytest.raises(ProtocolError, match="echo_time = inf"):
        SPGR(torch.tensor([0.002, math.inf]), 0.02, 0.3)


def test_the_nearest_feasible_value_is_feasible():
    train = 176 * 0.0071
    assert MPRAGE(0.003, 0.5 * train + 0.9, 0.9, 0.15).repetition_time < 1.53
    assert MPRAGE(0.003, 2.3, 0.5 * train, 0.15).inversion_time == 0.5 * train


@pytest.mark.parametrize("repetition_time", [4.9, 6.1, 9.0, 11.3])
def test_a_flair_that_just_fits_is_not_refused(repetition_time):
    for train in (0.11, 0.23, 0.31):
        FLAIR(0.09, repetition_time, repetition_time - train, train / 10, 10.0)


def test_a_right_about_turn_is_a_flip_angle():
    assert SPGR(0.002, 0.02, math.pi).flip_angle == math.pi
    SPGR(0.002, 0.02, torch.tensor([math.pi, 0.1]))
