"""What the commands show on a terminal."""

from cohortium.screen.checking import (
    show_data_check,
    show_preflight,
    show_study,
    show_verdict,
)
from cohortium.screen.running import (
    RunScreen,
    megabytes,
    show_costs,
    show_demo,
    show_error,
    show_metrics,
)

__all__ = [
    "RunScreen",
    "megabytes",
    "show_costs",
    "show_data_check",
    "show_demo",
    "show_error",
    "show_metrics",
    "show_preflight",
    "show_study",
    "show_verdict",
]
