"""The public endpoints that write text: one adapter's answer, and several arms at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from adapter_ui.domain import Asked, Generation, Precision
from adapter_ui.service import AdapterService
from adapter_ui.ui import json_shapes
from adapter_ui.ui.arguments import (
    chat_messages,
    checked_text,
    chosen_arms,
    generation_options,
    number,
    precision_of,
)
from adapter_ui.ui.errors import told_to_caller
from adapter_ui.ui.visitor import who_asks


class TextApi:
    """The endpoints as methods: their names and arguments are the API's, but for `request`, which Gradio
    gives. Both take the same options.
    """

    def __init__(self, service: AdapterService) -> None:
        self.service = service

    def generate(
        self,
        adapter: str,
        prompt: str = "",
        system: str = "",
        precision: str = "",
        strength: float = 1.0,
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: list[str] | None = None,
        raw: bool = False,
        base_model: str = "",
        model_class: str = "",
        request: gr.Request | None = None,
    ) -> Iterator[str]:
        """Stream the answer, each time the whole text so far. `adapter` "" is the base named by
        `base_model`; `model_class` "" is the class of the adapter's task.
        """
        with told_to_caller():
            events = self.service.generate(
                checked_text(adapter, "adapter"),
                chat_messages(prompt, system),
                generation_options(
                    max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed, stop, raw
                ),
                self.precision(precision),
                strength=number(strength, "strength"),
                base_model=checked_text(base_model, "base_model"),
                model_class=checked_text(model_class, "model_class"),
                visitor=self.visitor(request),
            )
            text = ""
            for event in events:
                if isinstance(event, Generation):
                    text = event.text
                # Also while it waits or loads: Gradio stops a stream whose reader is gone between two items.
                yield text

    def compare(
        self,
        prompt: str,
        arms: list[dict[str, Any]] | None = None,
        system: str = "",
        precision: str = "",
        max_new_tokens: int = 256,
        temperature: float = 0.7,
        top_p: float = 0.95,
        top_k: int = 50,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: list[str] | None = None,
        raw: bool = False,
        base_model: str = "",
        request: gr.Request | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Ask several arms the same, on one seed; streams all answers so far in the order of the arms.

        An arm is `{"adapter": …, "strength": …, "base_model": …, "model_class": …}`; adapter "" is the base
        of the first arm that has one, or `base_model`. One that fails keeps its place, with its error.
        """
        with told_to_caller():
            messages = chat_messages(prompt, system)
            options = generation_options(
                max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed, stop, raw
            )
            steps = self.service.compare(
                [Asked(arm, messages) for arm in chosen_arms(arms if arms is not None else [])],
                options,
                self.precision(precision),
                base_model=checked_text(base_model, "base_model"),
                visitor=self.visitor(request),
            )
            for answers in steps:
                yield [json_shapes.arm_answer(one) for one in answers]

    def precision(self, name: str) -> Precision:
        """The named precision; this machine's default for ""."""
        return precision_of(name, self.service.default_precision())

    def visitor(self, request: gr.Request | None) -> str:
        """Who asks, for the service's fairness."""
        return who_asks(self.service, request)
