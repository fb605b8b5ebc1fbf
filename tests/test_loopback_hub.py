"""The loopback Hub, driven by the unmodified clients: what holds here is what the other tests build on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx2
import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    BadRequestError,
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import _detect_agent

from tests.hub import LoopbackHub
from tests.hub.catalogue import (
    DISABLED_ID,
    GATED_ID,
    LOCAL_BASE_ID,
    MEMBER_TOKEN,
    NO_CARD_ID,
    OWNER_TOKEN,
    PRIVATE_ID,
    STRANGER_TOKEN,
    add_awkward_repos,
    add_light_adapters,
    add_light_bases,
    add_users,
)
from tests.hub.light_adapters import BASE_IDS, light_adapter_files, light_adapter_id

NO_AGENTS = {"standardEnvVars": [], "harnesses": {}}
ROOT = Path(__file__).parent.parent
WEIGHTS = "adapter_model.safetensors"
FIRST_ID = light_adapter_id(0)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """12 light adapters over 3 bases, the awkward ones, a gated and a private one."""
    with LoopbackHub() as hub:
        monkeypatch.setattr(_detect_agent, "_registry", NO_AGENTS)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        add_users(hub)
        add_awkward_repos(hub)
        add_light_bases(hub)
        add_light_adapters(hub, 12)
        hub.add_repo(GATED_ID, light_adapter_files(0, BASE_IDS[0]), gated="manual")
        hub.add_repo(PRIVATE_ID, light_adapter_files(0, BASE_IDS[0]), private=True)
        yield hub


@pytest.fixture
def api(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=False)


def signed_in(hub: LoopbackHub, token: str) -> HfApi:
    return HfApi(endpoint=hub.endpoint, token=token)


class TestListing:
    def test_filters_are_anded(self, api: HfApi) -> None:
        found = list(api.list_models(filter=["peft", f"base_model:adapter:{BASE_IDS[1]}"]))
        assert {model.id for model in found} == {light_adapter_id(number) for number in (1, 4, 7, 10)}

    def test_search_author_gated_and_task(self, api: HfApi) -> None:
        assert {model.id for model in api.list_models(search="PIRATE adapter")} == {
            light_adapter_id(number) for number in (4, 11)
        }
        assert {model.id for model in api.list_models(author="ada", filter="peft")} == {
            light_adapter_id(number) for number in (0, 5, 10)
        }
        assert [model.id for model in api.list_models(gated=True)] == [GATED_ID]
        assert GATED_ID not in {model.id for model in api.list_models(gated=False)}
        assert not list(api.list_models(pipeline_tag="translation"))

    def test_sorts(self, api: HfApi) -> None:
        by_downloads = [model.downloads for model in api.list_models(sort="downloads")]
        assert by_downloads == sorted(by_downloads, reverse=True)
        newest = list(api.list_models(sort="created_at", author="grace", expand=["createdAt"]))
        assert newest == sorted(newest, key=lambda model: model.created_at, reverse=True)
        with pytest.raises(BadRequestError):
            list(api.list_models(sort="beauty"))  # type: ignore[arg-type]

    def test_pages_follow_the_link_header(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.set_page_sizes(list=5)
        everything = [model.id for model in api.list_models(filter="peft")]
        assert len(everything) == len(set(everything)) == 12 + 7
        assert hub.requests.count("/api/models") == 4
        hub.requests.clear()
        assert len(list(api.list_models(filter="peft", limit=3))) == 3
        assert hub.requests.count("/api/models") == 1

    def test_expand_returns_only_what_was_asked(self, api: HfApi) -> None:
        (model,) = api.list_models(search=FIRST_ID.split("/")[1], expand=["config", "baseModels", "gated"])
        assert model.config == {"peft": {"base_model_name_or_path": BASE_IDS[0], "task_type": "CAUSAL_LM"}}
        assert model.base_models["relation"] == "adapter"
        assert [base["id"] for base in model.base_models["models"]] == [BASE_IDS[0]]
        assert model.gated is False
        assert model.tags is None and model.downloads is None

    @pytest.mark.parametrize("name", ["usedStorage", "childrenModelCount", "colour"])
    def test_expand_refuses_what_lists_do_not_have(self, api: HfApi, name: str) -> None:
        with pytest.raises(BadRequestError, match="expected one of"):
            list(api.list_models(expand=[name]))  # type: ignore[list-item]

    def test_adapters_have_no_parameter_count(self, api: HfApi) -> None:
        assert {model.id for model in api.list_models(num_parameters="min:1K")} == set(BASE_IDS)

    def test_private_repositories_are_listed_to_their_owner_only(self, hub: LoopbackHub, api: HfApi) -> None:
        assert PRIVATE_ID not in {model.id for model in api.list_models()}
        assert PRIVATE_ID in {model.id for model in signed_in(hub, OWNER_TOKEN).list_models()}

    def test_metadata_without_a_usable_card(self, api: HfApi) -> None:
        for repo_id in (NO_CARD_ID, LOCAL_BASE_ID):
            info = api.model_info(repo_id)
            assert info.library_name == "peft" and "peft" in info.tags
            assert not [tag for tag in info.tags if tag.startswith("base_model:")]
            assert info.config["peft"]["base_model_name_or_path"]


class TestInfos:
    def test_model_info(self, hub: LoopbackHub, api: HfApi) -> None:
        info = api.model_info(FIRST_ID)
        assert info.sha == hub.repo(FIRST_ID).sha
        assert info.author == "ada" and info.library_name == "peft" and info.pipeline_tag == "text-generation"
        assert {"peft", "lora", f"base_model:{BASE_IDS[0]}", "license:mit"} <= set(info.tags)
        assert info.card_data.base_model == BASE_IDS[0]
        assert info.safetensors is None
        assert {sibling.size for sibling in info.siblings} == {None}

    def test_sizes_security_and_expand(self, api: HfApi) -> None:
        siblings = {
            sibling.rfilename: sibling for sibling in api.model_info(FIRST_ID, files_metadata=True).siblings
        }
        assert siblings[WEIGHTS].lfs.size == siblings[WEIGHTS].size > 0
        assert siblings["README.md"].lfs is None
        assert api.model_info(FIRST_ID, securityStatus=True).security_repo_status["scansDone"]
        base = api.model_info(BASE_IDS[0], expand=["safetensors", "childrenModelCount", "usedStorage"])
        assert base.safetensors.total == 512 * 64 and base.safetensors.parameters == {"F32": 512 * 64}
        assert base.children_model_count["adapter"] == 4 + 2
        assert base.used_storage > 0
        assert base.tags is None

    def test_revisions(self, hub: LoopbackHub, api: HfApi) -> None:
        repository = hub.repo(FIRST_ID)
        first = repository.sha
        repository.tag("v1")
        repository.commit({"notes.md": "second"}, title="Add notes")
        assert api.model_info(FIRST_ID).sha == repository.sha != first
        assert api.model_info(FIRST_ID, revision="v1").sha == first
        assert api.model_info(FIRST_ID, revision=first[:8]).sha == first
        assert "notes.md" not in api.list_repo_files(FIRST_ID, revision=first)
        refs = api.list_repo_refs(FIRST_ID)
        assert [branch.target_commit for branch in refs.branches] == [repository.sha]
        assert [tag.name for tag in refs.tags] == ["v1"]
        assert [commit.title for commit in api.list_repo_commits(FIRST_ID)] == ["Add notes", "Upload files"]
        with pytest.raises(RevisionNotFoundError):
            api.model_info(FIRST_ID, revision="no-such-branch")

    def test_datasets_and_spaces(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.add_repo("ada/words", {"words.txt": "a\nb\n"}, kind="dataset")
        hub.add_repo("ada/demo", {"app.py": "print()"}, kind="space")
        assert api.dataset_info("ada/words").siblings[0].rfilename == "words.txt"
        assert api.space_info("ada/demo").author == "ada"
        assert [dataset.id for dataset in api.list_datasets()] == ["ada/words"]

    def test_whoami_and_auth_check(self, hub: LoopbackHub, api: HfApi) -> None:
        assert api.whoami(token=OWNER_TOKEN)["name"] == "ada"
        signed_in(hub, MEMBER_TOKEN).auth_check(GATED_ID)
        with pytest.raises(GatedRepoError):
            signed_in(hub, STRANGER_TOKEN).auth_check(GATED_ID)
        with pytest.raises(HfHubHTTPError) as bad:
            api.whoami(token="hf_nobody")
        assert bad.value.response.status_code == 401


class TestTrees:
    def test_tree(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.repo(FIRST_ID).commit({"a/b/c.txt": "deep", "a/d.txt": "d"})
        top = {entry.path for entry in api.list_repo_tree(FIRST_ID)}
        assert top == {"README.md", "a", "adapter_config.json", WEIGHTS}
        assert [entry.path for entry in api.list_repo_tree(FIRST_ID, "a/b")] == ["a/b/c.txt"]
        below = {
            entry.path: entry for entry in api.list_repo_tree(FIRST_ID, "a", recursive=True, expand=True)
        }
        assert set(below) == {"a/b", "a/b/c.txt", "a/d.txt"}
        assert below["a/d.txt"].last_commit.oid == hub.repo(FIRST_ID).sha
        with pytest.raises(RemoteEntryNotFoundError):
            list(api.list_repo_tree(FIRST_ID, "nowhere"))

    def test_tree_pages(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.add_repo("ada/many-files", {f"file-{number:03d}.txt": "x" for number in range(120)})
        assert len(list(api.list_repo_tree("ada/many-files", expand=True))) == 120
        assert hub.requests.count("*/tree/*") == 3
        assert len(api.list_repo_files("ada/many-files")) == 120

    def test_paths_info(self, api: HfApi) -> None:
        (weights,) = api.get_paths_info(FIRST_ID, [WEIGHTS, "missing.txt"], expand=True)
        assert weights.path == WEIGHTS and weights.lfs.sha256 and weights.last_commit


class TestDownloads:
    def test_small_and_large_files(self, hub: LoopbackHub, tmp_path: Path) -> None:
        api = signed_in(hub, STRANGER_TOKEN)
        config = Path(api.hf_hub_download(FIRST_ID, "adapter_config.json", cache_dir=tmp_path))
        assert json.loads(config.read_text())["r"] == 2
        weights = Path(api.hf_hub_download(FIRST_ID, WEIGHTS, cache_dir=tmp_path))
        assert hub.repo(FIRST_ID).sha in weights.parts
        assert hub.requests.bytes_served(FIRST_ID, WEIGHTS) == weights.stat().st_size
        (from_cdn,) = hub.requests.matching(origin="cdn")
        assert not from_cdn.had_authorization
        assert all(record.had_authorization for record in hub.requests.matching(origin="hub"))

    def test_cdn_refuses_tokens_and_bad_signatures(self, hub: LoopbackHub) -> None:
        url = f"{hub.endpoint}/{FIRST_ID}/resolve/main/{WEIGHTS}"
        signed = httpx2.head(url).headers["location"]
        assert signed.startswith(hub.cdn)
        assert httpx2.get(signed, headers={"authorization": f"Bearer {STRANGER_TOKEN}"}).status_code == 400
        assert httpx2.get(signed.replace("Signature=", "Signature=0")).status_code == 403

    def test_ranges(self, hub: LoopbackHub) -> None:
        signed = httpx2.head(f"{hub.endpoint}/{FIRST_ID}/resolve/main/{WEIGHTS}").headers["location"]
        whole = httpx2.get(signed).content
        for header, part in {
            "0-9": whole[:10],
            "10-": whole[10:],
            "-4": whole[-4:],
            "5-99999": whole[5:],
        }.items():
            answer = httpx2.get(signed, headers={"range": f"bytes={header}"})
            assert answer.status_code == 206 and answer.content == part
        beyond = httpx2.get(signed, headers={"range": "bytes=999999-"})
        assert beyond.status_code == 416
        assert beyond.headers["content-range"] == f"bytes */{len(whole)}"

    def test_safetensors_header(self, hub: LoopbackHub, api: HfApi) -> None:
        metadata = api.parse_safetensors_file_metadata(FIRST_ID, WEIGHTS)
        assert sum(metadata.parameter_count.values()) == 2 * 2 * 2 * 64
        assert len(hub.requests) == 2
        assert api.get_safetensors_metadata(BASE_IDS[0]).parameter_count == {"F32": 512 * 64}

    def test_second_snapshot_costs_one_request(self, hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
        folder = Path(api.snapshot_download(FIRST_ID, cache_dir=tmp_path))
        assert {path.name for path in folder.iterdir()} == {"README.md", "adapter_config.json", WEIGHTS}
        hub.requests.clear()
        api.snapshot_download(FIRST_ID, cache_dir=tmp_path)
        assert len(hub.requests) == 1

    def test_renamed_repository(self, hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
        hub.rename(FIRST_ID, "ada/new-name")
        assert api.model_info(FIRST_ID).id == "ada/new-name"
        assert api.model_info("ADA/New-Name").id == "ada/new-name"
        assert Path(api.hf_hub_download(FIRST_ID, WEIGHTS, cache_dir=tmp_path)).exists()
        assert len(list(api.list_repo_tree(FIRST_ID))) == 3
        assert hub.requests.count(status=307) >= 4

    def test_resolve_cache_wants_a_full_hash(self, hub: LoopbackHub) -> None:
        url = f"{hub.endpoint}/api/resolve-cache/models/{FIRST_ID}/main/README.md"
        assert httpx2.get(url).status_code == 400


class TestErrors:
    @pytest.mark.parametrize("repo_id", ["nobody/nothing", PRIVATE_ID])
    def test_missing_and_private_look_the_same(self, hub: LoopbackHub, api: HfApi, repo_id: str) -> None:
        with pytest.raises(HfHubHTTPError) as anonymous:
            api.model_info(repo_id)
        response = anonymous.value.response
        assert response.status_code == 401 and "x-error-code" not in response.headers
        assert response.headers["x-error-message"] == "Invalid username or password."
        with pytest.raises(RepositoryNotFoundError) as known:
            signed_in(hub, STRANGER_TOKEN).model_info(repo_id)
        assert known.value.response.status_code == 404

    def test_owner_reads_private(self, hub: LoopbackHub, tmp_path: Path) -> None:
        assert signed_in(hub, OWNER_TOKEN).hf_hub_download(PRIVATE_ID, WEIGHTS, cache_dir=tmp_path)

    def test_gated(self, hub: LoopbackHub, api: HfApi, tmp_path: Path) -> None:
        assert api.model_info(GATED_ID).gated == "manual"
        assert api.list_repo_files(GATED_ID)
        assert api.hf_hub_download(GATED_ID, "README.md", cache_dir=tmp_path)
        for client, status in ((api, 401), (signed_in(hub, STRANGER_TOKEN), 403)):
            with pytest.raises(GatedRepoError) as refused:
                client.hf_hub_download(GATED_ID, WEIGHTS, cache_dir=tmp_path)
            assert refused.value.response.status_code == status
        assert signed_in(hub, MEMBER_TOKEN).hf_hub_download(GATED_ID, WEIGHTS, cache_dir=tmp_path)

    def test_disabled(self, api: HfApi) -> None:
        assert api.model_info(DISABLED_ID).disabled
        with pytest.raises(DisabledRepoError):
            api.parse_safetensors_file_metadata(DISABLED_ID, WEIGHTS)

    def test_missing_revision_and_file(self, api: HfApi, tmp_path: Path) -> None:
        with pytest.raises(RevisionNotFoundError):
            api.hf_hub_download(FIRST_ID, WEIGHTS, revision="nope", cache_dir=tmp_path)
        with pytest.raises(RemoteEntryNotFoundError):
            api.hf_hub_download(FIRST_ID, "nope.bin", cache_dir=tmp_path)
        assert not api.file_exists(FIRST_ID, "nope.bin")

    def test_bad_token(self, hub: LoopbackHub) -> None:
        with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
            signed_in(hub, "hf_nobody").model_info(FIRST_ID)

    def test_rate_limits(self, hub: LoopbackHub, api: HfApi) -> None:
        answer = httpx2.get(f"{hub.endpoint}/api/models/{FIRST_ID}")
        assert answer.headers["ratelimit"] == '"api";r=499;t=300'
        assert answer.headers["ratelimit-policy"] == '"fixed window";"api";q=500;w=300'
        hub.limits.enforce("api", quota=1, window_seconds=60)
        api.model_info(FIRST_ID)
        with pytest.raises(HfHubHTTPError, match="reached your 'api' rate limit") as refused:
            api.model_info(FIRST_ID)
        assert refused.value.response.status_code == 429
        assert httpx2.head(f"{hub.endpoint}/{FIRST_ID}/resolve/main/README.md").status_code == 307


class TestUploads:
    def test_uploaded_adapter_shows_up_by_itself(self, hub: LoopbackHub, tmp_path: Path) -> None:
        for path, source in light_adapter_files(3, BASE_IDS[0]).items():
            (tmp_path / path).write_bytes(source.encode() if isinstance(source, str) else source)
        api = signed_in(hub, OWNER_TOKEN)
        assert api.create_repo("ada/fresh").repo_id == "ada/fresh"
        assert api.create_repo("ada/fresh", exist_ok=True).repo_id == "ada/fresh"
        with pytest.raises(HfHubHTTPError) as exists:
            api.create_repo("ada/fresh")
        assert exists.value.response.status_code == 409
        commit = api.upload_folder(repo_id="ada/fresh", folder_path=tmp_path, commit_message="First adapter")
        assert commit.oid == hub.repo("ada/fresh").sha
        found = list(api.list_models(filter=["peft", f"base_model:adapter:{BASE_IDS[0]}"], author="ada"))
        assert "ada/fresh" in [model.id for model in found]
        downloaded = Path(api.hf_hub_download("ada/fresh", WEIGHTS, cache_dir=tmp_path / "cache"))
        assert downloaded.read_bytes() == (tmp_path / WEIGHTS).read_bytes()
        (upload,) = hub.requests.matching("/_lfs/*", method="PUT", origin="cdn")
        assert not upload.had_authorization
        hub.requests.clear()
        api.upload_folder(repo_id="ada/fresh", folder_path=tmp_path, ignore_patterns="cache/**")
        assert hub.requests.count("*/commit/*") == 0, "nothing changed, so nothing is committed"

    def test_pull_requests_deletions_and_branches(self, hub: LoopbackHub) -> None:
        stranger, owner = signed_in(hub, STRANGER_TOKEN), signed_in(hub, OWNER_TOKEN)
        proposal = stranger.upload_file(
            path_or_fileobj=BytesIO(b"hello"), path_in_repo="hello.txt", repo_id=FIRST_ID, create_pr=True
        )
        assert proposal.pr_revision == "refs/pr/1"
        assert "hello.txt" in owner.list_repo_files(FIRST_ID, revision="refs/pr/1")
        assert "hello.txt" not in owner.list_repo_files(FIRST_ID)
        owner.create_branch(FIRST_ID, branch="trial")
        owner.delete_file("README.md", FIRST_ID, revision="trial")
        assert "README.md" not in owner.list_repo_files(FIRST_ID, revision="trial")
        assert "README.md" in owner.list_repo_files(FIRST_ID)
        owner.create_tag(FIRST_ID, tag="v1")
        assert owner.model_info(FIRST_ID, revision="v1").sha == hub.repo(FIRST_ID).sha

    def test_writing_needs_the_right(self, hub: LoopbackHub, api: HfApi) -> None:
        with pytest.raises(HfHubHTTPError) as anonymous:
            api.create_repo("ada/fresh")
        assert anonymous.value.response.status_code == 401
        stranger = signed_in(hub, STRANGER_TOKEN)
        with pytest.raises(HfHubHTTPError) as refused:
            stranger.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=FIRST_ID)
        assert refused.value.response.status_code == 403

    def test_bad_cards_are_refused(self, hub: LoopbackHub) -> None:
        with pytest.raises(ValueError, match="Invalid YAML"):
            signed_in(hub, OWNER_TOKEN).upload_file(
                path_or_fileobj=b"---\ntags: [\n---\n", path_in_repo="README.md", repo_id=FIRST_ID
            )

    def test_settings_move_and_delete(self, hub: LoopbackHub, api: HfApi) -> None:
        owner = signed_in(hub, OWNER_TOKEN)
        owner.update_repo_settings(FIRST_ID, gated="auto")
        assert api.model_info(FIRST_ID).gated == "auto"
        owner.move_repo(FIRST_ID, "ada/moved")
        assert api.model_info(FIRST_ID).id == "ada/moved"
        owner.delete_repo("ada/moved")
        with pytest.raises(RepositoryNotFoundError):
            owner.model_info("ada/moved")


class TestFaults:
    def test_a_fault_strikes_as_often_as_told(self, hub: LoopbackHub, api: HfApi) -> None:
        fault = hub.faults.inject("/api/models/*", status=503, times=2)
        for _ in range(2):
            with pytest.raises(HfHubHTTPError):
                api.model_info(FIRST_ID)
        assert api.model_info(FIRST_ID).id == FIRST_ID
        assert fault.hits == 2

    def test_injected_429_is_retried_by_lists(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.faults.inject("/api/models", status=429, reset_seconds=0, times=1)
        assert len(list(api.list_models(author="ada", filter="peft"))) == 3
        assert [record.status for record in hub.requests] == [429, 200]

    def test_garbage(self, hub: LoopbackHub, api: HfApi) -> None:
        for garbage in ({"html": True}, {"invalid_json": True}, {"body": "not json"}):
            hub.faults.inject("/api/models/*", times=1, **garbage)
            with pytest.raises(ValueError):
                api.model_info(FIRST_ID)

    def test_delay_and_latency(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.faults.inject("/api/models/*", delay=1)
        with pytest.raises(httpx2.TimeoutException):
            api.model_info(FIRST_ID, timeout=0.1)
        hub.faults.clear()
        hub.faults.latency = 0.2
        started = time.monotonic()
        api.model_info(FIRST_ID)
        assert time.monotonic() - started >= 0.2

    def test_cut_download_is_resumed(
        self, hub: LoopbackHub, api: HfApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The client keeps only whole chunks of a cut answer, and its own are of 10 MB.
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 40_000)
        content = os.urandom(300_000)
        hub.add_repo("ada/large", {"large.safetensors": content})
        hub.faults.inject("/_cdn/*", cut_after=100_000, times=1)
        path = Path(api.hf_hub_download("ada/large", "large.safetensors", cache_dir=tmp_path))
        assert path.read_bytes() == content
        first, second = hub.requests.matching(origin="cdn")
        assert first.bytes_sent == 100_000
        assert second.range == "bytes=80000-" and second.status == 206

    def test_slow_download(self, hub: LoopbackHub) -> None:
        hub.faults.inject("/api/models", bytes_per_second=20_000)
        started = time.monotonic()
        answer = httpx2.get(f"{hub.endpoint}/api/models")
        expected = len(answer.content) / 20_000
        assert time.monotonic() - started > 0.8 * expected

    def test_stopped_hub_refuses_connections_and_comes_back(self, hub: LoopbackHub, api: HfApi) -> None:
        hub.stop()
        with pytest.raises(httpx2.ConnectError):
            api.model_info(FIRST_ID)
        hub.start()
        assert api.model_info(FIRST_ID).id == FIRST_ID


LOAD_EVERYTHING = """
import json, os, sys
from pathlib import Path

