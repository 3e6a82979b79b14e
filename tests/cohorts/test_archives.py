"""Archives: what they hold comes out whole, and nothing leaves the folder."""

import gzip
import hashlib
import io
import os
import stat
import tarfile
import zipfile

import pytest

from qontrast.basics.errors import InputError, WriteError
from qontrast.cohorts import extract
from qontrast.cohorts.extract import names_in, unpack
from qontrast.cohorts.names import safe

GOOD = {"IXI002-Guys-0828-T1.nii.gz": b"one", "./IXI012-HH-1211-T1.nii.gz": b"twotwo", "deep/er/c.txt": b""}


def tar_of(path, members, *, mode="w", links=()):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target, kind in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    return path


def zip_of(path, members, modes=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, stat.S_IFREG | 0o644) << 16
            packed.writestr(info, content)
    return path


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("make", ["w", "w:gz", "w:xz", "zip"])
def test_everything_comes_out_with_its_digest(tmp_path, make):
    path = tmp_path / "a.archive"
    archive = zip_of(path, GOOD) if make == "zip" else tar_of(path, GOOD, mode=make)
    members = unpack(archive, tmp_path / "out")
    wanted = {name.removeprefix("./"): content for name, content in GOOD.items()}
    assert tree(tmp_path / "out") == wanted
    assert {n: m.sha256 for n, m in members.items()} == {n: hashlib.sha256(c).hexdigest() for n, c in wanted.items()}
    assert sorted(names_in(archive)) == sorted(wanted)


def test_only_what_is_wanted_comes_out_and_the_rest_of_the_folder_stays(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "own.txt").write_text("the user's")
    (out / "IXI002-Guys-0828-T1.nii.gz").write_text("half of it, of a run that was killed")
    unpack(tar_of(tmp_path / "a.tar", GOOD), out, keep=lambda name: "IXI002" in name)
    assert tree(out) == {"own.txt": b"the user's", "IXI002-Guys-0828-T1.nii.gz": b"one"}


OUTSIDE = ("/etc/evil", "../evil", "a/../../evil", "C:\\evil", "..\\evil", "\\\\host\\evil", "a\nb")


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_names_that_leave_the_folder_are_refused_and_nothing_is_left(tmp_path, kind, name):
    members = {"good.txt": b"good", name: b"evil"}
    archive = zip_of(tmp_path / "a.zip", members) if kind == "zip" else tar_of(tmp_path / "a.tar", members)
    out = tmp_path / "deep" / "out"
    with pytest.raises(InputError) as error:
        unpack(archive, out)
    assert repr(name) in str(error.value) or repr(name.replace("\\", "/")) in str(error.value)
    assert tree(tmp_path) == {archive.name: archive.read_bytes()}
    with pytest.raises(InputError):
        safe(name, "a listing")


