"""One clinical protocol per sequence, used where a user names a sequence and no numbers."""

import math

from qontrast.physics.balanced import BSSFP
from qontrast.physics.gradient_echo import GRE, MT, SPGR, T2Star
from qontrast.physics.inversion_recovery import (
    DIR,
    FLAIR,
    IR,
    STIR,
    nulling_inversion_time,
)
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FSE

CSF_T1 = 4.3  # s, independent of field; Rooney et al. 2007 (doi:10.1002/mrm.21122)
FAT_T1 = 0.37  # s at 3 T; de Bazelaire et al. 2004 (doi:10.1148/radiol.2303021331)
WHITE_T1 = 0.85  # s at 3 T; Wansapura et al. 1999, see qontrast.anatomy.priors

PRESETS: dict[str, Sequence] = {
    # ADNI-2 MPRAGE on a 3 T Siemens: TR 2300, TE 2.98, TI 900 ms, flip 9 degrees (Jack et al. 2008,
    # doi:10.1002/jmri.21049, and its later 3 T protocols).
    "mprage": MPRAGE(
        echo_time=2.98e-3,
        repetition_time=2.3,
        inversion_time=0.9,
        flip_angle=math.radians(9),
        echo_spacing=7.1e-3,
        excitations=176.0,
    ),
    # MP2RAGE at 3 T: TR 5000, TI 700 and 2500 ms, flips 4 and 5 degrees (Marques and Gruetter 2013,
    # doi:10.1371/journal.pone.0069294).
    "mp2rage": MP2RAGE(
        echo_time=2.98e-3,
        repetition_time=5.0,
        inversion_times=(0.7, 2.5),
        flip_angles=(math.radians(4), math.radians(5)),
        echo_spacing=7.1e-3,
        excitations=176.0,
    ),
    # T2*-weighted gradient echo of stroke protocols: TR 650, TE 20 ms, flip 20 degrees (Wintermark et al. 2008,
    # doi:10.1161/STROKEAHA.107.513994, gives TE 20 to 30 ms as usual).
    "gre": GRE(echo_time=0.020, repetition_time=0.65, flip_angle=math.radians(20)),
    # T1-weighted FLASH of the multi-parameter mapping protocol: TR 25 ms, flip 21 degrees, first echo 2.3 ms
    # (Weiskopf et al. 2013, doi:10.3389/fnins.2013.00095, there TR 18.7 ms and 20 degrees).
    "spgr": SPGR(echo_time=2.3e-3, repetition_time=0.025, flip_angle=math.radians(21)),
    # T2-weighted turbo spin echo of IXI at Guy's: TR 8178, TE 100 ms, 16 echoes (brain-development.org/ixi-dataset).
    "fse": FSE(echo_time=0.100, repetition_time=8.178, echo_spacing=0.0125, echo_train_length=16.0),
    # FLAIR at 3 T: TR 9000, TE 90 ms, TI solved so that cerebrospinal fluid is nulled (close to the usual 2500 ms).
    "flair": FLAIR(
        echo_time=0.090,
        repetition_time=9.0,
        inversion_time=round(nulling_inversion_time(CSF_T1, 9.0, 0.20, 0.96), 3),
        echo_spacing=0.010,
        echo_train_length=20.0,
        refocusing_flip=math.radians(150),
    ),
    # Balanced steady state for the inner ear and the cisterns: TR 6, TE 3 ms, flip 50 degrees (Casselman et al. 1993,
    # PMID 8427091, for CISS; Scheffler and Lehnhardt 2003, doi:10.1007/s00330-003-1957-x).
    "bssfp": BSSFP(echo_time=3e-3, repetition_time=6e-3, flip_angle=math.radians(50)),
    # T1-weighted inversion recovery of the MRBrainS challenge at 3 T: TR 4416, TE 15, TI 400 ms (Mendrik et al. 2015,
    # doi:10.1155/2015/813696).
    "ir": IR(echo_time=0.015, repetition_time=4.416, inversion_time=0.4, echo_spacing=0.0075, echo_train_length=8.0),
    # STIR at 3 T: TR 4000, TE 60 ms, TI solved so that fat is nulled (close to the usual 220 to 250 ms).
    "stir": STIR(
        echo_time=0.060,
        repetition_time=4.0,
        inversion_time=round(nulling_inversion_time(FAT_T1, 4.0, 0.12, 0.96), 3),
        echo_spacing=0.010,
        echo_train_length=12.0,
    ),
    # DIR at 3 T: TR 7500 ms, both TI solved (nulling_inversion_times) so that fluid and white matter are nulled (usual:
    # 3000 and 450 to 550 ms; Geurts et al. 2011, doi:10.1212/WNL.0b013e31820a0cc4).
    "dir": DIR(
        echo_time=0.030,
        repetition_time=7.5,
        inversion_times=(3.181, 0.535),
        echo_spacing=0.010,
        echo_train_length=16.0,
    ),
    # MT-weighted FLASH of the multi-parameter mapping protocol: TR 25 ms, flip 6 degrees (Weiskopf et al. 2013).
    "mt": MT(echo_time=2.3e-3, repetition_time=0.025, flip_angle=math.radians(6)),
    # T2*-weighted 3D gradient echo of susceptibility-weighted imaging at 3 T: TR 28, TE 20 ms, flip 15 degrees (Haacke
    # et al. 2009, doi:10.3174/ajnr.A1400).
    "t2star": T2Star(echo_time=0.020, repetition_time=0.028, flip_angle=math.radians(15)),
}

BASE = "mprage"
"""The one contrast of the arm *base*."""
