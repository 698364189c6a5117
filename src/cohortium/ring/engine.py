"""The two engines: where ring arrays live, and how side effects run among their operations.

Sending, receiving and drawing randomness are Python calls. Among NumPy arrays they simply run.
Among TensorFlow tensors they become stateful ``tf.numpy_function`` nodes, so that the same
program works inside ``tf.function``, in program order. An exception raised in such a node comes
out of TensorFlow as one of its own errors; the engine keeps the original and ``run`` raises that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cohortium.ring.arrays import RingArray, tensorflow


class Engine(Protocol):
    """Where the arrays of a run live."""

    name: str

    def asarray(self, array: NDArray[Any]) -> Any:
        """Return a NumPy array as this engine's array."""

    def call(
        self,
        function: Callable[..., NDArray[Any]],
        inputs: Sequence[RingArray],
        shape: tuple[int, ...],
        dtype: type = np.int64,
    ) -> Any:
        """Return ``function(*inputs as NumPy)``, an array of the given shape and dtype."""

    def run(self, program: Callable[[], Any]) -> Any:
        """Run a whole program on this engine; revealed arrays come back as NumPy."""


class NumpyEngine:
    """The default engine: eager, NumPy arrays."""

    name = "numpy"

    def asarray(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array itself."""
        return array

    def call(
        self,
        function: Callable[..., NDArray[Any]],
        inputs: Sequence[RingArray],
        shape: tuple[int, ...],  # noqa: ARG002 - the array knows it; a tensor has to be told
        dtype: type = np.int64,  # noqa: ARG002
    ) -> NDArray[Any]:
        """Call the function now."""
        return function(*inputs)

    def run(self, program: Callable[[], Any]) -> Any:
        """Run the program; wrapping is what ring arithmetic means, so it is no warning."""
        with np.errstate(over="ignore"):
            return program()


class TensorFlowEngine:
    """The same programs on tensors: eagerly, or traced into one ``tf.function``.

    A process runs one party's program at a time on this engine: TensorFlow's thread pool can
    dead-lock where blocking calls of two parties share it.
    """

    name = "tensorflow"

    def __init__(self, *, traced: bool = True) -> None:
        self._traced = traced
        self._raised: Exception | None = None

    def asarray(self, array: NDArray[Any]) -> Any:
        """Return the array as a constant tensor."""
        return tensorflow().constant(array)

    def call(
        self,
        function: Callable[..., NDArray[Any]],
        inputs: Sequence[RingArray],
        shape: tuple[int, ...],
        dtype: type = np.int64,
    ) -> Any:
        """Add a stateful node that calls the function when the graph gets there."""

        def guarded(*arrays: NDArray[Any]) -> NDArray[Any]:
            try:
                with np.errstate(over="ignore"):
                    return np.ascontiguousarray(function(*arrays), dtype=dtype).reshape(shape)
            except Exception as error:
                self._raised = self._raised or error
                raise

        tensor = tensorflow().numpy_function(guarded, list(inputs), dtype, stateful=True)
        tensor.set_shape(shape)
        return tensor

    def run(self, program: Callable[[], Any]) -> Any:
        """Run the program, inside one ``tf.function`` where traced, and return NumPy arrays."""
        tf = tensorflow()
        try:
            result = tf.function(program, autograph=False)() if self._traced else program()
        except tf.errors.OpError:
            if self._raised is not None:
                raise self._raised from None
            raise
        return tf.nest.map_structure(
            lambda leaf: leaf.numpy() if tf.is_tensor(leaf) else leaf, result
        )
