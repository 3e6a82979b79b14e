"""An encoder that a user's own function makes, named as ``package.module:function``: this runs the user's code."""

from qontrast.basics.errors import InputError
from qontrast.basics.imports import import_function
from qontrast.nets.contract import Encoder


def import_encoder(name: str) -> Encoder:
    """Import the function, call it without arguments, and take the encoder that it returns.

    Raises:
        InputError: if there is no such module or function, it fails, or it returns something else.
    """
    function = import_function(name)
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
