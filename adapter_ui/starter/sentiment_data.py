"""Make the data of the sentiment adapter: `python sentiment_data.py FOLDER` (training.csv and heldout.csv).

pip downloads the source archive of vaderSentiment 3.3.2 (MIT), which carries sentences with people's mean
ratings from -4 to 4 (C.J. Hutto and E. Gilbert, ICWSM 2014). Product reviews, film reviews and tweets with
a clear rating become `negative` and `positive` rows, equally many of each. None of it is in this project.
"""

from __future__ import annotations

import csv
import html
import io
import random
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "vaderSentiment==3.3.2"
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
FILES = ("amazonReviewSnippets", "movieReviewSnippets", "tweets")
CLEAR_RATING = 1.0
LENGTHS = range(20, 161)
TRAINING_ROWS = 320  # of each file and label
HELD_OUT_ROWS = 80
SEED = 7


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary=:all:", PACKAGE]
        subprocess.run([*command, "--dest", temporary], check=True)
        (source,) = Path(temporary).glob("*.tar.gz")
        training, held_out = split_rows(source)
    write_csv(folder / "training.csv", training)
    write_csv(folder / "heldout.csv", held_out)


def split_rows(source: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Training and held-out rows in a fixed order: equally many of each file and label, no text twice."""
    rng = random.Random(SEED)
    training: list[tuple[str, str]] = []
    held_out: list[tuple[str, str]] = []
    used: set[str] = set()
    for content in read_files(source):
        rated = {text: label for text, label in clear_rows(content) if text not in used}
        used.update(rated)
        for label in ("negative", "positive"):
            texts = [text for text in rated if rated[text] == label]
            chosen = [(text, label) for text in rng.sample(texts, TRAINING_ROWS + HELD_OUT_ROWS)]
            training += chosen[:TRAINING_ROWS]
            held_out += chosen[TRAINING_ROWS:]
    rng.shuffle(training)
    rng.shuffle(held_out)
    return training, held_out


def write_csv(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(rows)


def read_files(source: Path) -> list[str]:
    with (
        tarfile.open(source) as outer,
        tarfile.open(fileobj=io.BytesIO(outer.extractfile(ARCHIVE).read())) as inner,
    ):
        names = [f"hutto_ICWSM_2014/{name}_GroundTruth.txt" for name in FILES]
        return [inner.extractfile(name).read().decode("latin-1") for name in names]


def clear_rows(content: str) -> list[tuple[str, str]]:
    """Lines of `id TAB rating TAB text` whose rating is clear and whose text is neither tiny nor long."""
    found = []
    for line in content.splitlines():
        _, rating, text = line.split("\t", 2)
        text = " ".join(html.unescape(html.unescape(text)).split())
        if abs(float(rating)) >= CLEAR_RATING and len(text) in LENGTHS:
            found.append((text, "positive" if float(rating) > 0 else "negative"))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
