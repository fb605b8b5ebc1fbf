"""What the panel's events do when an adapter is looked at: inspect it, follow what a person chooses there.

Knows no widget; what each function gives goes to the widgets by name or by place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from adapter_ui.domain import AdapterProfile, AdapterRef, ModelChoice, PrecisionChoice
from adapter_ui.errors import AdapterUIError
from adapter_ui.service import AdapterService
from adapter_ui.ui.card import render_card
from adapter_ui.ui.details import code, config, files, fit, heading, precisions, scale, xray
from adapter_ui.ui.errors import shown_to_user
from adapter_ui.ui.markup import empty, fill
from adapter_ui.ui.state import Chosen, Selection

KEPT: Any = gr.skip()


class Shown(NamedTuple):
    """One step of an inspection, in the order of its outputs; what a step leaves out stays as it is."""

    selected: Any = KEPT
    profile: Any = KEPT
    fitted: Any = KEPT
    head: Any = KEPT
    retry: Any = KEPT
    body: Any = KEPT
    load: Any = KEPT
    try_it: Any = KEPT
    reason: Any = KEPT
    report: Any = KEPT
    precisions: Any = KEPT
    matrix: Any = KEPT
    scale: Any = KEPT
    xray: Any = KEPT
    config: Any = KEPT
    places: Any = KEPT
    files: Any = KEPT
    card: Any = KEPT
    code_note: Any = KEPT
    code: Any = KEPT
    base: Any = KEPT
    model_class: Any = KEPT


def inspect(
    service: AdapterService,
    ref: str,
    chosen: Chosen,
    precision: str,
    room: tuple[int, int],
    code_choice: str,
) -> Iterator[Shown]:
    """A head with what is known at once, then everything, or the reason why there is nothing."""
    if not ref:
        yield Shown(
            selected=Selection(),
            profile=None,
            head=heading.NOTHING_SELECTED,
            retry=gr.Button(visible=False),
            body=gr.Column(visible=False),
        )
        return
    with shown_to_user():
        yield Shown(head=heading.waiting(ref), retry=gr.Button(visible=False))
        try:
            choice = chosen.of(str(AdapterRef.parse(ref)))
            profile = service.inspect(ref, choice.base_model)
        except AdapterUIError as error:
            # in the panel, where it stays, and not only in a message that goes away
            head = heading.failed(ref, error.message)
            yield Shown(profile=None, head=head, retry=gr.Button(visible=True), body=gr.Column(visible=False))
            return
        yield everything(service, profile, choice, precision, room, code_choice)


def everything(
    service: AdapterService,
    profile: AdapterProfile,
    choice: ModelChoice,
    precision: str,
    room: tuple[int, int],
    code_choice: str,
) -> Shown:
    """All parts of the panel."""
    choices, endpoint = service.precisions(), service.hub_endpoint
    found = service.fit(profile, *room)
    selected = Selection.of(profile, choice)
    note, program = choose_code(profile, selected, code_choice)
    load, try_it, reason = ready(profile, choices, precision)
    return Shown(
        selected=selected,
        profile=profile,
        fitted=room,
        head=heading.heading(profile, endpoint),
        retry=gr.Button(visible=False),
        body=gr.Column(visible=True),
        load=load,
        try_it=try_it,
        reason=reason,
        report="",
        precisions=precisions.precision_choices(profile, choices, precision, found),
        matrix=fit.fit_matrix(profile, found),
        scale=scale.scale(profile, endpoint),
        xray=xray.xray(profile),
        config=config.config_panel(profile, service.explain(profile)),
        places=files.places(profile),
        files=files.files_table(profile, endpoint),
        card=card_of(profile),
        code_note=note,
        code=program,
        base=choice.base_model,
        model_class=choice.model_class,
    )


def ready(
    profile: AdapterProfile | None, choices: Sequence[PrecisionChoice], precision: str
) -> tuple[Any, Any, Any]:
    """Load, Try it and the line below: a blocked adapter cannot be loaded or tried, and says why."""
    blocker = next(iter(profile.blockers if profile else ()), None)
    return (
        gr.Button(f"Load in {precision}", interactive=blocker is None),
        gr.Button(interactive=blocker is None),
        precisions.not_loadable(blocker) if blocker else precisions.reason(choices, precision),
    )


def not_inspected(ref: str) -> tuple[Any, Any]:
    """After an error that nobody foresaw: the message has said what to do."""
    return (
        heading.failed(ref, "Something unexpected happened while it was read; try again."),
        gr.Button(visible=True),
    )


def warm(service: AdapterService, profile: AdapterProfile | None) -> None:
    """Start the model worker ahead of a load, when there is something to load."""
    if profile is not None and not profile.blockers:
        service.warm()


def choose_room(context: Any, arms: Any) -> tuple[int, int]:
    """The context and the answers at once to fit in; what the panel does not offer becomes the usual."""
    return (
        context if context in fit.CONTEXTS else fit.USUAL[0],
        arms if arms in range(1, fit.MOST_ARMS + 1) else fit.USUAL[1],
    )


def draw_fit(
    service: AdapterService,
    profile: AdapterProfile | None,
    precision: str,
    room: tuple[int, int],
    fitted: tuple[int, int],
) -> tuple[Any, Any, Any]:
    """What fits in the room that is chosen now, where what is on screen was `fitted` to another one."""
    if profile is None or room == fitted:
        return KEPT, KEPT, KEPT
    with shown_to_user():
        found = service.fit(profile, *room)
        choices = service.precisions()
        shown = precisions.precision_choices(profile, choices, precision, found)
        return room, shown, fit.fit_matrix(profile, found)


def revisions(service: AdapterService, profile: AdapterProfile | None) -> Iterator[Any]:
    """The branches and tags to choose from, asked for only now."""
    if profile is None:
        yield KEPT
        return
    with shown_to_user():
        yield files.places(profile, reading=True)
        yield files.places(profile, service.revisions(str(profile.ref)))


def no_revisions(profile: AdapterProfile | None) -> Any:
    """The button that asks for them, back after an error."""
    return KEPT if profile is None else files.places(profile)


def choose_model(
    service: AdapterService,
    profile: AdapterProfile | None,
    chosen: Chosen,
    base: str,
    model_class: str | None,
    precision: str,
    room: tuple[int, int],
    code_choice: str,
) -> Iterator[tuple[Any, ...]]:
    """The base and the class that were chosen for the adapter on screen, then the panel as it is with them.

    Somebody may be typing there still, or loading already: the fields and the report stay as they are.
    """
    with shown_to_user():
        choice = ModelChoice(base.strip(), (model_class or "").strip())
        if profile is None or choice == chosen.of(str(profile.ref)):
            yield (KEPT, *Shown())
            return
        chosen = Chosen(str(profile.ref), choice)
        for shown in inspect(service, chosen.ref, chosen, precision, room, code_choice):
            yield (chosen, *shown._replace(base=KEPT, model_class=KEPT, report=KEPT))


def choose_code(profile: AdapterProfile | None, selected: Selection, choice: str) -> tuple[Any, Any]:
    """The chosen program, or the reason why there is none."""
    text, language, refusal = code.code(profile, choice, selected.choice.model_class)
    note = fill('<p class="hint">{refusal}</p>', refusal=refusal) if refusal else ""
    return note, gr.Code(text, language=language, visible=refusal is None)


def card_of(profile: AdapterProfile) -> str:
    card = render_card(profile.card)
    if not card:
        return empty("No card", "The author wrote no model card.")
    return fill('<article class="card prose">{card}</article>', card=card)
