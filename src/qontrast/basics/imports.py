"""A function of the user's own code, named as ``package.module:function``: to import it runs the user's code."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qontrast.basics.errors import InputError, nearest

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def is_import(name: object) -> bool:
    """Whether a name is of the form ``package.module:function`` (or ``package.module:Class.method``)."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def import_function(name: str) -> Callable[..., Any]:
    """Import a function; modules in the working folder are found too.

    Names like this come from a plan, a flag or a caller, never out of a file of weights.

    Raises:
        InputError: if there is no such module or function, the module fails, or what is found cannot be called.
    """
    module, _, path = name.partition(":")
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except ImportError as error:
        remedy = "Run from the folder that holds the module, put that folder on PYTHONPATH, or install it."
        raise InputError(name, f"a module that cannot be imported ({error})", "a module", remedy) from error
    except Exception as error:  # whatever the user's module raises
        raise InputError(name, f"{type(error).__name__} on import: {error}", "a module") from error
    finally:
        if added:
            sys.path.remove(here)
    for part in path.split("."):
        if not hasattr(found, part):
            raise InputError(name, f"no {part!r} in {module}", "a function", nearest(part, dir(found)))
        found = getattr(found, part)
    if not callable(found):
        raise InputError(name, f"a {type(found).__name__}", "a function")
    return found
