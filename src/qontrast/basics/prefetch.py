"""To ask memory for what a compiled loop will read soon, so that it does not have to wait for it then."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def _prefetch(_: Any, values: Any, place: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, given[0])
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        ask = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        )
        where = builder.bitcast(builder.gep(array.data, [given[1]]), pointer)
        to_read, into_every_cache, data = number(0), number(3), number(1)
        builder.call(ask, [where, to_read, into_every_cache, data])
        return context.get_dummy_value()

    return types.void(values, place), code


prefetch: Callable[[np.ndarray, Any], None] = cast(Any, intrinsic)(_prefetch)
"""Bring the cache line of ``values[place]`` near, ``values`` being contiguous; nothing is read or waited for.

A place (of 64 bits) outside of the values does no harm. For compiled loops alone: see :mod:`qontrast.basics.compiled`.
"""
