"""`--help`, written for people, from the first lines of the config files; imports nothing heavy."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

from sdpa_exp import errors
from sdpa_exp.conf_dir import conf_dir

_WIDTH = 118
GROUPS = {
    "attention": "which code computes softmax(QK^T)V: the arm",
    "model": "the detector",
    "dataset": "what it learns",
    "train": "the recipe",
    "hardware": "batch, workers, precision and device of a machine",
    "seeds": "named sets of seeds; seed=7 and seed=0,42 work too",
    "task": "what one job does",
    "telemetry": "what is sampled beside a run",
    "tracking": "where MLflow shows the runs",
    "experiment": "presets, each named for its question",
}

_TOP = """\
sdpa_exp trains and times a detector under different attention implementations, proves which kernel ran,
and says with honest statistics whether anything differs.

  python -m sdpa_exp GROUP=OPTION ... key=value ... [-m]

One run without -m. With -m, with a set of several seeds or with a preset that names arms, every combination of
comma-separated values runs, each in a fresh process, seeds outermost so that arms alternate; then they are compared.

Examples
  python -m sdpa_exp task=answer                              which attention should I use here? minutes, no training
  python -m sdpa_exp attention=stock,sdpa seed=0,42 -m        does SDPA change anything?
  python -m sdpa_exp attention=flash,sdpa seed=0,42 -m        on a CPU both are one kernel: it says so
  python -m sdpa_exp attention=stock,sdpa seeds=five -m       five seeds: it says how many would settle it
  python -m sdpa_exp attention=stock,sdpa seeds=five compare.control=aa -m    stock twice, 1 ulp apart: the noise floor
  python -m sdpa_exp experiment=layout_or_kernel              a preset: arms, seeds and baseline are in its file
  python -m sdpa_exp dataset=yolo_dir dataset.path=my/data.yaml attention=stock,sdpa seed=0,42 -m train.epochs=20
  python -m sdpa_exp task=bench 'bench.arms=[stock,sdpa]'     how much faster are modules, steps and inference?
  python -m sdpa_exp task=doctor attention=flash              can it run here, and what is wrong with this machine?
  python -m sdpa_exp task=verify attention=flash,sdpa -m      do they compute what stock should compute?
  python -m sdpa_exp task=predict predict.weights=best.pt     latency and FPS of one arm beside stock, interleaved
  python -m sdpa_exp task=profile attention=stock,sdpa -m     where does a step go, and what could attention save?
  python -m sdpa_exp task=setup_trial                         how long to get PyTorch's kernels, and flash-attn?
  python -m sdpa_exp task=compare 'compare.runs=[a,b]'        any run, sweep or plain Ultralytics folders, results.csv
  python -m sdpa_exp task=compare 'compare.runs=[mlflow:comparison]'          runs of an MLflow experiment, or a run id
  python -m sdpa_exp task=sync                                send runs that the tracking store has missed
  python -m sdpa_exp hardware.batch=4 train.imgsz=320 --cfg job          print the configuration, run nothing
  python -m sdpa_exp --config-dir my_conf hardware=my_box     your own my_conf/hardware/my_box.yaml
  python -m sdpa_exp attention.backend=my_attention.py:mine   a function mine(q, k, v, scale); see --help attention
  python -m sdpa_exp hardware.price_per_gpu_hour=2.5 hardware.currency=EUR    what a run costs, from its own figures

Config groups and their options (* is the default)
"""

_BOTTOM = """\
`flash` is the flash-attention kernel inside PyTorch. It is not the flash-attn package, which is not needed.
An arm runs its kernel or fails: before training where it can't run, after it where the profiler saw another one. Only
sdpa leaves the choice of kernel to PyTorch, and auto to a timing on your machine.

Results
  Everything lands in multirun/NAME/DATE_TIME/: the files of a single run (plan.yaml, events.jsonl, result.json,
  attestation.json, weights, logs), or a sweep's run folders and comparison. hydra.run.dir, hydra.sweep.dir move it.
  A folder holds one run or sweep: a used one is refused, or moved aside to NAME_old with run.overwrite=true.
  resume=FOLDER completes what was interrupted there, and extends a sweep: resume=FOLDER seed=0,42,7.
  MLflow shows the same runs; the exact command to open it is printed at the end.

Options
  -m, --multirun     run every combination           --cfg job          print the configuration and stop
  --config-dir DIR   also look for groups in DIR     --info             where the configuration comes from
  --hydra-help       all of Hydra's own options      --version          the version of sdpa_exp
  --help GROUP       one group; --help attention says what an attention of your own has to be

Exit codes
  0    all runs finished
"""


def help_text(arguments: list[str]) -> str:
    """The whole text, or that of one group named beside --help; `--config-dir` adds the options found there."""
    folders = [conf_dir(), *_config_dirs(arguments)]
    defaults = _defaults(folders[0] / "config.yaml")
    topic = next((argument for argument in arguments if argument in GROUPS), None)
    if topic is not None:
        more = f"\n{_attention_contract()}\n" if topic == "attention" else ""
        return f"{_group(topic, folders, defaults.get(topic))}{more}"
    names = [*GROUPS, *sorted(_groups(folders) - set(GROUPS))]
    groups = "\n".join(_group(name, folders, defaults.get(name)) for name in names)
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in exit_codes())
    return f"{_TOP}{groups}\n{_BOTTOM}{codes}\n"


def _attention_contract() -> str:
    """What an attention of one's own has to be: the docstring of backend.py, which is not imported, for torch."""
    source = (Path(__file__).parent / "attention" / "backend.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def when_to_choose(file: Path) -> str:
    """The first comment of a config file, after Hydra's own header (`# @package ...`), which has to stand first."""
    lines = file.read_text(encoding="utf-8").splitlines()
    first = next((line for line in lines if not line.startswith("# @")), "")
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _group(name: str, folders: list[Path], default: str | None) -> str:
    files = sorted({file.stem: file for folder in folders for file in (folder / name).glob("*.yaml")}.items())
    if not files:
        return ""
    width = max(len(option) for option, _ in files) + 1
    lines = [f"{name}: {GROUPS[name]}" if name in GROUPS else name]
    for option, file in files:
        label = f"  {option + ('*' if option == default else ''):<{width}}  "
        lines += textwrap.wrap(when_to_choose(file), _WIDTH, initial_indent=label, subsequent_indent=" " * len(label))
    return "\n".join(lines) + "\n"


def _groups(folders: list[Path]) -> set[str]:
    return {place.name for folder in folders for place in folder.iterdir() if place.is_dir() and place.name != "hydra"}


def _defaults(config: Path) -> dict[str, str]:
    lines = config.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"  - (\w+): (\w+)", line) for line in lines)
    return {match.group(1): match.group(2) for match in found if match}


def _config_dirs(arguments: list[str]) -> list[Path]:
    text = "\n".join(arguments)
    return [Path(place) for place in re.findall(r"^(?:--config-dir|-cd)[=\n](.+)$", text, re.M) if Path(place).is_dir()]


def exit_codes() -> list[tuple[str, str]]:
    """Codes and meanings from the drawing in errors.py."""
    found = re.findall(r"^[├└]── \w+ +(.+?) +\(exit code (\d+)\)$", errors.__doc__ or "", re.M)
    return [*((code, meaning) for meaning, code in found), ("130", "ended by Ctrl-C"), ("143", "ended by SIGTERM")]
