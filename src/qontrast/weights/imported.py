"""An encoder that a user's own function makes, named as ``package.module:function``: this runs the user's code."""

import importlib
import re

from qontrast.basics.errors import InputError, nearest
from qontrast.nets.contract import Encoder

_NAME = re.compile(r"^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)$")


def is_import(name: object) -> bool:
    """Whether a name is of the form ``package.module:function``."""
    return isinstance(name, str) and _NAME.match(name) is not None


def import_encoder(name: str) -> Encoder:
    """Import the module, call the function without arguments, and take the encoder that it returns.

    Names like this come from a plan, a flag or a caller, never out of a file of weights.

    Raises:
        InputError: if there is no such module or function, it fails, or it returns something else.
    """
    found = _NAME.match(name)
    if found is None:
        raise InputError("encoder", repr(name), "package.module:function")
    module_name, function_name = found.groups()
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        remedy = "Install it, or put its folder on PYTHONPATH."
        raise InputError(f"encoder {name}", f"no module that can be imported ({error})", "a module", remedy) from error
    except Exception as error:  # whatever the user's module raises
        raise InputError(f"encoder {name}", f"{type(error).__name__} on import: {error}", "a module") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [key for key in vars(module) if not key.startswith("_")]
        raise InputError(f"encoder {name}", f"no function {function_name!r}", "one", nearest(function_name, known))
    try:
        encoder = function()
    except InputError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise InputError(f"encoder {name}", f"{type(error).__name__}: {error}", "an encoder") from error
    if not isinstance(encoder, Encoder):
        remedy = "Wrap it with qontrast.nets.adapter.adapt."
        raise InputError(f"encoder {name}", f"a {type(encoder).__name__}", "an Encoder", remedy)
    if encoder.settings.get("family") == "adapted":
        encoder.settings["source"] = name
    return encoder.eval()
