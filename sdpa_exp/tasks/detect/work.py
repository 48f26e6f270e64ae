"""task=detect: every frame through one model or two; boxes, pictures, times and what ran are kept."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from sdpa_exp.callbacks.phases import PhaseClock
from sdpa_exp.config.plan import Plan
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.real_batch import val_images
from sdpa_exp.errors import DatasetError
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import write_results
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.runs.purposes import DETECT, PURPOSES
from sdpa_exp.runs.result_rows import rows_of
from sdpa_exp.tasks.detect import Detect
from sdpa_exp.tasks.detect.draw import beside, draw
from sdpa_exp.tasks.detect.frames import Frames, Source, open_source
from sdpa_exp.tasks.detect.keep import Keeper
from sdpa_exp.tasks.detect.report import FINDS, render_detect
from sdpa_exp.tasks.detect.sides import Side, build_sides
from sdpa_exp.tasks.hardware import set_backends
from sdpa_exp.tasks.latency.agreement import boxes_of, pair_detections
from sdpa_exp.tasks.latency.source import Batch

DETECT_FILE = "detect.json"
_PROGRESS_EVERY_S = 2.0
_NO_CODEC = (
    "this OpenCV can write no video, neither mp4v nor motion JPEG: the frames are in pictures/, one file each. "
    "ffmpeg -i pictures/NAME_%06d.jpg makes a video of them"
)


def detect(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Look at every frame. Fills `outcome`, `detect.json`, `report.txt` and what `detect.save` names.

    Arguments as in `Task.run`.

    Raises:
        DatasetError: there is no frame, or none that can be read.
        BackendUnavailable: an arm can't predict here.
        AttestationError: a model ran something else than its arm.
        RunError: weights that can't be loaded, or of another task.
    """
    _Detection(plan, event_log, outcome, started_perf_s).run()


class _Detection:
    def __init__(self, plan: Plan, event_log: EventLog, outcome: Outcome, started_perf_s: float) -> None:
        self.plan, self.event_log, self.outcome = plan, event_log, outcome
        self.options = Detect.of(plan)
        device = torch.device(plan.hardware.device)
        self.clock = PhaseClock(event_log, started_perf_s=started_perf_s, device=device)
        self.purpose = DETECT
        self.num_frames = 0
        self.counts: Counter[str] = Counter()
        self.num_different = 0
        self.last_said_s = time.perf_counter()
        self.first_batch: Batch | None = None

    def run(self) -> None:
        plan = self.plan
        torch.set_num_threads(plan.hardware.num_threads or torch.get_num_threads())
        set_backends(plan.hardware)
        sides = build_sides(plan)
        self.purpose = PURPOSES[sides[0].arm.purpose]
        source = self._open()
        keeper = Keeper(plan.run_dir, self.options.save, sides[0].arm.network.names, self.purpose.name)  # type: ignore[arg-type]
        self.clock.enter("detect")
        try:
            for frames in source:
                self._look(frames, sides, keeper, source)
                if self.options.num_frames is not None and self.num_frames >= self.options.num_frames:
                    break
            if self.first_batch is not None:
                self.clock.enter("attestation")
                self._attest(sides)
        finally:  # also where Ctrl-C ends a camera
            source.close()
            keeper.close()
            self.clock.close_into(self.outcome)
            self._finish(source, sides, keeper)
        if self.first_batch is None:
            reasons = "; ".join(f"{file} {why}" for file, why in list(source.skipped.items())[:3])
            raise DatasetError(f"no frame of detect.source={source.words} can be read: {reasons or 'it is empty'}.")

    def _open(self) -> Source:
        if self.options.source:
            return open_source(self.options, [])
        prepared = prepare(self.plan.dataset, purpose=self.purpose)
        self.outcome.digests["data_set"] = prepared.digest
        return open_source(self.options, val_images(prepared.yaml_path, purpose=self.purpose.name))

    def _look(self, frames: Frames, sides: list[Side], keeper: Keeper, source: Source) -> None:
        """One batch through every model, and what comes of it."""
        if self.first_batch is None:
            self.first_batch = frames.batch
            for side in sides:
                side.arm.predict(frames.batch)  # a first pass of this size, which is not timed
        found = [side.look(frames.batch) for side in sides]
        for index, (path, number) in enumerate(zip(frames.batch.paths, frames.numbers, strict=True)):
            results = [each[index] for each in found]
            only_here = _differences(results)
            rows = [
                row
                for side, result, alone in zip(sides, results, only_here, strict=True)
                for row in _rows(side.label, result, alone, is_compared=len(sides) > 1)
            ]
            self.counts.update(results[0].names[number] for number in boxes_of(results[0])[:, 5].int().tolist())
            self.num_different += sum(map(len, only_here))
            keeper.keep(path, number, results[0], rows)
            if keeper.draws:
                pictures = [
                    draw(result, _caption(side, len(frames.batch.paths)), alone)
                    for side, result, alone in zip(sides, results, only_here, strict=True)
                ]
                keeper.keep_picture(path, number, frames.fps, beside(pictures))
            self.num_frames += 1
        if time.perf_counter() - self.last_said_s > _PROGRESS_EVERY_S:
            self.last_said_s = time.perf_counter()
            total = "" if source.num_files is None else f", {source.num_files} files in all"
            place = Path(frames.batch.paths[-1]).name
            self.event_log.write(
                "progress",
                text=f"{self.num_frames} frames{total}, at {place}: {_caption(sides[0], len(frames.batch.paths))}",
            )

    def _attest(self, sides: list[Side]) -> None:
        """After all timing, since a profiler may slow a process."""
        assert self.first_batch is not None
        attestations = [side.arm.attest(self.first_batch, stage="predict") for side in sides]
        self.outcome.attest(self.event_log, attestations[0].summary())
        for side, attestation in zip(sides, attestations, strict=True):
            side.executed = attestation.executed()
        for attestation in attestations:
            attestation.raise_if_wrong()

    def _finish(self, source: Source, sides: list[Side], keeper: Keeper) -> None:
        outcome = self.outcome
        if keeper.lacks_codec:
            outcome.warn(self.event_log, "no_codec", _NO_CODEC)
        for file, why in source.skipped.items():
            outcome.warn(self.event_log, "file_skipped", f"{file} {why}, and was left out")
        content = {
            "schema_version": 1,
            "source": source.words,
            "num_files": source.num_files,
            "num_frames": self.num_frames,
            "skipped": source.skipped,
            "purpose": self.purpose.name,
            "num_boxes": sides[0].num_boxes,
            "boxes_by_class": dict(self.counts.most_common()),
            "imgsz": max(sides[0].arm.predictor.imgsz),
            "conf": self.options.conf,
            "sides": [_figures(side, self.num_frames) for side in sides],
            "num_boxes_only_in_one": self.num_different if len(sides) > 1 else None,
            "attestation": outcome.attestation,
            "save": self.options.save,
        }
        figures = content["sides"][0]
        for name in ("latency_p50_ms", "model_p50_ms", "fps"):
            outcome.measure(name, figures[name], "no frame was looked at")
        outcome.measure("num_boxes", float(sides[0].num_boxes))
        outcome.headline = f"{sides[0].num_boxes} {FINDS[self.purpose.name]} in {self.num_frames} frames"
        write_results(self.plan.run_dir / DETECT_FILE, content, render_detect)


