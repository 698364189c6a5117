"""What a party told another one before or after a training, read as the model that it must fit."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from cohortium.errors import FrameError
from cohortium.net import Mesh

_Message = TypeVar("_Message", bound=BaseModel)


def parsed(model: type[_Message], text: bytes, mesh: Mesh, name: str, what: str) -> _Message:
    """Return a message of party ``name``; FrameError, which says ``what`` it is, if it is none."""
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise FrameError(
            f"{name} sent {what} that can not be read.",
            remedy="Check that all sites run the same version.",
            party=mesh.name,
        ) from None
