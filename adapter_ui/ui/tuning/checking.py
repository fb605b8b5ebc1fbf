"""When the check is opened: the report at once, and the time once steps of the run were measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.domain import Level, Preflight
from adapter_ui.errors import AdapterUIError
from adapter_ui.service import AdapterService
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import notice
from adapter_ui.ui.page import CHECK, INSTANT
from adapter_ui.ui.tuning.check import NOT_CHECKED, check_report

Job = Callable[[tuple[Any, ...]], tuple[dict[str, Any], Any]]
MEASURING: dict[str, Any] = {
    "concurrency_limit": 4,
    "concurrency_id": "measured-steps",
    "show_progress": "hidden",
    "api_visibility": "private",
}


def check_events(
    service: AdapterService, job_of: Job, job: list[Any], tab: gr.Tab, report: gr.HTML, start: gr.Button
) -> gr.events.Dependency:
    """Check when the tab is opened; gives the event that measures, which a start or a new check ends."""
    found = gr.State(None)
    checking = {"trigger_mode": "always_last", "show_progress": "minimal", **CHECK}
    # the tab is selected by a click on it, and by the button that leads here
    checked = tab.select(partial(check, service, job_of), job, [report, start, found], **checking)
    checked.failure(
        lambda: (NOT_CHECKED, gr.Button(interactive=False), None), None, [report, start, found], **INSTANT
    )
    timed = checked.success(partial(tell_time, service, job_of), [found, *job], report, **MEASURING)
    tab.select(None, None, None, cancels=[timed], **INSTANT)
    return timed


def check(service: AdapterService, job_of: Job, *values: Any) -> tuple[Any, gr.Button, Preflight | None]:
    """A refusal is drawn and not raised: Gradio drops the check that waits behind one that fails."""
    not_yet = gr.Button(interactive=False)
    with shown_to_user():
        try:
            recipe, data = job_of(values)
            if not str(data).strip():
                return NOT_CHECKED, not_yet, None
            found = service.check_finetune(recipe, data)
        except AdapterUIError as error:
            return notice(error.message, Level.BLOCKER), not_yet, None
        return check_report(found, timing=not found.refusal), gr.Button(interactive=not found.refusal), found


def tell_time(service: AdapterService, job_of: Job, found: Preflight | None, *values: Any) -> Iterator[Any]:
    """Nothing new while steps are measured, so that the event can be ended meanwhile; then the time."""
    if found is None:
        yield gr.skip()
        return
    with shown_to_user():
        for report in service.time_finetune(found, job_of(values)[1]):
            yield check_report(report) if report.timing else gr.skip()
