"""Put an adapter in its place in a run's folder, and keep a checkpoint as one.

A run that diverged, was killed or was interrupted has saved nothing, yet its newest whole checkpoint holds
an adapter as good as one of a run that was stopped there. Knows files only; the one who calls makes sure
that no process works on the run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from adapter_ui.domain import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from adapter_ui.errors import InvalidInput
from adapter_ui.training.card import TrainingFacts, adapter_card
from adapter_ui.training.checkpoints import PLAIN, newest, remove_torn, step_of
from adapter_ui.training.disk import flush_to_disk
from adapter_ui.training.divergence import diverged_at
from adapter_ui.training.run_folder import RunFolder, read_json, write_json
from adapter_ui.training.run_status import SAVED, read_status

LABELS_FILE = "label_names.json"
TRAINED_LABELS = "labels.json"
MEASURED = "eval_"
PARTIAL, REPLACED = "adapter.partial", "adapter.replaced"


def keep_checkpoint(run: RunFolder) -> None:
    """Make the newest good checkpoint the run's adapter. Raises InvalidInput when there is none."""
    checkpoint = newest_good(run)
    if checkpoint is None:
        raise InvalidInput(
            f"The run {run.path.name} has no whole checkpoint to keep; start it again.", field="run_id"
        )
    partial = new_partial(run)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        plain = checkpoint / f"{PLAIN}{name}"
        shutil.copyfile(plain if plain.is_file() else checkpoint / name, partial / name)
    labels = labels_for(run)
    if labels:
        write_labels(partial, labels)
    write_card(run, partial, labels, facts_at(run, step_of(checkpoint)))
    put_in_place(run, partial, step_of(checkpoint))


def newest_good(run: RunFolder) -> Path | None:
    """The newest whole checkpoint, of a run that diverged at step S one older than S-1: whether a state is
    good shows in the loss of the step after it.
    """
    before = diverged_at(run.read_events()) - 1
    return newest(run.checkpoints, before)


def labels_for(run: RunFolder) -> tuple[str, ...]:
    """The names of a head's classes, as the training has them; before it has begun, those of the data.

    Raises InvalidInput where an adapter is trained further and nobody has looked yet what its head tells.
    """
    trained, found = run.path / TRAINED_LABELS, run.read_examples().labels
    if trained.is_file():
        return tuple(read_json(trained)["labels"])
    if found and run.read_base().adapter is not None:
        raise InvalidInput(
            "This run has not looked at the adapter's classes yet; try again once it trains.", field="run_id"
        )
    return found


def note_labels(run: RunFolder, labels: tuple[str, ...]) -> None:
    """Write down which classes the training's head has."""
    write_json(run.path / TRAINED_LABELS, {"labels": list(labels)})


def facts_at(run: RunFolder, step: int) -> TrainingFacts:
    """What is known of the training at a step; its process told nobody how many rows it could use."""
    status = read_status(run)
    at: Mapping[str, float] = next((entry for entry in status.history if entry["step"] == step), {})
    return TrainingFacts(
        rows=None,
        validation_rows=None,
        step=step,
        total_steps=status.total_steps or step,
        measured=at,
        before=status.metrics_before,
        after={name.removeprefix(MEASURED): at[name] for name in at if name.startswith(MEASURED)},
    )


def new_partial(run: RunFolder) -> Path:
    """An empty folder beside the adapter's place."""
    partial = run.path / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    return partial


def write_labels(folder: Path, labels: tuple[str, ...]) -> None:
    (folder / LABELS_FILE).write_text(json.dumps(list(labels), ensure_ascii=False), encoding="utf-8")


def write_card(run: RunFolder, folder: Path, labels: tuple[str, ...], facts: TrainingFacts) -> None:
    history = [entry for entry in read_status(run).history if entry["step"] <= facts.step]
    card = adapter_card(run.read_recipe(), run.read_base(), labels, run.read_examples().rows, facts, history)
    (folder / "README.md").write_text(card, encoding="utf-8")


def put_in_place(run: RunFolder, partial: Path, step: int) -> None:
    """Let the adapter reach the disk, move it to its place at once, and note after which step it was taken:
    a run that goes on from there may break off again, steps later.
    """
    for path in (*partial.iterdir(), partial):
        flush_to_disk(path)
    replaced = run.path / REPLACED
    shutil.rmtree(replaced, ignore_errors=True)
    if run.adapter.exists():  # of a run that was stopped and resumed
        run.adapter.rename(replaced)
    partial.rename(run.adapter)
    flush_to_disk(run.path)
    run.append(SAVED, step=step)
    shutil.rmtree(replaced, ignore_errors=True)


def give_space_back(run: RunFolder) -> None:
    """Remove what was half written when the disk was full, which may be most of what fills it."""
    remove_torn(run.checkpoints)
    shutil.rmtree(run.path / PARTIAL, ignore_errors=True)


def finish_replacing(run: RunFolder) -> None:
    """Put the new adapter in its place for a process that died when the old one had just left it."""
    if (run.path / REPLACED).is_dir() and (run.path / PARTIAL).is_dir() and not run.adapter.exists():
        (run.path / PARTIAL).rename(run.adapter)
