"""Every one of more than 300 adapters on a Hub is told as PEFT and safetensors tell it, nothing left out.

Slow: PEFT builds all of them first.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.domain import ADAPTER_WEIGHTS, AdapterProfile, AdapterRef, Level, Source
from adapter_ui.settings import Settings
from tests.catalog.truth.build import Bases, Truth, build
from tests.catalog.truth.variants import GATED_BASE, LLAMA, RENAMED_BASE, Variant, all_variants
from tests.hub import LoopbackHub

pytestmark = pytest.mark.slow

ANY_BYTES = 256 * 1024
ZERO_CHECK_BYTES = 1024 * 1024
NO_CONFIG = {"config_missing", "non_finite"}
MOST_TELLING = (Level.WARNING, Level.BLOCKER)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    return Bases(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def truths(bases: Bases, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Truth]:
    folder = tmp_path_factory.mktemp("adapters")
    return {variant.name: build(variant, bases, folder / variant.name) for variant in all_variants()}


@pytest.fixture(scope="module")
def hub(bases: Bases, truths: dict[str, Truth]) -> Iterator[LoopbackHub]:
    with LoopbackHub() as hub:
        for base_id, folder in bases.folders.items():
            hub.add_repo(base_id, folder, **({"gated": "manual"} if base_id == GATED_BASE else {}))
        hub.rename(RENAMED_BASE, LLAMA)
        for truth in truths.values():
            hub.add_repo(truth.variant.id, truth.folder)
        yield hub


@pytest.fixture(scope="module")
def catalog(hub: LoopbackHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    home = tmp_path_factory.mktemp("home")
    catalog = Catalog(Settings(home=home, hub_endpoint=hub.endpoint))
    yield catalog
    catalog.close()


def test_there_are_at_least_300_of_them():
    assert len({variant.id for variant in all_variants()}) >= 300


@pytest.mark.parametrize("variant", all_variants(), ids=lambda variant: variant.name)
def test_an_adapter_is_what_peft_and_safetensors_say(
    variant: Variant, catalog: Catalog, hub: LoopbackHub, bases: Bases, truths: dict[str, Truth]
):
    truth = truths[variant.name]
    profile = catalog.inspect(AdapterRef(Source.HUB, variant.id))
    codes = {finding.code for finding in profile.findings if finding.level in MOST_TELLING}
    assert codes == variant.codes
    assert variant.notes <= {finding.code for finding in profile.findings}
    assert hub.requests.bytes_served(variant.id, ADAPTER_WEIGHTS) <= ANY_BYTES + ZERO_CHECK_BYTES
    assert profile.size_bytes == truth.size_bytes
    if profile.dtype is not None:  # None where the file cannot be read, which a finding then says
        assert_tensors(profile, truth)
    unnamed = variant.base not in bases.folders or codes & NO_CONFIG
    if not unnamed:
        assert_base(profile, bases)


def assert_tensors(profile: AdapterProfile, truth: Truth) -> None:
    assert (profile.parameters, profile.dtype) == (truth.parameters, truth.dtype)
    changed = {module.name: module for module in profile.modules if not module.whole and not module.shared}
    if truth.modules and profile.method == truth.method:
        assert changed.keys() == truth.modules
        shown = {name: module.rank for name, module in changed.items() if module.rank is not None}
        assert shown == {name: truth.ranks[name] for name in shown}
        assert truth.method != "LORA" or shown.keys() == truth.modules
    if profile.config:
        assert profile.task_type == truth.task


def assert_base(profile: AdapterProfile, bases: Bases) -> None:
    truth = bases.truth(profile.base.id)
    if profile.base.available:
        assert profile.base.parameters == truth.parameters
        assert profile.base.dtype == truth.dtype
        assert profile.base.size_bytes == truth.size_bytes