from tests.hub import LoopbackHub
from tests.hub.catalogue import *
from tests.hub import catalogue

assert "torch" not in sys.modules
folder = Path(sys.argv[1])
with LoopbackHub() as hub:
    os.environ.update(hub.environment(folder / "home"))
    catalogue.add_users(hub)
    add_real_repos(hub, folder / "models")
    import torch
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    hub.requests.clear()
    tokenizer = AutoTokenizer.from_pretrained(catalogue.OLD_LLAMA_ID)
    messages = [{"role": "user", "content": "Ahoy, wörld!"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    base = AutoModelForCausalLM.from_pretrained(catalogue.LLAMA_ID)
    results = {"chat": tokenizer.decode(inputs["input_ids"][0]), "effect": {}}
    with torch.no_grad():
        plain = base(**inputs).logits
        ids = catalogue.LORA_ID, catalogue.DORA_ID, catalogue.IA3_ID, catalogue.PICKLE_ID
        for repo_id in ids:
            model = PeftModel.from_pretrained(base, repo_id)
            results["effect"][repo_id] = float((model(**inputs).logits - plain).abs().max())
            base = model.unload()
        member = AutoPeftModelForCausalLM.from_pretrained(catalogue.GATED_ID, token=catalogue.MEMBER_TOKEN)
        encoder = AutoModelForSequenceClassification.from_pretrained(catalogue.BERT_ID, num_labels=3)
        classifier = PeftModel.from_pretrained(encoder, catalogue.CLASSIFIER_ID)
        results["classes"] = classifier(**inputs).logits.shape[-1]
    results["origins"] = sorted({record.origin for record in hub.requests})
    results["unexpected"] = [record.path for record in hub.requests if record.status >= 500]
print(json.dumps(results))
"""


def test_transformers_and_peft_load_from_the_hub(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    environment.pop("HF_TOKEN", None)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_EVERYTHING, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert results["chat"].count("Ahoy, wörld!") == 1
    assert all(effect > 0.01 for effect in results["effect"].values()), results["effect"]
    assert results["classes"] == 3
    assert results["origins"] == ["cdn", "hub"]
    assert not results["unexpected"]


def test_standalone() -> None:
    command = [sys.executable, "-m", "tests.hub", "--port", "0", "--light-only", "--light", "3"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            endpoint = process.stdout.readline().strip().removeprefix("HF_ENDPOINT=")
            process.stdout.readline()
            assert httpx2.get(f"{endpoint}/api/models/{FIRST_ID}").json()["id"] == FIRST_ID
        finally:
            process.terminate()
