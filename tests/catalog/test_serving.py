"""What serves an adapter with vLLM: it names what it serves, no name breaks out, and refusals say why."""

from __future__ import annotations

import ast
import shlex
from dataclasses import replace

import pytest

from adapter_ui.catalog.snippets.vllm import (
    ALLOWED_RANKS,
    vllm_refusal,
    write_vllm_command,
    write_vllm_program,
)
from adapter_ui.domain import AdapterProfile, AdapterRef, BaseFacts, ModuleInfo


def profile(ref: str = "ada/lora", rank: int | None = 8, **more: object) -> AdapterProfile:
    known = {"method": "LORA", "task_type": "CAUSAL_LM", "base": BaseFacts("org/base"), "config": {}}
    unknown = dict.fromkeys(("commit", "parameters", "size_bytes", "dtype"))
    return AdapterProfile(AdapterRef.parse(ref), rank=rank, **{**unknown, **known, **more})


def words(program: str) -> list[list[str]]:
    """The words of each command, as a shell reads them."""
    return [shlex.split(line) for line in program.replace("\\\n", " ").splitlines()]


def test_the_command_serves_the_adapter_beside_its_base():
    assert words(write_vllm_command(profile())) == [
        [
            "vllm",
            "serve",
            "org/base",
            "--enable-lora",
            "--lora-modules",
            "lora=ada/lora",
            "--max-lora-rank",
            "8",
        ]
    ]


def test_a_revision_or_a_folder_is_downloaded_first_since_vllm_takes_whole_repositories_only():
    download, serve = words(write_vllm_command(profile("ada/lora@v1:checkpoint-100")))
    assert download == ["hf", "download", "ada/lora", "--revision", "v1", "--local-dir", "./lora"]
    assert "lora=./lora/checkpoint-100" in serve
    program = write_vllm_program(profile("ada/lora@v1:checkpoint-100"))
    assert "snapshot_download('ada/lora', revision='v1') + '/checkpoint-100'" in program


def test_an_adapter_of_this_machine_is_named_by_a_folder_that_the_program_explains():
    explained = "# './pirate' stands for the folder with 'starter:pirate': write where yours is"
    comment, command = write_vllm_command(profile("starter:pirate")).split("\n", 1)
    assert (comment, words(command)[0][5]) == (explained, "pirate=./pirate")
    program = write_vllm_program(profile("starter:pirate"))
    assert program.startswith(explained)
    assert "adapter = './pirate'" in program


@pytest.mark.parametrize(
    ("rank", "allowed"), [(1, 1), (4, 8), (8, 8), (24, 32), (257, 320), (512, 512), (None, 1)]
)
def test_the_rank_is_one_that_vllm_allows_and_enough(rank, allowed):
    assert allowed in ALLOWED_RANKS
    assert f"max_lora_rank={allowed})" in write_vllm_program(profile(rank=rank))


def test_a_module_of_a_higher_rank_decides():
    higher = ModuleInfo("model.layers.0.q_proj", "q_proj", 0, 64, 10)
    assert "--max-lora-rank 64" in write_vllm_command(profile(rank=8, modules=(higher,)))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"method": "IA3"}, "LoRA adapters only"),
        ({"method": None}, "unknown"),
        ({"config": {"use_dora": True}}, "DoRA"),
        ({"config": {"modules_to_save": ["lm_head"]}}, "modules_to_save"),
        ({"task_type": "SEQ_CLS"}, "text generation"),
        ({"base": None}, "names none"),
        ({"base": BaseFacts("/home/ada/models/base")}, "names none"),
        ({"rank": 1024}, "up to 512"),
    ],
)
def test_what_vllm_does_not_serve_is_refused_with_the_reason(more, reason):
    assert reason in vllm_refusal(profile(**more))


def test_an_ordinary_lora_is_not_refused():
    assert vllm_refusal(profile()) is None
    assert vllm_refusal(profile(task_type=None)) is None


@pytest.mark.parametrize(
    "name", ["x'); import os; print('", 'x"; rm -rf ~ #', "$(reboot)", "x\nimport os", "a b"]
)
def test_a_name_stays_one_string_and_one_word(name):
    hostile = replace(profile(), ref=replace(AdapterRef.parse("ada/lora"), name=f"ada/{name}", revision=name))
    tree = ast.parse(write_vllm_program(hostile))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    assert name in {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    command = shlex.split(write_vllm_command(hostile).replace("\\\n", " "))
    assert f"ada/{name}" in command
    assert f"{name}=./{name}" in command
