"""What leaves this app: adapters merged into their bases, and adapters pushed to the Hub.

Part of the service layer: knows the catalog, the runs' folders and the merging process; knows nothing of the
page, and loads no model itself.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from adapter_ui.catalog.hub.upload import Upload, push_files
from adapter_ui.catalog.storage.children import run_child
from adapter_ui.catalog.storage.downloads import check_disk
from adapter_ui.catalog.storage.embedded import rounding
from adapter_ui.catalog.storage.shared_work import SharedWork, share
from adapter_ui.domain import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    AdapterRef,
    Merged,
    ModelChoice,
    Precision,
    Progress,
    Pushed,
    Source,
)
from adapter_ui.engine.protocol import Failure, error_of
from adapter_ui.errors import BadAdapter, InvalidInput, ModelFailure
from adapter_ui.provision import Provision, loadable_base
from adapter_ui.settings import Settings, child_environment
from adapter_ui.training.checkpoints import digest
from adapter_ui.training.export import ADAPTER_FILES, export_run, remove_exports, write_zip
from adapter_ui.training.keeping import LABELS_FILE
from adapter_ui.training.merge_folder import MergeFolder, MergeJob, read_report
from adapter_ui.training.run_folder import RunFolder, read_json

HELD_IN = {"bfloat16": Precision.BF16, "float16": Precision.FP16}
MERGE_SECONDS = 3600.0
TEMPORARY_PREFIX = ".merging-"
FIRST = Progress("merge", "Starting to merge")
NOT_IN_A_NAME = re.compile(r"[^\w.-]+", re.ASCII)


class Outgoing:
    """Writes below `exports`."""

    def __init__(self, settings: Settings, provision: Provision) -> None:
        self.settings = settings
        self.provision = provision
        self.exports = settings.home / "exports"

    def merge(self, adapter: str, base_model: str = "", model_class: str = "") -> Iterator[Progress | Merged]:
        """Merge an adapter into its base, with progress; the last item is the merged model. `base_model` and
        `model_class` "" are the adapter's own base and the class of its task.

        What was merged before is given again as long as adapter and base are the same. Raises
        UnsupportedAdapter for a method that cannot be merged, BadAdapter when the result would answer
        otherwise, DoesNotFit for want of memory or disk, and what a load raises.
        """
        job = yield from self.job(AdapterRef.parse(adapter), ModelChoice(base_model, model_class))
        target = self.exports / merged_name(job.adapter, job.base, job.model_class)
        key = f"merge {target} {job.weights_sha256} {job.config_sha256}"
        yield merged((yield from share(key, FIRST, partial(self.make, job, target))))

    def job(self, ref: AdapterRef, choice: ModelChoice) -> Generator[Progress, None, MergeJob]:
        """The files of the adapter and of its base, in the precision that the base's files have."""
        facts = loadable_base(self.provision.catalog.inspect(ref, choice.base_model))
        precision = HELD_IN.get(facts.dtype or "", Precision.FP32)
        spec = yield from self.provision.adapter_on_base(ref, precision, choice, in_memory=tuple)
        folder = Path(spec.adapter_folder)
        rounded = rounding(self.settings, Path(spec.base_folder))
        return MergeJob(
            adapter=str(ref),
            adapter_folder=spec.adapter_folder,
            weights_sha256=digest(folder / ADAPTER_WEIGHTS),
            config_sha256=digest_of_small(folder),
            base=spec.base,
            base_folder=spec.base_folder,
            revision=None if rounded else facts.commit,
            rounded=rounded,
            license=facts.license,
            model_class=spec.model_class,
            task_type=spec.task_type,
            precision=precision,
        )

    def make(self, job: MergeJob, target: Path, work: SharedWork) -> Path:
        """Let a child process merge, beside the target, and move the whole model there."""
        report = read_report(report_of(target))
        if report is not None and report.job == job and target.is_dir():
            return target
        self.exports.mkdir(parents=True, exist_ok=True)
        self.remove_leftovers()
        needed = sum(path.stat().st_size for path in Path(job.base_folder).glob("*.safetensors"))
        check_disk(self.exports, needed, f"{job.adapter} merged into {job.base}")
        with tempfile.TemporaryDirectory(dir=self.exports, prefix=TEMPORARY_PREFIX) as name:
            folder = MergeFolder(Path(name))
            folder.write_job(job)
            merge_in_child(work, folder)
            with work.wanted():
                report_of(target).unlink(missing_ok=True)
                shutil.rmtree(target, ignore_errors=True)
                folder.model.rename(target)
                folder.report.rename(report_of(target))  # last: where it lies, the model is whole
        return target

    def push(
        self, adapter: str, repo_id: str, *, private: bool, overwrite: bool, token: str
    ) -> Iterator[Progress | Pushed]:
        """Push an adapter of this machine to a repository of the Hub; the last item says where it lies.

        `token` is the visitor's own, used for this alone; "" is the token of whoever started the app, which
        a Space has not. Raises InvalidInput, BadAdapter and HubError.
        """
        ref = AdapterRef.parse(adapter)
        if ref.source is Source.HUB:
            raise InvalidInput(
                f"{ref} is on the Hub already; only adapters of this machine can be pushed.", field="adapter"
            )
        files = adapter_files(self.provision.catalog.folder(ref))
        upload = Upload(str(ref), repo_id.strip(), files, private, overwrite)
        own = self.settings.hub_token
        chosen = token.strip() or (own if isinstance(own, str) else "")
        yield (yield from push_files(self.settings, upload, chosen))

    def export_run(self, run_id: str, format: str) -> Path:
        """A zip of a run that there is. Raises InvalidInput when it has nothing of the kind."""
        return export_run(RunFolder(self.settings.runs / run_id), format, self.exports)

    def remove_leftovers(self) -> None:
        """Delete what an app that was killed left behind; a younger folder may still be in use."""
        for folder in self.exports.glob(f"{TEMPORARY_PREFIX}*"):
            if time.time() - folder.stat().st_mtime > 2 * MERGE_SECONDS:
                shutil.rmtree(folder)

    def zipped(self, found: Merged) -> Path:
        """The merged model as one file. Raises DoesNotFit."""
        folder = self.exports / found.folder
        # once as the zip, once more where it is served from
        check_disk(self.exports, 2 * found.size_bytes, f"A zip of {found.adapter}")
        target = zip_of(folder)
        write_zip(target, {path.relative_to(folder).as_posix(): path for path in files_in(folder)})
        return target

    def merge_and_zip(
        self, adapter: str, base_model: str = "", model_class: str = ""
    ) -> Iterator[Progress | Path]:
        """Merge, which is quick where it was done before, and give the merged model as one file."""
        for event in self.merge(adapter, base_model, model_class):
            if isinstance(event, Progress):
                yield event
            else:
                yield Progress("zip", f"Packing {event.folder}")
                yield self.zipped(event)

    def merged_models(self) -> tuple[Merged, ...]:
        """What was merged, the newest first. The zip that was packed of one counts to its size."""
        models = ((model, merged(model)) for model in self.whole_models())
        return tuple(replace(one, size_bytes=one.size_bytes + zip_size(model)) for model, one in models)

    def whole_models(self) -> list[Path]:
        """The folders of merged models that have their report, the newest first."""
        reports = sorted(self.exports.glob("*.json"), key=lambda report: report.stat().st_mtime, reverse=True)
        return [model for report in reports if (model := report.with_suffix("")).is_dir()]

    def delete_merged(self, folder: str) -> None:
        model = next((one for one in self.whole_models() if one.name == folder), None)
        if model is None:
            raise InvalidInput(f"There is no merged model {folder}; look at the Library again.", "folder")
        report_of(model).unlink(missing_ok=True)  # first: where it lies, the model is whole
        shutil.rmtree(model, ignore_errors=True)
        zip_of(model).unlink(missing_ok=True)

    def forget(self, ref: AdapterRef) -> None:
        """Remove what was written of an adapter that is gone."""
        if ref.source is Source.RUN:
            remove_exports(self.exports, ref.name)
        for path in self.exports.glob(f"{begin_of_name(str(ref))}*"):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def adapter_files(folder: Path) -> dict[str, Path]:
    """The adapter's own files; what else may lie in its folder stays there."""
    files = {name: folder / name for name in ADAPTER_FILES if (folder / name).is_file()}
    if ADAPTER_WEIGHTS not in files:
        raise BadAdapter(f"The adapter has no {ADAPTER_WEIGHTS}; others could not load it from the Hub.")
    return files


