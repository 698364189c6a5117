"""The protocol interface in the clear, in float64 and without secrecy.

The reference for tests and dry runs, and the cleartext twin of every estimator: the same code
runs over it with exact numbers, so a difference is the secure protocols' rounding alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cohortium.errors import ParameterError
from cohortium.mpc.periodic import PeriodicSeries
from cohortium.mpc.protocol import (
    Bilinear,
    Check,
    Counters,
    InputRequest,
    Kept,
    Protocol,
    Shape,
)

Array = NDArray[np.float64]


class ClearProtocol(Protocol):
    """All parties in one place: whoever owns an input, ``inputs`` has its values by name.

    Values given with the request itself come first. Activations are evaluated by the same
    series, or exactly where ``exact`` names the function for a series' name.
    """

    def __init__(
        self,
        inputs: Mapping[str, Array] | None = None,
        exact: Mapping[str, Callable[[Array], Array]] | None = None,
    ) -> None:
        self.counters = Counters()
        self._inputs = dict(inputs or {})
        self._exact = dict(exact or {})

    def input(self, requests: Sequence[InputRequest]) -> list[Array]:
        """Return the values as they are."""
        values = []
        for request in requests:
            given = self._inputs.get(request.name, request.values)
            if given is None:
                raise ParameterError(
                    f"No values were given for the input {request.name!r}.",
                    remedy="Pass them in `inputs`.",
                )
            values.append(np.asarray(given, dtype=np.float64).reshape(request.shape))
        return values

    def constant(self, values: Array, fraction_bits: int) -> Array:  # noqa: ARG002
        """Return the values."""
        return values

    def linear(
        self,
        function: Callable[..., Any],
        values: Sequence[Array],
        shape: Shape,
    ) -> Array:
        """Return function(*values)."""
        return np.asarray(function(*values)).reshape(shape)

    def multiply_public(
        self,
        operation: Bilinear,
        value: Array,
        factor: Array,
        fraction_bits: int,  # noqa: ARG002 - float64 does not round the factor
        shape: Shape,  # noqa: ARG002
    ) -> Array:
        """Return operation(value, factor)."""
        return np.asarray(operation.real(value, factor))

    def weighted_sum(
        self,
        weights: Array,
        values: Sequence[Array],
        fraction_bits: int,  # noqa: ARG002
        shape: Shape,
    ) -> Array:
        """Return Σ weights[t] · values[t]."""
        total = np.zeros(shape)
        for weight, value in zip(weights, values, strict=True):
            total += weight * value
        return total

    def scale_by_power_of_two(self, value: Array, exponent: int, *, encoded: bool) -> Array:
        """Return value · 2^exponent, unless only the encoding changes."""
        return value if encoded else value * 2.0**exponent

    def product(
        self,
        operation: Bilinear,
        x: Array,
        y: Array,
        x_bits: int,  # noqa: ARG002
        y_bits: int,  # noqa: ARG002
        shape: Shape,  # noqa: ARG002
    ) -> Array:
        """Return operation(x, y)."""
        return np.asarray(operation.real(x, y))

    def prepare(self, values: Sequence[Array]) -> None:
        """Nothing to do."""

    def rescale(self, value: Array, bits: int) -> Array:  # noqa: ARG002
        """Return the value: float64 has no binary point to move."""
        return value

    def periodic(self, value: Array, series: PeriodicSeries, fraction_bits: int) -> Array:  # noqa: ARG002
        """Return the exact function where known, the series elsewhere."""
        function = self._exact.get(series.name, series)
        return np.asarray(function(value))

    def compare(
        self,
        value: Array,
        cuts: Array,
        fraction_bits: int,  # noqa: ARG002
        width: int,  # noqa: ARG002
        factor: Array,
        shape: Shape,
    ) -> tuple[Array, Array]:
        """Return the comparisons, and each times the factor."""
        places = cuts.reshape(-1, *(1,) * len(shape)) if cuts.ndim == 1 else cuts
        bits = (value < places).astype(np.float64)
        return bits, bits * factor

    def table(self, value: Array, entries: Array, fraction_bits: int, shape: Shape) -> Array:  # noqa: ARG002
        """Return the entries."""
        places = np.rint(value).astype(np.int64) % entries.shape[1]
        return np.asarray(entries[:, places]).reshape(-1, *shape)

    def keep(self, values: Sequence[Array]) -> Kept:
        """Return the values."""
        return Kept(list(values), b"")

    def take_up(
        self,
        kept: Kept | None,
        shapes: Sequence[Shape],  # noqa: ARG002
        fraction_bits: Sequence[int],  # noqa: ARG002
    ) -> list[Array]:
        """Return the values."""
        return [] if kept is None else list(kept.parts)

    def reveal(
        self,
        name: str,  # noqa: ARG002
        value: Array,
        receivers: Sequence[str],  # noqa: ARG002
        fraction_bits: int,  # noqa: ARG002
        shape: Shape,
        check: Check | None = None,
    ) -> Array:
        """Return the values to everybody."""
        values = value.reshape(shape)
        if check is not None:
            check(values)
        return values


def logistic(x: Array) -> Array:
    """Return 1 / (1 + exp(−x)), the exact function of the sigmoid's series."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def normal_distribution(x: Array) -> Array:
    """Return Φ(x), the share of a standard normal distribution below x."""
    return np.asarray(0.5 * np.vectorize(math.erfc, otypes=[float])(-x / math.sqrt(2)))


def log_cosh(x: Array) -> Array:
    """Return ln(2·cosh(x/2))."""
    return np.asarray(np.logaddexp(0.5 * x, -0.5 * x))


EXACT: Mapping[str, Callable[[Array], Array]] = {
    "sigmoid": logistic,
    "tanh": np.tanh,
    "probit": normal_distribution,
    "log cosh": log_cosh,
}
__all__ = ["EXACT", "ClearProtocol", "log_cosh", "logistic", "normal_distribution"]
