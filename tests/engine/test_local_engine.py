"""The engine over a real worker with tiny real models: answers, turns, cancels, crashes and hangs."""

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from adapter_ui.domain import (
    ChatMessage,
    Generation,
    GenerationOptions,
    LoadReport,
    Precision,
    Prediction,
    Progress,
)
from adapter_ui.engine import protocol
from adapter_ui.engine.local import LocalEngine
from adapter_ui.engine.worker_process import LOG_BOUND, WorkerProcess
from adapter_ui.errors import BadAdapter, InvalidInput, WorkerHung, WorkerStopped

GREEDY = GenerationOptions(max_new_tokens=12, temperature=0)
ENDLESS = GenerationOptions(max_new_tokens=400, temperature=1.5, seed=1)
HELLO = (ChatMessage("user", "Hello there"),)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    engine = LocalEngine(tmp_path_factory.mktemp("engine") / "worker.log")
    yield engine
    engine.close()


def spec_of(models: Path, adapter: str = "lora", precision: Precision = Precision.FP32) -> protocol.ModelSpec:
    return protocol.ModelSpec(
        base="tiny/llama",
        base_folder=str(models / "llama"),
        precision=precision,
        model_class="AutoModelForCausalLM",
        adapter=f"org/{adapter}" if adapter else "",
        adapter_folder=str(models / adapter) if adapter else "",
        task_type="CAUSAL_LM",
    )


def answer(engine, spec, options=GREEDY, strength=1.0) -> Generation:
    request = protocol.Generate(spec, HELLO, options, strength)
    events = list(engine.stream(request, silence_seconds=60))
    return next(event for event in reversed(events) if isinstance(event, Generation))


def worker_pid(engine) -> int:
    return engine.worker.process.pid


@pytest.mark.parametrize("precision", list(Precision), ids=str)
def test_each_precision_loads_and_generates(engine, tiny_models, precision):
    spec = spec_of(tiny_models, precision=precision)
    report = next(
        event
        for event in engine.stream(protocol.Load(spec), silence_seconds=60)
        if isinstance(event, LoadReport)
    )
    assert (report.keys_in_file, report.keys_applied) == (8, 8)
    assert report.measured_bytes > 0
    last = answer(engine, spec)
    assert last.done
    assert last.tokens == 12
    assert last.reason == "length"
    assert ("tiny/llama", precision) in {(base.base, base.precision) for base in engine.loaded()}


def test_strength_zero_is_the_base_and_one_is_the_adapter(engine, tiny_models):
    base = answer(engine, spec_of(tiny_models, adapter=""))
    assert answer(engine, spec_of(tiny_models), strength=0).text == base.text
    assert answer(engine, spec_of(tiny_models), strength=1).text != base.text
    assert answer(engine, spec_of(tiny_models, adapter="")).text == base.text


@pytest.mark.parametrize("adapter", ["of another base", "gone"])
def test_strength_zero_of_an_adapter_that_is_refused_is_the_base(engine, tiny_models, adapter):
    spec = replace(spec_of(tiny_models, adapter="classifier"), adapter=f"org/{adapter}")
    if adapter == "gone":
        spec = replace(spec, adapter_folder=str(tiny_models / "gone"))
    with pytest.raises(BadAdapter):
        answer(engine, spec)
    assert answer(engine, spec, strength=0).text == answer(engine, spec_of(tiny_models, adapter="")).text


@pytest.mark.parametrize("adapter", ["classifier", ""])
def test_a_class_that_writes_no_text_says_so(engine, tiny_models, adapter):
    spec = replace(
        spec_of(tiny_models, adapter=adapter),
        base="tiny/bert",
        base_folder=str(tiny_models / "bert"),
        model_class="AutoModelForSequenceClassification" if adapter else "AutoModel",
        task_type="SEQ_CLS" if adapter else None,
    )
    with pytest.raises(InvalidInput, match=r"tiny/bert is loaded as Bert\w+, which writes no text"):
        answer(engine, spec)


