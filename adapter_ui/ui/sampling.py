"""The controls of decoding and what they mean to the service: components in, GenerationOptions out."""

from __future__ import annotations

import gradio as gr

from adapter_ui.domain import GenerationOptions

DEFAULT = GenerationOptions()


def sampling_controls() -> list[gr.Component]:
    """The controls in the order of `options_of`'s arguments."""
    return [
        gr.Slider(1, 2048, DEFAULT.max_new_tokens, step=1, label="Max new tokens", elem_id="max-new-tokens"),
        gr.Slider(
            0,
            2,
            DEFAULT.temperature,
            step=0.05,
            label="Temperature",
            info="0 always takes the likeliest token.",
            elem_id="temperature",
        ),
        gr.Slider(0.05, 1, DEFAULT.top_p, step=0.01, label="Top p", elem_id="top-p"),
        gr.Slider(0, 200, DEFAULT.top_k, step=1, label="Top k", info="0 is no limit.", elem_id="top-k"),
        gr.Slider(
            0.8,
            2,
            DEFAULT.repetition_penalty,
            step=0.01,
            label="Repetition penalty",
            elem_id="repetition-penalty",
        ),
        gr.Number(
            None,
            precision=0,
            minimum=0,
            maximum=2**32 - 1,
            label="Seed",
            placeholder="a new one each time",
            elem_id="seed",
        ),
        gr.Textbox(
            "",
            lines=2,
            label="Stop at",
            placeholder="one text a line",
            max_length=1000,
            elem_id="stop-strings",
        ),
        gr.Checkbox(
            False,
            label="Raw completion",
            info="Continue the text itself, without the chat template.",
            elem_id="raw",
        ),
    ]


def options_of(
    max_new_tokens: float,
    temperature: float,
    top_p: float,
    top_k: float,
    repetition_penalty: float,
    seed: float | None,
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
        seed=None if seed is None else int(seed),
        stop=tuple(line for line in stop.splitlines() if line),
        raw=raw,
    )
