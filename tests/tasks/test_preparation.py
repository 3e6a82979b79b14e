"""A cohort is prepared once, whatever interrupts it, and what cannot be used is left out and named."""

import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import distributed
import numpy as np
import pytest
from joblib import parallel_config

import qontrast
from qontrast.anatomy import prepared as writing
from qontrast.anatomy.cohort import find_subjects
from qontrast.anatomy.prepared import HEADS, MANIFEST, read_manifest
from qontrast.anatomy.source import SubjectSource
from qontrast.basics import atomic
from qontrast.basics.errors import InputError, WriteError
from qontrast.cli.app import run
from qontrast.scans.nifti import read_image, write_image
from qontrast.scans.signed import signed
from qontrast.tasks import cache_state
from qontrast.tasks import prepare as task
from qontrast.tasks.cache_claim import LOCK
from qontrast.tasks.cache_state import check
from qontrast.tasks.outcomes import Outcome, outcomes_of
from qontrast.tasks.prepare import Settings, prepare


@pytest.fixture
def cohort(maps_folder, tmp_path):
    """Three subjects of one person's maps."""
    folder = tmp_path / "cohort"
    for name in ("sub-01", "sub-02", "sub-03"):
        add(folder, maps_folder(), name)
    return folder


def add(folder, maps, name):
    for file in (maps / "sub-01" / "anat").iterdir():
        target = folder / name / "anat" / file.name.replace("sub-01", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)


def bytes_of(cache):
    return {str(p.relative_to(cache)): p.read_bytes() for p in sorted(cache.rglob("*")) if p.is_file()}


def prepared(cohort, cache, **more):
    return prepare(Settings(str(cohort), **more), cache, jobs=1, quiet=True)


def reasons(summary):
    return {o.name: o.why for o in summary.left_out}


def test_a_cache_is_a_cohort_of_its_own(cohort, tmp_path):
    summary = prepared(cohort, tmp_path / "cache")
    assert summary.subjects == ("sub-01", "sub-02", "sub-03")
    assert [s.name for s in find_subjects(str(tmp_path / "cache"))] == ["sub-01", "sub-02", "sub-03"]
    assert check(tmp_path / "cache", quiet=True) == []
    facts = read_manifest(tmp_path / "cache")
    assert facts["settings"]["data"] == str(cohort)
    assert facts["left_out"] == []


def test_every_number_says_which_file_it_came_from(cohort, tmp_path):
    prepared(cohort, tmp_path / "cache")
    facts = writing.read_facts(tmp_path / "cache" / HEADS / "sub-02")
    for source in facts["sources"]:
        assert writing.fingerprint(cohort / source["path"]) == {k: source[k] for k in ("size", "sha256")}
    assert len(facts["sources"]) == 4
    assert facts["made_by"] == f"qontrast {qontrast.__version__}"


def test_processes_do_not_change_a_byte(cohort, tmp_path):
    prepared(cohort, tmp_path / "one")
    prepare(Settings(str(cohort)), tmp_path / "two", jobs=2, quiet=True)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


def test_a_cluster_makes_the_same_bytes(cohort, tmp_path):
    """The scheduler and the workers of a real cluster, as threads of this process."""
    prepared(cohort, tmp_path / "one")
    quiet = {"dashboard_address": None, "silence_logs": "ERROR"}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, **quiet) as cluster,
        distributed.Client(cluster) as client,
        parallel_config(backend="dask"),
    ):
        prepare(Settings(str(cohort)), tmp_path / "two", quiet=True)
        ran = [key for story in client.run(lambda dask_worker: list(dask_worker.state.log)).values() for key in story]
    assert any("prepare_one" in str(entry) for entry in ran)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


class Killed(BaseException):
    """What a test throws instead of pulling the plug."""


