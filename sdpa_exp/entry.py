"""From a command line to jobs: Hydra composes, every job is checked before the first starts, the run layer runs."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote, unquote

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from sdpa_exp import json_output
from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.aa_control import add_control, refuse_control
from sdpa_exp.config.arguments import check_arguments
from sdpa_exp.config.compose import plan_from_config, register_schemas
from sdpa_exp.config.credentials import refuse_credentials
from sdpa_exp.config.expected_error import FULL_ERROR, expected_error, hydra_raises
from sdpa_exp.config.folders import check_folders, find_swept_keys, own_run_folder, own_sweep_folder, sweep_dir
from sdpa_exp.config.job_order import take_turns
from sdpa_exp.config.launchers import Launcher, go_to, launcher_of, told
from sdpa_exp.config.lost_jobs import lost_jobs
from sdpa_exp.config.objectives import check_directions, num_objectives
from sdpa_exp.config.plan import Job, Plan
from sdpa_exp.config.resume import resume_line, resumed_arguments, without_folder
from sdpa_exp.config.submitit_jobs import keep_waiting
from sdpa_exp.config.sweep import expand_sweep, is_enumerable, stop_at_list
from sdpa_exp.config.task import load_task
from sdpa_exp.config.validate import check_sweep
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.interruption import Interrupted, keeping, raise_on_signals
from sdpa_exp.launch.ensure_sweep_end import every_sweep_ends
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.search.sweeper import is_search, prepare_search

T = TypeVar("T")


def start() -> int:
    """Run what the command line asks for and return the exit code; `SystemExit` passes.

    Raises:
        Exception: a bug of ours, with its traceback.
    """
    register_schemas()
    raise_on_signals()
    wants_traceback = os.environ.get(FULL_ERROR) == "1"
    try:
        typed = {key: value for key, _, value in (argument.partition("=") for argument in sys.argv[1:])}
        refuse_credentials({key: value for key, value in typed.items() if not key.startswith("tracking.")})
        sys.argv[1:] = check_arguments(resumed_arguments(sys.argv[1:]))
        with hydra_raises(), every_sweep_ends(lambda: SweepCallback.begun):
            hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name="config")(job)()
    except KeyboardInterrupt as error:
        interrupted = error if isinstance(error, Interrupted) else Interrupted()
        sys.stdout.flush()  # in a pipe it would come after the last word
        sys.stderr.write(f"{interrupted.sentence()}\n{_how_to_go_on(interrupted.folder)}")
        if json_output.is_asked():
            folder = None if interrupted.folder is None else str(interrupted.folder)
            json_output.write({"folder": folder, "exit_code": interrupted.exit_code, "interrupted": str(interrupted)})
        return interrupted.exit_code
    except Exception as error:
        expected = expected_error(error)
        if expected is None:
            raise
        if wants_traceback:
            traceback.print_exc()
        return _say(expected)
    return 0


def job(cfg: DictConfig) -> int | float | tuple[float, ...]:
    """One job. Alone it returns its exit code; in a sweep it never raises and never exits: it records.

    In a sweep it returns what a sweeper that looks for the best setting wants: the declared primary metrics.
    """
    from sdpa_exp.launch import launch

    hydra_cfg = HydraConfig.get()
    is_sweep = hydra_cfg.mode == RunMode.MULTIRUN
    settings = hydra_cfg.callbacks["sdpa_exp"]
    json_output.begin(cfg.output)  # once more: a launcher may have started this process
    try:
        go_to(settings.cwd)
        plan = plan_from_config(
            cfg,
            Job(
                run_dir=hydra_cfg.runtime.output_dir,
                sweep_dir=os.path.abspath(hydra_cfg.sweep.dir) if is_sweep else None,
                num=hydra_cfg.job.num if is_sweep else 0,
                num_jobs=settings.num_jobs or 1,
                command=unquote(settings.command) if settings.command else command_line(),
                overrides=tuple(hydra_cfg.overrides.task),
                gpus=tuple(settings.gpus or ()),
            ),
        )
        with keeping(Path(plan.job.sweep_dir or plan.job.run_dir)):
            if is_sweep:
                return launch.run_job(plan, num_objectives(hydra_cfg))
            exit_code = launch.run_single(plan) if cfg.resume is None else _resume_single(cfg, plan)
            if json_output.is_asked():
                document = load_task(plan).document(plan) or json_output.run_document(plan.run_dir, exit_code)
                exit_code = document["exit_code"]  # of the same look at what may go on
                json_output.write(document)
            return exit_code
    except (SdpaExpError, OSError) as error:  # in a sweep only with a sweeper whose jobs could not be checked before
        expected = expected_error(error)
        if expected is None:
            raise
        exit_code = _say(expected, is_last=not is_sweep)
        return math.nan if is_sweep else exit_code


class SweepCallback(Callback):
    """Hydra's hooks around runs and sweeps; lives here, not in `__main__`, so that its name can be imported.

    Hydra turns exceptions in callbacks into warnings but lets `SystemExit` pass, so that is what leaves from here.
    Its arguments reach the jobs, in whatever process, as overrides of this callback's own config.
    `begun` is the folder of a sweep of this process that has begun, and has not come to its end.
    """

    begun: ClassVar[Path | None] = None

    def __init__(self, **told: Any) -> None:
        self.told = told
        self._owned: AbstractContextManager[object] = nullcontext()  # the run's or sweep's folder, until its end

    def __reduce__(self) -> tuple[Callable[..., SweepCallback], tuple[()], dict[str, Any]]:
        """Parallel launchers hand a copy to each of their processes; the folder's lock stays here."""
        return SweepCallback, (), {"told": self.told}

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the plan, then make the folder ours."""
        json_output.begin(config.output)
        _or_exit(lambda: _check_single(config))
        self._owned = _or_exit(lambda: own_run_folder(config))

    def on_run_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Leave with the exit code of the job; an exception in it is Hydra's to raise again."""
        job_return: JobReturn = kwargs["job_return"]
        with self._owned:
            pass
        if job_return.status is JobStatus.COMPLETED:
            raise SystemExit(job_return.return_value)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Compose and check every job, and let the run layer refuse the sweep, before anything starts."""
        json_output.begin(config.output)
        self._owned = _or_exit(lambda: _begin(config))
        SweepCallback.begun = sweep_dir(config)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Compare, and leave with the exit code that the run folders add up to."""
        from sdpa_exp.launch.end_sweep import end_sweep

        SweepCallback.begun = None
        with self._owned, keeping(sweep_dir(config)):
            exit_code = _or_exit(lambda: end_sweep(sweep_dir(config), broken_by=lost_jobs()))
            if json_output.is_asked():
                json_output.write(json_output.sweep_document(sweep_dir(config), exit_code))
            raise SystemExit(exit_code)


