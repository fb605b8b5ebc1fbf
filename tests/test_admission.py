"""Fair use: turns of one visitor, places while they wait, refusals, and that nothing is left behind."""

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from adapter_ui.admission import Admission, Admissions
from adapter_ui.domain import Progress
from adapter_ui.errors import Crowded, TooManyRequests

FIRST_IN_LINE = Progress("queue", "Waiting for your earlier request", 1, unit="requests")
SECOND_IN_LINE = Progress("queue", "Waiting for your 2 earlier requests", 2, unit="requests")


class Work:
    """Events that never end by themselves; `closed` says that they were stopped."""

    def __init__(self) -> None:
        self.begun = self.closed = False

    def events(self) -> Iterator[str]:
        self.begun = True
        try:
            while True:
                yield "work"
        finally:
            self.closed = True


def begun(admission: Admission, visitor: str, count: int) -> tuple[list[Work], list[Iterator], list[object]]:
    """So many endless requests of a visitor, and the first thing that each of them gave."""
    works = [Work() for _ in range(count)]
    streams = [admission.admitted(visitor, work.events()) for work in works]
    return works, streams, [next(stream) for stream in streams]


def test_one_runs_two_wait_with_their_places_and_the_next_is_refused():
    admission = Admission()
    works, streams, first = begun(admission, "ada", 3)
    assert first == ["work", FIRST_IN_LINE, SECOND_IN_LINE]
    assert [work.begun for work in works] == [True, False, False]
    refused = Work()
    with pytest.raises(
        TooManyRequests, match="1 request running and 2 waiting; wait for one to end, or stop"
    ):
        next(admission.admitted("ada", refused.events()))
    assert not refused.begun
    assert next(streams[0]) == "work"


def test_limits_are_what_they_were_given_as():
    admission = Admission(running=2, waiting=1)
    _, streams, first = begun(admission, "ada", 3)
    assert first == ["work", "work", FIRST_IN_LINE]
    with pytest.raises(TooManyRequests, match="2 requests running and 1 waiting"):
        next(admission.admitted("ada", Work().events()))
    assert next(streams[1]) == "work"


def test_visitors_do_not_wait_for_each_other_and_the_process_itself_is_never_limited():
    admission = Admission()
    _, (adas,), _ = begun(admission, "ada", 1)
    assert begun(admission, "bob", 1)[2] == ["work"]
    assert begun(admission, "", 9)[2] == ["work"] * 9
    assert next(adas) == "work"


def test_a_request_that_waits_is_told_its_place_again_and_moves_up():
    admission = Admission()
    works, (running, second, third), _ = begun(admission, "ada", 3)
    assert next(second) == FIRST_IN_LINE  # half a second later: nothing has changed
    running.close()
    assert works[0].closed
    assert next(second) == "work"
    assert next(third) == FIRST_IN_LINE
    second.close()
    assert next(third) == "work"


def test_a_request_begins_in_the_moment_that_the_one_before_it_ends():
    """The reader of the second one waits in another thread, as in a web server."""
    admission = Admission()
    _, (running,), _ = begun(admission, "ada", 1)
    waits, runs = threading.Event(), threading.Event()

    def read() -> None:
        for event in admission.admitted("ada", iter(["work"])):
            (runs if event == "work" else waits).set()

    reader = threading.Thread(target=read)
    reader.start()
    assert waits.wait(10)
    assert not runs.is_set()
    running.close()
    reader.join(10)
    assert runs.is_set()
    assert admission.lines == {}


def test_giving_up_while_waiting_leaves_the_line_without_beginning():
    admission = Admission()
    works, (running, second, third), _ = begun(admission, "ada", 3)
    second.close()
    assert not works[1].begun
    assert next(third) == FIRST_IN_LINE
    assert begun(admission, "ada", 1)[2] == [SECOND_IN_LINE]
    assert next(running) == "work"


def test_a_stream_that_is_dropped_without_a_close_leaves_the_line():
    admission = Admission()
    works, streams, _ = begun(admission, "ada", 3)
    del streams
    assert works[0].closed
    assert admission.lines == {}


