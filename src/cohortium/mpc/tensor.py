"""Secret tensors: operators that track what a secret number may be, and refuse what can not fit.

A ``SecretTensor`` carries two public facts: its fraction bits f and a bound B on its magnitude.
The ring holds |v| · 2^f < 2^62. Every operator works out both facts for its result and refuses,
before anything is sent, what would not fit; the message names the two remedies.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cohortium.errors import FixedPointOverflowError, ParameterError
from cohortium.mpc.protocol import (
    MATMUL,
    MULTIPLY,
    Bilinear,
    Check,
    Protocol,
    Shape,
    Value,
)
from cohortium.ring import reshape, running_sum, scatter, sum_over, take, transpose
from cohortium.ring.fixed import VALUE_BITS

# Fraction bits of a public float factor where the caller does not say.
PUBLIC_FRACTION_BITS = 16


class SecretTensor:
    """A tensor that no party can read, with the operators to compute on it.

    ``fraction_bits`` and ``bound`` are public: |value| ≤ bound, stored as round(value · 2^f).
    """

    # NumPy must leave `array * secret` to us instead of looping over the array's elements.
    __array_ufunc__ = None

    def __init__(
        self, protocol: Protocol, value: Value, shape: Shape, fraction_bits: int, bound: float
    ) -> None:
        self.protocol = protocol
        self.value = value
        self.shape = shape
        self.fraction_bits = fraction_bits
        self.bound = bound

    def __repr__(self) -> str:
        return (
            f"SecretTensor(shape={self.shape}, fraction_bits={self.fraction_bits}, "
            f"bound={self.bound:g})"
        )

    @property
    def bits(self) -> int:
        """Bits of the ring that the tensor may need, sign included."""
        return math.floor(math.log2(max(self.bound, 2.0**-64)) + self.fraction_bits) + 2

    # -- local, linear -------------------------------------------------------------------------

    def __neg__(self) -> SecretTensor:
        return self._same(self.protocol.linear(lambda a: -a, [self.value], self.shape))

    def __add__(self, other: SecretTensor | ArrayLike) -> SecretTensor:
        return self._sum(operator.add, self._lifted_constant(other), "adding {} and {}")

    __radd__ = __add__

    def __sub__(self, other: SecretTensor | ArrayLike) -> SecretTensor:
        if not isinstance(other, SecretTensor):
            return self + -np.asarray(other)
        return self._sum(operator.sub, other, "subtracting from {} {}")

    def __rsub__(self, other: ArrayLike) -> SecretTensor:
        return -self + other

    def __getitem__(self, index: Any) -> SecretTensor:
        shape = np.broadcast_to(np.int8(0), self.shape)[index].shape
        if isinstance(index, np.ndarray):
            return self._reshaped(lambda a: take(a, index), shape)
        return self._reshaped(lambda a: a[index], shape)

    @property
    def T(self) -> SecretTensor:  # noqa: N802 - NumPy's name
        """The tensor with its axes reversed."""
        return self._reshaped(transpose, self.shape[::-1])

    def reshape(self, *shape: int) -> SecretTensor:
        """Return the tensor with another shape of the same size."""
        known = np.broadcast_to(np.int8(0), self.shape).reshape(shape).shape
        return self._reshaped(lambda a: reshape(a, known), known)

    def scattered(self, places: NDArray[np.int64], shape: Shape) -> SecretTensor:
        """Return zeros of a shape with this flat tensor's elements at the places, row by row."""
        size = math.prod(shape)
        return self._reshaped(lambda a: reshape(scatter(a, places, size), shape), shape)

    def sum(self, axis: int | None = None) -> SecretTensor:
        """Return the sums along an axis, or of everything as shape ()."""
        shape = np.broadcast_to(np.int8(0), self.shape).sum(axis).shape
        terms = math.prod(self.shape) // max(1, math.prod(shape))
        bound = self.bound * terms
        check_fits(f"summing {{}} over {terms} terms", self.fraction_bits, bound, self)
        value = self.protocol.linear(lambda a: sum_over(a, axis), [self.value], shape)
        return SecretTensor(self.protocol, value, shape, self.fraction_bits, bound)

    def running_sum(self) -> SecretTensor:
        """Return for each element the sum of those up to it, along the last axis."""
        bound = self.bound * self.shape[-1]
        check_fits("a running sum of {}", self.fraction_bits, bound, self)
        value = self.protocol.linear(running_sum, [self.value], self.shape)
        return SecretTensor(self.protocol, value, self.shape, self.fraction_bits, bound)

    def times_power_of_two(self, exponent: int) -> SecretTensor:
        """Return the tensor · 2^exponent; free, it only moves the binary point."""
        bits = self.fraction_bits - exponent
        if bits < 0:
            return self.lift(-bits).times_power_of_two(exponent)
        value = self.protocol.scale_by_power_of_two(self.value, exponent, encoded=False)
        return SecretTensor(self.protocol, value, self.shape, bits, self.bound * 2.0**exponent)

    def lift(self, bits: int) -> SecretTensor:
        """Return the same numbers with ``bits`` more fraction bits; local."""
        if bits == 0:
            return self
        if bits < 0:
            raise ParameterError(
                f"lift takes a number of bits of 0 or more, not {bits}.",
                remedy="To lose fraction bits use rescale.",
            )
        check_fits(f"lifting {{}} by {bits} bits", self.fraction_bits + bits, self.bound, self)
        value = self.protocol.scale_by_power_of_two(self.value, bits, encoded=True)
        return SecretTensor(self.protocol, value, self.shape, self.fraction_bits + bits, self.bound)

    def with_bound(self, bound: float) -> SecretTensor:
        """Return the tensor with a bound that the program states instead of the derived one.

        The statement is the caller's: a wrong one makes later results wrong.
        """
        check_fits(f"a bound of {bound:g}", self.fraction_bits, bound)
        return SecretTensor(self.protocol, self.value, self.shape, self.fraction_bits, bound)

    # -- products ------------------------------------------------------------------------------

    def __mul__(self, other: SecretTensor | ArrayLike) -> SecretTensor:
        if isinstance(other, SecretTensor):
            return self._product(MULTIPLY, other, _broadcast(self, other, "multiply"), 1, None)
        factor = np.asarray(other, dtype=np.float64)
        shape = np.broadcast_shapes(self.shape, factor.shape)
        return self._multiply_public(MULTIPLY, factor, shape, 1)

    __rmul__ = __mul__

    def __matmul__(self, other: SecretTensor | ArrayLike) -> SecretTensor:
        if isinstance(other, SecretTensor):
            return self.matmul(other)
        factor = np.asarray(other, dtype=np.float64)
        inner = _inner(self.shape, factor.shape)
        return self._multiply_public(MATMUL, factor, (self.shape[0], factor.shape[1]), inner)

    def matmul(self, other: SecretTensor, *, bound: float | None = None) -> SecretTensor:
        """Return self @ other for two secret matrices, at the sum of their fraction bits.

        One round where an operand was not prepared before, none otherwise. ``bound`` states a
        smaller bound of the result than the derived one.
        """
        inner = _inner(self.shape, other.shape)
        shape = (self.shape[0], other.shape[1])
        return self._product(MATMUL, other, shape, inner, bound)

    def rescale(self, fraction_bits: int) -> SecretTensor:
        """Return the same numbers at fewer fraction bits, off by less than one unit of the last.

        One round; each computing party sends 8 bytes an element to each other.
        """
        bits = self.fraction_bits - fraction_bits
        if bits == 0:
            return self
        if bits < 0:
            return self.lift(-bits)
        if fraction_bits < 0 or bits > VALUE_BITS:
            raise ParameterError(
                f"Can not rescale {_of(self)} to {fraction_bits} fraction bits.",
                remedy=f"Ask for {max(0, self.fraction_bits - VALUE_BITS)} or more.",
            )
        value = self.protocol.rescale(self.value, bits)
        bound = self.bound + 2.0**-fraction_bits
        return SecretTensor(self.protocol, value, self.shape, fraction_bits, bound)

    def prepare(self) -> SecretTensor:
        """Do now, in one round, the communication that products of this tensor will need."""
        self.protocol.prepare([self.value])
        return self

    def reveal(
        self, name: str, receivers: Sequence[str], check: Check | None = None
    ) -> NDArray[np.float64] | None:
        """Return the numbers at the receivers, None elsewhere; the ledger must list ``name``.

        ``check`` sees the numbers there before the program goes on, and may raise.
        """
        return self.protocol.reveal(
            name, self.value, receivers, self.fraction_bits, self.shape, check
        )

    # -- inside --------------------------------------------------------------------------------

    def _sum(self, function: Callable[..., Any], other: SecretTensor, what: str) -> SecretTensor:
        x, y = _aligned(self, other)
        shape = _broadcast(x, y, function.__name__)
        bound = x.bound + y.bound
        check_fits(what, x.fraction_bits, bound, x, y)
        value = x.protocol.linear(function, [x.value, y.value], shape)
        return SecretTensor(x.protocol, value, shape, x.fraction_bits, bound)

    def _same(self, value: Value) -> SecretTensor:
        return SecretTensor(self.protocol, value, self.shape, self.fraction_bits, self.bound)

    def _reshaped(self, function: Any, shape: Shape) -> SecretTensor:
        value = self.protocol.linear(function, [self.value], shape)
        return SecretTensor(self.protocol, value, shape, self.fraction_bits, self.bound)

    def _lifted_constant(self, other: SecretTensor | ArrayLike) -> SecretTensor:
        if isinstance(other, SecretTensor):
            return other
        return constant(self.protocol, other, self.fraction_bits)

    def _multiply_public(
        self, operation: Bilinear, factor: NDArray[np.float64], shape: Shape, terms: int
    ) -> SecretTensor:
        whole = bool(np.all(factor == np.rint(factor)))
        bits = 0 if whole else PUBLIC_FRACTION_BITS
        # A small factor may be rounded up to nearly twice its size, and that is what multiplies.
        bound = self.bound * _largest(np.rint(factor * 2.0**bits)) * 2.0**-bits * terms
        total = self.fraction_bits + bits
        check_fits(f"{operation.name} of {{}} by a public factor", total, bound, self)
        value = self.protocol.multiply_public(operation, self.value, factor, bits, shape)
        return SecretTensor(self.protocol, value, shape, total, bound)

    def _product(
        self,
        operation: Bilinear,
        other: SecretTensor,
        shape: Shape,
        inner: int,
        bound: float | None,
    ) -> SecretTensor:
        bits = self.fraction_bits + other.fraction_bits
        bound = self.bound * other.bound * inner if bound is None else bound
        check_fits(f"{operation.name} of {{}} by {{}}", bits, bound, self, other)
        value = self.protocol.product(
            operation, self.value, other.value, self.bits, other.bits, shape
        )
        return SecretTensor(self.protocol, value, shape, bits, bound)