def command_line() -> str:
    """What the user typed, ready to be typed again."""
    program = Path(sys.argv[0]).name
    start = "python -m sdpa_exp" if program == "__main__.py" else program
    arguments = sys.argv[1:]
    if any(word.startswith("resume=") for word in arguments):
        arguments = without_folder(arguments)
    return " ".join([start, shlex.join(arguments)]).rstrip()


def _check_single(config: DictConfig) -> None:
    from sdpa_exp.launch.check_inputs import require_named

    plan = plan_from_config(config, Job(run_dir=os.path.abspath(str(config.hydra.run.dir))))
    refuse_control(plan)
    require_named([plan])


def _begin(config: DictConfig) -> AbstractContextManager[object]:
    """Check all jobs, make the sweep's folder ours, and tell the jobs what they can't know."""
    from sdpa_exp.launch.check_inputs import require_named
    from sdpa_exp.launch.cuda_devices import visible_gpus
    from sdpa_exp.launch.look_at_nodes import look_at_nodes
    from sdpa_exp.launch.parallel_jobs import refuse_shared_cpu
    from sdpa_exp.launch.time_limit import say_launcher
    from sdpa_exp.runs.limits import usable_cores

    command = command_line()
    loader = GlobalHydra.instance().config_loader()
    swept = find_swept_keys(config, loader)
    _tell_jobs(config, f"++hydra.callbacks.sdpa_exp.swept={json.dumps(swept)}")
    plan, search = prepare_search(config, loader, command) if is_search(config) else (None, {})
    if is_enumerable(config):
        plans = expand_sweep(config, loader, command)
    else:
        plans = []
        check_directions(config)
    if add_control(config, loader, plans):
        plans = expand_sweep(config, loader, command)
    check_sweep(plans if plan is None else [plan])
    check_folders(plans)
    stop_at_list(config, plans)
    gpus = visible_gpus()
    num_jobs = len(plans) if plan is None else search["num_trials"]
    known = plans or [plan or plan_from_config(config, Job(run_dir=str(sweep_dir(config))))]
    launcher = launcher_of(config, known, num_jobs=num_jobs, num_gpus=len(gpus or ()), num_cores=usable_cores())
    require_named(known, is_here=launcher.is_here)
    if launcher.is_queued:
        keep_waiting()
    refuse_shared_cpu(known, launcher, None if gpus is None else len(gpus), allowed=config.allow_shared_device)
    plans, owned = own_sweep_folder(config, plans)
    folder = sweep_dir(config)
    look_at_nodes(launcher, config.hydra.launcher, known, folder)
    for line in told(launcher, str(config.hydra.sweep.dir), [gpu.uuid for gpu in gpus or ()]):
        _tell_jobs(config, line)
    _tell_jobs(config, f"++hydra.callbacks.sdpa_exp.command='{quote(command, safe='')}'")
    if plans:
        take_turns()
    if num_jobs:
        _tell_jobs(config, f"++hydra.callbacks.sdpa_exp.num_jobs={num_jobs}")
    with keeping(folder):
        if plan is not None:
            from sdpa_exp.launch.begin_search import begin_search

            begin_search(plan, folder, command, search, launcher, changed=config.resume_changed)
        elif (folder / SWEEP_FILE).exists():
            _resume(config, loader, plans, command, launcher)
        else:
            from sdpa_exp.launch import launch

            launch.begin_sweep(plans, folder, command, launcher)
    say_launcher(known, launcher, str(config.hydra.launcher._target_), folder)
    return owned


