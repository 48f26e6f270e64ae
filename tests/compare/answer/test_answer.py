"""From made measurements to the sentence: the interval over processes, the recommendation, and its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sdpa_exp.compare.answer.judge import Judged, judge_measurement
from sdpa_exp.compare.answer.measurement import measurement_of
from sdpa_exp.compare.answer.recommend import recommend
from sdpa_exp.compare.answer.sentence import NOT_TRAINED, accuracy_sentence, answer_sentence
from sdpa_exp.compare.answer.tables import answer_sentences
from sdpa_exp.compare.report.figures.answer import answer_charts
from sdpa_exp.compare.report.figures.style import arm_styles, styled
from sdpa_exp.compare.statistics.paired import paired_test
from sdpa_exp.compare.verdict import Question, Verdict, judge
from tests.compare.answer.made import content_of

FASTER = [1.05, 1.07, 1.08, 1.06, 1.09]
NOISY = [0.95, 1.1, 1.02, 0.97, 1.08]
SAME = [1.001, 0.999, 1.002, 0.998, 1.0]
SLOWER = [0.92, 0.93, 0.91, 0.94, 0.92]
MAP = Question(name="accuracy", metric="mAP50-95", margin=0.005, margin_kind="absolute")


def judged(speedups: dict[str, list[float]], **values: Any) -> Judged:
    return judge_measurement(measurement_of(content_of(speedups, **values)), alpha=0.05)


def trained(arm: Sequence[float], stock: Sequence[float]) -> list[Verdict]:
    test = paired_test(np.array(arm), np.array(stock), margin=0.005)
    return judge({(MAP, "sdpa"): test}, "stock", {}, 0.05)


def test_the_interval_is_a_t_interval_over_processes_of_log_ratios() -> None:
    speed = judged({"sdpa": FASTER}).step["sdpa"]
    logs = np.log(FASTER)
    low, high = stats.t.interval(0.95, 4, loc=logs.mean(), scale=stats.sem(logs))
    assert (speed.ratio, speed.low, speed.high) == pytest.approx(tuple(np.exp([logs.mean(), low, high])))
    assert speed.num_processes == 5


def test_more_rounds_inside_a_process_make_no_interval_narrower() -> None:
    few, many = (judged({"sdpa": FASTER}, rounds=rounds).step["sdpa"] for rounds in (2, 80))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))


def test_with_several_arms_the_interval_allows_for_the_choice_among_them() -> None:
    alone = judged({"sdpa": FASTER}).step["sdpa"]
    among = judged({"sdpa": FASTER, "eager": SAME, "math": NOISY}).step["sdpa"]
    assert among.level == pytest.approx(1 - 0.05 / 3)
    assert among.low < alone.low < alone.high < among.high


def test_a_faster_arm_is_recommended_in_a_sentence() -> None:
    found = recommend(judged({"sdpa": FASTER}, peaks_mib={"sdpa": 129.9}))
    assert answer_sentence(found, NOT_TRAINED) == (
        "Use sdpa: 1.07 times as fast per step (1.05 to 1.09), same memory, same function to rounding. Accuracy: not "
        "measured, since nothing was trained."
    )


@pytest.mark.parametrize(
    ("speedups", "words"),
    [
        ({"sdpa": NOISY}, "Keep stock: it is inconclusive whether sdpa is faster: 1.02 times as fast per step"),
        ({"sdpa": SAME}, "Keep stock: sdpa is as fast within 2 %: 1.00 times as fast per step"),
        ({"sdpa": SLOWER}, "Keep stock: sdpa is slower: 0.92 times as fast per step"),
        ({"sdpa": SLOWER, "math": SLOWER}, "Keep stock: sdpa, the fastest of the others, is slower: 0.92"),
    ],
)
def test_the_baseline_stays_where_nothing_is_shown_to_be_faster(speedups: dict[str, list[float]], words: str) -> None:
    assert recommend(judged(speedups)).sentence.startswith(words)


def test_an_arm_with_another_function_is_not_recommended_however_fast() -> None:
    found = recommend(judged({"mine": FASTER}, wrong=["mine"]))
    assert found.sentence.startswith(
        "Keep stock: mine is 1.07 times as fast per step (1.05 to 1.09), but another function"
    )


def test_sdpa_is_preferred_to_an_arm_that_is_not_shown_to_be_faster_than_it() -> None:
    found = recommend(judged({"eager": [x + 0.001 for x in FASTER], "sdpa": FASTER}))
    assert (found.arm, found.as_good) == ("sdpa", ("eager",))


def test_less_memory_at_the_same_speed_is_a_reason_too() -> None:
    found = recommend(judged({"sdpa": SAME}, peaks_mib={"sdpa": 100.0}))
    assert found.sentence.startswith("Use sdpa: 1.00 times as fast per step")
    assert "30.0 MiB (23.1 %) less memory" in found.sentence


def test_the_same_kernel_is_named_as_the_reason_for_no_difference() -> None:
    found = recommend(judged({"flash": SAME}, baseline="sdpa", kernels={"flash": "flash", "sdpa": "flash"}))
    assert found.sentence.startswith("Keep sdpa: flash runs the same attention kernel here (flash)")


@pytest.mark.parametrize(
    ("peak", "words"),
    [
        (130.0, "is identical to stock in all 5 processes (130 MiB)"),
        (118.0, "is 12.0 MiB (9.2 %) smaller than stock in all 5 processes, no variation"),
        ([120.0, 121.0, 122.0, 119.0, 120.0], "less stock: -11.0 to -8.0 MiB in 5 processes"),
    ],
)
def test_memory_is_said_as_it_is(peak: float | list[float], words: str) -> None:
    assert words in judged({"sdpa": FASTER}, peaks_mib={"sdpa": peak}).memory["sdpa"].sentence()


def test_the_details_have_every_verdict_in_full() -> None:
    sentences = list(answer_sentences(judged({"sdpa": FASTER})))
    assert sentences[0].startswith("function: sdpa computes what stock computes, up to rounding")
    assert sentences[1].startswith(
        "speed per training step: sdpa is faster than stock: 1.070 times as fast (95 % interval 1.050 to 1.090 over "
        "5 processes)"
    )


def test_accuracy_is_said_with_its_seeds() -> None:
    verdicts = trained([0.507, 0.508], [0.434, 0.481])
    assert accuracy_sentence(verdicts, (), "sdpa") == "Accuracy: inconclusive with 2 seeds (+5.0 points)."


def test_an_arm_that_trained_worse_is_not_recommended() -> None:
    verdicts = trained([0.40, 0.41, 0.402], [0.5, 0.512, 0.501])
    found = recommend(judged({"sdpa": FASTER}), verdicts)
    assert "but lower accuracy is its price" in found.sentence


def test_where_it_holds_stands_in_front() -> None:
    found = recommend(judged({"sdpa": FASTER}))
    assert answer_sentence(found, "", where="imgsz=160").startswith("At imgsz=160: use sdpa: 1.07")


def _charts(measured: Judged | None, verdicts: Sequence[Verdict]) -> dict[str, str]:
    styles = arm_styles(["stock", "sdpa", "eager"], "stock")
    with styled():
        return {c.title: c.svg for c in answer_charts(measured, verdicts, baseline="stock", styles=styles, name="a")}


def test_the_charts_show_speed_beside_accuracy_and_inference_where_nothing_was_trained() -> None:
    measured = judged({"sdpa": [1.05, 1.06, 1.07], "eager": [1.0, 1.01, 0.99]})
    verdicts = trained([0.51, 0.52, 0.53], [0.50, 0.52, 0.51])
    assert list(_charts(measured, ())) == ["Training step", "Inference"]
    assert list(_charts(measured, verdicts)) == ["Training step", "Accuracy"]
    assert list(_charts(None, verdicts)) == ["Accuracy"]
    assert _charts(None, ()) == {}
    step = _charts(measured, ())["Training step"]
    assert all(text in step for text in (">sdpa<", ">eager<", ">times as fast as stock<"))


def test_one_seed_has_no_interval_to_draw() -> None:
    assert _charts(None, trained([0.51], [0.50])) == {}
