"""What the panel's events do when an adapter is looked at: inspect it, follow what a person chooses there.

Knows no widget; what each function gives goes to the widgets by name or by place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import gradio as gr

from adapter_ui.domain import AdapterProfile, AdapterRef, ModelChoice, PrecisionChoice
from adapter_ui.domain.loadable import unsupported_precision
from adapter_ui.errors import AdapterUIError, InvalidInput
from adapter_ui.service import AdapterService
from adapter_ui.ui.card import render_card
from adapter_ui.ui.details import code, config, files, fit, heading, precisions, scale, xray
from adapter_ui.ui.errors import shown_to_user, warn
from adapter_ui.ui.markup import empty, fill
from adapter_ui.ui.newest import Newest
from adapter_ui.ui.state import Chosen, Selection

KEPT: Any = gr.skip()


class Wanted(NamedTuple):
    """What a person sets beside the adapter: the panel is drawn for it."""

    precision: str
    room: tuple[int, int]
    code: str


class Shown(NamedTuple):
    """One step of an inspection, in the order of its outputs; what a step leaves out stays as it is."""

    selected: Any = KEPT
    profile: Any = KEPT
    drawn_for: Any = KEPT
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
    service: AdapterService, newest: Newest, ref: str, chosen: Chosen, *wanted: Any
) -> Iterator[Shown]:
    """A head with what is known at once, then everything, or the reason why there is nothing."""
    yield from newest.begin(steps_of_inspection(service, ref, chosen, Wanted(*wanted)), Shown())


def steps_of_inspection(service: AdapterService, ref: str, chosen: Chosen, wanted: Wanted) -> Iterator[Shown]:
    """Until it is read nothing can be done with it, nor with the one before, under its name."""
    if not ref:
        yield Shown(
            selected=Selection(),
            profile=None,
            head=heading.NOTHING_SELECTED,
            retry=gr.Button(visible=False),
            body=gr.Column(visible=False),
        )
        return
    waits = gr.Button(interactive=False)
    yield Shown(
        profile=None, head=heading.waiting(ref), retry=gr.Button(visible=False), load=waits, try_it=waits
    )
    yield read(service, ref, chosen, wanted)


def read(service: AdapterService, ref: str, chosen: Chosen, wanted: Wanted) -> Shown:
    """Everything of it, or the reason in the panel, where it stays, and not only in a message that goes."""
    with shown_to_user():
        try:
            choice = chosen.of(str(AdapterRef.parse(ref)))
            profile = service.inspect(ref, choice.base_model)
        except AdapterUIError as error:
            head = heading.failed(ref, error.message)
            return Shown(
                profile=None, head=head, retry=gr.Button(visible=True), body=gr.Column(visible=False)
            )
        return everything(service, profile, choice, wanted)


def everything(
    service: AdapterService, profile: AdapterProfile, choice: ModelChoice, wanted: Wanted
) -> Shown:
    """All parts of the panel."""
    endpoint = service.hub_endpoint
    selected = Selection.of(profile, choice)
    shown = Shown(
        selected=selected,
        profile=profile,
        head=heading.heading(profile, endpoint),
        retry=gr.Button(visible=False),
        body=gr.Column(visible=True),
        report="",
        scale=scale.scale(profile, endpoint),
        xray=xray.xray(profile),
        config=config.config_panel(profile, service.explain(profile)),
        places=files.places(profile),
        files=files.files_table(profile, endpoint),
        card=card_of(profile),
        base=choice.base_model,
        model_class=choice.model_class,
    )
    return shown._replace(**drawn(service, profile, selected, wanted)._asdict())


class Drawn(NamedTuple):
    """The parts that follow what is wanted, in the order of their outputs."""

    drawn_for: Any = KEPT
    load: Any = KEPT
    try_it: Any = KEPT
    reason: Any = KEPT
    precisions: Any = KEPT
    matrix: Any = KEPT
    code_note: Any = KEPT
    code: Any = KEPT


def drawn(service: AdapterService, profile: AdapterProfile, selected: Selection, wanted: Wanted) -> Drawn:
    choices = service.precisions()
    found = service.fit(profile, *wanted.room)
    return Drawn(
        wanted,
        *ready(profile, choices, wanted.precision),
        precisions.precision_choices(profile, choices, wanted.precision, found),
        fit.fit_matrix(profile, found),
        *choose_code(profile, selected, wanted.code),
    )


def catch_up(
    service: AdapterService,
    newest: Newest,
    profile: AdapterProfile | None,
    selected: Selection,
    drawn_for: Wanted | None,
    *wanted: Any,
) -> Iterator[Drawn]:
    """Draw what is wanted now, where what is on screen was drawn for something else."""
    if profile is None or Wanted(*wanted) == drawn_for:
        yield Drawn()
        return

    def steps() -> Iterator[Drawn]:
        with shown_to_user():
            yield drawn(service, profile, selected, Wanted(*wanted))

    yield from newest.go_on(steps(), Drawn())


def ready(
    profile: AdapterProfile | None, choices: Sequence[PrecisionChoice], precision: str
) -> tuple[Any, Any, Any]:
    """Load, Try it and the line below: a blocked adapter cannot be loaded or tried, nor one in a precision
    that its method does not work in, and says why. One that is being read yet can neither.
    """
    refusal = refusal_of(profile, choices, precision) if profile else None
    usable = profile is not None and refusal is None
    return (
        gr.Button(f"Load in {precision}", interactive=usable),
        gr.Button(interactive=usable),
        precisions.not_loadable(refusal) if refusal else precisions.reason(choices, precision),
    )


def refusal_of(profile: AdapterProfile, choices: Sequence[PrecisionChoice], precision: str) -> str | None:
    """Why a load of it in this precision would be refused, as far as that is known before."""
    for blocker in profile.blockers:
        return blocker.message
    chosen = next((choice.precision for choice in choices if choice.precision == precision), None)
    return unsupported_precision(profile.method, chosen) if chosen else None


def not_inspected(ref: str) -> tuple[Any, Any, Any]:
    """After an error that nobody foresaw: the message has said what to do."""
    return (
        None,
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


def revisions(service: AdapterService, newest: Newest, profile: AdapterProfile | None) -> Iterator[Any]:
    """The branches and tags to choose from, asked for only now."""
    if profile is None:
        yield KEPT
        return
    yield from newest.go_on(steps_of_revisions(service, profile), KEPT)


def steps_of_revisions(service: AdapterService, profile: AdapterProfile) -> Iterator[Any]:
    with shown_to_user():
        yield files.places(profile, reading=True)
        yield files.places(profile, service.revisions(str(profile.ref)))


def no_revisions(profile: AdapterProfile | None) -> Any:
    """The button that asks for them, back after an error."""
    return KEPT if profile is None else files.places(profile)


def choose_model(
    service: AdapterService,
    newest: Newest,
    profile: AdapterProfile | None,
    chosen: Chosen,
    base: str,
    model_class: str | None,
    *wanted: Any,
) -> Iterator[tuple[Any, ...]]:
    """The base and the class that were chosen for the adapter on screen, then the panel as it is with them.

    Somebody may be typing there still, or loading already: the fields and the report stay as they are. After
    a typo all does, and the next choice counts.
    """
    try:
        choice = ModelChoice(base.strip(), (model_class or "").strip())
    except InvalidInput as error:
        warn(error)
        yield (KEPT, *Shown())
        return
    if profile is None or choice == chosen.of(str(profile.ref)):
        yield (KEPT, *Shown())
        return
    chosen = Chosen(str(profile.ref), choice)

    def steps() -> Iterator[tuple[Any, ...]]:
        yield chosen, *Shown(head=heading.waiting(chosen.ref))
        shown = read(service, chosen.ref, chosen, Wanted(*wanted))
        yield chosen, *shown._replace(base=KEPT, model_class=KEPT, report=KEPT)

    yield from newest.begin(steps(), (KEPT, *Shown()))


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
