"""The ends of runs that no training process writes itself: taken out of the queue, killed, or lost unseen.

Knows run folders and the marks of processes; who looks when is decided in `adapter_ui.training.supervisor`.
"""

from __future__ import annotations

from adapter_ui.domain import RunState
from adapter_ui.training.checkpoints import newest_step
from adapter_ui.training.keeping import finish_replacing
from adapter_ui.training.process import ProcessMark, last_error_line
from adapter_ui.training.run_folder import RunFolder
from adapter_ui.training.run_status import read_status


def end_waiting(run: RunFolder) -> None:
    """Take a run that was stopped or paused out of the queue."""
    if run.pause_asked:
        run.append("state", state=RunState.PAUSED, message="Paused before it started.")
    else:
        run.append("state", state=RunState.CANCELLED, message="Cancelled before it started.")


def recover(run: RunFolder) -> None:
    """Note the end of a run whose process died while nobody watched; one that never trained waits again."""
    mark = ProcessMark.read(run)
    if mark is not None and mark.alive:
        return
    if read_status(run).state is not RunState.QUEUED:
        line = last_error_line(run.stderr)
        note_death(run, f"The training stopped with an error: {line}" if line else None)
    run.process.unlink(missing_ok=True)


def note_death(run: RunFolder, cause: str | None) -> None:
    """Write the end that the training process could not write itself; one that did is left as it is.

    Without a `cause` the machine stopped, or the process was killed unseen. A cause that the process still
    told is not told again.
    """
    status = read_status(run)
    if status.state.ended:
        return
    finish_replacing(run)
    if run.pause_asked:
        message = "Paused by force; the steps since its last checkpoint are lost."
        run.append("state", state=RunState.PAUSED, message=message)
    elif run.stop_asked:
        kept = newest_step(run.checkpoints)
        saved = f"the checkpoint of step {kept} can be kept or resumed" if kept else "nothing was saved"
        run.append("state", state=RunState.CANCELLED, message=f"Stopped by force; {saved}.")
    elif status.error:
        run.append("state", state=RunState.FAILED, message=status.error)
    elif cause is None:
        message = "The machine stopped while this run was training; resume it."
        end(run, RunState.INTERRUPTED, message)
    else:
        end(run, RunState.FAILED, cause)


def note_hang(run: RunFolder, seconds: float) -> None:
    """Write the end of a process that was killed because it saved for so long without a word."""
    if read_status(run).state.ended:
        return
    finish_replacing(run)
    kept = "its adapter is saved" if run.adapter.is_dir() else "its disk may hang"
    waited = f"{seconds / 60:.0f} minutes" if seconds >= 60 else f"{seconds:.0f} seconds"
    end(
        run,
        RunState.FAILED,
        f"Saving the adapter did not end within {waited}, so it was ended ({kept}); resume the run to save "
        "it again.",
    )


def end(run: RunFolder, state: RunState, message: str) -> None:
    run.append("error", message=message)
    run.append("state", state=state, message=message)
