"""Look-alikes of public cohorts, with their real names and oddities; images of a few voxels."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
from cohorts.ixi_sheet import xls
from loopback.files import Files, record

IXI = "biomedic.doc.ic.ac.uk/brain-development/downloads/IXI"
BUCKET = "s3.amazonaws.com/openneuro.org"
SHAPES = {"T1": (5, 8, 8), "T2": (8, 8, 6), "PD": (8, 8, 6)}
# T1 in other orientation than T2 and PD; IXI012 has no T2, IXI021 (IOP) no row in the spreadsheet.
SCANS = {"002-Guys-0828": "T1 T2 PD", "012-HH-1211": "T1 PD", "013-HH-1212": "T1 T2 PD", "021-IOP-0873": "T1 T2"}
M1, M2 = "sub-M2001/ses-1440", "sub-M2002/ses-1441"
ARC_MASK = (
    "derivatives/lesion_masks/sub-M2001/ses-1440/anat/sub-M2001_ses-1440_acq-spc3p2_run-4_T2w_desc-lesion_mask.nii.gz"
)
ARC_T2 = "sub-M2001/ses-1440/anat/sub-M2001_ses-1440_acq-spc3p2_run-4_T2w.nii.gz"


def nifti(shape=(6, 6, 6), *, spacing=2.0, shift=0.0, values=None) -> bytes:
    """A gzipped NIfTI file."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = shift
    data = np.arange(np.prod(shape)).reshape(shape).astype(np.int16) if values is None else values
    image = nib.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as packed:
        packed.write(image.to_bytes())
    return stream.getvalue()


def mask(shape=(6, 6, 6), **more) -> bytes:
    """A lesion mask of eight voxels."""
    values = np.zeros(shape, np.uint8)
    values[2:4, 2:4, 2:4] = 1
    return nifti(shape, values=values, **more)


def ixi_scans(contrast: str) -> dict[str, bytes]:
    """The members of one of IXI's archives."""
    names = [f"IXI{key}-{contrast}.nii.gz" for key, there in SCANS.items() if contrast in there.split()]
    return {name: nifti(SHAPES[contrast], spacing=1.0 if contrast == "T1" else 1.5) for name in names}


def packed(members: dict[str, bytes]) -> bytes:
    """A tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def serve_ixi(server: Files) -> None:
    """IXI, as it is downloaded. Its archives' digests are not the real ones."""
    server.content[f"{IXI}/IXI.xls"] = xls()
    for contrast in SHAPES:
        server.content[f"{IXI}/IXI-{contrast}.tar"] = packed(ixi_scans(contrast))


def arc_tree() -> dict[str, bytes]:
    """Two people with two sessions each: FLAIR in one session only, a mask in one, functional images beside them."""
    return {
        ARC_T2: nifti(),
        f"{M1}/anat/sub-M2001_ses-1440_acq-spc3p2_run-4_T2w.json": b"{}",
        # Another run of the same contrast on the same grid: the mask is not drawn on it.
        f"{M1}/anat/sub-M2001_ses-1440_acq-spc3p2_run-9_T2w.nii.gz": nifti(),
        f"{M1}/anat/sub-M2001_ses-1440_acq-tfl3_run-3_T1w.nii.gz": nifti((7, 6, 6), spacing=1.0),
        f"{M1}/anat/sub-M2001_ses-1440_acq-tir2_run-5_FLAIR.nii.gz": nifti((6, 6, 4), spacing=3.0),
        f"{M1}/func/sub-M2001_ses-1440_task-rest_bold.nii.gz": b"never fetched",
        "sub-M2001/ses-9/anat/sub-M2001_ses-9_acq-tfl3_run-2_T1w.nii.gz": nifti((7, 6, 6), spacing=1.0),
        f"{M2}/anat/sub-M2002_ses-1441_acq-tse3_run-4_T2w.nii.gz": nifti((6, 6, 5)),
        f"{M2}/anat/sub-M2002_ses-1441_acq-tfl3_run-3_T1w.nii.gz": nifti((7, 6, 6), spacing=1.0),
        "sub-M2002/ses-7/anat/sub-M2002_ses-7_acq-tfl3_run-3_T1w.nii.gz": nifti((7, 6, 6), spacing=1.0),
        ARC_MASK: mask(),
        "derivatives/lesion_masks/dataset_description.json": b"{}",
        "derivatives/fmriprep/sub-M2001/anat/sub-M2001_desc-brain_mask.nii.gz": b"never fetched",
        "sub-M2001/sub-M2001_sessions.tsv": b"session_id\nses-1440\nses-9\n",
        "participants.tsv": b"participant_id\tsex\tage_at_stroke\nsub-M2001\tF\t38\nsub-M2002\tM\t51\nsub-M3\tM\t60\n",
        "dataset_description.json": b'{"License": "CC0"}',
    }


def soop_tree() -> dict[str, bytes]:
    """One person, as SOOP names diffusion images and masks."""
    dwi = "sub-2/dwi/sub-2_rec"
    masks = "derivatives/lesion_masks/sub-2/dwi/sub-2_space-TRACE_desc"
    return {
        f"{dwi}-TRACE_dwi.nii.gz": nifti((6, 6, 4)),
        f"{dwi}-ADC_dwi.nii.gz": nifti((6, 6, 4)),
        "sub-2/anat/sub-2_FLAIR.nii.gz": nifti((6, 6, 5)),
        f"{masks}-lesion_mask.nii.gz": mask((6, 6, 4)),
        f"{masks}-lesionAcute_mask.nii.gz": mask((6, 6, 4)),
        "participants.tsv": b"participant_id\tsex\tage\nsub-2\tM\t78\n",
    }


def serve_bucket(server: Files, number: str, tree: dict[str, bytes]) -> None:
    """A tree in OpenNeuro's bucket."""
    server.buckets.append(BUCKET)
    server.content |= {f"{BUCKET}/{number}/{path}": content for path, content in tree.items()}


def serve_ahead(server: Files) -> None:
    """A figshare record of an archive and a text."""
    part = packed({"sub-0001/sub-0001_r1map.nii.gz": nifti(), "sub-0002/sub-0002_r1map.nii.gz": nifti()})
    members = {"Part1.tar": part, "README.txt": b"read me"}
    record(server, "api.figshare.com/v2/articles/10007840", "CC BY 4.0", members)


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def write(folder: Path, tree: dict[str, bytes]) -> Path:
    """A tree on disk."""
    for path, content in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder
