"""What a crowd does while it is measured: a table of scenarios by name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from benchmarks.crowd import Crowd
from benchmarks.job import Figures, Job
from benchmarks.scenarios.closed import closed
from benchmarks.scenarios.fan_out import fan_out
from benchmarks.scenarios.idle import idle
from benchmarks.scenarios.paced import paced

Scenario = Callable[[Crowd, Job], Awaitable[Figures]]
SCENARIOS: dict[str, Scenario] = {"closed": closed, "paced": paced, "fan_out": fan_out, "idle": idle}
