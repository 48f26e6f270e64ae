"""Checks `model.architecture` by name before anything starts: Ultralytics' model files, their sizes, like names.

The files are read where Ultralytics is installed, without importing it. It takes a name without a size for the
smallest one, with a warning; here the size must be said.
"""

from __future__ import annotations

import functools
import importlib.util
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sdpa_exp.config.timm_models import check_timm, is_timm
from sdpa_exp.errors import ConfigError
from sdpa_exp.runs.purposes import CLASSIFY, DETECT, PURPOSES, Purpose, purpose_of_head

if TYPE_CHECKING:
    from sdpa_exp.config.plan import Plan
    from sdpa_exp.config.task import Task

# What the last layers are for that nothing here trains; `task` as Ultralytics calls it.
_OTHER_TASKS = {
    "YOLOESegment": "masks by words (YOLOE)",
    "SemanticSegment": "classes of pixels (task semantic)",
    "Depth": "depth (task depth)",
    "WorldDetect": "boxes by words (YOLO-World)",
    "YOLOEDetect": "boxes by words (YOLOE)",
}
_SIZE = re.compile(r"(yolo(?:e-)?v?\d+)([nslmx])(?![a-z0-9])")
"""Ultralytics' rule (guess_model_scale): the letter after the number."""


def check_model(plan: Plan, task: Task) -> None:
    """Refuse a model that is not there, or that the task can't take.

    Raises:
        ConfigError: with what works, or the nearest names.
    """
    name = plan.model.architecture
    if is_timm(name):
        weights = plan.model.weights or plan.options.get("weights")
        check_timm(name, task=plan.task.name, is_taken=task.takes_timm, weights=weights)
    else:
        check_architecture(name)
        check_purpose(name, task=plan.task.name, purposes=task.purposes)


def check_architecture(name: str) -> None:
    """Refuse a model file that is not there, leaves its size open, or is for what nothing here trains.

    Raises:
        ConfigError: with the sizes, or the nearest names.
    """
    if name.lower().endswith((".pt", ".onnx", ".torchscript", ".engine")):
        raise ConfigError(
            f"model.architecture={name} is a file of weights: expected a model file such as yolo12n.yaml. Set "
            f"model.weights={name}, and model to what it was trained as."
        )
    folder = _ultralytics_models()
    file = Path(name) if Path(name).is_file() else _file_of(name)
    if file is None:
        if folder is not None:  # without Ultralytics nothing is known, and task=doctor says so
            raise _unknown(name)
        return
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"model.architecture={name} can't be read as YAML: {' '.join(str(error).split())}. Expected a model file "
            "of Ultralytics. Correct it."
        ) from error
    _refuse_other_heads(name, content)
    _refuse_open_size(name, content)


def check_purpose(name: str, *, task: str, purposes: tuple[str, ...] | None) -> None:
    """Refuse a model that is for something else than a task; None is for all.

    Raises:
        ConfigError: says what the model is for, and what takes it.
    """
    purpose = purpose_of(name)
    if purposes is not None and purpose.name not in purposes:
        raise ConfigError(
            f"task={task} is for models that predict {PURPOSES[purposes[0]].predicts}, and model.architecture={name} "
            f"predicts {purpose.predicts} (task {purpose.name}). Choose another model, such as model=yolo12n; tasks "
            "train, verify, bench, answer and profile take this one."
        )


@functools.cache
def purpose_of(name: str) -> Purpose:
    """What a model file is for; detect where it can't be read, which `check_architecture` refuses."""
    if is_timm(name):
        return CLASSIFY
    file = Path(name) if Path(name).is_file() else _file_of(name)
    try:
        head = str(yaml.safe_load(file.read_text(encoding="utf-8"))["head"][-1][2]) if file else ""
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, KeyError, IndexError):
        head = ""
    return purpose_of_head(head) or DETECT


def is_downloadable(weights: str) -> bool:
    """Whether Ultralytics would fetch weights of this name: `yolo12n.pt`, `yolov8n.pt`, `yolov5nu.pt`."""
    stem = weights.removesuffix(".pt")
    return stem != weights and not {stem, stem.removesuffix("u")}.isdisjoint(_known_names())


