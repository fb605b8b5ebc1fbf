"""Training processes: known again by pid and start, and their deaths put in words."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from adapter_ui.errors import without_local_names
from adapter_ui.settings import thread_limit
from adapter_ui.training.process import GATE, STARTED, ProcessMark, cause_of_death, start_trainer
from adapter_ui.training.run_folder import RunFolder

TRACEBACK = """Loading weights: 100%
Traceback (most recent call last):
  File "/home/someone/app/train.py", line 3, in <module>
    run()
RuntimeError: mat1 and mat2 shapes cannot be multiplied in /home/someone/app/x.py with hf_abcdef
[rank0] some last words
"""


def test_a_mark_of_another_process_with_the_same_pid_is_not_alive() -> None:
    mark = ProcessMark.of_this("trainer")
    assert mark.alive
    assert not ProcessMark("trainer", mark.pid, mark.created - 3600).alive


def test_only_one_process_takes_a_run_in_hand(tmp_path: Path) -> None:
    run, mark = RunFolder(tmp_path), ProcessMark.of_this("supervisor")
    assert mark.claim(run)
    assert not mark.claim(run)
    assert ProcessMark.read(run) == mark
    assert [path.name for path in tmp_path.iterdir()] == ["process.json"]


@pytest.mark.parametrize(("told", "written"), [("", ""), ("go\n", "trains\n")])
def test_what_stands_at_the_gate_ends_with_the_one_who_would_open_it(told: str, written: str) -> None:
    command = [*GATE, "/bin/echo", "trains"]
    ended = subprocess.run(command, input=told, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout == written


def test_a_trainer_that_cannot_be_marked_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ProcessMark] = []

    def full(mark: ProcessMark, _: RunFolder) -> None:
        started.append(mark)
        raise OSError("No space left on device")

    monkeypatch.setattr(ProcessMark, "write", full)
    with pytest.raises(OSError, match="No space"):
        start_trainer(RunFolder(tmp_path))
    assert not psutil.pid_exists(started[0].pid)


@pytest.mark.parametrize(
    ("stderr", "returncode", "sentence"),
    [
        ("", -signal.SIGKILL, "stopped by the system, most likely for memory"),
        (TRACEBACK, -signal.SIGKILL, "stopped by the system, most likely for memory"),
        (TRACEBACK, 1, "RuntimeError: mat1 and mat2 shapes cannot be multiplied in …/x.py with …"),
        ("", -signal.SIGSEGV, "stopped by the signal SIGSEGV"),
        ("no words", None, "without saying why"),
        ("no words", 1, "without saying why"),
        (TRACEBACK + STARTED.decode(), 1, "without saying why"),
        ("SafetensorError: I/O error: No space left on device (os error 28)", 1, "The disk is full; free"),
    ],
)
def test_a_death_is_put_in_words(stderr: str, returncode: int | None, sentence: str, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.stderr.write_text(stderr)
    assert sentence in cause_of_death(run, returncode)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("No such file: '/home/a b/data/x.json'.", "No such file: '…/x.json'."),
        ("See https://huggingface.co/org/name for more", "See https://huggingface.co/org/name for more"),
        ("use org/name or a/b/c", "use org/name or a/b/c"),
        ("Bearer abc.def was refused", "… was refused"),
    ],
)
def test_messages_name_no_paths_and_tokens(message: str, shown: str) -> None:
    assert without_local_names(message) == shown


@pytest.mark.parametrize(
    ("quota", "limit"),
    [
        ("max 100000", {}),
        ("200000 100000", {"OMP_NUM_THREADS": "2"}),
        ("50000 100000", {"OMP_NUM_THREADS": "1"}),
    ],
)
def test_threads_keep_to_the_containers_share(quota: str, limit: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    assert thread_limit(tmp_path / "cpu.max") == limit
    assert thread_limit(tmp_path / "missing") == {}
