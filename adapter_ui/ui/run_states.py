"""How the state of a run is coloured: which badge each has."""

from __future__ import annotations

from adapter_ui.domain import RunState

STATE_BADGES = {
    RunState.QUEUED: "plain",
    RunState.RUNNING: "method",
    RunState.SAVING: "method",
    RunState.DONE: "local",
    RunState.FAILED: "bad",
    RunState.CANCELLED: "plain",
    RunState.INTERRUPTED: "warning",
    RunState.PAUSED: "warning",
}
