"""What a person writes about a run: a title in place of the recipe's name, and notes.

Changes nothing of what was trained; the recipe and the adapter's card keep their name.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from adapter_ui.errors import InvalidInput
from adapter_ui.training.run_folder import RunFolder, read_json, write_json

LONGEST_TITLE, LONGEST_NOTES = 100, 4_000
NAME = "notes.json"


@dataclass(frozen=True)
class Notes:
    """`title` is "" where the recipe's own name stands. Raises InvalidInput for what is too long."""

    title: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        for field, text, longest in (
            ("title", self.title, LONGEST_TITLE),
            ("notes", self.notes, LONGEST_NOTES),
        ):
            if len(text) > longest:
                raise InvalidInput(
                    f"{field} has {len(text):,} characters, and {longest:,} is the most; shorten it.", field
                )


def read_notes(run: RunFolder) -> Notes:
    path = run.path / NAME
    return Notes(**read_json(path)) if path.is_file() else Notes()


def write_notes(run: RunFolder, title: str, notes: str) -> None:
    """Write them whole or not at all. Raises InvalidInput."""
    write_json(run.path / NAME, asdict(Notes(" ".join(title.split()), notes.strip())))
