"""Where an adapter's weights are, from the names of its files."""

from __future__ import annotations

import pytest

from adapter_ui.catalog.profiles.layout import Layout, WeightsLayout, weights_layout

SHARDS = tuple(f"adapter_model-0000{number}-of-00003.safetensors" for number in (1, 2, 3))
PICKLED = tuple(name.replace("safetensors", "bin") for name in SHARDS)
INDEX = "adapter_model.safetensors.index.json"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ((), WeightsLayout(Layout.NONE)),
        (("README.md", "model.safetensors", "adapter_model.gguf"), WeightsLayout(Layout.NONE)),
        (("adapter_model.safetensors",), WeightsLayout(Layout.SAFETENSORS, ("adapter_model.safetensors",))),
        (("adapter_model.bin",), WeightsLayout(Layout.PICKLE, ("adapter_model.bin",))),
        (
            ("adapter_model.bin", "adapter_model.safetensors", *SHARDS, INDEX),
            WeightsLayout(Layout.SAFETENSORS, ("adapter_model.safetensors",)),
        ),
        ((*SHARDS, INDEX), WeightsLayout(Layout.SHARDED, SHARDS, INDEX, 3)),
        ((*PICKLED, *SHARDS), WeightsLayout(Layout.SHARDED, SHARDS, None, 3)),
        ((*SHARDS, "adapter_model.bin"), WeightsLayout(Layout.SHARDED, SHARDS, None, 3)),
        ((*PICKLED, "adapter_model.bin"), WeightsLayout(Layout.PICKLE, ("adapter_model.bin",))),
        (PICKLED, WeightsLayout(Layout.SHARDED, PICKLED, None, 3)),
        ((INDEX,), WeightsLayout(Layout.SHARDED, (), INDEX)),
        (("adapter_model-00001-of-٣٣٣٣٣.safetensors",), WeightsLayout(Layout.NONE)),
        (("sub/adapter_model.safetensors",), WeightsLayout(Layout.NONE)),
    ],
)
def test_the_weights_at_the_top_are_classified(files, found):
    assert weights_layout(files) == found


def test_a_missing_shard_is_seen():
    assert weights_layout(SHARDS).complete
    assert not weights_layout(SHARDS[:2]).complete
    assert not weights_layout((INDEX,)).complete
    assert not weights_layout(()).complete
    assert weights_layout(("adapter_model.bin",)).complete


def test_folders_with_an_adapter_are_named_whatever_lies_at_the_top():
    files = [
        f"{folder}/{name}"
        for folder in ("checkpoint-100", "checkpoint-20", "a/b")
        for name in ("adapter_config.json", "x")
    ]
    for top in ("README.md", "adapter_model.safetensors", "adapter_model.bin", SHARDS[0]):
        assert weights_layout([top, *files, "other/file.txt"]).folders == (
            "a/b",
            "checkpoint-20",
            "checkpoint-100",
        )
