"""`data check`: what is there, what is missing, what is broken."""

import gzip
import hashlib

import numpy as np
import pytest
from cohorts.ixi_sheet import xls
from cohorts.trees import ARC_MASK, ARC_T2, M1, M2, SHAPES, arc_tree, ixi_scans, mask, nifti, soop_tree, write

from qontrast.basics.errors import InputError, PlanError
from qontrast.cohorts.receipt import Entry, Receipt
from qontrast.scans.whole import damage
from qontrast.tasks.cohort_check import check_cohort


def ixi_tree() -> dict[str, bytes]:
    scans = {f"IXI-{c}/{name}": content for c in SHAPES for name, content in ixi_scans(c).items()}
    return scans | {"IXI.xls": xls()}


def check(folder, cohort="", **more):
    return check_cohort(folder, cohort, quiet=True, **more)


def told(checked, broken=False):
    return {(f.where, f.what) for f in checked.findings if f.broken is broken}


def wrong(tmp_path, tree, cohort=""):
    return told(check(write(tmp_path, tree), cohort), broken=True)


def test_ixi_with_its_oddities_is_whole_and_they_are_named(tmp_path):
    pytest.importorskip("xlrd")
    checked = check(write(tmp_path, ixi_tree()))
    assert checked.cohort == "ixi"
    assert checked.broken == []
    assert told(checked) >= {
        ("sub-IXI012", "no T2w"),
        ("sub-IXI021", "no PDw"),
        ("sub-IXI021", "a scan without a row in IXI.xls"),
        ("sub-IXI001", "a row in IXI.xls without a scan"),
        ("sub-IXI013", "2 rows that agree, merged"),
        ("sub-IXI328", "2 rows that disagree (male, 30.1 years; female, 44.4 years); the subject is left out"),
    }
    assert not [w for w, what in told(checked) if "without a row" in what and w != "sub-IXI021"]


def test_ixis_scans_of_a_subject_whose_rows_disagree_are_not_called_rowless(tmp_path):
    tree = ixi_tree() | {"IXI-T1/IXI219-Guys-0894-T1.nii.gz": nifti(SHAPES["T1"])}
    (tmp_path / "IXI.csv").write_text('IXI_ID,"SEX_ID (1=m, 2=f)",AGE\n219,2,41.2\n219,2,58.7\n2,1,\n')
    del tree["IXI.xls"]
    found = told(check(write(tmp_path, tree)))
    assert ("sub-IXI219", "a scan without a row in IXI.csv") not in found
    assert ("sub-IXI002", "no age") in found


def test_ixis_grids_sites_and_doubles(tmp_path):
    tree = ixi_tree()
    del tree["IXI.xls"]
    tree["IXI-PD/IXI002-Guys-0828-PD.nii.gz"] = nifti(SHAPES["PD"], spacing=1.5, shift=3.0)
    tree["IXI-T1/IXI013-HH-1212-T1.nii.gz"] = tree["IXI-T2/IXI013-HH-1212-T2.nii.gz"]
    tree["more/IXI012-HH-1299-T1.nii.gz"] = nifti(SHAPES["T1"])
    tree["more/IXI050-UCL-0001-T1.nii.gz"] = nifti(SHAPES["T1"])
    checked = check(write(tmp_path, tree))
    found = told(checked, broken=True)
    assert ("sub-IXI002", "T2 and PD on two grids, and IXI's share one") in found
    assert ("sub-IXI050", "a site that IXI does not have (UCL)") in found
    assert any(w == "sub-IXI012" and what.startswith("2 files of T1w") for w, what in found)
    assert len(found) == 3
    assert ("sub-IXI013", "T1 on the grid of T2: it was resampled") in told(checked)
    assert ("IXI.xls", "missing: there is no sex and no age") in told(checked)


def test_a_spreadsheet_without_ages_is_broken(tmp_path):
    tree = ixi_tree()
    del tree["IXI.xls"]
    (tmp_path / "IXI.csv").write_text('IXI_ID,"SEX_ID (1=m, 2=f)"\n2,1\n')
    ((where, what),) = wrong(tmp_path, tree)
    assert where == "IXI.csv"
    assert "found the columns IXI_ID, SEX_ID (1=m, 2=f); wanted a column AGE" in what


def test_arc_without_flair_is_a_note(tmp_path):
    checked = check(write(tmp_path, spoil_arc(lambda tree: None)), "arc")
    assert checked.broken == []
    assert told(checked) >= {
        ("sub-M2002_ses-1441", "no FLAIR"),
        ("sub-M2001_ses-9", "no T2w"),
        ("sub-M2002_ses-1441", "no lesion mask"),
        ("sub-M3", "a row in participants.tsv without a scan"),
    }


def spoil_arc(change):
    tree = {p: c for p, c in arc_tree().items() if "/func/" not in p and "fmriprep" not in p}
    change(tree)
    return tree


def test_a_mask_on_another_grid_is_broken(tmp_path):
    tree = spoil_arc(lambda t: t.update({ARC_MASK: mask(shift=2.0)}))
    assert wrong(tmp_path, tree, "arc") == {
        (ARC_MASK.rsplit("/", 1)[1], "a lesion mask on the grid of no scan of its session")
    }


def test_a_mask_on_t1w_is_broken_in_arc(tmp_path):
    tree = spoil_arc(lambda t: t.update({ARC_MASK: mask((7, 6, 6), spacing=1.0)}))
    assert wrong(tmp_path, tree, "arc") == {
        (ARC_MASK.rsplit("/", 1)[1], "a lesion mask on the grid of T1w, not of T2w")
    }


