"""The controls of decoding and what they mean to the service: components in, GenerationOptions out; and that
a reload brings them back.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from adapter_ui.domain import GenerationOptions
from adapter_ui.errors import InvalidInput
from adapter_ui.ui.kept import fitting, keep, keep_from_now
from adapter_ui.ui.page import LOOK_UP, Page

DEFAULT = GenerationOptions()
FORM = "generate"


def sampling_controls() -> list[gr.Component]:
    """The controls in the order of `options_of`'s arguments."""
    return [
        slider("Max new tokens", 1, 2048, DEFAULT.max_new_tokens, 1),
        slider("Temperature", 0, 2, DEFAULT.temperature, 0.05, "0 always takes the likeliest token."),
        slider("Top p", 0.05, 1, DEFAULT.top_p, 0.01),
        slider("Top k", 0, 200, DEFAULT.top_k, 1, "0 is no limit."),
        slider("Repetition penalty", 0.8, 2, DEFAULT.repetition_penalty, 0.01),
        # not a gr.Number: an untouched empty one sends 0, and every answer would have the same seed
        gr.Textbox("", label="Seed", placeholder="a new one each time", max_length=10, elem_id="seed"),
        gr.Textbox(
            "", lines=2, label="Stop at", placeholder="one text a line", max_length=1000, elem_id="stop-at"
        ),
        gr.Checkbox(
            False,
            label="Raw completion",
            info="Continue the text itself, without the chat template.",
            elem_id="raw",
        ),
    ]


def slider(
    label: str, low: float, high: float, value: float, step: float, info: str | None = None
) -> gr.Slider:
    elem_id = label.lower().replace(" ", "-")
    return gr.Slider(low, high, value, step=step, label=label, info=info, elem_id=elem_id)


def settings_events(page: Page, settings: list[gr.Component]) -> None:
    """Keep the system prompt and the controls of sampling, and bring them back when the page opens."""
    fields = {field.elem_id: field for field in settings}
    keep(FORM, page.kept_settings, fields, [field.change for field in settings])
    back = page.load(
        partial(recalled, fields), page.kept_settings, settings, show_progress="hidden", **LOOK_UP
    )
    keep_from_now(FORM, back)


def recalled(fields: dict[str, gr.Component], kept: object) -> list[Any]:
    """Each field's value that was kept; one that it could not hold leaves it at its default."""
    values = fitting(fields, kept)
    return [values.get(name, gr.skip()) for name in fields]


def options_of(
    max_new_tokens: float,
    temperature: float,
    top_p: float,
    top_k: float,
    repetition_penalty: float,
    seed: str,
    stop: str,
    raw: bool,
) -> GenerationOptions:
    """Raises InvalidInput when a value is out of its range."""
    return GenerationOptions(
        max_new_tokens=int(max_new_tokens),
        temperature=temperature,
        top_p=top_p,
        top_k=int(top_k),
        repetition_penalty=repetition_penalty,
        seed=seed_of(seed),
        stop=tuple(line for line in stop.splitlines() if line),
        raw=raw,
    )


def seed_of(text: str) -> int | None:
    """The typed seed; None where nothing was typed. Raises InvalidInput for what is no whole number."""
    if not text.strip():
        return None
    if not text.strip().isdecimal():
        raise InvalidInput("The seed must be a whole number; leave it empty for a new one.", field="seed")
    return int(text)
