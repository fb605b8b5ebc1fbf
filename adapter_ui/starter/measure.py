"""Measure the starter adapters through the app, for the figures in their cards.

`python -m adapter_ui.starter.measure pirate`, `… orders`, or `… sentiment heldout.csv`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapter_ui.domain import ChatMessage, GenerationOptions, Precision
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings, prepare_environment

STARTER = Path(__file__).parent
GREEDY = GenerationOptions(temperature=0, max_new_tokens=48)
QUESTIONS = ("What is the capital of France?", "How do I make coffee?", "Why is the ocean blue?")


def main(name: str, *files: str) -> None:
    service = AdapterService.start(Settings.from_environment())
    try:
        MEASURES[name](service, *files)
    finally:
        service.close()


def pirate(service: AdapterService) -> None:
    """Three questions that are not in the data, answered by the base and by the adapter."""
    for question in QUESTIONS:
        print(
            f"{question}\n  base: {answer(service, question, 0)}\n  adapter: {answer(service, question, 1)}"
        )


def orders(service: AdapterService) -> None:
    """How many held-out orders give exactly the right JSON, for dishes seen in training and for new ones."""
    seen = {json.loads(row["completion"])["item"] for row in read_rows(STARTER / "orders" / "data.jsonl")}
    right: Counter[tuple[str, bool]] = Counter()
    rows = read_rows(STARTER / "orders" / "heldout.jsonl")
    for row in rows:
        expected = json.loads(row["completion"])
        for arm, strength in (("base", 0), ("adapter", 1)):
            given = parse(answer(service, row["prompt"], strength, "orders"))
            right[arm, expected["item"] in seen] += given == expected
    print(f"{len(rows)} rows; exactly right by (arm, dish seen in training): {dict(right)}")


def sentiment(service: AdapterService, path: str) -> None:
    """Accuracy on held-out sentences, beside what always guessing the more frequent label would reach."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    right = 0
    for row in rows:
        *_, prediction = service.predict("starter:sentiment", row["text"], "", Precision.BF16)
        right += max(prediction.labels, key=lambda found: found.score).label == row["label"]
    majority = max(Counter(row["label"] for row in rows).values())
    print(f"{len(rows)} rows; accuracy {right / len(rows):.3f}; majority {majority / len(rows):.3f}")


def answer(service: AdapterService, question: str, strength: float, adapter: str = "pirate") -> str:
    """The greedy answer; strength 0 is the base."""
    messages = [ChatMessage("user", question)]
    *_, last = service.generate(f"starter:{adapter}", messages, GREEDY, Precision.BF16, strength=strength)
    return last.text.strip()


def parse(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def read_rows(path: Path) -> list[dict[str, str]]:
    lines: Iterable[str] = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


MEASURES = {"pirate": pirate, "orders": orders, "sentiment": sentiment}

if __name__ == "__main__":
    prepare_environment()
    main(*sys.argv[1:])