STEPS = ("mkdir", "write", "facts", "rename", "manifest")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("subject", [1, 2, 3])
def test_killed_at_any_step_and_run_again_gives_the_same_bytes(cohort, tmp_path, monkeypatch, step, subject):
    expected = tmp_path / "whole"
    prepared(cohort, expected)
    counted = {"n": 0}

    def die_at(count, real):
        def wrapped(*args, **kwargs):
            counted["n"] += 1
            if counted["n"] == count:
                raise Killed
            return real(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as m:
        # A killed process tidies nothing up.
        m.setattr(atomic.shutil, "rmtree", lambda *a, **k: None)
        if step == "mkdir":
            m.setattr(task, "publish_folder", die_at(subject, task.publish_folder))
        elif step == "write":
            m.setattr(writing, "write_chunks", die_at(5 * (subject - 1) + 3, writing.write_chunks))
        elif step == "facts":
            m.setattr(writing, "fingerprint", die_at(5 * (subject - 1) + 2, writing.fingerprint))  # of the voxels
        elif step == "rename":
            m.setattr(atomic.Path, "rename", die_at(subject, atomic.Path.rename))
        else:
            m.setattr(task, "_manifest", die_at(1, task._manifest))
        with pytest.raises(Killed):
            prepared(cohort, tmp_path / "cache")
    prepared(cohort, tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(expected)


@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.4])
def test_killed_from_outside_and_run_again_gives_the_same_bytes(cohort, tmp_path, seconds):
    prepared(cohort, tmp_path / "whole")
    command = [sys.executable, "-m", "qontrast", "data", "prepare", str(cohort), "--out", str(tmp_path / "cache")]
    process = subprocess.Popen([*command, "--jobs", "1", "--quiet"])
    while process.poll() is None and not (tmp_path / "cache" / HEADS).is_dir():
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    prepared(cohort, tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(tmp_path / "whole")


def test_only_what_is_new_or_changed_is_made(cohort, tmp_path, maps_folder):
    cache = tmp_path / "cache"
    prepared(cohort, cache)
    add(cohort, maps_folder(), "sub-04")
    os.utime(cohort / "sub-02" / "anat" / "sub-02_R1map.nii.gz", ns=(10, 10))
    states = {o.name: o.state for o in prepared(cohort, cache).outcomes}
    assert states == {"sub-01": "kept", "sub-02": "mended", "sub-03": "kept", "sub-04": "made"}
    assert {o.state for o in prepared(cohort, cache).outcomes} == {"kept"}


@pytest.mark.parametrize("damage", ["cut short", "altered", "missing", "head.json"])
def test_damage_is_named_and_mended(cohort, tmp_path, damage, capsys):
    cache = tmp_path / "cache"
    prepared(cohort, cache)
    whole = bytes_of(cache)
    file = cache / HEADS / "sub-02" / ("head.json" if damage == "head.json" else "r1.b2nd")
    content = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "cut short":
        file.write_bytes(content[:-7])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    faults = check(cache, quiet=True)
    assert len(faults) == 1
    assert str(file) in faults[0]
    arguments = ["data", "prepare", str(cohort), "--out", str(cache), "--quiet"]
    assert run([*arguments, "--check"]) == 1
    assert str(file) in capsys.readouterr().err
    outcome = {o.name: o for o in prepared(cohort, cache).outcomes}["sub-02"]
    assert outcome.state == "mended"
    assert file.name in outcome.why
    assert bytes_of(cache) == whole
    assert run([*arguments, "--check"]) == 0


def test_what_cannot_be_used_is_left_out_and_the_rest_prepared(cohort, tmp_path, maps_folder, monkeypatch, capsys):
    maps = maps_folder()
    for name in ("sub-grid", "sub-gone", "sub-nan", "sub-short", "患者 1", "Åsa Müller"):
        add(cohort, maps, name)
    image = read_image(cohort / "sub-grid" / "anat" / "sub-grid_R1map.nii.gz")
    other = image.grid.resampled(3.0)
    write_image(cohort / "sub-grid" / "anat" / "sub-grid_R1map.nii.gz", np.ones(other.shape, np.float32), other)
    (cohort / "sub-gone" / "anat" / "sub-gone_PDmap.nii.gz").unlink()
    (cohort / "sub-gone" / "anat" / "sub-gone_PDmap.nii.gz").symlink_to("nowhere.nii.gz")
    bad = image.data.copy()
    bad[0, 0, 0] = np.nan
    write_image(cohort / "sub-nan" / "anat" / "sub-nan_R1map.nii.gz", bad, image.grid)
    short = cohort / "sub-short" / "anat" / "sub-short_R1map.nii.gz"
    short.write_bytes(short.read_bytes()[:2000])
    shutil.copytree(cohort / "sub-03", cohort / "siteB" / "sub-03")  # two subjects of one name
    (cohort / "sub-01" / "loop").symlink_to("..", target_is_directory=True)
    (cohort / "sub-02" / "closed").mkdir()
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("qontrast.scans.walk.os.scandir", refuse)
    summary = prepared(cohort, tmp_path / "cache")
    assert set(summary.subjects) == {"sub-01", "sub-02", "患者 1", "Åsa Müller"}
    told = reasons(summary)
    for name, words in {
        "sub-grid": "grid",
        "sub-gone": "no readable file",
        "sub-nan": "NaN",
        "sub-short": "sub-short_R1map.nii.gz",
        "sub-03": "two subjects of this name",
        str(cohort / "sub-01" / "loop"): "leads back",
        str(cohort / "sub-02" / "closed"): "Permission denied",
    }.items():
        assert words in told[name], (name, told.get(name))
    assert len(told) == 7
    listed = read_manifest(tmp_path / "cache")["left_out"]
    assert {entry["name"] for entry in listed} == set(told)
    assert run(["data", "prepare", str(cohort), "--out", str(tmp_path / "cache"), "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert all(name in out.replace("\n", "") for name in told)


def test_a_full_disk_costs_one_subject_and_is_an_error(cohort, tmp_path, monkeypatch, capsys):
    whole = tmp_path / "whole"
    prepared(cohort, whole)
    real, count = writing.write_chunks, {"n": 0}

    def full(path, volume):
        count["n"] += 1
        if 6 <= count["n"] <= 10:
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, volume)

    with monkeypatch.context() as m:
        m.setattr(writing, "write_chunks", full)
        assert run(["data", "prepare", str(cohort), "--out", str(tmp_path / "cache"), "--jobs", "1"]) == 1
    assert "Free some space" in capsys.readouterr().err
    left = [entry["name"] for entry in read_manifest(tmp_path / "cache")["left_out"]]
    assert left
    assert not [p for p in (tmp_path / "cache" / HEADS).iterdir() if p.name.startswith(".")]
    prepared(cohort, tmp_path / "cache")
    assert bytes_of(tmp_path / "cache") == bytes_of(whole)


def test_no_room_for_the_manifest_still_tells_who_was_left_out(cohort, tmp_path, monkeypatch, capsys):
    (cohort / "sub-02" / "anat" / "sub-02_R1map.nii.gz").write_bytes(b"no image")
    real = task.write_atomic

    def full(path, content):
        if path.name == MANIFEST:
            raise WriteError(f"{path}: No space left on device")
        real(path, content)

    monkeypatch.setattr(task, "write_atomic", full)
    assert run(["data", "prepare", str(cohort), "--out", str(tmp_path / "cache"), "--jobs", "1"]) == 1
    told = capsys.readouterr()
    assert "sub-02_R1map.nii.gz" in told.out.replace("\n", "")
    assert MANIFEST in told.err


def test_a_session_of_one_contrast_is_left_out_and_named(cohort, tmp_path, capsys):
    scan = read_image(cohort / "sub-01" / "anat" / "sub-01_R1map.nii.gz")
    write_image(cohort / "sub-04" / "ses-2" / "anat" / "sub-04_ses-2_T1w.nii.gz", scan.data, scan.grid)
    summary = prepared(cohort, tmp_path / "cache")
    assert summary.subjects == ("sub-01", "sub-02", "sub-03")
    assert list(reasons(summary)) == ["sub-04_ses-2"]
    assert reasons(summary)["sub-04_ses-2"].startswith("T1w alone")


def test_of_label_maps_side_by_side_the_first_is_taken_and_in_two_folders_none(cohort, tmp_path):
    grid = read_image(cohort / "sub-01" / "anat" / "sub-01_R1map.nii.gz").grid
    shutil.rmtree(cohort)
    labels = np.zeros(grid.shape, np.int16)
    labels[4:-4, 4:-4, 4:-4] = 2  # FreeSurfer's white matter
    for file in (
        "sub-01/anat/sub-01_desc-aseg_dseg.nii.gz",
        "sub-01/anat/sub-01_dseg.nii.gz",
        "siteA/sub-02/anat/sub-02_dseg.nii.gz",
        "siteB/sub-02/anat/sub-02_space-T1w_dseg.nii.gz",
    ):
        write_image(cohort / file, labels, grid)
    summary = prepared(cohort, tmp_path / "cache")
    assert summary.subjects == ("sub-01",)
    assert "label maps in two folders" in reasons(summary)["sub-02"]
    sources = writing.read_facts(tmp_path / "cache" / HEADS / "sub-01")["sources"]
    assert [Path(s["path"]).name for s in sources] == ["sub-01_desc-aseg_dseg.nii.gz"]


@pytest.mark.parametrize("name", [writing.SETTINGS, writing.INDEX])
@pytest.mark.parametrize("manifest", [True, False])
def test_damaged_settings_and_a_damaged_index_are_named_and_mended(cohort, tmp_path, name, manifest):
    cache = tmp_path / "cache"
    prepared(cohort, cache)
    whole = bytes_of(cache)
    content = whole[name]
    for damaged in (content[: len(content) // 2], content.replace(b"cohort", b"cahort", 1), b""):
        (cache / name).write_bytes(damaged)
        assert [name in fault for fault in check(cache, quiet=True)] == [True]
        if not manifest:
            (cache / MANIFEST).unlink()
        assert {o.state for o in prepared(cohort, cache).outcomes} == {"kept"}
        assert bytes_of(cache) == whole


def test_damaged_settings_do_not_let_another_cohort_in(cohort, tmp_path, maps_folder):
    prepared(cohort, tmp_path / "cache")
    (tmp_path / "cache" / writing.SETTINGS).write_text("{")
    with pytest.raises(InputError, match="Choose another --out"):
        prepared(maps_folder(), tmp_path / "cache")


def test_a_check_is_of_the_cohort_that_was_given(cohort, tmp_path, capsys):
    prepared(cohort, tmp_path / "cache")
    assert run(["data", "prepare", str(tmp_path), "--out", str(tmp_path / "cache"), "--check"]) == 1
    assert "a cache of" in capsys.readouterr().err


def test_a_cache_of_another_cohort_or_another_folder_is_refused(cohort, tmp_path, maps_folder):
    prepared(cohort, tmp_path / "cache")
    with pytest.raises(InputError, match="Choose another --out"):
        prepared(maps_folder(), tmp_path / "cache")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="something else"):
        prepared(cohort, tmp_path / "mine")


@pytest.mark.parametrize("name", [writing.SETTINGS, "thesis.txt", ".big.part-2"])
def test_a_folder_of_something_else_is_left_as_it_was(cohort, tmp_path, name):
    mine = tmp_path / "mine"
    (mine / ".download.part-1").mkdir(parents=True)
    (mine / name).write_text('{"editor.fontSize": 12}')
    before = {str(p): p.read_bytes() if p.is_file() else None for p in mine.rglob("*")}
    with pytest.raises(InputError):
        prepared(cohort, mine)
    assert {str(p): p.read_bytes() if p.is_file() else None for p in mine.rglob("*")} == before


def test_a_cache_of_another_version_is_refused_and_kept(cohort, tmp_path):
    cache = tmp_path / "cache"
    prepared(cohort, cache)
    for name in (writing.SETTINGS, MANIFEST):
        facts = json.loads((cache / name).read_text())
        del facts["digest"]
        (cache / name).write_text(signed(facts | {"format": 2}))
    before = bytes_of(cache)
    with pytest.raises(InputError, match="format 2"):
        prepared(cohort, cache)
    assert bytes_of(cache) == before


def test_links_that_lead_nowhere_are_named_and_folders_that_link_to_each_other_are_no_maze(cohort, tmp_path):
    (cohort / "sub-04").symlink_to(tmp_path / "unmounted" / "sub-04")
    (cohort / "sub-05").symlink_to("sub-05")
    rooms = [cohort / "maze" / str(n) for n in range(8)]
    for room in rooms:
        room.mkdir(parents=True)
    for room in rooms:
        for other in rooms:
            (room / f"to{other.name}").symlink_to(other)
    summary = prepared(cohort, tmp_path / "cache")
    told = reasons(summary)
    assert summary.subjects == ("sub-01", "sub-02", "sub-03")
    assert "leads nowhere" in told[str(cohort / "sub-04")]
    assert "leads nowhere" in told[str(cohort / "sub-05")]
    assert any("in a row" in why for why in told.values())
    assert prepared(cohort, tmp_path / "cache").outcomes == tuple(
        Outcome(o.name, "kept") if o.state == "made" else o for o in summary.outcomes
    )


def test_two_people_of_one_name_are_told_apart_by_their_folders(cohort, tmp_path):
    scan = read_image(cohort / "sub-01" / "anat" / "sub-01_R1map.nii.gz")
    for file in (
        "siteA/sub-04/anat/sub-04_T1w.nii.gz",
        "siteB/sub-04/anat/sub-04_FLAIR.nii.gz",
        "siteB/sub-03/anat/sub-03_acq-other_MTsat.nii.gz",
        "derivatives/lesions/sub-02/anat/sub-02_T1w.nii.gz",
        "pipeline/sub-01/anat/sub-01_T1w.nii.gz",
    ):
        write_image(cohort / file, scan.data, scan.grid)
    (cohort / "pipeline" / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    summary = prepared(cohort, tmp_path / "cache")
    assert summary.subjects == ("sub-01", "sub-02")
    for name in ("sub-03", "sub-04"):
        assert "two subjects of this name" in reasons(summary)[name]


def test_a_table_may_put_contrasts_into_folders_and_a_stray_map_is_no_set_of_maps(cohort, tmp_path):
    scan = read_image(cohort / "sub-01" / "anat" / "sub-01_R1map.nii.gz")
    for folder in ("T1", "FLAIR"):
        write_image(tmp_path / folder / "001.nii.gz", scan.data, scan.grid)
    table = tmp_path / "t.csv"
    table.write_text("subject,T1w,FLAIR\n001,T1/001.nii.gz,FLAIR/001.nii.gz\n")
    assert prepared(table, tmp_path / "one").subjects == ("001",)
    for file in ("anat/sub-04_T1w", "anat/sub-04_FLAIR", "fmap/sub-04_TB1map"):
        write_image(cohort / "sub-04" / f"{file}.nii.gz", scan.data, scan.grid)
    prepared(cohort, tmp_path / "two")
    assert read_manifest(tmp_path / "two")["subjects"]["sub-04"]["kind"] == "scans"


def test_names_that_no_folder_can_have_are_told(cohort, tmp_path):
    add_named = ["x" * 230, os.fsdecode(b"caf\xe9")]
    for name in add_named:
        shutil.copytree(cohort / "sub-01" / "anat", cohort / f"sub-{name}" / "anat")
    summary = prepared(cohort, tmp_path / "cache")
    assert summary.subjects == ("sub-01", "sub-02", "sub-03")
    assert not any(o.stuck for o in summary.outcomes)
    assert {"a name that" in why for why in reasons(summary).values()} == {True}


def test_what_stands_in_a_head_s_place_is_replaced_and_nothing_else_taken_for_a_head(cohort, tmp_path):
    cache = tmp_path / "cache"
    prepared(cohort, cache)
    whole = bytes_of(cache)
    shutil.move(cache / HEADS / "sub-01", tmp_path / "moved")
    (cache / HEADS / "sub-01").symlink_to(tmp_path / "moved")
    (tmp_path / "moved" / "r1.b2nd").unlink()
    for name in ("sub-02", "sub-03"):
        shutil.rmtree(cache / HEADS / name)
    (cache / HEADS / "sub-02").symlink_to("nowhere")
    (cache / HEADS / "sub-03").write_text("a file")
    (cache / HEADS / ".DS_Store").write_text("of a Mac")
    assert {o.state for o in prepared(cohort, cache).outcomes} <= {"made", "mended"}
    (cache / HEADS / ".DS_Store").unlink()
    assert bytes_of(cache) == whole
    assert {o.state for o in prepared(cohort, cache).outcomes} == {"kept"}


def test_every_fault_of_a_cache_is_named(cohort, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    prepared(cohort, cache)
    (cache / writing.SETTINGS).write_text("{")
    (cache / writing.INDEX).unlink()
    real = cache_state.fingerprint

    def unreadable(path):
        if path == cache / HEADS / "sub-02" / "r1.b2nd":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(cache_state, "fingerprint", unreadable)
    faults = check(cache, quiet=True)
    assert [name in fault for name, fault in zip(("settings", "index", "r1.b2nd"), faults, strict=True)] == [True] * 3
    shutil.copy(tmp_path / "cache" / HEADS / "sub-01" / "head.json", cache / MANIFEST)
    with pytest.raises(InputError, match="another file of a cache"):
        check(cache, quiet=True)


def deadly(source):
    """What the system's killer does to a process that wants too much memory."""
    if source.name == "sub-02":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(source.name, "made")


def test_a_subject_that_kills_its_process_costs_itself_alone():
    sources = [SubjectSource(f"sub-{n:02d}", "maps") for n in range(1, 6)]
    outcomes = {o.name: o for o in outcomes_of(deadly, sources, 2)}
    assert {name: o.state for name, o in outcomes.items()} == {
        s.name: "left out" if s.name == "sub-02" else "made" for s in sources
    }
    assert "was killed" in outcomes["sub-02"].why


def test_two_at_a_time_are_refused(cohort, tmp_path, held):
    cache = tmp_path / "cache"
    with held(cache / LOCK), pytest.raises(InputError, match="another process"):
        prepared(cohort, cache)


def test_a_manifest_that_is_none_is_refused(cohort, tmp_path):
    prepared(cohort, tmp_path / "cache")
    (tmp_path / "cache" / MANIFEST).write_text("{")
    with pytest.raises(InputError, match="prepare` again"):
        find_subjects(str(tmp_path / "cache"))


def test_embedded_heads_and_tables_are_cohorts_too(cohort, tmp_path):
    table = tmp_path / "cohort.tsv"
    rows = [f"sub-{n}\t{s}\tcohort/sub-{n}/anat/sub-{n}_{s}.nii.gz" for n in ("01", "02") for s in ("PDmap", "R1map")]
    table.write_text("\n".join(["subject\tsuffix\tpath", *rows]) + "\n")
    assert prepared(table, tmp_path / "cache").subjects == ("sub-01", "sub-02")


def test_a_cohort_without_a_subject_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image"):
        prepared(tmp_path / "empty", tmp_path / "cache")


def test_workers_end_with_the_process_that_was_killed(cohort, tmp_path, maps_folder):
    """Orphans would write on into the cache of the next run."""
    for i in range(4, 12):
        add(cohort, maps_folder(), f"sub-{i:02d}")
    prepared(cohort, tmp_path / "whole")
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "qontrast", "data", "prepare", str(cohort), "--out", str(cache), "--jobs", "2"]
    process = subprocess.Popen([*command, "--quiet"], start_new_session=True)
    while process.poll() is None and not (cache / HEADS).is_dir():
        time.sleep(0.01)
    while process.poll() is None and not any((cache / HEADS).iterdir()):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    prepared(cohort, cache)
    assert check(cache, quiet=True) == []
    time.sleep(1.0)
    assert bytes_of(cache) == bytes_of(tmp_path / "whole")


def test_sources_that_change_within_one_process_are_read_anew(cohort, tmp_path):
    prepared(cohort, tmp_path / "cache")
    file = cohort / "sub-01" / "anat" / "sub-01_R1map.nii.gz"
    image = read_image(file)
    write_image(file, 2 * image.data, image.grid)
    prepared(cohort, tmp_path / "cache")
    prepared(cohort, tmp_path / "fresh")
    one, other = (tmp_path / c / HEADS / "sub-01" / "r1.b2nd" for c in ("cache", "fresh"))
    assert one.read_bytes() == other.read_bytes()


def test_a_subject_that_is_gone_is_kept_aside_but_not_listed(cohort, tmp_path, capsys):
    prepared(cohort, tmp_path / "cache")
    shutil.rmtree(cohort / "sub-02")
    assert run(["data", "prepare", str(cohort), "--out", str(tmp_path / "cache"), "--jobs", "1"]) == 0
    assert "sub-02: not found in the cohort" in capsys.readouterr().out
    assert set(read_manifest(tmp_path / "cache")["subjects"]) == {"sub-01", "sub-03"}
    assert (tmp_path / "cache" / HEADS / "sub-02").is_dir()


@pytest.mark.parametrize("offset", range(40, 112, 4))
def test_a_damaged_header_costs_one_subject(cohort, tmp_path, offset):
    file = cohort / "sub-02" / "anat" / "sub-02_R1map.nii.gz"
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[offset] ^= 0x5A
    file.write_bytes(gzip.compress(bytes(content)))
    assert {"sub-01", "sub-03"} <= set(prepared(cohort, tmp_path / "cache").subjects)


def test_a_name_that_is_no_text_is_no_obstacle(cohort, tmp_path):
    Path(os.fsdecode(os.fsencode(cohort) + b"/caf\xe9.txt")).touch()
    assert len(prepared(cohort, tmp_path / "cache").subjects) == 3
    assert {o.state for o in prepared(cohort, tmp_path / "cache").outcomes} == {"kept"}


def test_training_refuses_altered_voxels_and_names_the_file(cohort, tmp_path):
    prepared(cohort, tmp_path / "cache")
    file = tmp_path / "cache" / HEADS / "sub-02" / "r1.b2nd"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    head = find_subjects(str(tmp_path / "cache"))[1].open()
    with pytest.raises(InputError, match=r"r1\.b2nd.*altered"):
        head.draw(None).block(((0, 2), (0, 2), (0, 2)))


def test_a_cache_that_was_never_finished_says_so(cohort, tmp_path, monkeypatch):
    def die(*_):
        raise Killed

    with monkeypatch.context() as m:
        m.setattr(task, "_manifest", die)
        with pytest.raises(Killed):
            prepared(cohort, tmp_path / "cache")
    with pytest.raises(InputError, match="never finished"):
        find_subjects(str(tmp_path / "cache"))


def test_a_cache_is_no_cohort_and_has_the_kind_that_it_has(cohort, tmp_path):
    prepared(cohort, tmp_path / "cache")
    with pytest.raises(InputError, match="given to --data"):
        prepared(tmp_path / "cache", tmp_path / "other")
    assert len(find_subjects(str(tmp_path / "cache"), kind="maps")) == 3
    with pytest.raises(InputError, match="a cache of maps"):
        find_subjects(str(tmp_path / "cache"), kind="scans")


def test_a_flat_folder_below_one_that_is_called_like_a_subject_keeps_its_people(maps_folder, tmp_path):
    cohort = tmp_path / "sub-lab" / "ixi"
    cohort.mkdir(parents=True)
    scan = read_image(next(maps_folder().rglob("*R1map.nii*")))
    for person in ("IXI002-Guys-0828", "IXI012-HH-1211"):
        for contrast in ("T1", "T2"):
            write_image(cohort / f"{person}-{contrast}.nii.gz", scan.data, scan.grid)
    summary = prepared(cohort, tmp_path / "cache")
    assert len(summary.subjects) == 2
    assert not summary.left_out
