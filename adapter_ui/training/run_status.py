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
from adapter_ui.training.divergence import diverged_at
from adapter_ui.training.notes import read_notes
from adapter_ui.training.run_folder import RunFolder

Event = Mapping[str, Any]
UNREADABLE = (
    "The folder of this run is damaged, so it cannot go on; an adapter that it has can still be used, "
    "else delete the run."
)
SAVED = "saved"
"""The event of an adapter that has been put in its place."""
NOT_HISTORY = {"event", "time", "eta_seconds"}


def read_status(folder: RunFolder) -> RunStatus:
    """The run's status from its folder alone. Raises FileNotFoundError when the run was deleted."""
    stat = folder.events.stat()
    try:
        status, diverged = fold(folder, stat.st_size, stat.st_mtime_ns, folder.adapter.is_dir())
        written = read_notes(folder)
    except (ValueError, LookupError, TypeError, FileNotFoundError):
        return unreadable(folder)
    status = replace(status, name=written.title or status.name, notes=written.notes)
    if not status.resumable:
        return status
    return replace(status, checkpoint_step=newest_step(folder.checkpoints, before=diverged - 1))


def unreadable(folder: RunFolder) -> RunStatus:
    """What is left to say of a run whose folder is damaged. Raises FileNotFoundError when it was deleted."""
    return RunStatus(
        run_id=folder.path.name,
        state=RunState.FAILED,
        name="Damaged run",
        created=iso(folder.created()),
        adapter=f"run:{folder.path.name}" if folder.adapter.is_dir() else None,
        message=UNREADABLE,
        error=UNREADABLE,
    )


@lru_cache(maxsize=512)
def fold(folder: RunFolder, size: int, modified_ns: int, has_adapter: bool) -> tuple[RunStatus, float]:
    """The status at one state of the event file, and the step at which the run diverged; `size` and
    `modified_ns` only tell the states apart.
    """
    events = folder.read_events()
    recipe = folder.recipe_fields()
    states = [event for event in events if event["event"] == "state"]
    state = RunState(states[-1]["state"])
    trained = without_lost_steps(events)
    logs = [event for event in trained if event["event"] == "log"]
    status = RunStatus(
        run_id=folder.path.name,
        state=state,
        name=recipe.get("name", ""),
        message=states[-1].get("message", ""),
        base_model=recipe.get("base_model")
        or first(e["base_model"] for e in events if "base_model" in e)
        or "",
        step=first(e["step"] for e in reversed(events) if e["event"] in ("log", "plan") and "step" in e) or 0,
        total_steps=first(event["total_steps"] for event in reversed(events) if "total_steps" in event),
        history=history(logs),
        samples=samples(event for event in trained if event["event"] == "sample"),
        eta_seconds=None
        if state.ended
        else first(log["eta_seconds"] for log in reversed(logs) if "eta_seconds" in log),
        seconds=seconds_in_hand(events),
        created=iso(events[0]["time"]),
        adapter=f"run:{folder.path.name}" if has_adapter else None,
        adapter_step=first(e["step"] for e in reversed(events) if has_adapter and e["event"] == SAVED),
        error=error_since_queued(events),
        metrics_before=metrics(events, "metrics_before"),
        metrics_after=metrics(events, "metrics_after"),
        recipe=recipe,
    )
    return status, diverged_at(events)


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def seconds_in_hand(events: Iterable[Event]) -> float | None:
    """How long a process had the run in hand, its waits and its rests left out, and the time after its last
    word when nobody saw it die; None when none ever had.
    """
    total, since, spoken = 0.0, None, 0.0
    for event in events:
        state = event["state"] if event["event"] == "state" else None
        if state in (RunState.RUNNING, RunState.SAVING):
            since = event["time"] if since is None else since
        elif state is not None and since is not None:
            total += (spoken if state == RunState.INTERRUPTED else event["time"]) - since
            since = None
        if event["event"] != "error":
            spoken = event["time"]
    if since is not None:
        return round(total + spoken - since, 3)
    return round(total, 3) or None


def without_lost_steps(events: Iterable[Event]) -> list[Event]:
    """The events without what an attempt that broke off said of steps beyond the one from which the next goes
    on: these are trained again. What is told after a training is of an adapter that was saved, and stays.
    """
    kept: list[Event] = []
    for event in events:
        if event["event"] == "plan" and "step" in event:
            kept = [earlier for earlier in kept if not is_lost(earlier, event["step"])]
        kept.append(event)
    return kept


def is_lost(event: Event, back_at: int) -> bool:
    is_of_a_step = event["event"] == "log" or (event["event"] == "sample" and event["when"] == "during")
    return is_of_a_step and event["step"] > back_at


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
    """For each fixed prompt what the model wrote; of several at a step the newest counts."""
    prompts: dict[str, list[Event]] = {}
    for event in events:
        prompts.setdefault(event["prompt"], []).append(event)
    return tuple(sample(prompt, asked) for prompt, asked in prompts.items())


def sample(prompt: str, asked: Iterable[Event]) -> Sample:
    whens: dict[str, str] = {}
    steps: dict[int, str] = {}
    expected, held_back = "", None
    for event in asked:
        expected, held_back = event["expected"], event.get("held_back")
        whens[event["when"]] = steps[event["step"]] = event["text"]
    answers = tuple(SampleAnswer(step, steps[step]) for step in sorted(steps))
    return Sample(prompt, expected, whens.get("before", ""), whens.get("after", ""), answers, held_back)


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
