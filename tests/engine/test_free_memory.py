"""The memory that is free, by what a system says of itself and of its control groups."""

import math

import pytest

from qontrast.engine.free_memory import free_memory

GB = 10**9


@pytest.fixture
def system(tmp_path):
    """Writes files by name below a folder, and asks what is free there."""

    def ask(**files):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return free_memory(tmp_path / "proc", tmp_path / "groups")

    return ask


def files(machine, group, limit=None, used=None, stat="", where="groups"):
    found = {
        "proc/meminfo": f"MemTotal: 9 kB\nMemAvailable: {machine // 1000 * 1000 // 1024} kB\n",
        "proc/self/cgroup": group,
    }
    if limit is not None:
        version = ("limit_in_bytes", "usage_in_bytes") if "/memory" in where else ("max", "current")
        found |= {f"{where}/memory.{name}": f"{value}\n" for name, value in zip(version, (limit, used), strict=True)}
    return found | ({f"{where}/memory.stat": stat} if stat else {})


@pytest.mark.parametrize(
    ("own", "free"),
    [
        (files(50 * GB, "0::/"), 50 * GB),
        (files(50 * GB, "0::/", 16 * GB, 6 * GB), 10 * GB),
        (files(5 * GB, "0::/", 16 * GB, 6 * GB), 5 * GB),
        (files(50 * GB, "0::/", "max", 6 * GB), 50 * GB),
        # A cache that was read before stays in memory, but makes room.
        (files(50 * GB, "0::/", 16 * GB, 15 * GB, f"anon 5\nactive_file {2 * GB}\ninactive_file {7 * GB}\n"), 10 * GB),
        # A job of a cluster: groups in groups.
        (files(50 * GB, "0::/slurm/job_7/step_0", 8 * GB, 1 * GB, where="groups/slurm/job_7"), 7 * GB),
        # Version 1.
        (files(50 * GB, "9:name=x:/\n4:cpu,memory:/docker/a", 4 * GB, 1 * GB, where="groups/memory/docker/a"), 3 * GB),
        (
            files(
                50 * GB, "4:memory:/a", 4 * GB, 3 * GB, f"inactive_file 1\ntotal_inactive_file {2 * GB}\n",
                where="groups/memory",
            ),
            3 * GB,
        ),
    ],
)  # fmt: skip
def test_the_tightest_of_machine_and_groups_counts_and_what_was_read_makes_room(system, own, free):
    assert system(**own) == pytest.approx(free, rel=1e-6)


def test_a_system_that_tells_nothing_sets_no_limit(system):
    assert math.isinf(system())


def test_this_system_tells_something():
    assert free_memory() > 0