def _resume(config: DictConfig, loader: ConfigLoader, plans: list[Plan], command: str, launcher: Launcher) -> None:
    """Find each job's folder in the sweep that is there, keep what had finished, and make the rest ready."""
    from sdpa_exp.launch import match_jobs, resume

    folder = sweep_dir(config)
    matches = match_jobs.match_jobs(folder, plans)
    if any(match.before is None for match in matches):
        named = expand_sweep(config, loader, command, match_jobs.folder_numbers(folder, matches))
        matches = [match.with_folder(plan.run_dir) for match, plan in zip(matches, named, strict=True)]
    _tell_jobs(config, "hydra.sweep.subdir=${resumed_subdir:}")
    _tell_jobs(config, "hydra.output_subdir=${resumed_output_subdir:}")
    resume.begin_again(matches, folder, command, launcher, changed=config.resume_changed, mode=config.resume_mode)


def _resume_single(config: DictConfig, plan: Plan) -> int:
    from sdpa_exp.launch import resume

    return resume.resume_single(plan, changed=config.resume_changed, mode=config.resume_mode)


def _how_to_go_on(folder: Path | None) -> str:
    line = None if folder is None else resume_line(folder)
    return f"To go on:  {line}\n" if line else ""


def _tell_jobs(config: DictConfig, override: str) -> None:
    with open_dict(config):
        config.hydra.overrides.hydra.append(override)


def _or_exit(action: Callable[[], T]) -> T:
    """Do it, or leave with one sentence for an expected error and a traceback for a bug."""
    try:
        return action()
    except Exception as error:
        expected = expected_error(error)
        if expected is None:
            traceback.print_exc()
            raise SystemExit(1) from error
        raise SystemExit(_say(expected)) from error


def _say(error: SdpaExpError, *, is_last: bool = True) -> int:
    sys.stderr.write(f"{error}\n")
    if is_last and json_output.is_asked():
        json_output.write(json_output.error_document(error))
    return error.exit_code
