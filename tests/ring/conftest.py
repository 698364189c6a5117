from __future__ import annotations

from hypothesis import settings

# The machine is shared with other work: how long an example takes says nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
