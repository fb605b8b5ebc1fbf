"""What a model in training answers to the fixed prompts, as a strip of steps that one goes through.

The steps are radio buttons of the page itself: going through them asks the server nothing, and the arrow keys
do it too.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from adapter_ui.domain import Sample
from adapter_ui.ui.markup import fill, join

# A row that was learned from may be said by heart.
ORIGIN = {True: ", held back", False: ", learned from", None: ""}


def samples_view(samples: Sequence[Sample]) -> Markup:
    """The prompts at one step after the other, the newest first shown; nothing before the first answer."""
    steps = sorted({answer.step for sample in samples for answer in sample.answers})
    if not steps:
        return Markup("")
    over = any(sample.after for sample in samples)
    parts = (step_part(samples, step, named(step, over and step == steps[-1]), steps[-1]) for step in steps)
    return fill(
        '<section class="samples" role="radiogroup" aria-label="Samples by step">{parts}</section>',
        parts=join(parts),
    )


def named(step: int, last: bool) -> str:
    return "Before" if step == 0 else f"After, step {step:,}" if last else f"Step {step:,}"


def step_part(samples: Sequence[Sample], step: int, name: str, newest: int) -> Markup:
    """One stop of the strip: its button, and what is shown while it is pressed."""
    return fill(
        '<input type="radio" name="sample-step" id="sample-step-{step}"{checked}>'
        '<label for="sample-step-{step}"{edge}>{name}</label><div class="sample-panel">{panels}</div>',
        step=step,
        name=name,
        checked=Markup(" checked") if step == newest else "",
        edge=Markup("") if name.startswith("Step") else Markup(' class="edge"'),
        panels=join(sample_panel(sample, step, name) for sample in samples),
    )


def sample_panel(sample: Sample, step: int, name: str) -> Markup:
    """A prompt: what the untrained model said, what it says at this step, and what the data wanted."""
    now = next((answer.text for answer in sample.answers if answer.step == step), "")
    columns = [("Before", sample.before)] if step else []
    columns += [(name, now), (f"In the data{ORIGIN[sample.held_back]}", sample.expected)]
    return fill(
        '<div class="sample"><p class="sample-prompt">{prompt}</p><div class="sample-answers">{answers}</div>'
        "</div>",
        prompt=sample.prompt,
        answers=join(
            fill("<div><h4>{title}</h4><p>{text}</p></div>", title=title, text=text)
            for title, text in columns
            if text
        ),
    )
