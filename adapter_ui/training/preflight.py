"""What a fine-tune would do and need before it starts: steps, memory, warnings, and whether it can start.

Arithmetic only; exact token and parameter counts come from `adapter_ui.training.figures`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from adapter_ui.domain import BaseFacts, MemoryEstimate, Preflight
from adapter_ui.domain.memory import training_memory
from adapter_ui.training.defaults import usual_rates
from adapter_ui.training.examples import Examples
from adapter_ui.training.figures import Figures
from adapter_ui.training.fitting import in_words, what_fits
from adapter_ui.training.guesses import features_guess, trainable_guess
from adapter_ui.training.methods import METHODS
from adapter_ui.training.metrics.entities import mark_entities
from adapter_ui.training.recipe import Recipe, total_steps, validation_size, virtual_tokens
from adapter_ui.training.splits import split_warnings

FEW_ROWS = 20
FEW_STEPS = 10
TOO_HIGH, TOO_LOW = 2, 0.1
"""Beyond these multiples of the learning rates that are usual for the method, a warning is due."""
MANY_EPOCHS = 20
SHORTEST_CHARACTERS_PER_TOKEN = 2


def check(
    recipe: Recipe,
    examples: Examples,
    base: BaseFacts,
    available_bytes: int,
    figures: Figures | None = None,
) -> Preflight:
    """Put together what is known. Without `figures`, counts stay None and memory is an upper bound."""
    unlearnable = figures.unlearnable if figures else 0
    usable = len(examples.rows) - unlearnable
    held_back = validation_size(recipe, usable)
    read = figures.training_rows if figures and figures.training_rows else usable - held_back
    steps = total_steps(recipe, read)
    memory = memory_of_run(recipe, examples, base, figures)
    return Preflight(
        recipe=recipe.to_json(),
        rows=usable,
        validation_rows=held_back,
        tokens=figures.tokens if figures else None,
        longest=figures.longest if figures else None,
        cut=figures.cut if figures else 0,
        steps=steps,
        trainable_parameters=figures.trainable_parameters if figures else None,
        adapter_bytes=figures.adapter_bytes if figures else None,
        memory=memory,
        available_bytes=available_bytes,
        warnings=tuple(warnings(recipe, examples, base, usable - held_back, read, steps, figures)),
        refusal=refusal(recipe, examples, base, available_bytes, figures),
        lengths=figures.lengths if figures else None,
        preview=figures.preview if figures else (),
    )


def memory_of_run(
    recipe: Recipe, examples: Examples, base: BaseFacts, figures: Figures | None
) -> MemoryEstimate | None:
    """Memory of the training process in bytes, term by term; None when the base's size is not known."""
    trainable = figures.trainable_parameters if figures else trainable_guess(recipe, base)
    row = min(longest_row(examples, figures), recipe.max_length) + virtual_tokens(recipe)
    return training_memory(
        base,
        recipe.precision,
        tokens=recipe.per_device_train_batch_size * row,
        trainable=trainable,
        features=trainable // recipe.r if recipe.method == "LORA" else features_guess(recipe, base),
        task_type=recipe.task_type,
    )


def longest_row(examples: Examples, figures: Figures | None) -> int:
    """Tokens of the longest row before cutting; without figures at most, told from its characters."""
    if figures:
        return figures.longest
    return max(len(str(row)) for row in examples.rows) // SHORTEST_CHARACTERS_PER_TOKEN


def refusal(
    recipe: Recipe, examples: Examples, base: BaseFacts, available_bytes: int, figures: Figures | None
) -> str | None:
    """Why it cannot start, with what would fit."""
    if not base.available:
        return base.problem or f"The base {base.id} cannot be had; choose another base."

    def needed(one: Recipe) -> int:
        memory = memory_of_run(one, examples, base, figures)
        return memory.total if memory else 0

    if needed(recipe) <= available_bytes:
        return None
    fitting = what_fits(recipe, longest_row(examples, figures), needed, available_bytes)
    advice = (
        f"{in_words(recipe, fitting)} would fit, with about {needed(fitting) / 1e9:.1f} GB."
        if fitting
        else "nothing smaller fits; choose a smaller base, or end what holds the memory."
    )
    return (
        f"Training needs about {needed(recipe) / 1e9:.1f} GB and {available_bytes / 1e9:.1f} GB are free; "
        + advice
    )


