"""`data get` against look-alikes of the cohorts on loopback."""

import hashlib
import re
from collections import namedtuple
from dataclasses import replace

import pytest
from cohorts.trees import (
    ARC_MASK,
    ARC_T2,
    BUCKET,
    IXI,
    arc_tree,
    ixi_scans,
    nifti,
    serve_ahead,
    serve_bucket,
    serve_ixi,
    soop_tree,
    zipped,
)

from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.labelled_scans import find_labelled_scans
from qontrast.basics.errors import InputError, PlanError, WriteError
from qontrast.cohorts import order
from qontrast.cohorts.catalogue import COHORTS
from qontrast.cohorts.download import part_of
from qontrast.cohorts.people import read_people
from qontrast.cohorts.receipt import NAME, read_receipt
from qontrast.cohorts.sources import Bucket, File, Record
from qontrast.tasks import cohort_get as module
from qontrast.tasks.cohort_get import LOCK, get


@pytest.fixture
def ixi(server, monkeypatch):
    """IXI's entry with the digests of the look-alikes."""
    serve_ixi(server)

    def alike(source):
        content = server.content[source.url.split("://")[1]]
        return replace(source, md5=hashlib.md5(content).hexdigest()) if source.md5 else source

    entry = replace(COHORTS["ixi"], sources=tuple(alike(s) for s in COHORTS["ixi"].sources))
    monkeypatch.setitem(order.COHORTS, "ixi", entry)
    return server


@pytest.fixture
def arc(server):
    serve_bucket(server, "ds004884", arc_tree())
    return server


def fetch(name, out, server, **more):
    return get(name, out, mirror=server.url, pause=0.001, **{"yes": True, "quiet": True} | more)


def tree(folder):
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".qontrast")}


def test_ixi_comes_unpacked_and_is_read_as_it_lies(ixi, tmp_path):
    fetch("ixi", tmp_path, ixi)
    wanted = {f"IXI-{c}/{name}" for c in ("T1", "T2", "PD") for name in ixi_scans(c)} | {"IXI.xls"}
    assert tree(tmp_path) == wanted
    subjects = {s.name: s for s in find_subjects(str(tmp_path), kind="scans")}
    assert sorted(subjects) == ["sub-IXI002", "sub-IXI012", "sub-IXI013", "sub-IXI021"]
    assert [s.site for _, s in sorted(subjects.items())] == ["Guys", "HH", "HH", "IOP"]
    assert read_people(tmp_path).by_subject()["sub-IXI012"].site == "HH"
    before = len(ixi.asked)
    fetch("ixi", tmp_path, ixi)
    assert len(ixi.asked) == before  # nothing is fetched twice, though the archives are gone


def test_a_deleted_scan_is_brought_back(ixi, tmp_path):
    fetch("ixi", tmp_path, ixi, only=("T1",))
    lost = tmp_path / "IXI-T1" / "IXI002-Guys-0828-T1.nii.gz"
    content = lost.read_bytes()
    lost.unlink()
    fetch("ixi", tmp_path, ixi, only=("T1",))
    assert lost.read_bytes() == content


def test_only_and_subjects_choose(ixi, tmp_path):
    fetch("ixi", tmp_path, ixi, only=("T1", "pd"), subjects=("2",))
    names = {"IXI-T1/IXI002-Guys-0828-T1.nii.gz", "IXI-T1/IXI012-HH-1211-T1.nii.gz"}
    names |= {n.replace("T1", "PD") for n in names} | {"IXI.xls", "IXI-T1.tar", "IXI-PD.tar"}  # kept for more subjects
    assert tree(tmp_path) == names
    asked = len(ixi.asked)
    fetch("ixi", tmp_path, ixi, only=("T1", "PD"), subjects=("13", "IXI002"))
    assert tree(tmp_path) == names | {"IXI-T1/IXI013-HH-1212-T1.nii.gz", "IXI-PD/IXI013-HH-1212-PD.nii.gz"}
    assert len(ixi.asked) == asked
    fetch("ixi", tmp_path, ixi, only=("T1",))
    assert "IXI-T1/IXI021-IOP-0873-T1.nii.gz" in tree(tmp_path)
    assert "IXI-T1.tar" not in tree(tmp_path)


