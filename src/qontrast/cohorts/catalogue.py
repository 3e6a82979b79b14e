"""The cohorts that `qontrast data` knows. Any BIDS tree works without standing here."""

from qontrast.cohorts.sources import Bucket, Cohort, File, Record, Site

_IXI = "http://biomedic.doc.ic.ac.uk/brain-development/downloads/IXI"
_OPENNEURO = "https://s3.amazonaws.com/openneuro.org"
_SYNTHSEG = "https://raw.githubusercontent.com/BBillot/SynthSeg/66342c1f05e520f3729a6d7ca1042eb7f01b6266"
_HMRI = "https://owncloud.gwdg.de/index.php/s/iv2TOQwGy4FGDDZ/download?path=%2F&files="

# Number, bytes and SHA-256 of the files in the repository at that commit.
_SYNTHSEG_MAPS = (
    ("01", 1662924, "edbf1229a0552f8ce37438d02f59e810583b71b0a1b4d31dc38e5e2b2517acb1"),
    ("02", 1721645, "65e64c6b9415f389dfda5182ec3a269836925b04166ea82f47b230e54980d0a4"),
    ("03", 1615475, "f746e2f90e4dccd7bbbdc18bdd6374e455ddb7fc044504a0a42edc8507cf1aa0"),
    ("04", 1549719, "fbcf9d5d3b946dc53cff2e9954abb8c8172960ac35b1bf80c3ca240b4feda140"),
    ("05", 1668622, "a53baa7b0faea832d45f8a5b9a234b2b6d4ca92bf5c98baeada4a935cc2f1183"),
    ("06", 1602738, "57d8c612469359da78b7c16647cc6979be461eb03b59805e7ebded51554f9ead"),
    ("07", 1556470, "feaa1e8f320e037709a51e30881fe8076a45fc06611a09bbd87e76f8f3f89826"),
    ("08", 1892749, "f4a9d39c5c64bc5457de84b10a4c4b47f3bb6257e9f396ffa61d290015f178d2"),
    ("09", 1408671, "6f41f2b755c97185167d887d95180ca4c754578f81cd30fe8119df1e20bb27d5"),
    ("10", 1800385, "4a0147bf1d52c6853176777554165d79a01656ddb8f8474da48b65d6218b664e"),
    ("11", 1615867, "02e468bbb652ff0da18eeb73932f09813150ef95155ba7669831849da8517196"),
    ("12", 1790263, "5d0a47dd3ff4d821cc758e388a49da5744bf86dee423ed93bf727472a8454d8d"),
    ("13", 1340016, "d11cf676fbd5b9316fe30acbca98c854cf88dbcee74a5fe22092ac91ccd8d3a1"),
    ("14", 1787586, "7b8d1783c1b5b71b454644169d848b28fa57a33ca4a9b49ff88ad897b8aea570"),
    ("15", 1621224, "a896e39351622c2e138195780ba267811d7d162df0da0091126550f5de3b74ff"),
    ("16", 1854208, "f48c442569883055440a930ad098b4e747d72deb6369f529e4486c36b0cbfe81"),
    ("17", 1768406, "b3497de68fe813494b619d71513bafc872b7e367ee442decd8fabc094f4402fc"),
    ("18", 1589341, "dbf3b2297907c88481594a2441a47aa13c75452cd7323fec0313b785b04c9671"),
    ("19", 1628009, "719d714096fdd3c0964ad9dae6115cef9de8d93a25105504879b0dfa844da0f8"),
    ("20", 1502324, "4c2ab7e6a7711a6e00b7e6c6b40d5fd8c318d0aea3c472248b97d9d4c8cea555"),
)

