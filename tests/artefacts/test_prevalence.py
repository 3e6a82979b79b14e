"""The table of what each sequence suffers from."""

import pytest

from qontrast.artefacts.prevalence import COILS, DEFAULT, PREVALENCE, coil_counts, prevalence, snr_at
from qontrast.physics.catalogue import SEQUENCES


@pytest.mark.parametrize("name", sorted({*SEQUENCES, *PREVALENCE}))
def test_every_row_is_made_of_shares_and_of_ranges_in_order(name):
    row = prevalence(name)
    for share in (row.slices, row.motion, row.gibbs, row.partial_fourier):
        assert 0 <= share <= 1
    for low, high in (row.snr, row.thickness, row.gap):
        assert 0 <= low <= high
    assert row.snr[0] > 0
    assert row.order == ("interleaved" if name in ("fse", "flair", "ir", "stir", "dir") else "linear")


@pytest.mark.parametrize("name", SEQUENCES)
def test_every_sequence_of_the_catalogue_has_a_row_of_its_own(name):
    assert name in PREVALENCE


def test_unknown_sequences_fall_back_on_a_default():
    assert prevalence("spiral") is DEFAULT


def test_only_gradient_echoes_drop_out():
    assert {n for n, row in PREVALENCE.items() if row.gradient_echo} == {
        "mprage", "mp2rage", "spgr", "gre", "mt", "t2star"
    }  # fmt: skip


def test_slices_are_thick_in_two_dimensions_and_rare_in_three():
    assert min(PREVALENCE[n].slices for n in ("fse", "flair", "ir", "stir", "gre")) >= 0.5
    assert max(PREVALENCE[n].slices for n in ("mprage", "mp2rage", "spgr")) <= 0.2


def test_stronger_fields_have_more_coils_and_more_signal():
    assert coil_counts(0.064) == (1, 8)
    assert max(coil_counts(1.5)) < max(coil_counts(3.0)) == max(coil_counts(7.0)) == 64
    assert coil_counts(100.0) == COILS[-1][1]
    assert snr_at(3.0) == 1
    assert snr_at(0.064) < snr_at(1.5) < snr_at(7.0)
