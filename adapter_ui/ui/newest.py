"""Several events that draw the same: what an older one gives never replaces what a newer one gave.

Gradio runs each event by itself, and none of them waits for another. So each that begins draws a number, and
gives nothing more once another has begun. One object for each visitor; it is held in a gr.State.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

log = logging.getLogger(__name__)
Step = TypeVar("Step")


@dataclass
class Newest:
    number: int = 0

    def begin(self, steps: Iterator[Step], nothing: Step) -> Iterator[Step]:
        """The steps of what begins now, until another begins; `nothing` is the step that draws nothing."""
        self.number += 1
        return self.while_newest(self.number, steps, nothing)

    def go_on(self, steps: Iterator[Step], nothing: Step) -> Iterator[Step]:
        """The steps of what belongs to what began last, until another begins."""
        return self.while_newest(self.number, steps, nothing)

    def while_newest(self, number: int, steps: Iterator[Step], nothing: Step) -> Iterator[Step]:
        """Nobody waits any more for what has been overtaken: its failure is drawn as little as its steps."""
        try:
            for step in steps:
                if number != self.number:
                    break
                yield step
        except Exception:
            if number == self.number:
                raise
            log.exception("an event that was overtaken has failed")
        if number != self.number:
            yield nothing  # a stream's last step is sent once more at its end
