"""Functions on secret tensors, built on the protocol interface alone."""

from cohortium.mpc.functions.activation import periodic, sigmoid, tanh
from cohortium.mpc.functions.gram import gram

__all__ = ["gram", "periodic", "sigmoid", "tanh"]