def test_arc_comes_without_what_is_not_anatomy_and_its_masks_are_found(arc, tmp_path):
    fetch("arc", tmp_path, arc)
    assert tree(tmp_path) == {p for p in arc_tree() if "/func/" not in p and "fmriprep" not in p}
    found = find_labelled_scans(tmp_path)
    assert [(s.name, str(s.scan.path.relative_to(tmp_path))) for s in found] == [("sub-M2001_ses-1440_T2w", ARC_T2)]
    scan = found[0].open()
    assert (scan.contrast, scan.names, int(scan.classes.sum())) == ("T2w", ("background", "lesion"), 8)


def test_arc_of_some_contrasts_and_people_keeps_tables_and_masks(arc, tmp_path):
    fetch("arc", tmp_path, arc, only=("FLAIR",), subjects=("1",))
    assert tree(tmp_path) == {
        "sub-M2001/ses-1440/anat/sub-M2001_ses-1440_acq-tir2_run-5_FLAIR.nii.gz",
        ARC_MASK,
        "derivatives/lesion_masks/dataset_description.json",
        "sub-M2001/sub-M2001_sessions.tsv",
        "participants.tsv",
        "dataset_description.json",
    }


def test_soops_mask_belongs_to_trace(server, tmp_path):
    serve_bucket(server, "ds004889", soop_tree())
    fetch("soop", tmp_path, server)
    found = {s.name: s for s in find_labelled_scans(tmp_path)}
    assert sorted(found) == ["sub-2_ADC", "sub-2_TRACE"]
    assert "desc-lesion_mask" in found["sub-2_TRACE"].truth[0].path.name


