"""Long work and the answers beside it have equal time, by the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import pytest

from adapter_ui.models.turns import Turns

PIECES = 12
CLOCK = 0.05
"""What may pass between a reading here and the one in Turns, all pieces together."""


@dataclass
class Answers:
    """Somebody who writes tokens of so many seconds, or nothing."""

    token_seconds: float
    writes: bool = True
    spent: list[float] = field(default_factory=list)

    def step(self) -> bool:
        if self.writes:
            began = time.monotonic()
            time.sleep(self.token_seconds)
            self.spent.append(time.monotonic() - began)
        return self.writes


def work(turns: Turns, pieces: int, seconds: float) -> float:
    """Do so many pieces of so many seconds; gives how long they really took."""
    worked = 0.0
    for done in range(1, pieces + 1):
        began = time.monotonic()
        time.sleep(seconds)
        worked += time.monotonic() - began
        turns(done, pieces)
    return worked


@pytest.mark.parametrize(
    ("piece_seconds", "token_seconds"),
    [(0.04, 0.002), (0.004, 0.03)],
    ids=["long pieces and short tokens", "short pieces and long tokens"],
)
def test_answers_have_as_much_time_as_the_work(piece_seconds: float, token_seconds: float) -> None:
    answers = Answers(token_seconds)
    worked = work(Turns(answers.step, lambda done, total: None), PIECES, piece_seconds)
    assert worked - CLOCK <= sum(answers.spent) <= worked + max(answers.spent) + CLOCK


def test_time_in_which_nobody_wrote_is_not_made_up_for() -> None:
    answers = Answers(0.002, writes=False)
    turns = Turns(answers.step, lambda done, total: None)
    work(turns, PIECES, 0.02)
    answers.writes = True
    worked = work(turns, 1, 0.02)
    assert sum(answers.spent) <= worked + max(answers.spent) + CLOCK


def test_a_reader_hears_of_the_first_piece_and_not_of_each() -> None:
    heard: list[tuple[int, int]] = []
    work(Turns(lambda: False, lambda done, total: heard.append((done, total))), PIECES, 0.002)
    assert heard[0] == (1, PIECES)
    assert len(heard) < PIECES
