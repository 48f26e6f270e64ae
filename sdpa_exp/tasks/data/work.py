"""task=data: prepares the data set, looks at every picture, judges, draws, and mends a copy if it was asked to."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.config.schema import YoloDirDataset
from sdpa_exp.data.find_images import absolute
from sdpa_exp.data.prepare import prepare
from sdpa_exp.data.prepared_dataset import PreparedDataset
from sdpa_exp.errors import DatasetError, UnsoundData
from sdpa_exp.runs.events import EventLog
from sdpa_exp.runs.files import REPORT_HTML_FILE, write_results, write_text_atomic
from sdpa_exp.runs.outcome import Outcome
from sdpa_exp.tasks.data import ERRORS, NOTHING, Data
from sdpa_exp.tasks.data.choose import choose_shown
from sdpa_exp.tasks.data.copy import FIXES_FILE, counted_fixes, fixes_csv, plan_copy, write_copy
from sdpa_exp.tasks.data.figures import figures_of
from sdpa_exp.tasks.data.findings import ERROR, INFO, WARNING, Found, find
from sdpa_exp.tasks.data.look import Seen, look_at
from sdpa_exp.tasks.data.page import SHEET_FILE, data_page, draw_shown, sheet_of
from sdpa_exp.tasks.data.report import render_data
from sdpa_exp.tasks.now_and_then import now_and_then
from sdpa_exp.text_report import counted

DATA_FILE = "data.json"


def data(plan: Plan, event_log: EventLog, outcome: Outcome, *, started_perf_s: float) -> None:
    """Look at a data set. Fills `outcome`, `data.json`, `report.txt`, `report.html` and the contact sheet.

    Arguments as in `Task.run`; nothing is resolved.

    Raises:
        DatasetError: it can't be used at all.
        UnsoundData: it holds what `data.fail_on` names; all files are written.
    """
    options = Data.of(plan)
    looked = _look(plan, plan.dataset, event_log)
    outcome.digests["data_set"] = looked.prepared.digest
    judged, copy = looked, None
    if options.fix_to is not None:
        judged, copy = _mend(plan, looked, Path(options.fix_to), event_log)
    content = _content(plan, looked, judged, copy)
    event_log.write("progress", text="drawing")
    shots = draw_shown(choose_shown(looked.pictures, options.num_shown), looked.prepared.class_names)
    sheet_of(shots, content["headline"]).save(plan.run_dir / SHEET_FILE)
    write_results(plan.run_dir / DATA_FILE, content, partial(render_data, run_dir=plan.run_dir))
    pairs = {"In two splits": looked.found.leaks, "Alike in two splits": looked.found.alike}
    page = data_page(content, shots=shots, pairs=pairs, class_names=looked.prepared.class_names)
    write_text_atomic(plan.run_dir / REPORT_HTML_FILE, page)
    _measure(looked, outcome)
    outcome.headline = content["headline"]
    outcome.phases_s["total"] = time.perf_counter() - started_perf_s
    _judge(plan, options, judged.found, is_copy=copy is not None)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Looked:
    """A data set, prepared without what is bad, and all that was found out about it."""

    prepared: PreparedDataset
    pictures: list[Seen]
    figures: dict[str, Any]
    found: Found
    why_no_test: str | None


def _look(plan: Plan, dataset: Any, event_log: EventLog) -> _Looked:
    path = getattr(dataset, "path", None)
    event_log.write("progress", text=f"checking {path or dataset.name}")
    if hasattr(dataset, "on_bad"):
        dataset = dataclasses.replace(dataset, on_bad="drop")
    why_no_test = None
    try:
        prepared = prepare(dataset, split="test", purpose=plan.purpose)
    except DatasetError as error:  # most data sets have no test split
        prepared, why_no_test = prepare(dataset, purpose=plan.purpose), str(error)
    root = None
    if path:
        place = absolute(Path(path).expanduser())
        root = place if place.is_dir() else place.parent
    tell = now_and_then(lambda text: event_log.write("progress", text=text), "images", every_s=2)
    pictures = look_at(prepared, plan.purpose.name, root, tell)
    figures = figures_of(pictures, prepared.class_names, plan.imgsz)
    found = find(pictures, prepared, figures, plan.imgsz)
    return _Looked(prepared=prepared, pictures=pictures, figures=figures, found=found, why_no_test=why_no_test)


def _mend(plan: Plan, looked: _Looked, folder: Path, event_log: EventLog) -> tuple[_Looked, dict[str, Any]]:
    """Write the copy, look at it as at any data set, and say what was changed."""
    copy = plan_copy(looked.prepared, looked.pictures, looked.found.leaks, plan.purpose.name)
    event_log.write("progress", text=f"writing {folder}")
    write_copy(copy, looked.prepared, folder)
    write_text_atomic(plan.run_dir / FIXES_FILE, fixes_csv(copy.fixes))
    target = folder / "data.yaml" if looked.prepared.yaml_path.is_file() else folder
    again = _look(plan, YoloDirDataset(name=plan.dataset.name, path=str(target)), event_log)
    sentence = f"Mended copy: {target}, {again.figures.get('all', again.figures['train'])['images']} images. " + (
        f"Changed: {', '.join(counted_fixes(copy.fixes))}. {FIXES_FILE} lists each."
        if copy.fixes
        else "Nothing had to be mended."
    )
    fixes = [dataclasses.asdict(fix) for fix in copy.fixes]
    findings = [dataclasses.asdict(each) for each in again.found.findings]
    return again, {"path": str(target), "sentence": sentence, "fixes": fixes, "findings": findings}


def _content(plan: Plan, looked: _Looked, judged: _Looked, copy: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": plan.dataset.name,
        "kind": plan.dataset.kind,
        "path": getattr(plan.dataset, "path", None),
        "digest": looked.prepared.digest,
        "model": plan.model.name,
        "purpose": plan.purpose.name,
        "predicts": plan.purpose.predicts,
        "imgsz": plan.imgsz,
        "num_classes": len(looked.prepared.class_names),
        "headline": _headline(plan, looked, judged, is_copy=copy is not None),
        "figures": looked.figures,
        "findings": [dataclasses.asdict(finding) for finding in looked.found.findings],
        "why_no_test": looked.why_no_test,
        "mended": copy,
        "command": plan.job.command,
    }


def _headline(plan: Plan, looked: _Looked, judged: _Looked, *, is_copy: bool) -> str:
    whole = looked.figures.get("all", looked.figures["train"])
    boxes = f" with {counted(whole['boxes'], 'box', 'boxes')}" if "boxes" in whole else ""
    images = counted(whole["images"], "image")
    copy = f"; the mended copy has {_counted(judged.found)}" if is_copy else ""
    return f"{plan.dataset.name}: {images}{boxes}, {_counted(looked.found)}{copy}."


def _counted(found: Found) -> str:
    errors, warnings = (
        counted(num, severity) if (num := len(found.of(severity))) else f"no {severity}"
        for severity in (ERROR, WARNING)
    )
    return f"{errors} and {warnings}"


def _measure(looked: _Looked, outcome: Outcome) -> None:
    whole: Mapping[str, Any] = looked.figures.get("all", looked.figures["train"])
    num_boxes = float(whole["boxes"]) if "boxes" in whole else None
    outcome.measure("num_images", float(whole["images"]))
    outcome.measure("num_boxes", num_boxes, "images with one class each have no boxes")
    for severity in (ERROR, WARNING, INFO):
        outcome.measure(f"num_{severity}s", float(len(looked.found.of(severity))))


def _judge(plan: Plan, options: Data, found: Found, *, is_copy: bool) -> None:
    severities = () if options.fail_on == NOTHING else (ERROR,) if options.fail_on == ERRORS else (ERROR, WARNING)
    failed = found.of(*severities)
    if not failed:
        return
    what = "the mended copy of " if is_copy else ""
    more = f" And {len(failed) - 1} more findings." if len(failed) > 1 else ""
    step = "" if is_copy else " data.fix_to=NEW_FOLDER writes a mended copy;"
    raise UnsoundData(
        f"{what}{plan.dataset.name} is not sound: {failed[0].sentence}{more} {plan.run_dir / REPORT_HTML_FILE} has all "
        f"of it;{step} data.fail_on=nothing ends with exit code 0."
    )
