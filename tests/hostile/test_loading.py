"""Every hostile input, loaded in a watched process: refused with its reason or loaded safely, and no more."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.hostile.cases import Case
from tests.hostile.conftest import CASES, Watched
from tests.hostile.hub_cases import HUB_CASES
from tests.hostile.routes import ROUTES

PROCESS_BYTES = 1_600_000_000
PLAIN_DECODING = [None, None, None, None]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_hostile_input_is_refused_or_harmless(watched: Watched, case: Case) -> None:
    told = watched.load(case)
    assert (told["code"], told["done"]) == (case.refusal, []), told["message"]
    assert case.sentence in told["message"]
    assert told["peak_bytes"] < PROCESS_BYTES
    if "base_same" in told:
        assert told["base_same"]
        assert told["decoding"] == PLAIN_DECODING
    if not case.refusal:
        assert told["finite"] and told["base_speaks"] and told["attached_base_same"]
    else:
        assert told["message"].endswith(".")
        assert len(told["message"]) < 600


def test_every_route_is_tried_by_several_inputs() -> None:
    tried = Counter(case.route for case in (*CASES, *HUB_CASES))
    assert tried.keys() == set(ROUTES)
    assert not [route for route in ROUTES if tried[route] < 2]