@pytest.mark.parametrize(
    ("name", "target", "kind"),
    [
        ("link", "/etc/passwd", tarfile.SYMTYPE),
        ("link", "../../etc/passwd", tarfile.SYMTYPE),
        ("a/link", "../../x", tarfile.SYMTYPE),
        ("a/link", "b/../../../x", tarfile.SYMTYPE),
        ("a/link", "../x", tarfile.LNKTYPE),
        ("link", "/etc/passwd", tarfile.LNKTYPE),
        ("pipe", "", tarfile.FIFOTYPE),
        ("device", "", tarfile.CHRTYPE),
        ("device", "", tarfile.BLKTYPE),
    ],
)
def test_links_that_lead_out_and_devices_are_refused_by_name(tmp_path, name, target, kind):
    archive = tar_of(tmp_path / "a.tar", {"good.txt": b"good"}, links=[(name, target, kind)])
    with pytest.raises(InputError, match=f"'{name}'"):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_a_link_followed_by_a_file_beneath_it_writes_nothing_elsewhere(tmp_path):
    """The usual trick: a link to a folder, then a file through it. Links are never made, so the file is a plain one."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("a/here")
        link.type, link.linkname = tarfile.SYMTYPE, "../b"
        tar.addfile(link)
        info = tarfile.TarInfo("a/here/file")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    unpack(path, tmp_path / "out")
    assert tree(tmp_path / "out") == {"a/here/file": b"x"}
    assert not any(p.is_symlink() for p in (tmp_path / "out").rglob("*"))


def test_links_in_a_zip_are_refused(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"link": b"/etc/passwd"}, {"link": stat.S_IFLNK | 0o777})
    with pytest.raises(InputError, match="'link', a link"):
        unpack(archive, tmp_path / "out")


def test_a_name_twice_is_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for content in (b"a", b"b"):
            info = tarfile.TarInfo("twice")
            info.size = 1
            tar.addfile(info, io.BytesIO(content))
    with pytest.raises(InputError, match="two members called 'twice'"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


@pytest.mark.parametrize("make", ["w", "w:gz", "zip"])
def test_a_truncated_archive_leaves_nothing(tmp_path, make):
    big = {"a": os.urandom(40_000), "b": os.urandom(40_000)}
    path = tmp_path / "a.archive"
    archive = zip_of(path, big) if make == "zip" else tar_of(path, big, mode=make)
    archive.write_bytes(archive.read_bytes()[:60_000])
    with pytest.raises(InputError, match="ends early or is damaged"):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}


def test_a_flipped_bit_in_a_zip_is_found(tmp_path):
    archive = zip_of(tmp_path / "a.zip", {"a": os.urandom(5000)})
    damaged = bytearray(archive.read_bytes())
    damaged[2000] ^= 1
    archive.write_bytes(damaged)
    with pytest.raises(InputError, match="damaged"):
        unpack(archive, tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path):
    (tmp_path / "a.tar").write_bytes(gzip.compress(b"no tar"))
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_a_flipped_bit_in_a_tar_of_bz2_is_found(tmp_path):
    archive = tar_of(tmp_path / "a.tar.bz2", {"a": os.urandom(50_000)}, mode="w:bz2")
    damaged = bytearray(archive.read_bytes())
    damaged[30_000] ^= 1
    archive.write_bytes(damaged)
    for act in (lambda: unpack(archive, tmp_path / "out"), lambda: names_in(archive)):
        with pytest.raises(InputError, match="damaged"):
            act()


def test_an_archive_whose_checksum_is_wrong_is_damaged(tmp_path):
    packed = bytearray(gzip.compress(tar_of(tmp_path / "a.tar", {"a.nii": b"x" * 100_000}).read_bytes()))
    packed[-6] ^= 1  # of the CRC
    (tmp_path / "a.tar.gz").write_bytes(packed)
    with pytest.raises(InputError, match="damaged"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")


def test_a_full_disk_keeps_the_archive_and_removes_the_rest(tmp_path, monkeypatch):
    archive = tar_of(tmp_path / "a.tar", {"a": b"x" * 100})

    class Usage:
        free = 50

    monkeypatch.setattr(extract.shutil, "disk_usage", lambda path: Usage)
    with pytest.raises(WriteError, match="the archive is kept"):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == {}
    assert archive.is_file()


def test_what_a_killed_run_left_is_cleared_and_never_looks_like_an_image(tmp_path):
    archive = tar_of(tmp_path / "a.tar", GOOD)
    aside = tmp_path / "out" / ".unpack-a.tar.part"
    seen = []
    unpack(archive, tmp_path / "out", told=lambda name: seen.extend(p.name for p in aside.rglob("*") if p.is_file()))
    assert seen
    assert all(name.endswith(".part") for name in seen)
    aside.mkdir()
    (aside / "IXI999-Guys-0001-T1.nii.gz.part").write_text("of a run that was killed")
    unpack(archive, tmp_path / "out")
    assert not aside.exists()
