"""How long a fine-tune will take: who may measure it when, on what, and what is said of the figure.

Part of the service layer: knows the machine, its runs and the base's files; nothing of the page.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from adapter_ui.catalog.machine import room_for_a_training
from adapter_ui.domain import Preflight
from adapter_ui.preparation import Preparation
from adapter_ui.training.examples import Examples
from adapter_ui.training.measuring import STEPS_SECONDS, TOO_SLOW, NotTimed, timed
from adapter_ui.training.pace import Pace
from adapter_ui.training.recipe import Recipe
from adapter_ui.training.run_folder import PreparedBase

POLL_SECONDS = 0.25
NOT_HERE = "The time is not known yet: steps can be measured once the base is on this machine."
NO_ROOM = "The time is not known: the memory to measure steps is in use now."


class Timing:
    """Measures one fine-tune at a time, since two at once would slow each other.

    `company` says what else uses this machine now, such as "another run"; "" for nothing.
    """

    def __init__(self, preparation: Preparation, company: Callable[[], str]) -> None:
        self.preparation = preparation
        self.company = company
        self.lock = threading.Lock()

    def told(
        self, found: Preflight, examples: Examples, deadline_seconds: float = STEPS_SECONDS
    ) -> Iterator[Preflight]:
        """The report again and again while steps are measured, and last with the time, or with the reason why
        there is none. Closing the iterator ends the measuring.
        """
        if found.refusal:
            yield found
            return
        recipe = Recipe.parse(found.recipe)
        base = self.preparation.already_here(recipe, self.preparation.base_of(recipe))
        if base is None:
            yield replace(found, timing=NOT_HERE)
        elif found.memory is None or found.memory.total > room_for_a_training():
            yield replace(found, timing=NO_ROOM)
        else:
            measuring = self.measured(recipe, examples, base, deadline_seconds)
            yield from with_time(measuring, found, recipe)

    def measured(
        self, recipe: Recipe, examples: Examples, base: PreparedBase, deadline_seconds: float
    ) -> Generator[None, None, tuple[Pace, str]]:
        """The pace, and what else used the machine meanwhile. Raises NotTimed."""
        deadline = time.monotonic() + deadline_seconds
        while not self.lock.acquire(timeout=POLL_SECONDS):
            yield
            if time.monotonic() > deadline:
                raise NotTimed(TOO_SLOW.format(seconds=deadline_seconds))
        try:
            before = self.company()
            pace = yield from timed(recipe, examples, base, deadline_seconds)
            return pace, before or self.company()
        finally:
            self.lock.release()


def with_time(
    measuring: Generator[None, None, tuple[Pace, str]], found: Preflight, recipe: Recipe
) -> Iterator[Preflight]:
    try:
        while True:
            next(measuring)
            yield found
    except StopIteration as end:
        pace, beside = end.value
    except NotTimed as error:
        yield replace(found, timing=str(error))
        return
    finally:
        measuring.close()
    steps = "one step" if pace.steps == 1 else f"{pace.steps} steps"
    yield replace(
        found,
        seconds=pace.seconds(recipe, found.steps),
        step_seconds=pace.step_seconds,
        timing=f"{steps} measured{f' beside {beside}' if beside else ''}",
    )