@pytest.mark.parametrize("fault", [ValueError, TooManyRequests, KeyboardInterrupt, None], ids=str)
def test_a_place_is_free_again_however_the_work_ends(fault):
    def events() -> Iterator[str]:
        yield "work"
        if fault is not None:
            raise fault("It is so.")

    admission = Admission()
    with suppress(ValueError, TooManyRequests, KeyboardInterrupt):
        assert list(admission.admitted("ada", events())) == ["work"]
    assert admission.lines == {}


def test_work_is_stopped_before_the_next_one_may_begin():
    admission, line = Admission(), []

    def events() -> Iterator[str]:
        try:
            yield "work"
        finally:
            line.append(dict(admission.lines))

    stream = admission.admitted("ada", events())
    next(stream)
    stream.close()
    assert line[0].keys() == {"ada"}
    assert admission.lines == {}


def test_a_place_is_shown_in_the_shape_of_the_events():
    admission = Admission()
    _, (running,), _ = begun(admission, "ada", 1)
    stream = admission.admitted("ada", iter([("text",)]), lambda place: (place.message,))
    assert next(stream) == ("Waiting for your earlier request",)
    running.close()
    assert list(stream) == [("text",)]


def test_visitors_that_are_gone_are_forgotten_also_those_who_never_read():
    admission = Admission()
    for number in range(1000):
        _, streams, _ = begun(admission, f"visitor {number}", 3)
        admission.admitted(f"reader {number}", iter(()))
        for stream in streams:
            stream.close()
    assert admission.lines == {}


def test_many_readers_at_once_never_run_two_of_one_visitor():
    admission, running, most = Admission(waiting=20), {"ada": 0, "bob": 0}, []
    counting = threading.Lock()

    def events(visitor: str) -> Iterator[str]:
        for change in (1, -1):
            with counting:
                running[visitor] += change
                most.append(running[visitor])
            yield "work"

    def read(visitor: str) -> None:
        for _ in admission.admitted(visitor, events(visitor)):
            pass

    readers = [threading.Thread(target=read, args=(name,)) for name in ("ada", "bob") * 20]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(60)
    assert (len(most), max(most)) == (80, 1)
    assert admission.lines == {}


def test_all_visitors_together_take_no_more_than_the_app_does():
    admission = Admission(most=4)
    _, adas, _ = begun(admission, "ada", 3)
    _, (bobs,), _ = begun(admission, "bob", 1)
    refused = Work()
    with pytest.raises(Crowded, match="4 requests of all visitors are running or waiting"):
        next(admission.admitted("eve", refused.events()))
    with pytest.raises(Crowded):
        next(admission.admitted("bob", refused.events()))
    with pytest.raises(TooManyRequests, match="You have 1 request running and 2 waiting"):
        next(admission.admitted("ada", refused.events()))
    assert not refused.begun
    adas[1].close()
    assert begun(admission, "eve", 1)[2] == ["work"]
    assert next(bobs) == "work"
    assert begun(admission, "", 9)[2] == ["work"] * 9


def test_work_that_can_show_no_place_waits_for_its_turn():
    admission, begins = Admission(), threading.Event()
    _, (running,), _ = begun(admission, "ada", 1)

    def work() -> None:
        with admission.waited("ada"):
            begins.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert not begins.wait(0.3)
    running.close()
    worker.join(10)
    assert begins.is_set()
    assert admission.lines == {}


def test_what_makes_a_model_runs_alone_among_all_visitors_and_an_errand_waits_for_none_of_it():
    admissions = Admissions()
    works = [Work() for _ in range(4)]
    streams = [admissions.made(name, work.events()) for name, work in zip("abaa", works, strict=True)]
    first = [next(stream) for stream in streams[:3]]
    assert first[0] == "work"
    assert first[1] == Progress("queue", "Waiting for 1 earlier merge or mix", 1, unit="requests")
    assert first[2] == FIRST_IN_LINE  # in the visitor's own line before it is in that of all
    with admissions.errands.waited("a"):
        pass
    assert next(admissions.made("", works[3].events())) == "work"
    streams[0].close()
    assert next(streams[1]) == "work"
    assert next(streams[2]).message == "Waiting for 1 earlier merge or mix"
    for stream in streams:
        stream.close()
    assert not (admissions.requests.lines or admissions.workshop.lines or admissions.errands.lines)