def test_a_seed_repeats_an_answer(engine, tiny_models):
    options = GenerationOptions(max_new_tokens=16, temperature=1.0, seed=11)
    texts = {answer(engine, spec_of(tiny_models), options).text for _ in range(3)}
    assert len(texts) == 1
    other = replace(options, seed=12)
    assert answer(engine, spec_of(tiny_models), other).text not in texts


def test_a_stop_string_ends_the_text_before_it(engine, tiny_models):
    whole = answer(engine, spec_of(tiny_models)).text
    stop = whole[4:6]
    stopped = answer(engine, spec_of(tiny_models), replace(GREEDY, stop=(stop,)))
    assert stopped.text == whole[: whole.index(stop)]
    assert stopped.reason == "stop"


def test_a_classifier_gives_every_label_of_its_head(engine, tiny_models):
    spec = replace(
        spec_of(tiny_models, adapter="classifier"),
        base="tiny/bert",
        base_folder=str(tiny_models / "bert"),
        model_class="AutoModelForSequenceClassification",
        task_type="SEQ_CLS",
    )
    events = list(engine.stream(protocol.Predict(spec, "Some text"), silence_seconds=60))
    prediction = next(event for event in events if isinstance(event, Prediction))
    assert len(prediction.labels) == 3
    assert sum(label.score for label in prediction.labels) == pytest.approx(1, abs=1e-5)


def test_strength_of_a_method_without_scaling_is_refused_by_name(engine, tiny_models):
    with pytest.raises(InvalidInput, match="IA3 adapters have no strength"):
        answer(engine, spec_of(tiny_models, adapter="ia3"), strength=0.5)


def test_an_adapter_of_another_base_is_refused_and_the_worker_goes_on(engine, tiny_models):
    wrong = replace(spec_of(tiny_models, adapter="classifier"), task_type="CAUSAL_LM")
    with pytest.raises(BadAdapter):
        list(engine.stream(protocol.Load(wrong), silence_seconds=60))
    pid = worker_pid(engine)
    assert answer(engine, spec_of(tiny_models)).done
    assert worker_pid(engine) == pid


def test_a_base_whose_adapter_failed_is_in_memory_and_can_be_unloaded(engine, tiny_models):
    wrong = replace(spec_of(tiny_models, adapter="classifier"), base="tiny/other", task_type="CAUSAL_LM")
    with pytest.raises(BadAdapter):
        list(engine.stream(protocol.Load(wrong), silence_seconds=60))
    assert "tiny/other" in {base.base for base in engine.loaded()}
    list(engine.stream(protocol.Unload("tiny/other", Precision.FP32), silence_seconds=60))
    assert "tiny/other" not in {base.base for base in engine.loaded()}


def test_a_failure_does_not_name_the_folders_of_this_machine(engine, tiny_models):
    gone = replace(spec_of(tiny_models), adapter="org/gone", adapter_folder=str(tiny_models / "gone"))
    with pytest.raises(BadAdapter) as caught:
        list(engine.stream(protocol.Load(gone), silence_seconds=60))
    assert str(tiny_models) not in caught.value.message


def test_half_a_character_costs_one_sentence_and_not_the_worker(engine, tiny_models):
    answer(engine, spec_of(tiny_models))
    pid = worker_pid(engine)
    half = protocol.Generate(spec_of(tiny_models), (ChatMessage("user", "\ud800"),), GREEDY)
    with pytest.raises(InvalidInput, match="half of a character"):
        list(engine.stream(half, silence_seconds=60))
    assert answer(engine, spec_of(tiny_models)).done
    assert worker_pid(engine) == pid


@pytest.mark.parametrize("temperature", [1e-30, 1e-300, 5e-324])
def test_the_smallest_temperatures_are_greedy(engine, tiny_models, temperature):
    nearly = replace(GREEDY, temperature=temperature)
    assert answer(engine, spec_of(tiny_models), nearly).text == answer(engine, spec_of(tiny_models)).text


