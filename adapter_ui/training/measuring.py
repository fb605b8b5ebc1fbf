"""Exact figures of a fine-tune before it starts: tokens, lengths, what is cut, trainable parameters.

Tokenizers and chat templates are strangers' programs, so a short child process with a deadline does the
counting.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from pydantic import TypeAdapter

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.examples import Examples
from adapter_ui.training.figures import Figures
from adapter_ui.training.process import last_error_line
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder, read_json
from adapter_ui.training.short_child import run_to_end

DEADLINE_SECONDS = 60.0


def measure(
    recipe: Recipe, examples: Examples, base: PreparedBase, deadline_seconds: float = DEADLINE_SECONDS
) -> Figures:
    """Count in a child process, without loading the base's weights; takes some seconds, mostly imports.

    Raises InvalidRecipe when the recipe does not fit the base, or when counting fails or takes too long.
    """
    with tempfile.TemporaryDirectory(prefix="adapter-ui-check-") as folder:
        run = RunFolder(Path(folder))
        run.write(recipe, examples)
        run.write_base(base)
        if not run_to_end("adapter_ui.models.tuning.check", run.path, run.stderr, deadline_seconds):
            raise InvalidRecipe(
                f"Counting the tokens took longer than {deadline_seconds:.0f} seconds; try fewer rows.",
                "data",
            )
        return read_figures(run)


def read_figures(run: RunFolder) -> Figures:
    if not run.figures.exists():
        reason = last_error_line(run.stderr) or "its process was stopped, most likely for memory"
        raise InvalidRecipe(f"The data cannot be counted with this base: {reason}.", "data")
    found = read_json(run.figures)
    if "error" in found:
        raise InvalidRecipe(found["error"], found["field"])
    return TypeAdapter(Figures).validate_python(found)