def digest_of_small(folder: Path) -> str:
    """Of all that decides what an adapter does, beside its weights."""
    found = hashlib.sha256()
    for path in (folder / ADAPTER_CONFIG, folder / LABELS_FILE):
        found.update(path.read_bytes() if path.is_file() else b"none")
    return found.hexdigest()


def files_in(folder: Path) -> list[Path]:
    """Also those in folders, where a tokenizer keeps its further chat templates."""
    return [path for path in folder.rglob("*") if path.is_file()]


def merged_name(adapter: str, base: str, model_class: str) -> str:
    """A folder's name for an adapter merged into a base."""
    return f"{begin_of_name(adapter)}-{short_hash(f'{base} {model_class}')}"


def begin_of_name(adapter: str) -> str:
    """The readable part of a ref, and a hash that tells “a/b-c” from “a-b/c”."""
    readable = NOT_IN_A_NAME.sub("-", adapter)[:80].strip(".-")
    return f"{readable}-merged-{short_hash(adapter)}"


def short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def report_of(model: Path) -> Path:
    return model.with_name(f"{model.name}.json")


def zip_of(model: Path) -> Path:
    return model.with_name(f"{model.name}.zip")


def zip_size(model: Path) -> int:
    return zip_of(model).stat().st_size if zip_of(model).is_file() else 0


def merged(folder: Path) -> Merged:
    report = read_report(report_of(folder))
    if report is None:
        raise ModelFailure("The merged model was removed meanwhile; merge it again.")
    return Merged(
        adapter=report.job.adapter,
        base=report.job.base,
        folder=folder.name,
        precision=report.job.precision,
        size_bytes=sum(path.stat().st_size for path in files_in(folder)),
        difference=report.difference,
        tolerance=report.tolerance,
    )


def merge_in_child(work: SharedWork, folder: MergeFolder) -> None:
    """Raises the child's own refusal, or BaseUnavailable with its last words when it failed."""
    started = time.monotonic()

    def look() -> Progress:
        """Where it stands; a load says nothing for long, so the seconds show that it is alive."""
        seconds = time.monotonic() - started
        if seconds > MERGE_SECONDS:
            raise ModelFailure("Merging took longer than an hour; try it on a faster machine.")
        told = folder.progress()
        return Progress(told.stage, f"{told.message} ({seconds:.0f} s)")

    command = [sys.executable, "-m", "adapter_ui.models.merging", str(folder.path)]
    log = folder.path / "merge.log"
    run_child(work, command, child_environment(), log, look, "The adapter could not be merged")
    if folder.failure.exists():
        raise error_of(Failure(**read_json(folder.failure)))
