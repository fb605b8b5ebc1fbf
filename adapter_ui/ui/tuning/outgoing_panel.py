"""Where the adapter of the run in view can go: merged into its base, or pushed to the Hub.

Merging takes a while and can be cancelled; it goes on while another run is in view, and says whose it is.
What came of a run leaves with it. The token goes from the field into one push, and the field is emptied with
the click.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from markupsafe import Markup

from adapter_ui.domain import AdapterRef, Level, Merged, Progress, Pushed, RunStatus, Source
from adapter_ui.service import AdapterService
from adapter_ui.ui import format
from adapter_ui.ui.download import merged_file
from adapter_ui.ui.errors import shown_to_user, staying
from adapter_ui.ui.markup import at_rest, fill, join, notice, progress
from adapter_ui.ui.page import INSTANT, MODEL, html
from adapter_ui.ui.tuning.take_away import save_when_ready
from adapter_ui.ui.visitor import for_visitor, once_for_visitor

NOTHING_KEPT = Markup('<p class="hint">Stopped: nothing was kept.</p>')
MERGE_HINT = Markup(
    '<p class="hint">The base with the adapter in its weights, as a plain transformers folder. It is kept '
    "only if it answers as base and adapter do.</p>"
)


@dataclass(frozen=True)
class LastMerge:
    """Which run is being merged, or was merged last; "" where nothing came of it."""

    run_id: str = ""
    ready: bool = False

    @property
    def going(self) -> bool:
        return bool(self.run_id) and not self.ready


@dataclass(frozen=True)
class OutgoingPanel:
    """The panel, shown when the run in view has an adapter, and what is in it; `last` is the LastMerge."""

    panel: gr.Accordion
    merge: gr.Button
    stop: gr.Button
    download: gr.Button
    merged: gr.HTML
    repo_id: gr.Textbox
    token: gr.Textbox
    private: gr.Checkbox
    overwrite: gr.Checkbox
    push: gr.Button
    pushed: gr.HTML
    last: gr.State

    @property
    def of_merge(self) -> list[gr.Component]:
        return [self.merge, self.stop, self.download, self.merged, self.last]

    @property
    def results(self) -> list[gr.Component]:
        """What `results_shown` draws."""
        return [*self.of_merge, self.overwrite, self.pushed]


def outgoing_panel() -> OutgoingPanel:
    secret = gr.InputHTMLAttributes(autocomplete="off", spellcheck=False)
    with gr.Accordion("Merge, or push to the Hub", open=False, visible=False, elem_id="outgoing") as panel:
        html(MERGE_HINT)
        with gr.Row(elem_id="merge-buttons"):
            merge = gr.Button("Merge into the base", scale=0, min_width=210, elem_id="merge-run")
            stop = gr.Button(
                "Cancel", variant="stop", scale=0, min_width=110, visible=False, elem_id="merge-cancel"
            )
            download = gr.Button(
                "Download merged", scale=0, min_width=200, visible=False, elem_id="download-merged"
            )
        merged = html(elem_id="merge-result")
        with gr.Row():
            repo_id = gr.Textbox(
                label="Repository on the Hub",
                info="Your account, or an organisation of yours, and a name.",
                placeholder="account/name",
                elem_id="push-repo",
            )
            token = gr.Textbox(
                label="Token that may write",
                info="For this push alone; it is not kept.",
                type="password",
                html_attributes=secret,
                elem_id="push-token",
            )
        with gr.Row():
            private = gr.Checkbox(True, label="Private", elem_id="push-private")
            overwrite = gr.Checkbox(False, label="Overwrite what is there", elem_id="push-overwrite")
            push = gr.Button("Push to the Hub", scale=0, min_width=170, elem_id="push-run")
        pushed = html(elem_id="push-result")
    push_fields = (repo_id, token, private, overwrite, push, pushed)
    return OutgoingPanel(panel, merge, stop, download, merged, *push_fields, gr.State(LastMerge()))


def outgoing_events(service: AdapterService, panel: OutgoingPanel, shown: gr.State) -> None:
    outputs = panel.of_merge
    stream = {"show_progress": "hidden", **MODEL}
    running = panel.merge.click(for_visitor(service, merging), shown, outputs, **stream)
    running.failure(not_merged, panel.merged, outputs, **INSTANT)
    # another run may have come into view meanwhile
    running.success(download_shown, [shown, panel.last], panel.download, **INSTANT)
    panel.stop.click(stopped, None, outputs, cancels=[running], **INSTANT)
    file = gr.DownloadButton(visible="hidden")
    zipping = panel.download.click(once_for_visitor(service, zipped), panel.last, file, **MODEL)
    save_when_ready(zipping, file)
    fields = [shown, panel.repo_id, panel.token, panel.private, panel.overwrite]
    shown_of_push = [panel.token, panel.pushed]
    pushing_now = panel.push.click(for_visitor(service, pushing), fields, shown_of_push, **stream)
    pushing_now.failure(not_pushed, panel.pushed, shown_of_push, **INSTANT)


def panel_shown(run: RunStatus | None) -> gr.Accordion:
    return gr.Accordion(visible=run is not None and run.state.ended and run.adapter is not None)


def results_shown(run_id: str, last: LastMerge, *, anew: bool) -> list[Any]:
    """What came of the run in view, and of no other. A merge that goes on stays on screen."""
    if not anew:
        return [gr.skip()] * 7
    of_push = (gr.Checkbox(False), "")
    if last.going:
        return [*[gr.skip()] * 5, *of_push]
    if last.run_id == run_id:
        return [*[gr.skip()] * 2, download_shown(run_id, last), *[gr.skip()] * 2, *of_push]
    return [*looks(busy=False), "", LastMerge(), *of_push]


def download_shown(run_id: str, last: LastMerge) -> gr.Button:
    return gr.Button(visible=last.ready and last.run_id == run_id)


def ref_of(run_id: str) -> str:
    return str(AdapterRef(Source.RUN, run_id))


def of_run(run_id: str, event: Progress) -> Markup:
    """A step of one run's, which may not be the one in view."""
    return progress(replace(event, message=f"{ref_of(run_id)}: {event.message}"))


