"""How much memory is free to this process: of the machine, and of the control groups that it runs in."""

import math
from collections.abc import Iterator
from pathlib import Path

NAMES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Files of a control group's limit and use, versions 2 and 1."""
CACHED = ("inactive_file", "active_file")
"""Of a group's use: files that were read, which make room."""


def free_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Bytes that processes may still take: the machine's, or those of the tightest control group where that is less.

    Containers and jobs of a cluster are control groups. Infinite where nothing is known.

    Args:
        proc: the system's folder of processes.
        groups: the system's folder of control groups.
    """
    free = math.inf
    for line in _text(proc / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = 1024.0 * int(line.split()[1])
    return min([free, *(_left(folder) for folder in _groups(_text(proc / "self" / "cgroup"), groups))])


def _groups(told: str, root: Path) -> Iterator[Path]:
    """Folders of the groups that this process is in, and of those above them."""
    yield root
    for line in told.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        top = root / "memory" if controllers else root
        yield top
        folder = top
        for part in Path(path).parts[1:]:
            folder = folder / part
            yield folder


def _left(folder: Path) -> float:
    for limit, used in NAMES:
        most, now = _text(folder / limit).strip(), _text(folder / used).strip()
        if most.isdigit() and now.isdigit():
            stat = dict(line.split() for line in _text(folder / "memory.stat").splitlines() if line.count(" ") == 1)
            prefix = "total_" if "total_inactive_file" in stat else ""
            return float(most) - float(now) + sum(float(stat.get(prefix + name, 0)) for name in CACHED)
    return math.inf


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
