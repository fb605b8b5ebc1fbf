"""The Hugging Face Space of this repository: `python -m adapter_ui.space check | deploy ORG/NAME`.

The Spacefile says what the Space is; this module compares it with the front matter of README.md, which is
what the Hub reads, and brings the files there. It knows nothing of the app that runs in the Space.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi, SpaceHardware
from huggingface_hub.errors import HfHubHTTPError

from adapter_ui.errors import AdapterUIError, InvalidInput
from adapter_ui.settings import Settings

ROOT = Path(__file__).parents[1]
FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", re.DOTALL)
NAME = re.compile(r"[A-Z][A-Z0-9_]*")
SAME_IN_BOTH = ("sdk", "sdk_version", "python_version", "app_file")
REQUIRED = ("title", "emoji", "colorFrom", "colorTo", "license", "short_description", "tags", "models")
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
LONGEST_DESCRIPTION = 60
DEPLOYED = (
    "README.md",
    "LICENSE",
    "Spacefile",
    "app.py",
    "pyproject.toml",
    "requirements.txt",
    "packages.txt",
    "adapter_ui/**",
)
NOT_DEPLOYED = ("**/__pycache__/**", "*.pyc")


@dataclass(frozen=True)
class Spacefile:
    """What the Space is. `variables` are public, `secrets` are names only: their values are set on the
    Hub."""

    sdk: str
    sdk_version: str
    python_version: str
    app_file: str
    hardware: str
    variables: Mapping[str, str]
    secrets: tuple[str, ...]


def read_spacefile(root: Path) -> Spacefile:
    """Read and check the Spacefile below `root`. Raises InvalidInput, whose `field` is the key."""
    content = read_yaml((root / "Spacefile").read_text(encoding="utf-8"), "The Spacefile")
    known = {field.name for field in fields(Spacefile)}
    if difference := known ^ content.keys():
        key = sorted(difference)[0]
        problem = "lacks" if key in known else "does not know"
        raise InvalidInput(
            f"The Spacefile {problem} the key “{key}”; its keys are {sorted(known)}.", field=key
        )
    for key in (*SAME_IN_BOTH, "hardware"):
        if not isinstance(content[key], str):
            raise InvalidInput(f"“{key}” in the Spacefile is no text; put it in quotes.", field=key)
    if content["hardware"] not in list(SpaceHardware):
        raise InvalidInput(
            f"“{content['hardware']}” is no hardware of Spaces, such as cpu-basic.", field="hardware"
        )
    variables, secrets = content["variables"] or {}, content["secrets"] or []
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise InvalidInput("“variables” in the Spacefile must map names to texts.", field="variables")
    if not isinstance(secrets, list) or not all(NAME.fullmatch(str(name)) for name in (*variables, *secrets)):
        raise InvalidInput("Variables and secrets in the Spacefile have names LIKE_THIS.", field="secrets")
    return Spacefile(**{**content, "variables": variables, "secrets": tuple(secrets)})


def read_front_matter(root: Path) -> dict[str, Any]:
    """The YAML block at the top of README.md. Raises InvalidInput when there is none."""
    match = FRONT_MATTER.match((root / "README.md").read_text(encoding="utf-8"))
    if match is None:
        raise InvalidInput("README.md has no front matter; start it with a YAML block between two --- lines.")
    return read_yaml(match[1], "The front matter of README.md")


def read_yaml(text: str, what: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidInput(f"{what} is no YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(content, dict):
        raise InvalidInput(f"{what} must be a mapping of keys to values.")
    return content


def find_mismatches(root: Path) -> list[str]:
    """What is wrong between Spacefile, README.md, requirements.txt and app.py: one sentence each, none when
    fine.

    Raises InvalidInput when one of the files cannot be read.
    """
    spacefile, front_matter = read_spacefile(root), read_front_matter(root)
    wanted = {key: getattr(spacefile, key) for key in SAME_IN_BOTH} | {
        "suggested_hardware": spacefile.hardware
    }
    found = [
        f"README.md says {key}: {front_matter.get(key)!r}, the Spacefile says {value!r}."
        for key, value in wanted.items()
        if front_matter.get(key) != value
    ]
    found += [
        f"README.md has no {key}; add it to the front matter."
        for key in REQUIRED
        if not front_matter.get(key)
    ]
    found += [
        f"README.md has the {key} {front_matter[key]!r}; the Hub knows {', '.join(COLORS)}."
        for key in ("colorFrom", "colorTo")
        if front_matter.get(key) and front_matter[key] not in COLORS
    ]
    if len(str(front_matter.get("short_description", ""))) > LONGEST_DESCRIPTION:
        found.append(f"The short_description in README.md is longer than {LONGEST_DESCRIPTION} characters.")
    if f"{spacefile.sdk}=={spacefile.sdk_version}" not in (root / "requirements.txt").read_text().split():
        found.append(f"requirements.txt does not pin {spacefile.sdk}=={spacefile.sdk_version}.")
    if not (root / spacefile.app_file).is_file():
        found.append(f"{spacefile.app_file} does not exist.")
    return found


def deploy(api: HfApi, root: Path, space_id: str) -> str:
    """Make the Space if need be, set its variables and hardware, bring the files; give its URL.

    Raises InvalidInput on a mismatch, and the client's HfHubHTTPError when the Hub refuses.
    """
    if found := find_mismatches(root):
        raise InvalidInput(f"Not deployed: {' '.join(found)}")
    spacefile = read_spacefile(root)
    url = api.create_repo(space_id, repo_type="space", space_sdk=spacefile.sdk, exist_ok=True)
    known = api.get_space_variables(space_id)
    for name, value in spacefile.variables.items():
        if name not in known or known[name].value != value:
            api.add_space_variable(space_id, name, value)
    if missing := set(spacefile.secrets) - api.get_space_secrets(space_id).keys():
        raise InvalidInput(
            f"Set the secrets {', '.join(sorted(missing))} in the settings of {url}, then deploy again."
        )
    api.upload_folder(
        repo_id=space_id,
        repo_type="space",
        folder_path=root,
        allow_patterns=list(DEPLOYED),
        ignore_patterns=list(NOT_DEPLOYED),
        delete_patterns="*",
        commit_message="Deploy Adapter UI",
    )
    runtime = api.get_space_runtime(space_id)
    if spacefile.hardware not in (runtime.hardware, runtime.requested_hardware):
        api.request_space_hardware(space_id, SpaceHardware(spacefile.hardware))
    return str(url)


def main(arguments: Sequence[str]) -> int:
    """Run one command; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m adapter_ui.space", description="The Space of this repository."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="compare the Spacefile with README.md")
    commands.add_parser("deploy", help="bring the files to a Space").add_argument(
        "space_id", metavar="ORG/NAME"
    )
    asked = parser.parse_args(arguments)
    try:
        if asked.command == "check":
            found = find_mismatches(ROOT)
            print("\n".join(found) or "The Spacefile and README.md agree.")
            return 1 if found else 0
        settings = Settings.from_environment()
        print(deploy(HfApi(endpoint=settings.hub_endpoint, token=settings.hub_token), ROOT, asked.space_id))
    except (AdapterUIError, HfHubHTTPError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
