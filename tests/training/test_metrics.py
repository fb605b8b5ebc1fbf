"""The metrics against worked examples of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from transformers import EvalPrediction

from adapter_ui.domain.entity_tags import in_bio
from adapter_ui.models.tuning.metrics import tag_metrics
from adapter_ui.training.metrics.classes import accuracy, macro_f1, majority_accuracy
from adapter_ui.training.metrics.entities import entities_of, entity_f1, mark_entities
from adapter_ui.training.metrics.overlap import rouge_l, sentence_rouge_l
from adapter_ui.training.metrics.spans import exact_match, token_f1, words_of


def test_accuracy_is_the_share_that_is_right() -> None:
    assert accuracy("aabb", "abbb") == 0.75


def test_macro_f1_is_the_mean_over_classes() -> None:
    # a: precision 2/3, recall 1, F1 0.8; b and c are never hit
    assert macro_f1("abcabc", "acbaab") == pytest.approx(0.8 / 3)
    assert macro_f1("ab", "ab") == 1.0


def test_a_class_that_is_only_predicted_pulls_macro_f1_down() -> None:
    assert macro_f1("aa", "ab") == pytest.approx((2 / 3 + 0) / 2)


def test_the_majority_is_that_of_the_training_rows() -> None:
    assert majority_accuracy(["yes", "yes", "no"], ["no", "no", "no", "yes"]) == 0.25


ENTITIES = [
    ("O B-PER I-PER O", {(1, 3, "PER")}),
    ("B-PER B-PER", {(0, 1, "PER"), (1, 2, "PER")}),
    ("B-PER I-LOC", {(0, 1, "PER"), (1, 2, "LOC")}),
    ("O I-ORG I-ORG", {(1, 3, "ORG")}),
    ("I-ORG B-ORG I-ORG", {(0, 1, "ORG"), (1, 3, "ORG")}),
    ("B-LOC O I-LOC", {(0, 1, "LOC"), (2, 3, "LOC")}),
    ("LOC LOC O PER", {(0, 1, "LOC"), (1, 2, "LOC"), (3, 4, "PER")}),
    ("O O", set()),
]


@pytest.mark.parametrize(("tags", "expected"), ENTITIES)
def test_entities_begin_and_end_as_conlleval_has_it(tags: str, expected: set[tuple[int, int, str]]) -> None:
    assert entities_of(tags.split()) == expected


def test_an_entity_counts_only_when_words_and_type_are_right() -> None:
    expected = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    predicted = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert entity_f1(expected, predicted) == 0.5
    assert entity_f1(expected, expected) == 1.0
    assert entity_f1([["B-PER"]], [["B-LOC"]]) == 0.0
    assert entity_f1([["O"]], [["O"]]) == 0.0


@pytest.mark.parametrize(
    ("tags", "are"),
    [(["O", "PER"], True), (["B-PER", "I-PER"], True), (["0", "1", "2"], False), (["NOUN", "VERB"], False)],
)
def test_what_tags_mark_entities(tags: list[str], are: bool) -> None:
    assert mark_entities(tags) is are


BIOES = ("O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC")
TOLD_IN_BIO = [
    ("S-PER O B-PER I-PER E-PER S-LOC", BIOES, {(0, 1, "PER"), (2, 5, "PER"), (5, 6, "LOC")}),
    ("U-PER B-PER L-PER", ("O", "B-PER", "I-PER", "L-PER", "U-PER"), {(0, 1, "PER"), (1, 3, "PER")}),
    ("B-PER M-PER E-PER", ("O", "B-PER", "M-PER", "E-PER"), {(0, 3, "PER")}),
    ("B-PER E-PER E-PER I-PER", BIOES, {(0, 2, "PER"), (2, 3, "PER"), (3, 4, "PER")}),
    ("S-PER I-PER", BIOES, {(0, 1, "PER"), (1, 2, "PER")}),
    ("B-PER I-PER B-PER I-LOC", ("B-PER", "I-LOC"), {(0, 2, "PER"), (2, 3, "PER"), (3, 4, "LOC")}),
    ("B-E-MAIL I-E-MAIL", ("O", "B-E-MAIL", "I-E-MAIL"), {(0, 2, "E-MAIL")}),
    ("E-MAIL O", ("O", "E-MAIL"), {(0, 1, "E-MAIL")}),
]


@pytest.mark.parametrize(("tags", "known", "expected"), TOLD_IN_BIO)
def test_entities_of_other_schemes_are_those_of_bio(
    tags: str, known: tuple[str, ...], expected: set[tuple[int, int, str]]
) -> None:
    assert entities_of(in_bio(tags.split(), known)) == expected


def test_a_tagger_in_another_scheme_is_measured_by_its_entities() -> None:
    expected = np.array([[1, 2, 3, 0, 4]])
    # the first entity is cut, the second is right
    predicted = np.array([[1, 3, 0, 0, 4]])
    assert tag_metrics(BIOES, EvalPrediction(predicted, expected)) == {"entity_f1": 0.5}


def test_entity_f1_is_over_all_sentences_together() -> None:
    # three expected, two found, both right: precision 1, recall 2/3
    expected = [["B-A", "B-A"], ["B-A"]]
    assert entity_f1(expected, [["B-A", "B-A"], ["O"]]) == pytest.approx(0.8)


def test_answers_are_compared_without_case_punctuation_and_articles() -> None:
    assert words_of("The  “Denver Broncos”, an N.F.L. team!") == ["“denver", "broncos”", "nfl", "team"]
    assert exact_match([["the Santa Clara, California."]], ["Santa Clara California"]) == 1.0


def test_a_question_scores_its_best_expected_answer() -> None:
    expected = [["Levi's Stadium", "Levi's Stadium in the San Francisco Bay Area"], ["1996"]]
    assert exact_match(expected, ["levis stadium", "1997"]) == 0.5
    # four words of which three are shared with five: 2 * 3 / 9
    assert token_f1([["San Francisco Bay Area California"]], ["in San Francisco Bay"]) == pytest.approx(6 / 9)
    assert token_f1(expected, ["Levi's Stadium", ""]) == 0.5


def test_a_word_is_shared_as_often_as_both_have_it() -> None:
    assert token_f1([["very very big"]], ["very big very very"]) == pytest.approx(6 / 7)


def test_rouge_l_is_that_of_the_paper() -> None:
    reference = "police killed the gunman"
    assert sentence_rouge_l(reference, "police kill the gunman") == 0.75
    assert sentence_rouge_l(reference, "the gunman kill police") == 0.5
    assert sentence_rouge_l(reference, "the gunman police killed") == 0.5


def test_rouge_l_weighs_recall_and_precision_the_same() -> None:
    # two shared words, of two expected and of four written
    assert sentence_rouge_l("a b", "A x, b y") == pytest.approx(2 / 3)
    assert sentence_rouge_l("a b", "") == 0.0
    assert rouge_l(["a b", "c"], ["a b", "d"]) == 0.5
