"""Adapters on this machine: listed, found by their refs, and never outside their folder."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from adapter_ui.catalog.storage.files import FolderFiles
from adapter_ui.catalog.storage.library import Library
from adapter_ui.domain import AdapterRef, Level, Source
from adapter_ui.errors import BadAdapter, NotFoundOrPrivate
from tests.catalog.folders import refuse, write_adapter


def refs(library: Library, source: Source | None = None) -> list[str]:
    return [str(row.ref) for row in library.summaries(source)]


def test_all_sources_are_listed_the_starter_set_first(settings, starter):
    library = Library(settings)
    write_adapter(settings.folder / "mine")
    write_adapter(settings.runs / "run-1" / "adapter")
    write_adapter(settings.home / "mixes" / "both")
    write_adapter(starter / "pirate", card="---\nlicense: mit\n---\n# Pirate talk\n\nArr.")
    assert refs(library) == ["starter:pirate", "run:run-1", "mix:both", "folder:mine"]
    row = library.summaries(Source.STARTER)[0]
    assert (row.title, row.method, row.task_type, row.rank) == ("Pirate talk", "LORA", "CAUSAL_LM", 2)
    assert row.base_model == "tiny-org/base"
    assert row.size_bytes == (starter / "pirate" / "adapter_model.safetensors").stat().st_size


def test_the_newest_run_stands_first(settings):
    for number, name in enumerate(["old", "new"]):
        folder = write_adapter(settings.runs / name / "adapter")
        os.utime(folder / "adapter_config.json", (1000 * number, 1000 * number))
    assert refs(Library(settings)) == ["run:new", "run:old"]


def test_a_run_without_an_adapter_is_not_listed(settings):
    (settings.runs / "unfinished").mkdir(parents=True)
    assert refs(Library(settings)) == []


def test_without_a_folder_setting_there_is_no_folder_source(settings):
    write_adapter(settings.folder / "mine")
    library = Library(replace(settings, folder=None))
    assert refs(library) == []
    with pytest.raises(NotFoundOrPrivate):
        library.folder(AdapterRef(Source.FOLDER, "mine"))


def test_a_folder_s_name_may_have_dots(settings):
    folder = write_adapter(settings.folder / "qwen2.5-sql")
    write_adapter(settings.folder / ".hidden")
    library = Library(settings)
    assert refs(library) == ["folder:qwen2.5-sql"]
    assert library.folder(AdapterRef.parse("folder:qwen2.5-sql")) == folder.resolve()


def test_a_ref_leads_to_its_folder(settings, starter):
    library = Library(settings)
    assert (
        library.folder(AdapterRef.parse("folder:mine")) if write_adapter(settings.folder / "mine") else None
    )
    run = write_adapter(settings.runs / "r1" / "adapter")
    assert library.folder(AdapterRef.parse("run:r1")) == run.resolve()


@pytest.mark.parametrize(
    "name", ["gone", "../outside", "..", ".", "", "a/b", "link", "mine/../../outside", "x\0y"]
)
def test_no_ref_leads_outside(settings, tmp_path, name):
    outside = write_adapter(tmp_path / "outside")
    (settings.folder / "link").symlink_to(outside)
    with pytest.raises(NotFoundOrPrivate):
        Library(settings).folder(AdapterRef(Source.FOLDER, name))
    assert refs(Library(settings)) == []


def test_a_link_inside_an_adapter_is_not_one_of_its_files(tmp_path):
    folder = write_adapter(tmp_path / "adapter")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "notes.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "all").symlink_to(tmp_path)
    files = FolderFiles(folder)
    assert set(files.list()) == {"adapter_config.json", "adapter_model.safetensors"}
    for name in ("notes.txt", "all/secret.txt", "../secret.txt", str(tmp_path / "secret.txt")):
        with pytest.raises(NotFoundOrPrivate):
            files.read(name, 100)
        with pytest.raises(NotFoundOrPrivate):
            files.read_range(name, 0, 3)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_that_cannot_be_read_hides_none_beside_it(settings, file):
    write_adapter(settings.folder / "mine")
    unreadable = write_adapter(settings.folder / "unreadable") / file
    unreadable.unlink()
    unreadable.symlink_to("x" * 300)  # a name too long: an OSError for root too, whom no permission stops
    (settings.folder / "circle").symlink_to("circle")
    library = Library(settings)
    assert refs(library) == ["folder:mine"]
    with pytest.raises(NotFoundOrPrivate):
        library.folder(AdapterRef(Source.FOLDER, "circle"))


def test_an_adapter_that_this_machine_does_not_give_is_refused_with_the_reason(settings, catalog):
    folder = write_adapter(settings.folder / "unreadable")
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.safetensors").symlink_to("x" * 300)
    with pytest.raises(BadAdapter, match=r"cannot read this folder \(File name too long\)"):
        catalog.inspect(AdapterRef(Source.FOLDER, "unreadable"))


@pytest.mark.parametrize("file", ["README.md", "adapter_model.safetensors", "adapter_config.json"])
def test_a_file_that_cannot_be_opened_costs_only_what_it_would_have_told(
    settings, catalog, file, monkeypatch
):
    folder = write_adapter(settings.folder / "mine", config={"r": 2})
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    refuse(monkeypatch, folder / file)
    (row,) = Library(settings).summaries(Source.FOLDER)
    assert (row.license, row.rank) == (
        None if file == "README.md" else "mit",
        None if file == "adapter_config.json" else 2,
    )
    found = [
        one
        for one in catalog.inspect(AdapterRef(Source.FOLDER, "mine")).findings
        if one.code == "file_unreadable"
    ]
    assert [one.level for one in found] == [Level.WARNING if file == "README.md" else Level.BLOCKER]
    assert f"cannot read {file} (Permission denied)" in found[0].message


def test_a_file_longer_than_its_limit_is_refused(tmp_path):
    files = FolderFiles(write_adapter(tmp_path / "adapter"))
    with pytest.raises(BadAdapter, match="larger than 10 bytes"):
        files.read("adapter_config.json", 10)


def test_an_unsound_adapter_is_listed_with_what_is_known(settings):
    broken = write_adapter(settings.folder / "broken")
    (broken / "adapter_config.json").write_text("{")
    write_adapter(settings.folder / "cut", config={"r": 2})
    (settings.folder / "cut" / "adapter_model.safetensors").write_bytes(b"\x05")
    rows = {row.ref.name: row for row in Library(settings).summaries()}
    assert rows["broken"].method is None
    assert (rows["cut"].method, rows["cut"].rank, rows["cut"].size_bytes) == ("LORA", 2, 1)