def warnings(
    recipe: Recipe,
    examples: Examples,
    base: BaseFacts,
    training_rows: int,
    read: int,
    steps: int,
    figures: Figures | None,
) -> Iterator[str]:
    """What is likely to disappoint, most telling first. Of `training_rows` the model reads `read` pieces: a
    long text is read in several.
    """
    if examples.dropped:
        yield f"Rows left out: {examples.dropped}; the first: {examples.problems[0]}."
    if figures:
        yield from rows_not_read(recipe, examples, figures)
    if training_rows < FEW_ROWS:
        yield f"Only {training_rows} rows to train on: the model may learn them by heart and nothing else."
    if steps < FEW_STEPS:
        yield f"Only {steps} optimizer steps: little will change; raise num_train_epochs."
    yield from unusual_rate(recipe, base)
    seen = steps * recipe.per_device_train_batch_size * recipe.gradient_accumulation_steps / max(read, 1)
    if seen > MANY_EPOCHS:
        yield f"Every row is seen {seen:.0f} times, which invites learning by heart."
    if recipe.bias != "none":
        yield "Trained biases belong to the base: it answers differently even with the adapter switched off."
    if not METHODS[recipe.method].resumable:
        yield f"A {recipe.method} run keeps no checkpoints: when it is interrupted, it starts again."
    if recipe.adapter:
        yield "The adapter keeps its own rank or sizes, bias and targets; those of the recipe are not used."
    if figures and figures.unused_classes:
        yield (
            f"The base has a head for {figures.unused_classes} classes and the data has others, so a new "
            "head is trained and the base's own is not used."
        )
    if figures and (names := figures.other_classes):
        shown = ", ".join(name[:40] for name in names[:3]) + (", …" if len(names) > 3 else "")
        yield (
            f"The training begins with the base's own head, for {len(names)} other classes ({shown}), so its "
            "figures before the training mean little."
        )
    yield from split_warnings(recipe, examples, figures)
    yield from rare_labels(examples)
    if examples.task_type == "TOKEN_CLS" and not mark_entities(examples.labels):
        yield (
            "No tag is O, B-… or I-…, so right words are counted and not right entities; if the tags are of "
            "entities, write them as O, B-PER, I-PER."
        )


def rows_not_read(recipe: Recipe, examples: Examples, figures: Figures) -> Iterator[str]:
    """Rows that the base reads in part, or not at all."""
    if figures.first_refusal:
        place, reason = figures.first_refusal
        yield (
            f"Rows left out since the base's chat template refuses their turns: {figures.refused}; the "
            f"first: {examples.places[place]}: {reason}."
        )
    if figures.cut:
        yield f"{figures.cut} rows are longer than max_length={recipe.max_length} and are cut."
    if lost := figures.unlearnable - figures.refused:
        yield (
            f"Rows left out since nothing of their answer can be learned within max_length="
            f"{recipe.max_length}: {lost}."
        )


def unusual_rate(recipe: Recipe, base: BaseFacts) -> Iterator[str]:
    method = METHODS[recipe.method]
    low, high = usual_rates(recipe.method, recipe.task_type, base)
    if low * TOO_LOW <= recipe.learning_rate <= high * TOO_HIGH:
        return
    side = "low" if recipe.learning_rate < low else "high"
    yield (
        f"A learning rate of {recipe.learning_rate:g} is {side} for {method.title}; {short(low)} to "
        f"{short(high)} is usual, since {method.rate_reason}."
    )


def short(rate: float) -> str:
    """A rate as people write it: 1e-4, not 1e-04."""
    return f"{rate:.0e}".replace("e-0", "e-")


def rare_labels(examples: Examples) -> Iterator[str]:
    counts = Counter(row["label"] for row in examples.rows if "label" in row)
    if counts and min(counts.values()) * 10 < max(counts.values()):
        rare = min(counts, key=counts.__getitem__)
        share = f"{counts[rare]} of {len(examples.rows)} rows"
        yield f"The label “{rare[:40]}” is rare (on {share}) and will be guessed seldom."