def test_a_mask_without_its_t2w_or_any_scan_is_broken(tmp_path):
    def change(tree):
        for path in [p for p in tree if p.startswith(f"{M1}/anat") and "T2w" in p]:
            del tree[path]

    name = ARC_MASK.rsplit("/", 1)[1]
    tree = spoil_arc(change)
    assert wrong(tmp_path / "a", tree, "arc") == {(name, "a lesion mask without the T2w that it is drawn on")}
    tree = {p: c for p, c in tree.items() if not p.startswith(M1)}
    assert wrong(tmp_path / "b", tree, "arc") == {(name, "a lesion mask without a scan in its session")}


def test_a_mask_of_probabilities_is_broken_and_an_empty_one_a_note(tmp_path):
    tree = spoil_arc(lambda t: t.update({ARC_MASK: nifti()}))
    ((_, what),) = wrong(tmp_path / "a", tree, "arc")
    assert what == "a lesion mask with values from 0 to 215, not 0 and 1"
    tree = spoil_arc(lambda t: t.update({ARC_MASK: nifti(values=np.zeros((6, 6, 6), np.uint8))}))
    checked = check(write(tmp_path / "b", tree), "arc")
    assert checked.broken == []
    assert (ARC_MASK.rsplit("/", 1)[1], "an empty lesion mask") in told(checked)


def test_truncated_and_unreadable_images_are_broken(tmp_path):
    tree = spoil_arc(lambda t: None)
    t1 = f"{M2}/anat/sub-M2002_ses-1441_acq-tfl3_run-3_T1w.nii.gz"
    tree[t1] = tree[t1][:-20]
    tree[ARC_T2.replace("run-4", "run-9")] = gzip.compress(b"no image")
    found = dict(wrong(tmp_path, tree, "arc"))
    assert "cut short or damaged" in found[t1]
    assert "no readable image header" in found[ARC_T2.replace("run-4", "run-9")]
    assert len(found) == 2


@pytest.mark.parametrize("cut", [1, 4, 9, 100])
def test_lengths_tell_a_whole_file_from_one_cut_short(tmp_path, cut):
    content = nifti((20, 20, 20))
    (tmp_path / "a.nii.gz").write_bytes(content)
    assert damage(tmp_path / "a.nii.gz") == ""
    (tmp_path / "a.nii.gz").write_bytes(content[:-cut])
    assert damage(tmp_path / "a.nii.gz")
    plain = gzip.decompress(content)
    (tmp_path / "a.nii").write_bytes(plain[:-cut])
    assert damage(tmp_path / "a.nii")
    (tmp_path / "a.nii").write_bytes(plain)
    assert damage(tmp_path / "a.nii") == ""
    # Packed in two pieces: the last four bytes tell the length of the second alone.
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(plain[:5000]) + gzip.compress(plain[5000:]))
    assert damage(tmp_path / "a.nii.gz") == ""
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(plain[:-cut]))
    assert "the header asks for" in damage(tmp_path / "a.nii.gz")


def test_soop_as_downloaded_is_whole(tmp_path):
    checked = check(write(tmp_path, soop_tree()), "soop")
    assert checked.broken == []
    assert ("sub-2", "no T1w") not in told(checked)  # none has one


def test_any_bids_tree_is_looked_over(tmp_path):
    tree = {f"sub-0{i}/anat/sub-0{i}_{kind}.nii.gz": nifti() for i in (1, 2) for kind in ("T1w", "T2w")}
    del tree["sub-02/anat/sub-02_T2w.nii.gz"]
    checked = check(write(tmp_path, tree))
    assert checked.broken == []
    assert told(checked) == {("sub-02", "no T2w"), (str(tmp_path), "no table of sex and age")}


def test_what_was_downloaded_is_compared_with_its_receipt(tmp_path):
    tree = spoil_arc(lambda t: None)
    write(tmp_path, tree)
    receipt = Receipt("arc")
    for path, content in tree.items():
        receipt.files[path] = Entry("https://x", len(content), hashlib.sha256(content).hexdigest())
    receipt.files["whole.tar"], receipt.unpacked["whole.tar"] = Entry("https://x", 5, "0"), ["*"]
    receipt.save(tmp_path)
    assert check(tmp_path).broken == []
    assert check(tmp_path, digests=True).broken == []
    assert check(tmp_path).cohort == "arc"
    (tmp_path / "participants.tsv").unlink()
    changed = tmp_path / "dataset_description.json"
    changed.write_bytes(changed.read_bytes()[::-1])
    longer = tmp_path / "sub-M2001" / "sub-M2001_sessions.tsv"
    longer.write_bytes(longer.read_bytes() + b"x")
    (tmp_path / "sub-M2001" / ".x.nii.gz.part").write_bytes(b"x")
    found = dict(told(check(tmp_path, digests=True), broken=True))
    assert found == {
        "participants.tsv": "was downloaded and is gone: get it again",
        "dataset_description.json": "its SHA-256 is not that of the download: delete it and get it again",
        "sub-M2001/sub-M2001_sessions.tsv": "27 bytes; 26 were downloaded",
        "sub-M2001/.x.nii.gz.part": "a download that stopped midway: get it again",
    }
    assert "dataset_description.json" not in dict(told(check(tmp_path), broken=True))


def test_folders_and_cohorts_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        check(tmp_path / "nowhere")
    with pytest.raises(PlanError, match="Did you mean 'arc'"):
        check(write(tmp_path, arc_tree()), "arcc")
    (tmp_path / "empty").mkdir()
    assert [f.what for f in check(tmp_path / "empty").broken] == ["no image in it"]
