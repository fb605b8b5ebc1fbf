"""How fast the local index answers with many adapters in it.

    python benchmarks/index.py [--adapters 100000] [--runs 15]

Fills a new index with varied adapters, made up from a seed, then times pages of searches as people make
them, first pages and pages deep inside, each with SQLite's plan. Target: every search's median under 50 ms,
also while another thread writes.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from adapter_ui.catalog.storage.index import Index
from adapter_ui.catalog.storage.index_rows import Details
from adapter_ui.domain import AdapterRef, AdapterSummary, SearchQuery, Source

TARGET_MILLISECONDS = 50
PAGE_ROWS = 30
BATCH = 1000
DEEP_PAGES = 40
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
TOPICS = (
    "sql",
    "poetry",
    "medical",
    "legal",
    "pirate",
    "summaries",
    "code",
    "roleplay",
    "math",
    "ner",
    "chat",
)
FAMILIES = ("llama", "mistral", "qwen", "gemma", "phi", "bert", "roberta", "t5", "falcon", "smollm")
METHODS = ("LORA",) * 90 + (
    "ADALORA",
    "IA3",
    "IA3",
    "LOHA",
    "LOKR",
    "PREFIX_TUNING",
    "PROMPT_TUNING",
    "OFT",
    "VERA",
    "P_TUNING",
)
TASKS = ("CAUSAL_LM",) * 8 + ("SEQ_CLS", "SEQ_2_SEQ_LM", "TOKEN_CLS", None)
LICENSES = ("apache-2.0", "mit", "llama3", "gemma", "cc-by-nc-4.0", "openrail", None, None)
RANKS = (4, 8, 8, 16, 16, 16, 32, 32, 64, 128, 256)
COMMON_AUTHOR = "author-0"
SIZES = (10_000_000, 50_000_000)


def base_id(number: int) -> str:
    return f"org-{number % 40}/{FAMILIES[number % len(FAMILIES)]}-base-{number}"


POPULAR_BASE, RARE_BASE = base_id(0), base_id(801)


@dataclass(frozen=True)
class Case:
    name: str
    query: SearchQuery
    bases: tuple[str, ...] = ()


CASES = (
    Case("no filter, by downloads", SearchQuery(sort="downloads")),
    Case("no filter, by size", SearchQuery(sort="size")),
    Case("a popular base, trending", SearchQuery(sort="trending"), (POPULAR_BASE,)),
    Case("a popular base, by rank", SearchQuery(sort="rank"), (POPULAR_BASE,)),
    Case("a rare base, by size", SearchQuery(sort="size"), (RARE_BASE,)),
    Case(
        "a base with ten variants",
        SearchQuery(sort="likes"),
        tuple(base_id(number) for number in range(0, 1000, 100)),
    ),
    Case("an author, updated", SearchQuery(sort="updated", author=COMMON_AUTHOR)),
    Case("a rare method, created", SearchQuery(sort="created", method="VERA")),
    Case("the common method, by size", SearchQuery(sort="size", method="LORA")),
    Case("rank 8 to 16, by downloads", SearchQuery(sort="downloads", min_rank=8, max_rank=16)),
    Case("10 to 50 MB, by likes", SearchQuery(sort="likes", min_size=SIZES[0], max_size=SIZES[1])),
    Case("a licence and open, trending", SearchQuery(sort="trending", license="mit", access="open")),
    Case("gated, by size", SearchQuery(sort="size", access="gated")),
    Case("a common word", SearchQuery(sort="downloads", text="llama")),
    Case("a word in every name", SearchQuery(sort="size", text="adapter", min_rank=256)),
    Case("a rare word", SearchQuery(sort="downloads", text="adapter-4711")),
    Case("two words", SearchQuery(sort="likes", text="qwen sql")),
    Case("a word of two letters", SearchQuery(sort="downloads", text="t5")),
    Case("no such word", SearchQuery(sort="rank", text="zzzz")),
    Case(
        "all together",
        SearchQuery(
            sort="size",
            text="llama",
            task_type="CAUSAL_LM",
            method="LORA",
            min_rank=8,
            max_rank=64,
            min_size=1,
            max_size=10**9,
            license="apache-2.0",
            access="open",
            safetensors=True,
        ),
    ),
    Case(
        "filters that exclude each other",
        SearchQuery(sort="downloads", method="LORA", license="gemma", min_rank=8, max_rank=8, text="bert"),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapters", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        index = Index(path)
        seconds = fill(index, arguments.adapters)
        size = path.stat().st_size + Path(f"{path}-wal").stat().st_size
        print(f"{arguments.adapters:,} adapters written in {seconds:.1f} s, {size / 1e6:.0f} MB\n")
        slowest = max(measure(index, case, arguments.runs) for case in CASES)
        beside = beside_a_writer(index, arguments.runs)
        index.close()
    print(f"slowest median {max(slowest, beside):.1f} ms, target under {TARGET_MILLISECONDS} ms")
    return 0 if max(slowest, beside) < TARGET_MILLISECONDS else 1


def fill(index: Index, count: int) -> float:
    """Write the rows as lists of the Hub and as details, in batches; gives the seconds it took."""
    chance = random.Random(7)
    started = time.perf_counter()
    for first in range(0, count, BATCH):
        rows = [made_up(chance, number) for number in range(first, min(first + BATCH, count))]
        index.keep([Details(row, known=chance.random() < 0.9, fresh_seconds=3600) for row in rows])
    return time.perf_counter() - started


def made_up(chance: random.Random, number: int) -> AdapterSummary:
    """One adapter. Bases and authors are as uneven as on the Hub: few have most."""
    base = int(1000 * chance.random() ** 4)
    family = FAMILIES[base % len(FAMILIES)]
    rank = chance.choice(RANKS)
    created = EPOCH + timedelta(minutes=10 * number)
    author = int(20_000 * chance.random() ** 3)
    return AdapterSummary(
        AdapterRef(Source.HUB, f"author-{author}/{family}-{chance.choice(TOPICS)}-adapter-{number}"),
        base_model=base_id(base),
        task_type=chance.choice(TASKS),
        method=chance.choice(METHODS),
        rank=rank,
        size_bytes=rank * chance.randrange(100_000, 5_000_000),
        base_size_bytes=10**9,
        downloads=int(10_000 * chance.random() ** 6),
        likes=int(100 * chance.random() ** 8),
        updated=(created + timedelta(days=chance.randrange(90))).isoformat(),
        created=created.isoformat(),
        gated=chance.random() < 0.02,
        commit=f"{number:040x}",
        parameters=rank * 1_000_000,
        dtype=chance.choice(("float32", "bfloat16")),
        license=chance.choice(LICENSES),
        safetensors=chance.random() < 0.95,
        trending=float(int(100 * chance.random() ** 12)),
    )


def measure(index: Index, case: Case, runs: int) -> float:
    """Milliseconds of a page at the median, of the first page and of a deep one, the slower of both."""
    place, pages = None, 0
    for _ in range(DEEP_PAGES):
        page = index.page(case.query, case.bases, place, PAGE_ROWS)
        if not page.more:
            break
        place, pages = page.last, pages + 1
    first, deep = (timed(index, case, after, runs) for after in (None, place))
    print(
        f"{case.name:34} first {statistics.median(first):6.1f} (worst {max(first):6.1f}) ms, "
        f"page {pages + 1:2} {statistics.median(deep):6.1f} (worst {max(deep):6.1f}) ms"
    )
    for step in index.explain(index.statement(case.query, case.bases, place, PAGE_ROWS)):
        print(f"    {step}")
    return max(statistics.median(first), statistics.median(deep))


def timed(index: Index, case: Case, after: tuple[float | str, int] | None, runs: int) -> list[float]:
    milliseconds = []
    for _ in range(runs):
        started = time.perf_counter()
        index.page(case.query, case.bases, after, PAGE_ROWS)
        milliseconds.append((time.perf_counter() - started) * 1000)
    return milliseconds


def beside_a_writer(index: Index, runs: int) -> float:
    """The median of a filtered page while another thread writes batch after batch."""
    stopped = threading.Event()
    chance = random.Random(8)

    def write() -> None:
        while not stopped.is_set():
            index.keep(
                [Details(made_up(chance, number), known=True, fresh_seconds=1) for number in range(BATCH)]
            )

    writer = threading.Thread(target=write)
    writer.start()
    case = Case("", SearchQuery(sort="size", method="LORA", license="mit"))
    milliseconds = timed(index, case, None, runs)
    stopped.set()
    writer.join()
    median = statistics.median(milliseconds)
    print(f"\nbeside a writing thread: median {median:.1f} ms, worst {max(milliseconds):.1f} ms")
    return median


if __name__ == "__main__":
    raise SystemExit(main())
