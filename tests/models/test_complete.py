"""A base whose files lack what its answers depend on is refused; a pooler or its own head it may lack."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from adapter_ui.domain import Precision
from adapter_ui.errors import BaseUnavailable
from adapter_ui.models.loading import load_base


@pytest.fixture
def base(tiny_models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_models / "bert", tmp_path / "bert"))


def without(folder: Path, part: str) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    kept = {name: tensor for name, tensor in tensors.items() if part not in name}
    save_file(kept, file, {"format": "pt"})


def test_a_bare_base_without_a_layer_is_refused(base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(BaseUnavailable, match="do not fill BertModel: 16 tensors missing"):
        load_base(base, Precision.FP32, "AutoModel")


def test_a_bare_base_may_lack_its_pooler(base: Path) -> None:
    without(base, "pooler")
    loaded = load_base(base, Precision.FP32, "AutoModel")
    assert {name.partition(".")[0] for name in loaded.random} == {"pooler"}


def test_a_new_head_takes_the_place_of_none(base: Path) -> None:
    without(base, "classifier")
    loaded = load_base(base, Precision.FP32, "AutoModelForSequenceClassification", labels=("bad", "good"))
    assert any(name.startswith("classifier") for name in loaded.random)
