"""Findings that only an inspection makes: of files that cannot be read, of numbers, of bases on a Hub."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from safetensors.numpy import save

from adapter_ui.catalog.catalog import Catalog
from adapter_ui.catalog.storage.bases import fetch_adapter
from adapter_ui.domain import AdapterProfile, AdapterRef, Level, SearchQuery
from adapter_ui.settings import Settings
from tests.catalog.folders import MODULE, adapter_files, lora_tensors, refuse, write_adapter
from tests.conftest import finish
from tests.hub import LoopbackHub
from tests.hub.light_adapters import light_base_files

ID = "a/lora"
WEIGHTS = "adapter_model.safetensors"
FIRST_LOOK, ALL_LOOKS, HEADER = 65_536, 1_048_576, 262_144


@dataclass(frozen=True)
class Hub:
    """The sound adapter on its base, on a Hub; a case changes something and inspects."""

    server: LoopbackHub
    catalog: Catalog
    settings: Settings

    def inspect(self, name: str = ID) -> AdapterProfile:
        return self.catalog.inspect(AdapterRef.parse(name))

    def change(self, files: dict[str, bytes | str]) -> AdapterProfile:
        self.server.repo(ID).commit(files)
        return self.inspect()


@pytest.fixture
def hub(server: LoopbackHub, catalog: Catalog, settings: Settings) -> Hub:
    server.add_repo("tiny-org/base", light_base_files())
    server.add_repo(ID, adapter_files(card="---\nlicense: mit\n---\n# A"))
    return Hub(server, catalog, settings)


def codes(profile: AdapterProfile, *levels: Level) -> set[str]:
    return {finding.code for finding in profile.findings if not levels or finding.level in levels}


def zero_tensors(layers: int = 2, rank: int = 2, width: int = 64) -> dict[str, np.ndarray]:
    return {
        name: np.zeros_like(tensor) if "lora_B" in name else tensor
        for name, tensor in lora_tensors(rank, layers, width).items()
    }


def long_names() -> dict[str, np.ndarray]:
    return {f"{MODULE.format(n)}.{'x' * 90}.lora_A.weight": np.ones((2, 1), np.float32) for n in range(2500)}


def gated(hub: Hub) -> AdapterProfile:
    hub.server.add_repo("a/closed", adapter_files(), gated="manual")
    return hub.inspect("a/closed")


def missing_file(hub: Hub) -> AdapterProfile:
    hub.server.faults.inject(f"/*/{WEIGHTS}", status=404)
    return hub.inspect()


def unreadable(hub: Hub) -> AdapterProfile:
    folder = write_adapter(hub.settings.folder / "mine")
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, folder / WEIGHTS)
        return hub.inspect("folder:mine")


def failing(hub: Hub) -> AdapterProfile:
    hub.server.faults.inject(f"/*/{WEIGHTS}", status=500)
    return hub.inspect()


def renamed(hub: Hub) -> AdapterProfile:
    hub.server.rename(ID, "a/better")
    return hub.inspect()


def silent(hub: Hub) -> AdapterProfile:
    hub.inspect()
    hub.server.stop()
    return hub.inspect()


def downloaded(hub: Hub) -> AdapterProfile:
    finish(fetch_adapter(hub.settings, hub.catalog.hub, AdapterRef.parse(ID), hub.server.repo(ID).sha))
    hub.server.stop()
    return hub.inspect()


INSPECTED: dict[str, Callable[[Hub], AdapterProfile]] = {
    "config_unreadable": lambda hub: hub.change({"adapter_config.json": "{"}),
    "non_finite": lambda hub: hub.change({"adapter_config.json": '{"peft_type": "LORA", "r": NaN}'}),
    "file_too_large": lambda hub: hub.change({"adapter_config.json": " " * 1_000_001}),
    "header_unreadable": lambda hub: hub.change({WEIGHTS: save(lora_tensors())[:-8]}),
    "header_too_large": lambda hub: hub.change({WEIGHTS: save(long_names())}),
    "gated": gated,
    "file_missing": missing_file,
    "file_unreadable": unreadable,
    "not_all_read": failing,
    "renamed": renamed,
    "known_earlier": silent,
    "downloaded_copy": downloaded,
}


@pytest.mark.parametrize("code", INSPECTED)
def test_what_calls_for_a_finding_gets_it_and_a_sound_adapter_does_not(hub, code):
    assert code not in codes(hub.inspect())
    hub.settings.home.joinpath("cache.sqlite").unlink()
    fresh = Hub(hub.server, Catalog(hub.settings), hub.settings)
    assert code in codes(INSPECTED[code](fresh))
    fresh.catalog.close()


def test_a_sound_adapter_is_told_what_is_good(hub):
    profile = hub.inspect()
    assert codes(profile, Level.GOOD) >= {"has_effect", "license_stated", "base_open", "safetensors"}
    assert profile.license == "mit"


@pytest.mark.parametrize("layers", [2, 200])
def test_zeros_are_seen_through_the_hub(hub, layers):
    profile = hub.change({WEIGHTS: save(zero_tensors(layers))})
    assert "changes_nothing" in codes(profile, Level.WARNING)
    assert "has_effect" not in codes(profile)


def test_a_large_trained_adapter_costs_one_more_ranged_read(hub):
    hub.server.requests.clear()
    profile = hub.change({WEIGHTS: save(lora_tensors(64, 40, 512))})
    assert "has_effect" in codes(profile)
    assert hub.server.requests.bytes_served(ID, WEIGHTS) <= 65_536 + FIRST_LOOK
    assert sum(bool(one.range) for one in hub.server.requests.matching(f"/{ID}/resolve/*/{WEIGHTS}")) == 2


def test_a_large_adapter_of_zeros_is_read_within_the_bound_and_its_figures_are_told(hub):
    profile = hub.change({WEIGHTS: save(zero_tensors(40, 64, 512))})
    (finding,) = (one for one in profile.findings if one.code == "seems_to_change_nothing")
    assert "bytes that were read of the 5,242,880" in finding.message
    assert hub.server.requests.bytes_served(ID, WEIGHTS) <= HEADER + ALL_LOOKS


def test_a_look_is_taken_once_for_a_commit(hub):
    hub.change({WEIGHTS: save(zero_tensors(40, 64, 512))})
    hub.server.requests.clear()
    assert "seems_to_change_nothing" in codes(hub.inspect())
    assert not hub.server.requests.matching(f"/{ID}/resolve/*")


def test_a_hub_that_fails_while_the_numbers_are_read_keeps_the_profile(hub):
    hub.server.repo(ID).commit({WEIGHTS: save(lora_tensors(64, 40, 512))})
    hub.server.faults.inject(f"/*/{WEIGHTS}", times=1)  # the header is sent as usual
    hub.server.faults.inject(f"/*/{WEIGHTS}", status=500)
    profile = hub.inspect()
    assert profile.parameters
    assert "not_all_read" in codes(profile, Level.WARNING)
    assert not codes(profile) & {"has_effect", "changes_nothing", "seems_to_change_nothing"}


def test_numbers_that_are_not_finite_forbid_a_load(hub):
    tensors = lora_tensors()
    tensors[f"{MODULE.format(1)}.lora_A.weight"][0, 0] = np.nan
    assert "non_finite_weights" in codes(hub.change({WEIGHTS: save(tensors)}), Level.BLOCKER)


def test_a_base_in_its_authors_cache_is_proposed(hub):
    path = {"base_model_name_or_path": "/root/hub/models--tiny-org--base/snapshots/1"}
    profile = hub.change(adapter_files(path))
    (finding,) = profile.blockers
    assert finding.code == "base_is_local_path"
    assert "probably tiny-org/base" in finding.message
    assert profile.base is None


def test_a_base_that_another_adapter_names_is_proposed_for_a_path(hub):
    hub.server.add_repo("b/lora", adapter_files({"base_model_name_or_path": "tiny-org/known-7b"}))
    hub.catalog.search(SearchQuery())
    profile = hub.change(adapter_files({"base_model_name_or_path": "/data/known-7b"}))
    assert "probably tiny-org/known-7b" in profile.blockers[0].message


def test_a_renamed_base_says_its_new_name(hub):
    hub.server.rename("tiny-org/base", "tiny-org/better-base")
    profile = hub.inspect()
    assert profile.base.id == "tiny-org/better-base"
    assert "base_renamed" in codes(profile, Level.INFO)


def test_a_disabled_base_forbids_a_load(hub):
    hub.server.add_repo("tiny-org/banned", light_base_files(), disabled=True)
    profile = hub.change(adapter_files({"base_model_name_or_path": "tiny-org/banned"}))
    assert "base_disabled" in codes(profile, Level.BLOCKER)


def test_the_licenses_of_an_adapter_and_its_base_are_compared(hub):
    front = "---\nlicense: gemma\n---\n"
    hub.server.add_repo("tiny-org/own-terms", light_base_files() | {"README.md": front})
    profile = hub.change(adapter_files({"base_model_name_or_path": "tiny-org/own-terms"}, card=None))
    assert "license_at_odds" in codes(profile, Level.INFO)


def test_a_card_without_a_license_is_told(hub):
    assert "license_missing" in codes(hub.change({"README.md": "# A"}), Level.INFO)
