"""At which step a run diverged, told from its events. Pure reading."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

DIVERGED = "diverged"
"""The event of a step whose loss was no number."""
# Runs of versions that wrote no such event said it in their error.
TOLD = re.compile(r"The loss stopped being a number at step (\d+)")


def diverged_at(events: Iterable[Mapping[str, Any]]) -> float:
    """The step whose loss was no number, unless the run was resumed and has gone past it; else infinity."""
    at = math.inf
    for event in events:
        if event["event"] == DIVERGED:
            at = event["step"]
        elif event["event"] == "error" and (told := TOLD.match(event["message"])):
            at = int(told[1])
        elif event["event"] == "log" and "loss" in event and event["step"] >= at:
            at = math.inf
    return at
