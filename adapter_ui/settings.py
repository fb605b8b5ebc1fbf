"""The only reader of the environment: what this app is told from outside, read once at start.

`HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and `HF_HUB_OFFLINE` mean what they mean everywhere in this ecosystem,
and `GRADIO_SERVER_NAME` and `GRADIO_SERVER_PORT` are read by Gradio itself. Our own are `ADAPTER_UI_…`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

PACKAGE_PARENT = Path(__file__).resolve().parents[1]
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|CREDENTIAL|COOKIE|PRIVATE", re.IGNORECASE)
TRUE_WORDS = {"1", "on", "yes", "true"}


@dataclass(frozen=True)
class Settings:
    """`home` holds all state of this app. `hub_token` is `False` for "no token", never `None`, which the
    client would read as "use this machine's token".
    """

    home: Path
    hub_endpoint: str = "https://huggingface.co"
    hub_token: str | bool = False
    offline: bool = False
    on_space: bool = False
    folder: Path | None = None
    package_index: bool = True

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. On a Space the owner's token is not used for the Space's visitors."""
        env = os.environ if environment is None else environment
        on_space = bool(env.get("SPACE_ID"))
        home = env.get("ADAPTER_UI_HOME")
        folder = env.get("ADAPTER_UI_FOLDER")
        return cls(
            home=Path(home).expanduser().resolve() if home else user_data_path("adapter-ui", appauthor=False),
            hub_endpoint=env.get("HF_ENDPOINT", cls.hub_endpoint).rstrip("/"),
            hub_token=False if on_space else machine_token(env) or False,
            offline=env.get("HF_HUB_OFFLINE", "").lower() in TRUE_WORDS,
            on_space=on_space,
            folder=Path(folder).expanduser().resolve() if folder and not on_space else None,
            package_index=env.get("ADAPTER_UI_PACKAGE_INDEX", "1").lower() in TRUE_WORDS,
        )

    @property
    def hub_cache(self) -> Path:
        """Downloaded repositories: ours alone, so that no other user's private files are served from it."""
        return self.home / "hub"

    @property
    def bases(self) -> Path:
        return self.home / "bases"

    @property
    def runs(self) -> Path:
        return self.home / "runs"


def machine_token(env: Mapping[str, str]) -> str | None:
    """The token of the person who started the app: `HF_TOKEN`, else the one that `hf auth login` saved."""
    if token := env.get("HF_TOKEN", "").strip():
        return token
    hf_home = Path(env.get("HF_HOME", "~/.cache/huggingface")).expanduser()
    token_file = Path(env.get("HF_TOKEN_PATH", hf_home / "token")).expanduser()
    return token_file.read_text().strip() or None if token_file.is_file() else None


def prepare_environment() -> None:
    """Set what libraries read at import. Call before huggingface_hub or gradio is imported.

    No implicit token, no telemetry, plain HTTP downloads (whose progress can be watched and cancelled), and
    OpenMP threads that sleep when idle: spinning ones make two busy processes on few cores many times slower.
    """
    os.environ.setdefault("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def child_environment(**extra: str) -> dict[str, str]:
    """The environment of a child process: the package importable, no secrets, no network for the Hub's
    client, no kernels from there, and no more threads than this container may use.
    """
    kept = {name: value for name, value in os.environ.items() if not SECRET.search(name)}
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), kept.get("PYTHONPATH", "")]))
    return {
        **thread_limit(CPU_QUOTA),
        **kept,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "USE_HUB_KERNELS": "0",
        "DISABLE_SAFETENSORS_CONVERSION": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": path,
        **extra,
    }


def thread_limit(quota: Path) -> dict[str, str]:
    """As many threads as the container may use: torch counts the machine's cores, and would be throttled."""
    if not quota.is_file():
        return {}
    limit, period = quota.read_text().split()
    return {} if limit == "max" else {"OMP_NUM_THREADS": str(max(1, int(limit) // int(period)))}
