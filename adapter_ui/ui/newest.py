"""Several events that draw the same: what an older one gives never replaces what a newer one gave.

Gradio runs each event by itself, and none of them waits for another. So each that begins draws a number, and
gives nothing more once another has begun. One object for each visitor; it is held in a gr.State.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

Step = TypeVar("Step")


@dataclass
class Newest:
    number: int = 0

    def begin(self, steps: Iterator[Step], nothing: Step) -> Iterator[Step]:
        """The steps of what begins now, until another begins; `nothing` is the step that draws nothing."""
        self.number += 1
        return self.go_on(steps, nothing)

    def go_on(self, steps: Iterator[Step], nothing: Step) -> Iterator[Step]:
        """The steps of what belongs to what began last, until another begins."""
        number = self.number
        for step in steps:
            if number != self.number:
                yield nothing  # a stream's last step is sent once more at its end
                return
            yield step
