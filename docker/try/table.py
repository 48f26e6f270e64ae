"""Writes the table of try.sh as JSON: table.py VERSIONS_FILE JSON_FILE, one step a line (tab separated) on stdin."""

from __future__ import annotations

import json
import sys
from pathlib import Path

versions_file, json_file = sys.argv[1:]
versions = dict(line.split(" ", 1) for line in Path(versions_file).read_text(encoding="utf-8").splitlines())
rows = [line.rstrip("\n").split("\t") for line in sys.stdin]
steps = [{"step": name, "result": result, "wall_s": int(wall_s), "note": note} for name, result, wall_s, note in rows]
content = {"measured_by": "docker/try/try.sh", "versions": versions, "steps": steps}
Path(json_file).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
