"""What a sweep of many jobs costs before its first job, and each job for being one of many; prints JSON.

    python -m benchmarks.sweep_scale --jobs 100,1000,10000 --json benchmarks/results/sweep_scale_cpu.json

Every size is a real beginning in a fresh process: all jobs composed and checked, their folders named, the preflight
process asked, sweep.json written. No job is run. Then the parts that each job's process reads again are timed. Other
programs that run meanwhile make times rough; how they grow with the number of jobs is what this is for.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from sdpa_exp.conf_dir import conf_dir
from sdpa_exp.config.compose import register_schemas
from sdpa_exp.config.folders import check_folders
from sdpa_exp.config.launchers import Launcher
from sdpa_exp.config.sweep import expand_sweep
from sdpa_exp.config.validate import check_sweep
from sdpa_exp.launch.before_sweep import register_job
from sdpa_exp.launch.launch import begin_sweep
from sdpa_exp.runs.files import SWEEP_FILE
from sdpa_exp.runs.sweep import read_sweep

ARMS = ("stock", "eager", "sdpa", "math")
NUM_READS = 5


def main() -> None:
    """Measure every size in a process of its own and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default="100,1000,10000")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(_measure(arguments.child)))
        return
    sizes = []
    for number in map(int, arguments.jobs.split(",")):
        command = [sys.executable, "-m", "benchmarks.sweep_scale", "--child", str(number)]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        sizes.append(json.loads(child.stdout.splitlines()[-1]))
    text = json.dumps({"benchmark": "sweep_scale", "python": sys.version.split()[0], "sizes": sizes}, indent=2)
    print(text)
    if arguments.json:
        arguments.json.write_text(f"{text}\n", encoding="utf-8")


def _cpu_s() -> float:
    """Of this process and of those it has waited for: other programs count less than in seconds of a clock."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def _measure(num_jobs: int) -> dict[str, Any]:
    """In the child: begin a sweep of so many jobs, then do what each of its jobs does for being in it."""
    register_schemas()
    seeds = ",".join(map(str, range(num_jobs // len(ARMS))))
    with tempfile.TemporaryDirectory(prefix="sdpa_exp_scale_") as name:
        folder = Path(name) / "sweep"
        lines = [f"attention={','.join(ARMS)}", f"seed={seeds}", "tracking=none", f"hydra.sweep.dir={folder}"]
        with initialize_config_dir(str(conf_dir()), version_base="1.3", job_name="sdpa_exp"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", lines, RunMode.MULTIRUN)
            begun_s = _cpu_s()
            plans = expand_sweep(config, loader, "benchmarks.sweep_scale")
            composed_s = _cpu_s()
            check_sweep(plans)
            check_folders(plans)
        checked_s = _cpu_s()
        begin_sweep(plans, folder, "benchmarks.sweep_scale", Launcher())
        ready_s = _cpu_s()
        for plan in plans[:NUM_READS]:
            read_sweep(folder)  # whether it was kept
            register_job(folder, plan)
        read_s = (_cpu_s() - ready_s) / NUM_READS
        return {
            "num_jobs": len(plans),
            "compose_cpu_s": round(composed_s - begun_s, 2),
            "check_cpu_s": round(checked_s - composed_s, 2),
            "preflight_and_record_cpu_s": round(ready_s - checked_s, 2),
            "each_job_reads_cpu_s": round(read_s, 3),
            "sweep_json_mib": round((folder / SWEEP_FILE).stat().st_size / 2**20, 2),
            "peak_rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        }


if __name__ == "__main__":
    main()
