"""The folder in which an adapter is merged into its base: the web process and the merging one meet here.

Only reads and writes files; how to merge is not known here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from adapter_ui.domain import Precision, Progress
from adapter_ui.training.run_folder import read_json, write_json


@dataclass(frozen=True)
class MergeJob:
    """What to merge into what, as local folders and under the names to put into the model card.

    `weights_sha256` is that of the adapter's weights: a run that is resumed replaces them. `config_sha256` is
    that of its config and its labels' names. `rounded` says how the base's weights are other ones than the
    Hub's, if they are.
    """

    adapter: str
    adapter_folder: str
    weights_sha256: str
    base: str
    base_folder: str
    revision: str | None
    license: str | None
    model_class: str
    task_type: str | None
    precision: Precision
    config_sha256: str = ""
    rounded: str = ""


@dataclass(frozen=True)
class MergeReport:
    """How far apart the outputs were before and after; see `adapter_ui.domain.Merged`."""

    job: MergeJob
    difference: float
    tolerance: float


@dataclass(frozen=True)
class MergeFolder:
    """`model` holds the merged model, and `report` says how it was made, when the process ended well.

    The report names folders of this machine, so it lies beside the model and not in it.
    """

    path: Path

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def failure(self) -> Path:
        return self.path / "failure.json"

    def write_job(self, job: MergeJob) -> None:
        write_json(self.path / "job.json", asdict(job))

    def read_job(self) -> MergeJob:
        return job_from(read_json(self.path / "job.json"))

    def write_report(self, report: MergeReport) -> None:
        write_json(self.report, asdict(report))

    def tell(self, message: str) -> None:
        write_json(self.path / "progress.json", {"message": message})

    def progress(self) -> Progress:
        told = self.path / "progress.json"
        message = read_json(told)["message"] if told.exists() else "Starting to merge"
        return Progress("merge", message)


def read_report(path: Path) -> MergeReport | None:
    """The report of a merged model; None where nothing was merged."""
    if not path.is_file():
        return None
    fields = read_json(path)
    return MergeReport(**{**fields, "job": job_from(fields["job"])})


def job_from(fields: dict[str, str | None]) -> MergeJob:
    return MergeJob(**{**fields, "precision": Precision(fields["precision"])})
