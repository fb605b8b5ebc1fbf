"""Which files of a dataset's repository hold the rows of one config and split (pure).

As the Hub's own viewer and libraries choose: what the card's `configs` name, else the files' formats and
names. A card is a stranger's: what has the wrong kind counts as not said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NoReturn

from adapter_ui.errors import InvalidInput

FORMATS = ((".parquet",), (".jsonl", ".ndjson"), (".csv",), (".tsv",), (".json",))
"""What is looked for where the card names no files, the best first."""
READABLE = (*(suffix for suffixes in FORMATS for suffix in suffixes), ".txt")
NOT_ROWS = re.compile(r"(dataset_infos?|dataset_dict|state|config|package)\.json")
SPLIT_WORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
WORD = re.compile(r"[A-Za-z]+")
TRAIN, DEFAULT = "train", "default"
LONGEST_PATTERN = 200
MOST_PATTERNS = 64
WILD = re.compile(r"[*?[]")
LISTED = 12

Splits = dict[str, list[str]]


def choose_files(card: Mapping[str, Any], files: Sequence[str], config: str, split: str) -> list[str]:
    """The files of a config ("": the only or default one) and a split ("": train, or the only one).

    Raises InvalidInput with what there is to choose from.
    """
    chosen = choose_config(card, config)
    named = named_splits(chosen)
    if named:
        check_patterns(named)
        found = {name: matching(patterns, files) for name, patterns in named.items()}
    else:
        folder = chosen.get("data_dir")
        found = guessed_splits(within(files, folder if isinstance(folder, str) else ""))
    found = {name: kept for name, names in found.items() if (kept := readable(names))}
    if not found:
        refuse("has no files of rows that can be read here; CSV, TSV, JSON, JSON lines and Parquet can")
    if split and split not in found:
        refuse(f"has no split “{split[:60]}”; it has {listed(found)}", "split")
    if not split and TRAIN not in found and len(found) > 1:
        refuse(f"has the splits {listed(found)}; name one of them", "split")
    return found[split or (TRAIN if TRAIN in found else next(iter(found)))]


def choose_config(card: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    """The entry of the card's `configs`; an empty one where it has none."""
    entries = card.get("configs")
    entries = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    configs = {str(one.get("config_name") or DEFAULT): one for one in entries}
    if wanted:
        if wanted not in configs:
            there = f"it has {listed(configs)}" if configs else "it names none, so leave it empty"
            refuse(f"has no config “{wanted[:60]}”; {there}", "config")
        return configs[wanted]
    if len(configs) <= 1:
        return next(iter(configs.values()), {})
    default = next((one for one in configs.values() if one.get("default") is True), configs.get(DEFAULT))
    if default is None:
        refuse(f"has the configs {listed(configs)}; name one of them", "config")
    return default


def named_splits(config: Mapping[str, Any]) -> Splits:
    """Split -> patterns, from each of the ways to write `data_files`; empty where it is not written."""
    named = config.get("data_files")
    if isinstance(named, dict):
        return {str(split): patterns for split, paths in named.items() if (patterns := texts(paths))}
    entries = named if isinstance(named, list) else [named]
    splits: Splits = {}
    for entry in entries:
        split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else (None, entry)
        if patterns := texts(paths):
            splits.setdefault(str(split or TRAIN), []).extend(patterns)
    return splits


def texts(value: object) -> list[str]:
    parts = value if isinstance(value, list) else [value]
    return [part for part in parts if isinstance(part, str) and 0 < len(part) <= LONGEST_PATTERN]


def check_patterns(named: Splits) -> None:
    """Each pattern is held against every file; plain names may be many."""
    if (
        sum(WILD.search(pattern) is not None for patterns in named.values() for pattern in patterns)
        > MOST_PATTERNS
    ):
        refuse(f"names its files by more than {MOST_PATTERNS} patterns; upload the file of rows instead")


def matching(patterns: Sequence[str], files: Sequence[str]) -> list[str]:
    plain = {pattern.removeprefix("./") for pattern in patterns if not WILD.search(pattern)}
    wild = [pattern for pattern in patterns if WILD.search(pattern)]
    return [name for name in files if name in plain or any(matches(pattern, name) for pattern in wild)]


def matches(pattern: str, name: str) -> bool:
    """Only `**` goes into folders."""
    pattern = pattern.removeprefix("./")
    if "**" not in pattern:
        return pattern.count("/") == name.count("/") and fnmatchcase(name, pattern)
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern.replace("**/", ""))


def within(files: Sequence[str], folder: str) -> list[str]:
    prefix = folder.strip("./")
    return [name for name in files if not prefix or name.startswith(f"{prefix}/")]


def guessed_splits(files: Sequence[str]) -> Splits:
    """The files of the best format, `data/` first, by the split that their paths name; all are train where
    none does.
    """
    kept = best_format([name for name in files if name.startswith("data/")]) or best_format(files)
    splits: Splits = {}
    for name in kept:
        if split := split_of(name):
            splits.setdefault(split, []).append(name)
    return splits or {TRAIN: kept}


def best_format(files: Sequence[str]) -> list[str]:
    candidates = [name for name in files if not NOT_ROWS.fullmatch(name.rpartition("/")[2])]
    by_format = ([name for name in candidates if name.lower().endswith(ends)] for ends in FORMATS)
    return next((found for found in by_format if found), [])


def split_of(name: str) -> str | None:
    words = set(words_of(name))
    return next((split for split, known in SPLIT_WORDS.items() if words & set(known)), None)


def words_of(name: str) -> Iterator[str]:
    return (word.lower() for word in WORD.findall(name))


def readable(files: Sequence[str]) -> list[str]:
    return sorted({name for name in files if name.lower().endswith(READABLE)})


def listed(names: Mapping[str, Any]) -> str:
    shown = ", ".join(name[:60] for name in list(names)[:LISTED])
    return f"{shown}, …" if len(names) > LISTED else shown


def refuse(message: str, field: str = "dataset") -> NoReturn:
    raise InvalidInput(f"The dataset {message}.", field=field)
