"""What has to be tried out before a fine-tune starts: its tokens are counted, and two of its steps are timed.

Tokenizers and chat templates are strangers' programs, so a short child process with a deadline does it, in
a folder that is thrown away.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path

from pydantic import TypeAdapter

from adapter_ui.errors import InvalidRecipe
from adapter_ui.training.examples import Examples
from adapter_ui.training.figures import Figures
from adapter_ui.training.pace import Pace, pace_file
from adapter_ui.training.process import last_error_line
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase, RunFolder, read_json
from adapter_ui.training.short_child import run_to_end, watched

DEADLINE_SECONDS = 60.0
STEPS_SECONDS = 90.0
TOO_SLOW = "The time is not known: steps could not be measured within {seconds:.0f} seconds."
ENDED = "The time is not known: the process that measures steps ended before the first was done{reason}."


class NotTimed(Exception):
    """No step could be timed; the message says why, for who asked."""


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


def timed(
    recipe: Recipe, examples: Examples, base: PreparedBase, deadline_seconds: float = STEPS_SECONDS
) -> Generator[None, None, Pace]:
    """Time two steps in a child process. Yields while it runs, and closing it ends the process. Raises
    NotTimed when it failed or took too long for a single one.
    """
    with tempfile.TemporaryDirectory(prefix="adapter-ui-pace-") as folder:
        run = RunFolder(Path(folder))
        run.write(recipe, examples)
        run.write_base(base)
        ended = yield from watched("adapter_ui.models.tuning.pace", run.path, run.stderr, deadline_seconds)
        if pace_file(run).exists():
            return TypeAdapter(Pace).validate_python(read_json(pace_file(run)))
        if not ended:
            raise NotTimed(TOO_SLOW.format(seconds=deadline_seconds))
        error = last_error_line(run.stderr)
        raise NotTimed(ENDED.format(reason=f" ({error})" if error else ""))