def test_closing_a_stream_stops_it_and_keeps_the_worker(engine, tiny_models):
    answer(engine, spec_of(tiny_models))
    pid = worker_pid(engine)
    stream = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    first = next(event for event in stream if isinstance(event, Generation))
    assert first.tokens < ENDLESS.max_new_tokens
    stream.close()
    assert worker_pid(engine) == pid
    assert answer(engine, spec_of(tiny_models)).done


def test_a_short_answer_is_done_while_a_long_one_is_written(engine, tiny_models):
    alone = answer(engine, spec_of(tiny_models))
    long = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    next(event for event in long if isinstance(event, Generation))
    beside = answer(engine, spec_of(tiny_models))
    assert beside.text == alone.text
    assert not next(event for event in long if isinstance(event, Generation)).done
    long.close()


def test_arms_that_are_asked_together_answer_as_they_do_alone(engine, tiny_models):
    options = GenerationOptions(max_new_tokens=24, temperature=1.2, seed=5)
    asked = [("", 1.0), ("lora", 1.0), ("lora", 0.5), ("ia3", 1.0), ("lora", 0.0)]
    alone = [answer(engine, spec_of(tiny_models, name), options, strength).text for name, strength in asked]
    requests = [
        protocol.Generate(spec_of(tiny_models, name), HELLO, options, strength) for name, strength in asked
    ]
    together = {}
    for place, event in engine.streams(requests, silence_seconds=60):
        if isinstance(event, Generation) and event.done:
            together[place] = event.text
    assert [together[place] for place in range(len(asked))] == alone
    assert alone[0] == alone[4]
    assert len(set(alone)) == 4


def test_only_what_cannot_be_mixed_says_that_it_takes_turns(engine, tiny_models):
    def report(adapter: str) -> LoadReport:
        events = engine.stream(protocol.Load(spec_of(tiny_models, adapter)), silence_seconds=60)
        return next(event for event in events if isinstance(event, LoadReport))

    assert report("").takes_turns == ""
    assert report("lora").takes_turns == ""
    assert "IA3" in report("ia3").takes_turns


def test_an_error_of_one_request_leaves_the_others_of_a_reader(engine, tiny_models):
    wrong = replace(spec_of(tiny_models, adapter="classifier"), task_type="CAUSAL_LM")
    requests = [
        protocol.Generate(wrong, HELLO, GREEDY),
        protocol.Generate(spec_of(tiny_models), HELLO, GREEDY),
    ]
    events = list(engine.streams(requests, silence_seconds=60))
    assert [place for place, event in events if isinstance(event, BadAdapter)] == [0]
    assert [place for place, event in events if isinstance(event, Generation) and event.done] == [1]


def test_an_unload_waits_for_the_answers_of_its_base_and_is_told_its_place(engine, tiny_models):
    long = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    next(event for event in long if isinstance(event, Generation))
    unload = engine.stream(protocol.Unload("tiny/llama", Precision.FP32), silence_seconds=60)
    place = next(event for event in unload if isinstance(event, Progress) and event.unit == "requests")
    assert place.message == "Waiting for 1 earlier request"
    later = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, GREEDY), silence_seconds=60)
    place = next(event for event in later if isinstance(event, Progress) and event.unit == "requests")
    assert place.message == "Waiting for 2 earlier requests"
    long.close()
    list(unload)
    assert [event for event in later if isinstance(event, Generation)][-1].done


def test_a_conversation_goes_on_with_what_was_read_before(engine, tiny_models):
    """The next turn reads only what is new, and answers as one that reads all of it does."""
    first = answer(engine, spec_of(tiny_models))
    turns = (*HELLO, ChatMessage("assistant", first.text), ChatMessage("user", "And then?"))

    def go_on() -> str:
        request = protocol.Generate(spec_of(tiny_models), turns, GREEDY)
        events = list(engine.stream(request, silence_seconds=60))
        return next(event.text for event in reversed(events) if isinstance(event, Generation))

    continued = go_on()
    list(engine.stream(protocol.Unload("tiny/llama", Precision.FP32), silence_seconds=60))
    assert go_on() == continued