def _refuse_other_heads(name: str, content: Any) -> None:
    try:
        head = str(content["head"][-1][2])
    except (TypeError, KeyError, IndexError) as error:
        raise ConfigError(
            f"model.architecture={name} is no model file: expected backbone: and head: with lists of layers, as "
            "Ultralytics has them. Correct it, or choose model=yolo12n."
        ) from error
    if purpose_of_head(head) is None:
        task = next((words for start, words in _OTHER_TASKS.items() if head.startswith(start)), "")
        plain = re.sub("-(seg|sem|depth|world).*", "", Path(name).stem).replace("yoloe-", "yolo")
        raise ConfigError(
            f"model.architecture={name} ends in {head}{task and f', for {task}'}, which nothing here trains: expected "
            f"a model for {', '.join(PURPOSES)}. Choose one such as {plain}.yaml."
        )


def _refuse_open_size(name: str, content: Any) -> None:
    scales = list(content.get("scales") or {})
    path = Path(name)
    found = _SIZE.search(path.stem)
    if len(scales) < 2 or (found and found.group(2) in scales):
        return
    sizes = [re.sub(r"(yolo(?:e-)?v?\d+)[nslmx]?", rf"\g<1>{scale}", path.stem, count=1) for scale in scales]
    if sizes[0] == sizes[-1]:  # a file of one's own whose name has no place for the letter
        sizes = [f"{path.stem}_yolo12{scale}" for scale in scales]
    raise ConfigError(
        f"model.architecture={name} leaves the size open, and Ultralytics would take {scales[0]}: expected one of "
        f"{', '.join(f'{size}.yaml' for size in sizes)}. The letter after the number is the size; put it into the name."
    )


def _unknown(name: str) -> ConfigError:
    known = _known_names()
    stem = Path(name).name.removesuffix(".yaml").removesuffix(".yml")
    sizes = [each for each in known if _SIZE.sub(r"\1", each) == stem and each != stem]
    if f"{stem}" in known:
        return ConfigError(f"model.architecture={name} is no file: expected one. Set model.architecture={stem}.yaml.")
    if sizes:
        return ConfigError(
            f"model.architecture={name} leaves the size open: expected one of "
            f"{', '.join(f'{size}.yaml' for size in sizes)}. Set model.architecture={sizes[0]}.yaml for the smallest."
        )
    near = get_close_matches(stem, known, n=3, cutoff=0.6)
    words = f"expected perhaps {' or '.join(f'{each}.yaml' for each in near)}" if near else "expected a model file"
    return ConfigError(
        f"model.architecture={name} is neither a file nor a model of Ultralytics: {words}. `--help` lists the models "
        "that model= chooses."
    )


def _file_of(name: str) -> Path | None:
    """The file that Ultralytics finds for a name of its own: with the size's letter, or without."""
    if not name.endswith((".yaml", ".yml")):
        return None
    names = {Path(name).stem, _SIZE.sub(r"\1", Path(name).stem)}
    return next((path for path in _model_files() if path.stem in names), None)


@functools.cache
def _model_files() -> tuple[Path, ...]:
    folder = _ultralytics_models()
    return tuple(sorted(folder.rglob("*.yaml"))) if folder else ()


@functools.cache
def _known_names() -> list[str]:
    """Every model of Ultralytics that can be trained here by name, in each of its sizes."""
    names = []
    for path in _model_files():
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if purpose_of_head(str(content["head"][-1][2])) is None:
            continue
        scales = list(content.get("scales") or {})
        place = re.match(r"yolo(?:e-)?v?\d+", path.stem)
        names += (
            [f"{place.group()}{scale}{path.stem[place.end():]}" for scale in scales]
            if place and len(scales) > 1
            else [path.stem]
        )  # fmt: skip
    return names


def _ultralytics_models() -> Path | None:
    found = importlib.util.find_spec("ultralytics")
    places = list(found.submodule_search_locations or []) if found else []
    folder = Path(places[0]) / "cfg" / "models" if places else None
    return folder if folder is not None and folder.is_dir() else None