def test_a_broken_get_goes_on_and_gives_the_same(arc, tmp_path):
    fetch("arc", tmp_path / "whole", arc)
    arc.cut = [10_000, 10_000, 10_000, 30] + [0] * 20  # three files whole, then the line is dead
    with pytest.raises(InputError, match="a connection that broke"):
        fetch("arc", tmp_path / "broken", arc)
    there = tree(tmp_path / "broken")
    assert len(there) == 5  # three, a part of the fourth, and the note beside it
    arc.cut = []
    asked = len(arc.asked)
    fetch("arc", tmp_path / "broken", arc)
    again = [(p.removeprefix(f"{BUCKET}/ds004884/"), r) for p, r in arc.asked[asked:] if p != f"{BUCKET}/"]
    assert not {p for p, _ in again} & there
    assert [r for _, r in again if r] == ["bytes=30-"]
    assert tree(tmp_path / "broken") == tree(tmp_path / "whole")
    for path in tree(tmp_path / "whole"):
        assert (tmp_path / "broken" / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def test_what_is_here_of_a_broken_get_needs_no_room_again(arc, tmp_path, monkeypatch):
    fetch("arc", tmp_path / "whole", arc)
    sizes = {name: (tmp_path / "whole" / name).stat().st_size for name in tree(tmp_path / "whole")}
    largest = max(sizes, key=sizes.__getitem__)
    usage = namedtuple("usage", "total used free")
    for here, enough in ((0, False), (sizes[largest] - 1, True)):
        out = tmp_path / str(here)
        part = part_of(out / largest)
        part.parent.mkdir(parents=True)
        part.write_bytes((tmp_path / "whole" / largest).read_bytes()[:here])
        (out / NAME).write_bytes((tmp_path / "whole" / NAME).read_bytes())
        with monkeypatch.context() as patch:
            patch.setattr(module.shutil, "disk_usage", lambda _: usage(0, 0, sum(sizes.values()) - sizes[largest] + 1))
            if enough:
                fetch("arc", out, arc)
                assert tree(out) == tree(tmp_path / "whole")
            else:
                with pytest.raises(WriteError, match="GB are to be fetched"):
                    fetch("arc", out, arc)


def test_buckets_are_checked_by_their_etags_but_not_those_of_several_pieces(arc, tmp_path, monkeypatch):
    path = f"{BUCKET}/ds004884/{ARC_T2}"
    arc.in_pieces.add(path)
    receipt = fetch("arc", tmp_path / "a", arc)
    assert receipt.files[ARC_T2].md5 == hashlib.md5(arc.content[path]).hexdigest()
    assert len([p for p, _ in arc.asked if p == f"{BUCKET}/"]) >= 5  # pages

    real = order.list_bucket

    def other(*args, **more):
        return [replace(w, md5="0" * 32) if w.path == ARC_T2 else w for w in real(*args, **more)]

    monkeypatch.setattr(order, "list_bucket", other)
    with pytest.raises(InputError, match=r"the MD5 .* instead of 0000"):
        fetch("arc", tmp_path / "b", arc)
    assert not (tmp_path / "b" / ARC_T2).exists()
    assert read_receipt(tmp_path / "b").files  # what came before is not fetched again


def test_trust_on_first_use_then_check(ixi, tmp_path):
    fetch("ixi", tmp_path, ixi, only=("T1",))
    assert re.fullmatch("[0-9a-f]{64}", read_receipt(tmp_path).files["IXI.xls"].sha256)
    (tmp_path / "IXI.xls").unlink()
    ixi.content[f"{IXI}/IXI.xls"] += b"changed"
    with pytest.raises(InputError, match=r"the SHA-256 .* instead of"):
        fetch("ixi", tmp_path, ixi, only=("T1",))
    assert not (tmp_path / "IXI.xls").exists()


def test_a_changed_archive_is_refused(ixi, tmp_path):
    ixi.content[f"{IXI}/IXI-T1.tar"] = ixi.content[f"{IXI}/IXI-T1.tar"][:-512] + b"x" * 512
    with pytest.raises(InputError, match="the MD5"):
        fetch("ixi", tmp_path, ixi, only=("T1",))
    assert tree(tmp_path) == {"IXI.xls"}


def test_a_file_of_the_users_own_is_not_overwritten(arc, tmp_path):
    (tmp_path / "participants.tsv").write_text("mine")
    with pytest.raises(InputError, match="Move it away"):
        fetch("arc", tmp_path, arc)
    assert (tmp_path / "participants.tsv").read_text() == "mine"


def test_keys_that_would_leave_the_folder_are_refused(server, tmp_path):
    serve_bucket(server, "ds004884", {"sub-M1/ses-1/anat/../../../../evil.nii.gz": b"evil"})
    with pytest.raises(InputError, match=r"evil\.nii\.gz"):
        fetch("arc", tmp_path / "deep", server)
    assert not list(tmp_path.rglob("*evil*"))


def test_the_licence_is_shown_and_asked_for(arc, tmp_path, capsys):
    asked = []

    def no(question):
        asked.append(capsys.readouterr().out)
        return False

    with pytest.raises(InputError, match="Nothing was downloaded"):
        fetch("arc", tmp_path, arc, yes=False, ask=no, quiet=False)
    assert "licence: CC0" in asked[0]
    assert "10.1038/s41597-024-03819-7" in asked[0]
    assert tree(tmp_path) == set()
    fetch("arc", tmp_path, arc, yes=False, ask=lambda question: True)
    assert ARC_MASK in tree(tmp_path)


def test_without_a_terminal_and_without_yes_nothing_is_asked_of_the_network(arc, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(InputError, match=r"licence \(CC0\).*--yes"):
        fetch("arc", tmp_path, arc, yes=False)
    assert arc.asked == []


def test_cohorts_on_request_say_how_to_ask(server, tmp_path):
    with pytest.raises(InputError, match="fill in the form"):
        fetch("atlas", tmp_path, server)


def test_unknown_names_are_refused_with_a_hint(arc, tmp_path):
    with pytest.raises(PlanError, match="Did you mean 'ixi'"):
        fetch("ixxi", tmp_path, arc)
    with pytest.raises(PlanError, match="Did you mean 'FLAIR'"):
        fetch("arc", tmp_path, arc, only=("FLAIRE",))
    with pytest.raises(PlanError, match="Did you mean 'sub-M200"):
        fetch("arc", tmp_path, arc, subjects=("M200",))
    with pytest.raises(PlanError, match="above 0"):
        fetch("arc", tmp_path, arc, subjects=("0",))


def test_a_folder_of_another_cohort_is_refused(arc, tmp_path):
    fetch("arc", tmp_path, arc)
    serve_bucket(arc, "ds004889", soop_tree())
    with pytest.raises(InputError, match="the cohort arc"):
        fetch("soop", tmp_path, arc)
    (tmp_path / NAME).write_text("{")
    with pytest.raises(InputError, match="damaged receipt"):
        fetch("arc", tmp_path, arc)


def test_two_downloads_into_one_folder_are_refused(arc, tmp_path, held):
    with held(tmp_path / LOCK), pytest.raises(InputError, match="another process downloads"):
        fetch("arc", tmp_path, arc)
    assert fetch("arc", tmp_path, arc).files


def test_a_figshare_record_brings_its_licence_and_digests(server, tmp_path, capsys):
    serve_ahead(server)
    fetch("ahead", tmp_path, server, quiet=False)
    assert "licence: CC BY 4.0" in capsys.readouterr().out
    assert tree(tmp_path) == {
        "README.txt",
        "sub-0001/sub-0001_r1map.nii.gz",
        "sub-0002/sub-0002_r1map.nii.gz",
    }


def test_hmris_zip_is_found_by_an_address_with_a_query(server, tmp_path):
    server.content["owncloud.gwdg.de/index.php/s/iv2TOQwGy4FGDDZ/download"] = zipped({"demo/R1/x_R1.nii.gz": nifti()})
    fetch("hmri-demo", tmp_path, server)
    assert tree(tmp_path) == {"demo/R1/x_R1.nii.gz"}


def test_label_maps_lie_as_bids(server, tmp_path, monkeypatch):
    content = nifti()
    entry = COHORTS["synthseg-labels"]
    alike = tuple(replace(s, size=len(content), sha256=hashlib.sha256(content).hexdigest()) for s in entry.sources)
    monkeypatch.setitem(order.COHORTS, "synthseg-labels", replace(entry, sources=alike))
    server.content |= {s.url.split("://")[1]: content for s in alike}
    fetch("synthseg-labels", tmp_path, server, subjects=("sub-03", "20"))
    assert [s.name for s in find_subjects(str(tmp_path), kind="labels")] == ["sub-03", "sub-20"]


def test_every_entry_is_complete():
    for name, cohort in COHORTS.items():
        assert re.fullmatch(r"[a-z0-9-]+", name)
        assert all((cohort.title, cohort.holds, cohort.licence, cohort.citation))
        assert cohort.page.startswith("https://")
        assert bool(cohort.sources) != bool(cohort.ask)
        for source in cohort.sources:
            assert isinstance(source, File | Bucket | Record)
            assert source.url.startswith(("https://", "http://"))
            if isinstance(source, File):
                assert re.fullmatch(r"([0-9a-f]{32})?", source.md5)
                assert re.fullmatch(r"([0-9a-f]{64})?", source.sha256)
                assert source.contrast in ("", *cohort.contrasts)
    assert {site.name: (site.scanner.split()[0], site.field_strength) for site in COHORTS["ixi"].sites} == {
        "Guys": ("Philips", 1.5),
        "HH": ("Philips", 3.0),
        "IOP": ("GE", 1.5),
    }
