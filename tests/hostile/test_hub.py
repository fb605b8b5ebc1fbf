"""Hostile repositories through the whole service: no weights are downloaded, no other repository is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter_ui.domain import ADAPTER_CONFIG
from adapter_ui.errors import AdapterUIError
from adapter_ui.service import AdapterService
from adapter_ui.settings import Settings
from tests.hostile.hub_cases import HUB_CASES, REPOSITORY, HubCase
from tests.hub import LoopbackHub
from tests.hub.tiny_models import LLAMA_ID


@pytest.fixture(scope="module")
def hub() -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        yield hub


@pytest.fixture
def service(hub: LoopbackHub, tmp_path: Path) -> Iterator[AdapterService]:
    service = AdapterService.start(
        Settings(home=tmp_path / "home", hub_endpoint=hub.endpoint, package_index=False)
    )
    yield service
    service.close()


def publish(case: HubCase, hub: LoopbackHub, models: Path, folder: Path) -> tuple[str, str]:
    """Put the case's repositories on the Hub; gives their names."""
    number = HUB_CASES.index(case)
    adapter, base = folder / "adapter", folder / "base"
    shutil.copytree(models / "lora", adapter)
    shutil.copytree(models / "llama", base)
    case.change(adapter, base)
    base_id = f"evil/base-{number}" if case.own_base else LLAMA_ID
    if case.own_base:
        config = json.loads((adapter / ADAPTER_CONFIG).read_text())
        (adapter / ADAPTER_CONFIG).write_text(json.dumps(config | {"base_model_name_or_path": base_id}))
    hub.add_repo(base_id, base)
    hub.add_repo(f"evil/adapter-{number}", adapter)
    return f"evil/adapter-{number}", base_id


@pytest.mark.parametrize("case", HUB_CASES, ids=str)
def test_a_hostile_repository_is_refused_before_its_weights_come(
    case: HubCase, hub: LoopbackHub, service: AdapterService, tiny_models: Path, tmp_path: Path
) -> None:
    repository, base = publish(case, hub, tiny_models, tmp_path / "case")
    hub.requests.clear()
    with pytest.raises(AdapterUIError) as refused:
        list(service.load(case.asked.replace(REPOSITORY, repository), case.precision))
    assert case.sentence in refused.value.message
    hostile = base if case.own_base else repository
    folder = service.settings.hub_cache / f"models--{hostile.replace('/', '--')}"
    assert not [*folder.rglob("*.safetensors"), *folder.rglob("*.bin")]
    assert {one.file[0] for one in hub.requests if one.file} <= {repository, base}
    others = [one.path for one in hub.requests if not one.file and not one.path.startswith("/_cdn/")]
    assert not [path for path in others if repository not in path and base not in path]
    assert service.memory().worker == 0
