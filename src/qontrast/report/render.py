"""Templates to pages: HTML that needs nothing else."""

import os
import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

PACKAGES = ("qontrast", "torch")


def render(template: str, **values: Any) -> str:
    """Fill a template of this room; all that is filled in is escaped."""
    pages = Environment(
        loader=FunctionLoader(lambda name: files("qontrast.report").joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template(template).render(**values)


def made_with() -> dict[str, str]:
    """When and on what the page was made: date, machine, versions of the packages."""
    now = datetime.now().astimezone()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    return {
        "Date": f"{now.day} {now:%B %Y, %H:%M %Z}",
        "Machine": machine,
        "Versions": ", ".join(f"{name} {_version(name)}" for name in PACKAGES),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
