"""One clinical protocol per sequence, used where a user names a sequence and no numbers."""

import math

from qontrast.physics.gradient_echo import GRE, SPGR
from qontrast.physics.inversion_trains import MP2RAGE, MPRAGE
from qontrast.physics.sequence import Sequence
from qontrast.physics.spin_echo import FLAIR, FSE, nulling_inversion_time

CSF_T1 = 4.3  # s, independent of field; Rooney et al. 2007 (doi:10.1002/mrm.21122)

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
    # T2-weighted turbo spin echo of IXI at Guy's: TR 8178, TE 100 ms (brain-development.org/ixi-dataset).
    "fse": FSE(echo_time=0.100, repetition_time=8.178, train_duration=0.2),
    # FLAIR at 3 T: TR 9000, TE 90 ms, TI solved so that cerebrospinal fluid is nulled (close to the usual 2500 ms).
    "flair": FLAIR(
        echo_time=0.090,
        repetition_time=9.0,
        inversion_time=round(nulling_inversion_time(CSF_T1, 9.0, 0.25, 0.96), 3),
        train_duration=0.25,
    ),
}

BASE = "mprage"
"""The one contrast of the arm *base*."""
