"""The Spacefile against README.md, and a deployment to a loopback Hub."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import HfApi
from starlette.responses import JSONResponse

from adapter_ui.errors import InvalidInput
from adapter_ui.space import ROOT, deploy, find_mismatches, main, read_spacefile
from tests.hub import LoopbackHub, routes

SPACEFILE = {
    "sdk": "gradio",
    "sdk_version": "6.31.0",
    "python_version": "3.12",
    "app_file": "app.py",
    "hardware": "cpu-basic",
    "variables": {"ADAPTER_UI_HOME": "/home/user/adapter-ui"},
    "secrets": [],
}
FRONT_MATTER = {
    "title": "Adapter UI",
    "emoji": "🔎",
    "colorFrom": "indigo",
    "colorTo": "gray",
    "sdk": "gradio",
    "sdk_version": "6.31.0",
    "python_version": "3.12",
    "app_file": "app.py",
    "license": "apache-2.0",
    "short_description": "Explore PEFT adapters",
    "tags": ["peft"],
    "models": ["HuggingFaceTB/SmolLM2-135M-Instruct"],
    "suggested_hardware": "cpu-basic",
}


def checkout(
    root: Path, spacefile: dict[str, Any] | None = None, front_matter: dict[str, Any] | None = None
) -> Path:
    """A repository with the two files as given, beside what every deployment needs."""
    (root / "Spacefile").write_text(yaml.safe_dump(SPACEFILE | (spacefile or {})))
    card = yaml.safe_dump(FRONT_MATTER | (front_matter or {}), allow_unicode=True)
    (root / "README.md").write_text(f"---\n{card}---\n# Adapter UI\n")
    (root / "requirements.txt").write_text("gradio==6.31.0\n")
    (root / "app.py").write_text("print()\n")
    (root / ".env").write_text("SECRET=1\n")
    (root / "adapter_ui" / "__pycache__").mkdir(parents=True)
    (root / "adapter_ui" / "__init__.py").write_text("")
    (root / "adapter_ui" / "__pycache__" / "x.pyc").write_bytes(b"x")
    return root


def test_the_spacefile_of_this_repository_agrees_with_its_readme():
    assert find_mismatches(ROOT) == []


def test_files_that_agree_have_no_mismatch(tmp_path):
    assert find_mismatches(checkout(tmp_path)) == []


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("sdk_version", "5.0.0", "README.md says sdk_version: '5.0.0', the Spacefile says '6.31.0'."),
        ("python_version", 3.12, "README.md says python_version: 3.12, the Spacefile says '3.12'."),
        ("suggested_hardware", "t4-small", "README.md says suggested_hardware: 't4-small'"),
        ("license", None, "README.md has no license"),
        ("colorTo", "orange", "README.md has the colorTo 'orange'"),
        ("short_description", "x" * 61, "longer than 60"),
    ],
)
def test_every_difference_is_named(tmp_path, key, value, sentence):
    (mismatch,) = find_mismatches(checkout(tmp_path, front_matter={key: value}))
    assert sentence in mismatch


def test_the_pinned_sdk_and_the_app_file_are_looked_at(tmp_path):
    checkout(tmp_path)
    (tmp_path / "requirements.txt").write_text("gradio>=6\n")
    (tmp_path / "app.py").unlink()
    assert find_mismatches(tmp_path) == [
        "requirements.txt does not pin gradio==6.31.0.",
        "app.py does not exist.",
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hardware", "abacus"),
        ("sdk_version", 6.31),
        ("variables", ["A"]),
        ("variables", {"A": 1}),
        ("secrets", ["lower case"]),
        ("surprise", "x"),
    ],
)
def test_a_bad_spacefile_is_refused_with_its_key(tmp_path, key, value):
    with pytest.raises(InvalidInput) as caught:
        read_spacefile(checkout(tmp_path, {key: value}))
    assert caught.value.field == key


def test_a_readme_without_front_matter_is_refused(tmp_path):
    checkout(tmp_path)
    (tmp_path / "README.md").write_text("# Adapter UI\n")
    with pytest.raises(InvalidInput, match="no front matter"):
        find_mismatches(tmp_path)


@pytest.fixture
def space_settings() -> dict[str, dict[str, Any]]:
    return {
        "variables": {},
        "secrets": {},
        "runtime": {"stage": "RUNNING", "hardware": {"current": "t4-small"}},
    }


@pytest.fixture
def server(
    space_settings: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[LoopbackHub]:
    """The loopback Hub with the settings of a Space, which it keeps in `space_settings`."""

    def setting(catalog, call):
        name = call.path.rsplit("/", 1)[-1]
        if call.method == "POST" and name == "hardware":
            space_settings["runtime"]["hardware"] = {"current": call.json()["flavor"]}
            return JSONResponse(space_settings["runtime"])
        if call.method == "POST":
            space_settings[name][call.json()["key"]] = {"value": call.json()["value"]}
        return JSONResponse(space_settings[name])

    pattern = r"/api/(?P<kind>spaces)/(?P<id>[^/]+/[^/]+)/(?:variables|secrets|runtime|hardware)"
    monkeypatch.setitem(
        routes.ROUTES, "hub", [routes.route("GET POST", pattern, setting), *routes.HUB_ROUTES]
    )
    with LoopbackHub() as server:
        server.add_user("hf_me", "me")
        yield server


def test_a_deployment_brings_the_app_and_nothing_else(server, space_settings, tmp_path):
    api = HfApi(endpoint=server.endpoint, token="hf_me")
    url = deploy(api, checkout(tmp_path), "me/adapter-ui")
    assert url.endswith("/spaces/me/adapter-ui")
    expected = {
        ".gitattributes",
        "README.md",
        "Spacefile",
        "adapter_ui/__init__.py",
        "app.py",
        "requirements.txt",
    }
    assert set(server.repo("me/adapter-ui", "space").head.files) == expected
    assert space_settings["variables"] == {"ADAPTER_UI_HOME": {"value": "/home/user/adapter-ui"}}
    assert space_settings["runtime"]["hardware"] == {"current": "cpu-basic"}


def test_a_second_deployment_changes_only_what_differs(server, tmp_path):
    api = HfApi(endpoint=server.endpoint, token="hf_me")
    checkout(tmp_path)
    deploy(api, tmp_path, "me/adapter-ui")
    (tmp_path / "adapter_ui" / "__init__.py").rename(tmp_path / "adapter_ui" / "new.py")
    server.requests.clear()
    deploy(api, tmp_path, "me/adapter-ui")
    files = server.repo("me/adapter-ui", "space").head.files
    assert "adapter_ui/new.py" in files and "adapter_ui/__init__.py" not in files
    assert server.requests.count("*/variables", method="POST") == server.requests.count("*/hardware") == 0


def test_nothing_is_deployed_on_a_mismatch_or_without_the_secrets(server, tmp_path):
    api = HfApi(endpoint=server.endpoint, token="hf_me")
    with pytest.raises(InvalidInput, match="Not deployed"):
        deploy(api, checkout(tmp_path, front_matter={"sdk": "docker"}), "me/adapter-ui")
    assert len(server.requests) == 0
    (tmp_path / "other").mkdir()
    with pytest.raises(InvalidInput, match="Set the secrets HF_TOKEN"):
        deploy(api, checkout(tmp_path / "other", {"secrets": ["HF_TOKEN"]}), "me/adapter-ui")
    assert set(server.repo("me/adapter-ui", "space").head.files) == {".gitattributes"}


def test_the_command_says_what_went_wrong(server, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("adapter_ui.space.ROOT", checkout(tmp_path))
    assert main(["check"]) == 0
    monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
    assert main(["deploy", "somebody/else"]) == 1
    assert "401" in capsys.readouterr().err
