"""Functions on secret tensors, built on the protocol interface alone."""

from cohortium.mpc.functions.activation import (
    PIECEWISE_SIGMOIDS,
    periodic,
    probit,
    sigmoid,
    softplus,
    tanh,
)
from cohortium.mpc.functions.comparison import (
    PiecewiseLinear,
    clip,
    compare,
    less,
    maximum,
    piecewise_linear,
    relu,
    sign,
)
from cohortium.mpc.functions.gram import gram, symmetric
from cohortium.mpc.functions.table import inverse_square_root, quotient, reciprocal, table
from cohortium.mpc.functions.top import top

__all__ = [
    "PIECEWISE_SIGMOIDS",
    "PiecewiseLinear",
    "clip",
    "compare",
    "gram",
    "inverse_square_root",
    "less",
    "maximum",
    "periodic",
    "piecewise_linear",
    "probit",
    "quotient",
    "reciprocal",
    "relu",
    "sigmoid",
    "sign",
    "softplus",
    "symmetric",
    "table",
    "tanh",
    "top",
]
