"""Each part of the panel: what it says, what it leaves out, and that a stranger's text stays text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapter_ui.catalog.profiles.explain import Explanation
from adapter_ui.domain import (
    AdapterProfile,
    AdapterRef,
    BaseFacts,
    Device,
    Finding,
    Level,
    ModuleInfo,
    Revision,
)
from adapter_ui.ui.details import config, files, findings, fit, heading, precisions, scale, terms, xray
from tests.ui.drawn import Drawn
from tests.ui.fake_data import HOSTILE
from tests.ui.fake_gallery import GALLERY
from tests.ui.fake_service import FakeService

SERVICE = FakeService()
HUB = SERVICE.hub_endpoint
NOW = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)
INERT = {
    *("aria-label", "aria-pressed", "checked", "class", "data-action", "data-choose", "data-choose-revision"),
    *(
        "data-copy",
        "data-fold",
        "data-ref",
        "data-text",
        "d",
        "href",
        "name",
        "rel",
        "role",
        "scope",
        "selected",
        "style",
    ),
    *("tabindex", "target", "title", "type", "value", "viewbox"),
}


def every_part(profile: AdapterProfile) -> dict[str, str]:
    found = SERVICE.fit(profile)
    return {
        "heading": heading.heading(profile, HUB),
        "precisions": precisions.precision_choices(profile, SERVICE.precisions(), "bf16", found),
        "matrix": fit.fit_matrix(profile, found),
        "scale": scale.scale(profile, HUB),
        "xray": xray.xray(profile),
        "config": config.config_panel(profile, SERVICE.explain(profile)),
        "places": files.places(profile, (Revision(profile.ref.name, "branch"),)),
        "files": files.files_table(profile, HUB),
    }


def hostile_profile() -> AdapterProfile:
    """HOSTILE wherever a stranger can write."""
    ordinary = SERVICE.inspect("gallery/seven-kinds")
    modules = (
        ModuleInfo(f"{HOSTILE}.3.{HOSTILE}", HOSTILE, 3, 8, 10, (HOSTILE,), HOSTILE),
        ModuleInfo(HOSTILE, HOSTILE, None, None, 10, (HOSTILE,), HOSTILE, whole=True),
        ModuleInfo(f"{HOSTILE}.x", HOSTILE, None, None, 10),
    )
    return replace(
        ordinary,
        ref=replace(ordinary.ref, name=f"evil/{HOSTILE}", revision=HOSTILE, folder=HOSTILE),
        commit=HOSTILE,
        config={"peft_type": "LORA", HOSTILE: HOSTILE, "base_model_name_or_path": HOSTILE},
        method=HOSTILE,
        task_type=HOSTILE,
        dtype=HOSTILE,
        base=BaseFacts(
            HOSTILE,
            parameters=10,
            size_bytes=10,
            dtype=HOSTILE,
            architectures=(HOSTILE,),
            license=HOSTILE,
            weights=HOSTILE,
            quantization=HOSTILE,
            available=False,
            problem=HOSTILE,
        ),
        modules=modules,
        files=((HOSTILE, 10),),
        findings=tuple(Finding(level, HOSTILE, HOSTILE) for level in Level),
        license=HOSTILE,
        updated=HOSTILE,
        folders=(HOSTILE,),
        checked=HOSTILE,
    )


@pytest.mark.parametrize(("name", "markup"), every_part(hostile_profile()).items())
def test_hostile_text_makes_no_element_no_handler_and_no_address_of_its_own(name: str, markup: str) -> None:
    drawn = Drawn(markup)
    assert not {"img", "script", "iframe", "form", "object"} & {tag for tag, _ in drawn.elements}
    assert {attribute for _, attributes in drawn.elements for attribute in attributes} <= INERT
    assert all(address.startswith(f"{HUB}/") for address in drawn.attributes("a", "href"))
    assert "onerror" in drawn.text or name in ("precisions", "matrix")


@pytest.mark.parametrize("name", GALLERY)
def test_every_kind_of_adapter_is_drawn_whole(name: str) -> None:
    for part, markup in every_part(SERVICE.inspect(name)).items():
        drawn = Drawn(markup)
        assert "None" not in drawn.text.replace("None of", ""), part


# ---- head


def test_the_head_says_who_it_is_and_how_much_it_is_used() -> None:
    drawn = Drawn(heading.heading(SERVICE.inspect("acme/roberta-sentiment"), HUB))
    for words in ("acme", "roberta-sentiment", "97 likes", "48k downloads a month", "updated"):
        assert words in drawn.text
    assert f"{HUB}/acme/roberta-sentiment" in drawn.attributes("a", "href")
    assert set(drawn.attributes("a", "rel")) == {"noopener noreferrer"}
    assert "side-by-side" in drawn.attributes("button", "data-action")


def test_an_adapter_of_this_machine_has_no_page_on_the_hub() -> None:
    drawn = Drawn(heading.heading(SERVICE.inspect("starter:pirate"), HUB))
    assert "Open on the Hub" not in drawn.text
    assert "starter set" in drawn.text


def test_the_title_tells_name_revision_and_folder_apart() -> None:
    assert Drawn(heading.title("ada/lora@v1")).text == "ada lora @v1"
    assert Drawn(heading.title("ada/lora:checkpoint-100")).text == "ada lora :checkpoint-100"
    assert Drawn(heading.title("gpt2-lora")).text == "on the Hub gpt2-lora"
    assert Drawn(heading.title("starter:pirate")).text == "starter set pirate"


@pytest.mark.parametrize(
    ("checked", "words"),
    [
        (None, ""),
        ("2026-11-23T20:59:30Z", ""),
        ("2026-11-23T18:00:00Z", "As of 3 h ago."),
        ("2026-11-20T18:00:00Z", "As of 3 d ago."),
        ("yesterday", ""),
    ],
)
def test_old_facts_say_how_old_they_are(checked: str | None, words: str) -> None:
    profile = replace(SERVICE.inspect("starter:pirate"), checked=checked)
    assert Drawn(heading.age_line(profile, NOW)).text == words


def test_what_speaks_against_it_comes_first_and_good_news_is_one_line() -> None:
    levels = (Level.GOOD, Level.INFO, Level.BLOCKER, Level.WARNING, Level.GOOD)
    markup = findings.grouped_findings(Finding(level, level.value, f"{level}!") for level in levels)
    assert Drawn(markup.partition("<details")[0]).text == "blocker! blocker warning! warning info! info"
    assert Drawn(markup.partition("<details")[2]).text.count("good!") == 2
    assert "2 checks passed" in Drawn(markup).text


# ---- size and memory


def test_sizes_stand_on_one_scale_with_both_ratios() -> None:
    profile = SERVICE.inspect("gallery/seven-kinds")
    drawn = Drawn(scale.scale(profile, HUB))
    widths = [style for style in drawn.attributes("span", "style") if "width" in style]
    assert widths == ["width:14.93%", "width:100.00%"]
    assert "15 % of its base in bytes and 14 % in parameters: " in drawn.text
    packed = replace(profile, base=replace(profile.base, parameters=None))
    assert "15 % of its base in bytes." in Drawn(scale.scale(packed, HUB)).text
    for fact in ("16.1 GB", "bfloat16 · safetensors", "LlamaForCausalLM", "llama3.1", "gated"):
        assert fact in drawn.text


def test_a_base_that_cannot_be_used_says_why() -> None:
    lost = BaseFacts("org/lost", available=False, problem="The base was not found; choose another one.")
    drawn = Drawn(scale.scale(replace(SERVICE.inspect("starter:pirate"), base=lost), HUB))
    assert "The base was not found" in drawn.text


def test_each_figure_opens_to_terms_that_add_up() -> None:
    profile = SERVICE.inspect("starter:pirate")
    found = SERVICE.fit(profile)
    drawn = Drawn(precisions.precision_choices(profile, SERVICE.precisions(), "bf16", found))
    assert "134,515,008 parameters × 2 bytes" in drawn.text
    assert len(drawn.attributes("input", "checked")) == 1
    assert drawn.text.count("Together") == len(SERVICE.precisions())
    assert terms.opened((), "bf16") == ""


def test_memory_of_an_unknown_base_is_not_guessed() -> None:
    profile = SERVICE.inspect("evil/hostile-card")
    drawn = Drawn(precisions.precision_choices(profile, SERVICE.precisions(), "bf16", SERVICE.fit(profile)))
    assert "cannot be predicted" in drawn.text
    assert "details" not in {tag for tag, _ in drawn.elements}


def test_the_matrix_names_the_largest_precision_that_fits_each_device() -> None:
    profile = SERVICE.inspect("gallery/seven-kinds")
    found = SERVICE.fit(profile)
    small = replace(
        found, devices=(Device("tiny", 10**9, 10**9), Device("wide", 10**12, 10**12)), training={}
    )
    drawn = Drawn(fit.fit_matrix(profile, small))
    assert "tiny none" in drawn.text
    assert "wide fp32" in drawn.text
    assert "to train it" not in drawn.text
    assert "to train it" in Drawn(fit.fit_matrix(profile, found)).text
    assert fit.fit_matrix(profile, None) == ""


# ---- config and files


def test_what_differs_from_the_defaults_comes_first_and_newer_fields_say_so() -> None:
    rows = [
        Explanation("bias", "none", "", "", default=True),
        Explanation("r", "16", "the rank", "wide", default=False),
        Explanation("future_field", "1", "", "", newer=True),
    ]
    drawn = Drawn(config.config_panel(SERVICE.inspect("starter:pirate"), rows))
    assert drawn.text.index("the rank") < drawn.text.index("none")
    assert "newer PEFT" in drawn.text
    assert "(2 of 3)" in drawn.text
    assert drawn.attributes("tr", "class") == ["", "", "is-default"]


def test_the_raw_config_can_be_copied() -> None:
    profile = replace(SERVICE.inspect("starter:pirate"), config={"r": 8, "init": float("nan")})
    drawn = Drawn(config.raw_json(profile))
    assert drawn.attributes("button", "data-text") == ['{\n  "r": 8,\n  "init": NaN\n}']


def test_files_are_linked_at_the_inspected_commit() -> None:
    profile = replace(SERVICE.inspect("gallery/folders"), files=(("a b#c.txt", 3), ("big.bin", 9)))
    drawn = Drawn(files.files_table(profile, HUB))
    commit = "f" * 40
    assert drawn.attributes("a", "href") == [
        f"{HUB}/gallery/folders/blob/{commit}/big.bin",
        f"{HUB}/gallery/folders/blob/{commit}/a%20b%23c.txt",
    ]
    assert "2 files, 12 B together" in drawn.text


def test_a_chip_asks_for_a_ref_that_can_be_read() -> None:
    profile = replace(SERVICE.inspect("gallery/folders"), ref=AdapterRef.parse("gallery/folders@v1.0:final"))
    drawn = Drawn(files.places(profile, SERVICE.revisions("gallery/folders")))
    refs = drawn.attributes("button", "data-choose")
    assert refs[:3] == [f"gallery/folders@{name}:final" for name in ("main", "v2-longer-training", "v1.0")]
    assert refs[3:] == [
        f"gallery/folders@v1.0:{name}" for name in ("checkpoint-100", "checkpoint-200", "final")
    ]
    assert [str(AdapterRef.parse(ref)) for ref in refs] == refs
    assert drawn.attributes("button", "aria-pressed") == ["false", "false", "true", "false", "false", "true"]


def test_an_adapter_of_this_machine_has_no_revisions() -> None:
    assert files.places(SERVICE.inspect("starter:pirate")) == ""
