"""What the words of a report mean: shown where a pointer rests on a heading, and in a list at the end of the page."""

from __future__ import annotations

WORDS = {
    "arm": "one attention implementation in a comparison",
    "baseline": "the arm that all others are compared with",
    "seed": "the number that initial weights, data order and augmentation follow from; arms are paired by it",
    "n": "finished runs / planned runs",
    "mAP50-95": "mean average precision over classes and IoU 0.5 to 0.95: 1 is perfect",
    "mAP50": "mean average precision over classes at IoU 0.5: 1 is perfect",
    "points": "hundredths of a metric between 0 and 1: from 0.50 to 0.51 is one point",
    "train s": "seconds of the training loops, without the first epoch and validation",
    "images/s": "training images a second, without the first epoch",
    "step MiB": "memory that a training step takes above what is held between steps, measured side by side",
    "peak MiB": "largest memory: allocated by PyTorch; of whole trainings on a CPU the resident set of the process",
    "kernel": "the code that computed softmax(QK\u1d40)V, as PyTorch's profiler saw it",
    "same function": "whether outputs and gradients equal a checked fp64 truth up to rounding; in brackets the largest "
    "error, in units of what the precision explains",
    "step ms": "milliseconds of a training step: forward, loss, backward, optimizer",
    "infer ms": "milliseconds of a forward in evaluation mode",
    "times faster": "the baseline's time divided by the arm's: above 1 the arm is faster",
    "interval": "values that the measurement does not contradict, at the level that stands with it",
    "p": "how probable a difference this large is where there is none",
    "margin": "differences up to here don't matter; it was declared before the run",
    "equivalent": "a test (TOST) has shown that the difference is inside the margin",
    "inconclusive": "neither a difference nor equivalence was shown; more seeds may show one",
    "noise floor": "what two copies of one arm differ by, from first weights one unit in the last place (ulp) apart",
    "comparison group": "all runs whose settings are equal but for the arm and the seed",
    "d_z": "mean of the paired differences over their standard deviation",
    "boxes": "labelled objects in the val images",
}


def meaning(word: str) -> str:
    """What a heading means; nothing for one that explains itself."""
    return WORDS.get(word.strip().removesuffix(" (baseline)"), "")
