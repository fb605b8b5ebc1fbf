"""A recipe of a mix: it reads back as it is written, and what is wrong with it is said by field."""

from __future__ import annotations

import json
import math

import pytest

from adapter_ui.domain import AdapterRef, Combination, MixPart, MixRecipe, Source
from adapter_ui.errors import InvalidInput

TWO = ({"adapter": "org/one", "weight": 0.7}, {"adapter": "starter:pirate"})


def test_a_recipe_reads_back_as_it_is_written():
    recipe = MixRecipe.of(TWO, "dare_ties_svd", name="both", density=0.3, rank=16, seed=5)
    assert recipe.parts[1] == MixPart(AdapterRef(Source.STARTER, "pirate"), 1.0)
    assert recipe.combination is Combination.DARE_TIES_SVD
    assert MixRecipe.of(**json.loads(json.dumps(recipe.to_json()))) == recipe
    assert str(recipe.ref) == "mix:both"


@pytest.mark.parametrize(
    ("combination", "by_svd", "prunes", "at_random", "elects"),
    [
        ("linear", False, False, False, False),
        ("cat", False, False, False, False),
        ("svd", True, False, False, False),
        ("ties", False, True, False, True),
        ("dare_linear_svd", True, True, True, False),
        ("dare_ties", False, True, True, True),
        ("magnitude_prune_svd", True, True, False, False),
    ],
)
def test_what_a_combination_heeds(combination, by_svd, prunes, at_random, elects):
    one = Combination(combination)
    found = (one.by_svd, one.prunes, one.prunes_at_random, one.elects_signs)
    assert found == (by_svd, prunes, at_random, elects)


def weighing(weight: object) -> tuple[dict, ...]:
    return TWO[0], {"adapter": "starter:pirate", "weight": weight}


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"parts": "org/one"}, "parts", "list of 2 to 8"),
        ({"parts": {"adapter": "org/one"}}, "parts", "list of 2 to 8"),
        ({"parts": None}, "parts", "list of 2 to 8"),
        ({"parts": [TWO[0]] * 9}, "parts", "list of 2 to 8"),
        ({"parts": []}, "parts", "must hold 2 to 8"),
        ({"parts": TWO[:1]}, "parts", "must hold 2 to 8"),
        ({"parts": (TWO[0], TWO[0])}, "parts", "org/one twice"),
        ({"parts": (TWO[0], "starter:pirate")}, "parts", "an object with adapter and weight"),
        ({"parts": (TWO[0], {"weight": 1})}, "parts", "an object with adapter and weight"),
        ({"parts": (TWO[0], {**TWO[1], "scale": 1})}, "parts", "an object with adapter and weight"),
        ({"parts": (TWO[0], {"adapter": 5})}, "parts", "adapter must be a string"),
        ({"parts": (TWO[0], {"adapter": "../etc"})}, "parts", "not the name of an adapter"),
        ({"parts": weighing(0)}, "weight", "leave it out"),
        ({"parts": weighing("1")}, "weight", "must be a number"),
        ({"parts": weighing(True)}, "weight", "must be a number"),
        ({"parts": weighing(math.nan)}, "weight", "must be a number"),
        ({"parts": weighing(math.inf)}, "weight", "must be a number"),
        ({"parts": weighing(-1), "combination": "ties"}, "weight", "elects signs"),
        ({"combination": "average"}, "combination", "one of linear, cat"),
        ({"name": ""}, "name", "letters"),
        ({"name": "../up"}, "name", "letters"),
        ({"name": "x" * 97}, "name", "letters"),
        ({"density": 0}, "density", "leave nothing"),
        ({"density": 1.5}, "density", "from 0 to 1"),
        ({"density": math.nan}, "density", "from 0 to 1"),
        ({"rank": 4}, "rank", "belongs to the types by svd"),
        ({"combination": "svd", "rank": 0}, "rank", "from 1 to 1,024"),
        ({"combination": "svd", "rank": 10**9}, "rank", "from 1 to 1,024"),
        ({"seed": -1}, "seed", "from 0 to"),
        ({"seed": 2**64}, "seed", "from 0 to"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_field(changes, field, sentence):
    fields = {"parts": TWO, "combination": "linear", "name": "both"} | changes
    with pytest.raises(InvalidInput, match=sentence) as raised:
        MixRecipe.of(**fields)
    assert raised.value.field == field


@pytest.mark.parametrize("combination", ["linear", "cat", "svd", "dare_linear", "magnitude_prune"])
def test_what_adds_up_can_also_take_away(combination):
    assert MixRecipe.of(weighing(-1), combination, name="both").parts[1].weight == -1