COHORTS: dict[str, Cohort] = {
    "ixi": Cohort(
        title="IXI (Information eXtraction from Images)",
        holds="nearly 600 healthy adults, T1, T2 and PD, sex and age",
        gigabytes=12,
        licence="CC BY-SA 3.0",
        citation="IXI dataset, brain-development.org/ixi-dataset (EPSRC GR/S21533/02)",
        page="https://brain-development.org/ixi-dataset/",
        sources=(
            # The MD5 of the archives are those that TorchIO checks them by.
            File(f"{_IXI}/IXI.xls", "IXI.xls"),
            File(f"{_IXI}/IXI-T1.tar", "IXI-T1.tar", "T1w", "", "IXI-T1", md5="34901a0593b41dd19c1a1f746eac2d58"),
            File(f"{_IXI}/IXI-T2.tar", "IXI-T2.tar", "T2w", "", "IXI-T2", md5="e3140d78730ecdd32ba92da48c0a9aaa"),
            File(f"{_IXI}/IXI-PD.tar", "IXI-PD.tar", "PDw", "", "IXI-PD", md5="88ecd9d1fa33cb4a2278183b42ffd749"),
        ),
        contrasts=("T1w", "T2w", "PDw"),
        sites=(
            Site(
                "Guys",
                "Philips Gyroscan Intera",
                1.5,
                "T1: TR 9.813, TE 4.603 ms, 8 degrees; T2, PD: TR 8178, TE 100, 8 ms",
            ),
            Site("HH", "Philips Intera", 3.0, "T1: TR 9.6, TE 4.6 ms, 8 degrees; T2, PD: TR 5726, TE 100, 8 ms"),
            Site("IOP", "GE", 1.5, "not published"),
        ),
        facts=(
            "T2 and PD of a subject share a grid; T1 has one of its own, in another orientation.",
            "IXI.xls has rows twice, some with zeros for blanks, rows without scans, and scans without rows.",
            "There are no sidecars and no tissue labels.",
        ),
    ),
    "arc": Cohort(
        title="Aphasia Recovery Cohort (OpenNeuro ds004884)",
        holds="230 people with chronic stroke, 902 sessions, T1w, T2w, FLAIR, 228 lesion masks drawn on T2w",
        gigabytes=15,
        licence="CC0",
        citation="Gibson et al. 2024, doi:10.1038/s41597-024-03819-7",
        page="https://openneuro.org/datasets/ds004884",
        sources=(
            Bucket(
                _OPENNEURO,
                "ds004884/",
                (r"[^/]+$", r"sub-[^/]+/ses-[^/]+/anat/", r"sub-[^/]+/[^/]+\.tsv$", r"derivatives/lesion_masks/"),
            ),
        ),
        contrasts=("T1w", "T2w", "FLAIR"),
        sites=(Site("", "Siemens", 3.0, "T2w: acq-spc3p2, acq-spc3 (SPACE) or acq-tse3 (turbo spin echo)"),),
        facts=(
            "Not every session has every contrast; one session of a subject has the mask.",
            "participants.tsv has age_at_stroke, which is not the age at the scan.",
            "Functional and diffusion images are left where they are.",
        ),
    ),
    "soop": Cohort(
        title="Stroke Outcome Optimization Project (OpenNeuro ds004889)",
        holds="1,715 people, 1,461 of them with acute ischaemic stroke: TRACE, ADC, FLAIR, T1w, lesion masks on TRACE",
        gigabytes=20,
        licence="CC0",
        citation="Absher et al. 2024, doi:10.1038/s41597-024-03667-5",
        page="https://openneuro.org/datasets/ds004889",
        sources=(
            Bucket(
                _OPENNEURO,
                "ds004889/",
                (r"[^/]+$", r"sub-[^/]+/anat/", r"sub-[^/]+/dwi/", r"derivatives/lesion_masks/"),
            ),
        ),
        contrasts=("T1w", "FLAIR", "TRACE", "ADC"),
        facts=(
            "Ages above 89 stand as 89+; sex and age are known of about 1,100 people.",
            "TRACE and ADC are called rec-TRACE_dwi and rec-ADC_dwi, and their masks space-TRACE_desc-lesion_mask.",
        ),
    ),
    "atlas": Cohort(
        title="ATLAS v2.0 (Anatomical Tracings of Lesions After Stroke)",
        holds="955 T1w after stroke in MNI space, 655 of them with public lesion masks",
        gigabytes=0,
        licence="on request; see its terms of use",
        citation="Liew et al. 2022, doi:10.1038/s41597-022-01401-7",
        page="https://fcon_1000.projects.nitrc.org/indi/retro/atlas.html",
        ask="Agree to the terms on its page and fill in the form there: the key to the archive comes by mail. "
        "Unpack it, and give the folder to `qontrast data check` and `data prepare`.",
        contrasts=("T1w",),
        facts=("Masks are called label-L_desc-T1lesion_mask.",),
    ),
    "synthseg-labels": Cohort(
        title="Training label maps of SynthSeg",
        holds="label maps of 20 heads, 1 mm, FreeSurfer's indices",
        gigabytes=0.033,
        licence="Apache-2.0",
        citation="Billot et al. 2023, doi:10.1016/j.media.2023.102789",
        page="https://github.com/BBillot/SynthSeg",
        sources=tuple(
            File(
                f"{_SYNTHSEG}/data/training_label_maps/training_seg_{number}.nii.gz",
                f"sub-{number}/anat/sub-{number}_dseg.nii.gz",
                "",
                f"sub-{number}",
                size=size,
                sha256=digest,
            )
            for number, size, digest in _SYNTHSEG_MAPS
        ),
        facts=("training_seg_01.nii.gz is put at sub-01/anat/sub-01_dseg.nii.gz, so that it is read as BIDS.",),
    ),
    "ahead": Cohort(
        title="Amsterdam Ultra-high field adult lifespan database (AHEAD)",
        holds="105 adults at 7 T, MP2RAGEME: R1, R2*, QSM",
        gigabytes=100,
        licence="as the record states; it is shown before anything is fetched",
        citation="Alkemade et al. 2020, doi:10.1016/j.neuroimage.2020.117200; data doi:10.21942/uva.10007840",
        page="https://doi.org/10.21942/uva.10007840",
        sources=(Record("https://api.figshare.com/v2/articles/10007840"),),
        sites=(Site("", "Philips Achieva", 7.0, "MP2RAGEME, 0.7 mm"),),
    ),
    "mpi-lemon": Cohort(
        title="MPI-Leipzig Mind-Brain-Body, LEMON (session 01 of OpenNeuro ds000221)",
        holds="about 227 adults at 3 T: MP2RAGE (INV1, INV2, UNI, T1map), T2w, FLAIR",
        gigabytes=30,
        licence="CC0",
        citation="Babayan et al. 2019, doi:10.1038/sdata.2018.308",
        page="https://openneuro.org/datasets/ds000221",
        sources=(Bucket(_OPENNEURO, "ds000221/", (r"[^/]+$", r"sub-[^/]+/ses-01/anat/")),),
        contrasts=("T1map", "T1w", "MP2RAGE", "T2w", "FLAIR"),
        sites=(Site("", "Siemens Verio", 3.0, "MP2RAGE, 1 mm"),),
        facts=("Ages are given in bins of five years, for privacy: they are no numbers.",),
    ),
    "hmri-demo": Cohort(
        title="Example dataset of the hMRI toolbox",
        holds="one subject, full MPM: multi-echo T1w, PDw, MTw, B1, and the maps",
        gigabytes=2,
        licence="CC BY 4.0",
        citation="Callaghan et al. 2019, doi:10.1016/j.dib.2019.104132",
        page="https://hmri.info",
        sources=(File(f"{_HMRI}hmri_sample_dataset_with_maps.zip", "hmri_sample_dataset_with_maps.zip", unpack="."),),
        sites=(Site("", "Siemens Prisma", 3.0, "MPM, 0.8 mm"),),
        facts=("The subject moved on purpose in one of the scans.",),
    ),
}