def looks(*, busy: bool) -> tuple[gr.Button, gr.Button, gr.Button]:
    return gr.Button(visible=not busy), gr.Button(visible=busy), gr.Button(visible=False)


def merging(service: AdapterService, run_id: str, *, visitor: str = "") -> Iterator[tuple[Any, ...]]:
    """Merge with progress; closing the stream stops it."""

    def refused(sentence: str) -> tuple[Any, ...]:
        why = notice(f"{ref_of(run_id)} was not merged. {sentence}", Level.BLOCKER)
        return *looks(busy=False), why, LastMerge()

    yield from staying(steps_of_merge(service, run_id, visitor), refused)


def steps_of_merge(service: AdapterService, run_id: str, visitor: str) -> Iterator[tuple[Any, ...]]:
    going = LastMerge(run_id)
    yield *looks(busy=True), of_run(run_id, Progress("merge", "Starting to merge")), going
    for event in service.merge(ref_of(run_id), visitor=visitor):
        if isinstance(event, Merged):
            # whether its file can be had here, `download_shown` tells, which knows the run in view
            yield *looks(busy=False), merged_view(event), LastMerge(run_id, ready=True)
        else:
            yield *looks(busy=True), of_run(run_id, event), going


def stopped() -> tuple[Any, ...]:
    return *looks(busy=False), NOTHING_KEPT, LastMerge()


def not_merged(merged: str) -> tuple[Any, ...]:
    """After an error, which is said already, and after Cancel, when a step may have come late."""
    return *looks(busy=False), at_rest(merged, NOTHING_KEPT), LastMerge()


def merged_view(found: Merged) -> Markup:
    message = (
        f"{found.adapter} is merged into {found.base} in {found.precision.value}: its outputs differ by "
        f"{found.difference:.2g} of their spread ({found.tolerance:g} is allowed). "
        f"{format.size(found.size_bytes)} in exports/{found.folder}."
    )
    return notice(message, Level.GOOD)


def zipped(service: AdapterService, last: LastMerge, *, visitor: str = "") -> str:
    with shown_to_user():
        return merged_file(service, ref_of(last.run_id), "", visitor=visitor)


def pushing(
    service: AdapterService,
    run_id: str,
    repo_id: str,
    token: str,
    private: bool,
    overwrite: bool,
    *,
    visitor: str = "",
) -> Iterator[tuple[Any, Markup]]:
    """Push with progress; the field of the token is emptied at once."""

    def refused(sentence: str) -> tuple[Any, Markup]:
        return "", notice(f"The push of {ref_of(run_id)} did not end well. {sentence}", Level.BLOCKER)

    options = {"private": private, "overwrite": overwrite, "token": token, "visitor": visitor}
    yield from staying(steps_of_push(service, run_id, repo_id, options), refused)


def steps_of_push(
    service: AdapterService, run_id: str, repo_id: str, options: dict[str, Any]
) -> Iterator[tuple[Any, Markup]]:
    yield "", of_run(run_id, Progress("push", "Starting to push"))
    for event in service.push(ref_of(run_id), repo_id, **options):
        yield gr.skip(), pushed_view(event) if isinstance(event, Pushed) else of_run(run_id, event)


def not_pushed(pushed: str) -> tuple[str, str]:
    return "", at_rest(pushed, Markup(""))


def pushed_view(found: Pushed) -> Markup:
    """Where it lies now."""
    access = "private" if found.private else "public"
    return join(
        [
            notice(f"{found.adapter} is on the Hub, in a {access} repository.", Level.GOOD),
            fill(
                '<p class="push-link"><a href="{url}" target="_blank" rel="noopener noreferrer">'
                "{repo_id}</a></p>",
                url=found.url,
                repo_id=found.repo_id,
            ),
        ]
    )