def test_a_killed_worker_costs_one_sentence_and_the_next_request_works(engine, tiny_models):
    stream = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    next(event for event in stream if isinstance(event, Generation))
    os.kill(worker_pid(engine), signal.SIGKILL)
    with pytest.raises(WorkerStopped, match="memory ran out; it starts again with your next request"):
        list(stream)
    assert engine.loaded() == ()
    assert answer(engine, spec_of(tiny_models)).done


def test_a_worker_that_says_what_cannot_be_read_is_not_called_short_of_memory(engine, tiny_models):
    answer(engine, spec_of(tiny_models))
    stream = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    next(event for event in stream if isinstance(event, Generation))
    with Path(f"/proc/self/fd/{engine.worker.process.stdout.fileno()}").open("wb") as said_by_worker:
        said_by_worker.write(b"\nno message\n")
    with pytest.raises(WorkerStopped, match="cannot be read, and was stopped; it starts again"):
        list(stream)
    assert answer(engine, spec_of(tiny_models)).done


def test_a_worker_that_hangs_is_restarted(engine, tiny_models):
    answer(engine, spec_of(tiny_models))
    pid = worker_pid(engine)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerHung, match="did not answer for 2 s"):
        list(engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, GREEDY), silence_seconds=2))
    assert not psutil.pid_exists(pid)
    assert answer(engine, spec_of(tiny_models)).done


def test_a_cancel_that_is_not_obeyed_ends_in_a_kill(engine, tiny_models):
    stream = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    next(event for event in stream if isinstance(event, Generation))
    pid = worker_pid(engine)
    os.kill(pid, signal.SIGSTOP)
    closing = threading.Thread(target=stream.close)
    closing.start()
    closing.join(timeout=20)
    assert not closing.is_alive()
    assert not psutil.pid_exists(pid)


def test_who_asks_while_a_worker_is_given_up_is_answered_by_the_next(engine, tiny_models):
    stream = engine.stream(protocol.Generate(spec_of(tiny_models), HELLO, ENDLESS), silence_seconds=60)
    next(event for event in stream if isinstance(event, Generation))
    line, answers = engine.line, []
    asking = threading.Thread(target=lambda: answers.append(answer(engine, spec_of(tiny_models))))
    give_up = line.give_up

    def somebody_asks_first() -> None:
        asking.start()
        while not line.readers:
            time.sleep(0.01)
        give_up()

    line.give_up = somebody_asks_first
    os.kill(worker_pid(engine), signal.SIGSTOP)
    stream.close()
    asking.join(timeout=60)
    assert [one.done for one in answers] == [True]
    assert engine.line is not line


def test_unloading_frees_a_base_and_its_adapters(engine, tiny_models):
    answer(engine, spec_of(tiny_models))
    assert [base.base for base in engine.loaded()] == ["tiny/llama"]
    list(engine.stream(protocol.Unload("tiny/llama", Precision.FP32), silence_seconds=60))
    assert engine.loaded() == ()


def test_the_worker_has_no_token_and_no_network(engine, tiny_models, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    engine.close()
    answer(engine, spec_of(tiny_models))
    environment = psutil.Process(worker_pid(engine)).environ()
    assert "HF_TOKEN" not in environment
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["OMP_WAIT_POLICY"] == "PASSIVE"


def test_a_log_that_has_grown_large_is_begun_anew(tmp_path):
    log = tmp_path / "worker.log"
    with log.open("wb") as file:
        file.truncate(LOG_BOUND + 1)
    WorkerProcess(log, lambda *_: None, lambda _: None).kill()
    assert log.stat().st_size < LOG_BOUND
