"""What exports find, how fast they are and what became of attention, through `task=export`, format by format.

    python -m benchmarks.export --weights best.pt --data my/data.yaml --json benchmarks/results/export_cpu.json

A row is one file: of the arm, or of stock. Its time is compared with the PyTorch model of the arm, in turns.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from sdpa_exp.runs.environment import collect_environment
from sdpa_exp.tasks.bench.machine import machine_of
from sdpa_exp.tasks.export import FORMATS


def main() -> None:
    """Export, and print or write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", required=True, help="a best.pt")
    parser.add_argument("--data", default=None, help="a data.yaml to compare on; the rendered field if left out")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--arm", default="sdpa")
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--time-limit-s", type=float, default=60)
    parser.add_argument("--json", type=Path, help="write here; prints where left out")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for kind in options.formats:
            rows += _rows(kind, options, Path(folder) / kind)
    content = {
        "schema_version": 1,
        "command": f"python -m benchmarks.export {' '.join(sys.argv[1:])}",
        "imgsz": options.imgsz,
        "machine": machine_of(collect_environment(), torch.device("cpu")),
        "rows": rows,
    }
    text = json.dumps(content, indent=1) + "\n"
    if options.json is None:
        print(text)
    else:
        options.json.write_text(text, encoding="utf-8")


def _rows(kind: str, options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    data = ["dataset=yolo_dir", f"dataset.path={options.data}"] if options.data else []
    command = [
        sys.executable, "-m", "sdpa_exp", "task=export", "tracking=none", f"attention={options.arm}", *data,
        f"export.weights={options.weights}", f"export.format={kind}", f"export.imgsz={options.imgsz}",
        f"export.time_limit_s={options.time_limit_s}", f"hardware.device={options.device}", f"hydra.run.dir={folder}",
    ]  # fmt: skip
    subprocess.run(command, check=True)
    content = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    agreement = {each["arm"]: each for each in content["agreement"]}
    rows = []
    for file in content["files"]:
        name = f"{kind} {file['arm']}"
        timing = content["timing"]["arms"][name]
        rows.append(
            {
                "format": kind,
                **{key: value for key, value in file.items() if key != "path"},
                "num_images": agreement[name]["num_images"],
                "is_same": agreement[name]["is_same"],
                "box_px": agreement[name]["raw_max_box_diff_px"],
                "score": agreement[name]["raw_max_score_diff"],
                "latency_ms": timing["latency_ms"]["p50"],
                "speedup": timing["speedup"],
                "beside_stock": content["beside_stock"] if file["arm"] == content["arm"] else None,
            }
        )
    return rows


if __name__ == "__main__":
    main()
