"""Where a run stands, told from its folder: its events folded into one RunStatus.

Pure reading: nothing here starts, stops or repairs a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from adapter_ui.domain import RunState, RunStatus, Sample, SampleAnswer
from adapter_ui.training.checkpoints import newest_step
from adapter_ui.training.notes import read_notes
from adapter_ui.training.run_folder import RunFolder

Event = Mapping[str, Any]
NOT_HISTORY = {"event", "time", "eta_seconds"}


def read_status(folder: RunFolder) -> RunStatus:
    """The run's status from its folder alone. Raises FileNotFoundError when the run was deleted."""
    stat = folder.events.stat()
    status = fold(folder, stat.st_size, stat.st_mtime_ns, folder.adapter.is_dir())
    written = read_notes(folder)
    status = replace(status, name=written.title or status.name, notes=written.notes)
    return replace(status, checkpoint_step=newest_step(folder.checkpoints)) if status.resumable else status


@lru_cache(maxsize=512)
def fold(folder: RunFolder, size: int, modified_ns: int, has_adapter: bool) -> RunStatus:
    """The status at one state of the event file; `size` and `modified_ns` only tell the states apart."""
    events = folder.read_events()
    recipe = folder.recipe_fields()
    states = [event for event in events if event["event"] == "state"]
    state = RunState(states[-1]["state"])
    logs = [event for event in events if event["event"] == "log"]
    started = first(event["time"] for event in states if event["state"] == RunState.RUNNING)
    return RunStatus(
        run_id=folder.path.name,
        state=state,
        name=recipe.get("name", ""),
        message=states[-1].get("message", ""),
        base_model=recipe.get("base_model")
        or first(e["base_model"] for e in events if "base_model" in e)
        or "",
        step=max((log["step"] for log in logs), default=0),
        total_steps=first(event["total_steps"] for event in reversed(events) if "total_steps" in event),
        history=history(logs),
        samples=samples(event for event in events if event["event"] == "sample"),
        eta_seconds=None
        if state.ended
        else first(log["eta_seconds"] for log in reversed(logs) if "eta_seconds" in log),
        seconds=None if started is None else round(events[-1]["time"] - started, 3),
        created=datetime.fromtimestamp(events[0]["time"], UTC).isoformat(timespec="seconds"),
        adapter=f"run:{folder.path.name}" if has_adapter else None,
        error=error_since_queued(events),
        metrics_before=metrics(events, "metrics_before"),
        metrics_after=metrics(events, "metrics_after"),
        recipe=recipe,
    )


def history(logs: Iterable[Event]) -> tuple[Mapping[str, float], ...]:
    """One mapping a logged step; what the evaluation of a step found joins what its training said."""
    steps: dict[int, dict[str, float]] = {}
    for log in logs:
        steps.setdefault(log["step"], {}).update({k: v for k, v in log.items() if k not in NOT_HISTORY})
    return tuple(steps[step] for step in sorted(steps))


def metrics(events: list[Event], kind: str) -> Mapping[str, float]:
    """The newest metrics of that kind; none when no row was held back, or it has not come so far."""
    return first(event["metrics"] for event in reversed(events) if event["event"] == kind) or {}


def samples(events: Iterable[Event]) -> tuple[Sample, ...]:
    """For each fixed prompt what the model wrote; after a resume the newest answer at a step counts."""
    prompts: dict[str, list[Event]] = {}
    for event in events:
        prompts.setdefault(event["prompt"], []).append(event)
    return tuple(sample(prompt, asked) for prompt, asked in prompts.items())


def sample(prompt: str, asked: Iterable[Event]) -> Sample:
    whens: dict[str, str] = {}
    steps: dict[int, str] = {}
    expected = ""
    for event in asked:
        expected = event["expected"]
        whens[event["when"]] = steps[event["step"]] = event["text"]
    answers = tuple(SampleAnswer(step, steps[step]) for step in sorted(steps))
    return Sample(prompt, expected, whens.get("before", ""), whens.get("after", ""), answers)


def error_since_queued(events: list[Event]) -> str | None:
    """Why it failed, unless it was resumed since."""
    for event in reversed(events):
        if event["event"] == "error":
            return event["message"]
        if event["event"] == "state" and event["state"] == RunState.QUEUED:
            break
    return None


def first(items: Iterable[Any]) -> Any | None:
    return next(iter(items), None)