def _figures(side: Side, num_frames: int) -> dict[str, Any]:
    """Medians of the batches; FPS of frames over the sum of their latencies."""
    total_ms = [1000 * (s.pre_s + s.model_s + s.post_s) for s in side.stages]
    return {
        "label": side.label,
        "weights": side.weights,
        "attention": side.attention,
        "num_boxes": side.num_boxes,
        "latency_p50_ms": statistics.median(total_ms) if total_ms else None,
        "model_p50_ms": statistics.median(1000 * s.model_s for s in side.stages) if total_ms else None,
        "fps": 1000 * num_frames / sum(total_ms) if total_ms else None,
        "executed": side.executed,
    }


def _caption(side: Side, num_images: int) -> str:
    stages = side.stages[-1]
    total_s = stages.pre_s + stages.model_s + stages.post_s
    return f"{side.label}  {1000 * total_s:.1f} ms  {num_images / total_s:.1f} FPS"


def _differences(results: list[Any]) -> list[set[int]]:
    """For each model the indices of boxes that the other has not: none of its class overlaps by half."""
    if len(results) == 1:
        return [set()]
    mine, theirs = map(boxes_of, results)
    pairs = pair_detections(mine, theirs)
    return [set(range(len(boxes))) - set(paired) for boxes, paired in zip((mine, theirs), pairs, strict=True)]


def _rows(label: str, result: Any, only_here: set[int], *, is_compared: bool) -> list[dict[str, Any]]:
    """For the table: pixels to a hundredth, scores to five places."""
    return [
        {
            "model": label,
            **{key: _rounded(key, value) for key, value in row.items()},
            "only_here": ("yes" if index in only_here else "no") if is_compared else "",
        }
        for index, row in enumerate(rows_of(result))
    ]


def _rounded(key: str, value: Any) -> Any:
    if isinstance(value, list):
        return [round(each, 2) for each in value]
    return round(value, 5 if key == "score" else 2) if isinstance(value, float) else value
