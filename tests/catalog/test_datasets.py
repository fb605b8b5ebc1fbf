"""Datasets on the Hub: which files hold the rows, and how they come here, through the real client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.hub.data_files import choose_files
from adapter_ui.catalog.hub.datasets import DatasetRef
from adapter_ui.domain import Progress
from adapter_ui.errors import GatedRepo, HubError, InvalidInput, NotFoundOrPrivate
from adapter_ui.hub_rows import fetch_rows
from adapter_ui.settings import Settings
from adapter_ui.training.data import read_table
from adapter_ui.training.file_text import MAX_BYTES
from adapter_ui.training.sources.joined import join_files
from tests.hub import LoopbackHub

CSV = b"prompt,completion\n"
SPLITS = [{"split": "train", "path": "data/train-*"}, {"split": "test", "path": ["data/test-*"]}]
SHARDS = ["README.md", "data/test-0.csv", "data/train-0.csv", "data/train-1.csv", "data/train/0.csv"]


def configs(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"configs": list(entries)}


TWO = configs(
    {"config_name": "en", "data_files": "en/*.jsonl"}, {"config_name": "de", "data_files": ["de.csv"]}
)
CHOICES: dict[str, tuple[dict[str, Any], list[str], str, str, list[str]]] = {
    "the card's splits": (configs({"data_files": SPLITS}), SHARDS, "", "", SHARDS[2:4]),
    "a named split": (configs({"data_files": SPLITS}), SHARDS, "", "test", SHARDS[1:2]),
    "a named config": (TWO, ["de.csv", "en/a.jsonl"], "de", "", ["de.csv"]),
    "the default config": (
        configs({"config_name": "x", "data_files": "x.csv"}, {"config_name": "y", "default": True}),
        ["x.csv", "y.csv"],
        "",
        "",
        ["x.csv", "y.csv"],
    ),
    "splits as a mapping": (
        configs({"data_files": {"test": "t.csv"}}),
        ["t.csv", "u.csv"],
        "",
        "",
        ["t.csv"],
    ),
    "very many names": (
        configs({"data_files": ["./1.csv", *(f"{number}.csv" for number in range(2, 200))]}),
        ["0.csv", "1.csv", "99.csv", "data/1.csv"],
        "",
        "",
        ["1.csv", "99.csv"],
    ),
    "folders below": (
        configs({"data_files": "**/*.csv"}),
        ["a/b.csv", "c.csv"],
        "",
        "",
        ["a/b.csv", "c.csv"],
    ),
    "a folder": (configs({"data_dir": "./fr"}), ["fr/a.csv", "de/a.csv"], "", "", ["fr/a.csv"]),
    "no card": ({}, SHARDS[:4], "", "", SHARDS[2:4]),
    "parquet first": ({}, ["data/train-0.parquet", "train.csv"], "", "", ["data/train-0.parquet"]),
    "lines before tables": ({}, ["a.csv", "b.jsonl", "dataset_infos.json"], "", "", ["b.jsonl"]),
    "only validation": ({}, ["dev.tsv"], "", "", ["dev.tsv"]),
    "no words of splits": ({}, ["b.csv", "a.csv"], "", "", ["a.csv", "b.csv"]),
    "a card of nonsense": ({"configs": [7, {"data_files": 7}]}, ["a.csv"], "", "", ["a.csv"]),
}


@pytest.mark.parametrize(("card", "files", "config", "split", "chosen"), CHOICES.values(), ids=CHOICES)
def test_files_are_chosen_as_the_card_or_their_names_say(
    card: dict[str, Any], files: list[str], config: str, split: str, chosen: list[str]
) -> None:
    assert choose_files(card, files, config, split) == chosen


REFUSED: dict[str, tuple[dict[str, Any], list[str], str, str, str, str]] = {
    "no rows": ({}, ["README.md", "a.zip"], "", "", "no files of rows", "dataset"),
    "files that are not there": (TWO, ["a.csv"], "en", "", "no files of rows", "dataset"),
    "an unknown split": ({}, ["train.csv", "test.csv"], "", "dev", "it has train, test", "split"),
    "several splits": ({}, ["dev.csv", "test.csv"], "", "", "name one of them", "split"),
    "several configs": (TWO, ["de.csv"], "", "", "has the configs en, de", "config"),
    "an unknown config": (TWO, ["de.csv"], "fr", "", "it has en, de", "config"),
    "patterns without end": (
        configs({"data_files": [f"a*{number}.csv" for number in range(65)]}),
        ["a1.csv"],
        "",
        "",
        "more than 64 patterns",
        "dataset",
    ),
    "a config where there are none": ({}, ["a.csv"], "fr", "", "leave it empty", "config"),
}


@pytest.mark.parametrize(
    ("card", "files", "config", "split", "sentence", "field"), REFUSED.values(), ids=REFUSED
)
def test_what_is_there_to_choose_from_is_said(
    card: dict[str, Any], files: list[str], config: str, split: str, sentence: str, field: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        choose_files(card, files, config, split)
    assert sentence in caught.value.message
    assert caught.value.field == field


def fetched(hub: Hub, folder: Path, *wanted: str) -> tuple[list[Progress], Path]:
    *steps, path = fetch_rows(hub, DatasetRef(*wanted), folder)
    assert isinstance(path, Path)
    return [step for step in steps if isinstance(step, Progress)], path


def test_one_file_arrives_as_it_is_with_progress(server: LoopbackHub, hub: Hub, tmp_path: Path) -> None:
    content = CSV + b"a,b\n" * 600_000
    server.add_repo("org/talk", {"train.csv": content, "README.md": "# Talk"}, kind="dataset")
    steps, path = fetched(hub, tmp_path, "org/talk")
    assert path.read_bytes() == content
    assert path.name == "org--talk.csv"
    assert [step.done for step in steps[1:]] == [0, 2_000_000, len(content)]


def test_shards_of_a_split_become_one_file(server: LoopbackHub, hub: Hub, tmp_path: Path) -> None:
    card = f"---\nconfigs:\n- config_name: all\n  data_files: {json.dumps(SPLITS)}\n---\n# Talk\n"
    shards = {f"data/train-{at}.csv": CSV + f"a{at},b\nragged\nc{at},d\n".encode() for at in range(3)}
    server.add_repo("org/shards", {"README.md": card, **shards, "data/test-0.csv": CSV}, kind="dataset")
    _, path = fetched(hub, tmp_path, "org/shards", "all", "train")
    assert path.name == "org--shards-train.jsonl"
    table = read_table(path)
    assert [row["prompt"] for row in table.rows] == ["a0", "c0", "a1", "c1", "a2", "c2"]
    assert table.dropped_rows == 3
    assert table.dropped == tuple(
        f"file {file}, line 3: 1 values where the header has 2" for file in (1, 2, 3)
    )


def test_reasons_are_told_again_whatever_is_in_them(tmp_path: Path) -> None:
    twice = '{"a": "b"}\n{"\\ud800": 1, "\\ud800": 2}\n[1]\n["left out", 5]\n'
    paths = [tmp_path / f"{at}.jsonl" for at in range(2)]
    for path in paths:
        path.write_text(twice)
    table = read_table(join_files(paths, tmp_path / "joined.jsonl"))
    assert list(table.rows) == [{"a": "b"}] * 2
    assert table.dropped_rows == 6
    alone = read_table(paths[0]).dropped
    assert alone[1:] == tuple(f"line {line}: not an object with named fields" for line in (3, 4))
    assert table.dropped == tuple(f"file {file}, {reason}" for file in (1, 2) for reason in alone)


def test_an_older_revision_is_read_at_its_commit(server: LoopbackHub, hub: Hub, tmp_path: Path) -> None:
    repository = server.add_repo("org/talk", {"a.csv": CSV + b"old,x\n"}, kind="dataset")
    repository.tag("v1")
    repository.commit({"a.csv": CSV + b"new,x\n"})
    _, path = fetched(hub, tmp_path, "org/talk", "", "", "v1")
    assert path.read_bytes().endswith(b"old,x\n")


def test_the_hubs_refusals_are_ours(server: LoopbackHub, hub: Hub, tmp_path: Path) -> None:
    server.add_repo("org/model", {"train.csv": CSV})
    server.add_repo("org/gated", {"train.csv": CSV}, kind="dataset", gated="manual")
    server.add_repo("org/large", {"train.csv": b"x" * (MAX_BYTES + 1)}, kind="dataset")
    for name, error, sentence in (
        ("org/model", NotFoundOrPrivate, "The dataset org/model is not on the Hub"),
        ("org/gated", GatedRepo, "is gated"),
        ("org/large", InvalidInput, "have 20.0 MB (files: 1); the limit is 20 MB in"),
        ("org/a b", InvalidInput, "is not a dataset on the Hub"),
    ):
        with pytest.raises(error) as caught:
            fetched(hub, tmp_path, name)
        assert sentence in caught.value.message
    with pytest.raises(InvalidInput, match="is not a revision"):
        DatasetRef("org/name", revision="../x")


def test_offline_says_so(settings: Settings, tmp_path: Path) -> None:
    offline = Hub(Settings(home=settings.home, hub_endpoint=settings.hub_endpoint, offline=True))
    with pytest.raises(HubError, match="Offline mode is on, so the Hub was not asked for the dataset"):
        fetched(offline, tmp_path, "org/talk")