def constant(protocol: Protocol, values: ArrayLike, fraction_bits: int) -> SecretTensor:
    """Return public values, the same at every party, as a tensor to compute with; local."""
    array = np.asarray(values, dtype=np.float64)
    bound = _largest(array)
    check_fits("a public constant", fraction_bits, bound)
    value = protocol.constant(array, fraction_bits)
    return SecretTensor(protocol, value, array.shape, fraction_bits, bound)


def check_fits(what: str, fraction_bits: int, bound: float, *operands: SecretTensor) -> None:
    """Raise FixedPointOverflowError unless bound · 2^fraction_bits < 2^62.

    ``what`` is the operation in words, with {} for each of the operands.
    """
    # A bound that is not a number is refused too: no comparison with it holds.
    needed = -math.inf if bound <= 0 else fraction_bits + math.log2(bound)
    if needed < VALUE_BITS:
        return
    if operands:
        what = what.format(*map(_of, operands))
    raise FixedPointOverflowError(
        f"{what[0].upper()}{what[1:]} needs {needed:.1f} of {VALUE_BITS} bits "
        f"({fraction_bits} fraction bits, magnitude up to {bound:g}).",
        remedy="Rescale an operand to fewer fraction bits first, or state a smaller bound.",
    )


def _aligned(x: SecretTensor, y: SecretTensor) -> tuple[SecretTensor, SecretTensor]:
    bits = max(x.fraction_bits, y.fraction_bits)
    return x.lift(bits - x.fraction_bits), y.lift(bits - y.fraction_bits)


def _largest(array: NDArray[np.float64]) -> float:
    return float(np.abs(array).max(initial=0.0))


def _of(tensor: SecretTensor) -> str:
    sizes = " × ".join(str(size) for size in tensor.shape)
    return f"[{sizes}] ({tensor.fraction_bits} bits, |v| ≤ {tensor.bound:g})"


def _broadcast(x: SecretTensor, y: SecretTensor, what: str) -> Shape:
    if x.shape == y.shape:
        return x.shape
    try:
        return np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        raise ParameterError(
            f"Can not {what} tensors of shapes {x.shape} and {y.shape}.",
            remedy="Reshape one of them.",
        ) from None


def _inner(x: Shape, y: Shape) -> int:
    if len(x) != 2 or len(y) != 2 or x[1] != y[0]:
        raise ParameterError(
            f"A matrix product takes m × k and k × n, not {x} and {y}.",
            remedy="Reshape or transpose an operand.",
        )
    return x[1]
