"""best.pt as a model in a real MLflow store: logged without loading it, registered, and served over HTTP."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sdpa_exp.config.schema import TrackingConfig
from sdpa_exp.errors import TrackingError
from sdpa_exp.runs.files import EXAMPLE_FILE, best_checkpoint
from sdpa_exp.tracking.local_database import move_artifacts
from sdpa_exp.tracking.tracker import make_tracker
from tests.runs.folders import whole_run
from tests.tracking.conftest import only_run
from tests.tracking.server import free_port


def run_with_example(run_dir: Path, *, arm: str = "flash") -> Path:
    whole_run(run_dir, arm=arm)
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    cv2.imwrite(str(run_dir / EXAMPLE_FILE), image)
    return run_dir


def test_weights_are_logged_once_as_a_model_with_signature_example_tags_and_a_registered_version(
    config: TrackingConfig, database: Path, client: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_dir = run_with_example(tmp_path / "run")
    tracker = make_tracker(replace(config, register_as="weeds"), experiment="handmade")
    assert tracker.sync(run_dir) > 0
    assert tracker.sync(run_dir) == 0
    path = run_dir / "tracking.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "stores": {}}), encoding="utf-8")  # as if no answer had been recorded
    assert tracker.sync(run_dir) > 0
    tracker.close()
    assert "Downloading artifacts" not in "".join(capfd.readouterr())  # MLflow's bar, in the middle of a sweep's lines

    run = only_run(client)
    assert not client.list_artifacts(run.info.run_id, "weights")  # they are in the model
    (output,) = run.outputs.model_outputs
    model = client.get_logged_model(output.model_id)
    assert (model.name, str(model.status), model.model_type) == ("best", "READY", "detect")
    assert model.tags["kernels"] == "flash, flash_backward"
    assert model.tags["attested"] == "yes"
    assert model.tags["digest.data_set"] == "d1" * 8
    assert model.params["attention"] == "flash"
    (version,) = client.search_model_versions("name = 'weeds'")
    assert version.source == model.artifact_location
    assert version.tags["digest.data_set"] == "d1" * 8
    files = {file.path for file in client.list_logged_model_artifacts(model.model_id)}
    assert {"MLmodel", "served_model.py", "code", "requirements.txt", "input_example.json", "artifacts"} <= files
    location = Path(model.artifact_location.removeprefix("file://"))
    assert (location / "artifacts" / "best.pt").read_bytes() == best_checkpoint(run_dir).read_bytes()
    assert "sdpa_exp" in (location / "requirements.txt").read_text()

    old, new = tmp_path / "store" / "mlartifacts", tmp_path / "moved" / "mlartifacts"
    shutil.copytree(old, new)
    move_artifacts(database, old.as_uri(), new)
    (version,) = client.search_model_versions("name = 'weeds'")
    assert version.source == f"{new.as_uri()}{model.artifact_location.removeprefix(old.as_uri())}"


@pytest.mark.parametrize("change", ["failed", "without_example", "off"])
def test_weights_go_as_a_file_where_no_model_can_be_made_of_them(
    change: str, config: TrackingConfig, client: Any, tmp_path: Path
) -> None:
    run_dir = run_with_example(tmp_path / "run")
    if change == "failed":
        result = run_dir / "result.json"
        result.write_text(result.read_text().replace('"FINISHED"', '"FAILED"'))
    elif change == "without_example":
        (run_dir / EXAMPLE_FILE).unlink()
    tracker = make_tracker(replace(config, log_model=change != "off"), experiment="handmade")
    tracker.sync(run_dir)
    tracker.close()
    run = only_run(client)
    assert [file.path for file in client.list_artifacts(run.info.run_id, "weights")] == ["weights/best.pt"]
    assert not run.outputs or not run.outputs.model_outputs


def test_a_name_without_a_model_to_register_is_refused(config: TrackingConfig) -> None:
    with pytest.raises(TrackingError, match=r"tracking\.register_as=weeds has nothing to register"):
        make_tracker(replace(config, register_as="weeds", log_model=False), experiment="handmade")


@pytest.mark.slow  # a training, and a server that loads PyTorch
@pytest.mark.parametrize("model", ["yolo12n", "yolo12n-cls"])
def test_a_trained_model_answers_an_image_over_http_with_what_it_finds_here(model: str, tmp_path: Path) -> None:
    """From the command line to an answer: the boxes are those of sdpa_exp.load in this process."""
    import sdpa_exp

    run_dir, store = tmp_path / "run", f"sqlite:///{tmp_path / 'mlflow.db'}"
    options = ("dataset.num_train_images=32", "dataset.num_val_images=8", "train.imgsz=96", "train.epochs=1")
    command = [sys.executable, "-m", "sdpa_exp", f"model={model}", "attention=sdpa", "hardware=cpu", *options]
    command += [f"tracking.uri={store}", "tracking.register_as=weeds", f"hydra.run.dir={run_dir}"]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    environment = os.environ | {"MLFLOW_TRACKING_URI": store, "MLFLOW_DISABLE_TELEMETRY": "true"}
    port = free_port()
    serve = ("-m", "mlflow", "models", "serve", "-m", "models:/weeds/1", "--env-manager", "local", "-p", str(port))
    log = (tmp_path / "serve.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, *serve], env=environment, stdout=log, stderr=log, start_new_session=True, cwd=tmp_path
    )
    try:
        image = (run_dir / EXAMPLE_FILE).read_bytes()
        found = _ask(port, {"image": [base64.b64encode(image).decode()]}, {"conf": 0.001}, server, tmp_path)
        refused = str(_ask(port, {"image": ["aGVsbG8="]}, {}, server, tmp_path))
        assert "line 0 of the column image is no image: expected the bytes of a JPEG or PNG file." in refused
        assert "Traceback" not in refused
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()
        log.close()
    yolo = sdpa_exp.load(best_checkpoint(run_dir))
    (result,) = yolo.predict(cv2.imread(str(run_dir / EXAMPLE_FILE)), imgsz=96, conf=0.001, device="cpu", verbose=False)
    expected = result.probs.top5conf if result.probs is not None else result.boxes.conf
    assert len(found) == len(expected) > 0
    assert [row["score"] for row in found] == pytest.approx(expected.tolist(), abs=1e-5)


def _ask(
    port: int, columns: dict[str, list[str]], params: dict[str, float], server: subprocess.Popen[bytes], folder: Path
) -> Any:
    """The server's predictions, or the text of its error."""
    body = {"dataframe_split": {"columns": list(columns), "data": list(zip(*columns.values(), strict=True))}}
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({**body, "params": params}).encode(),
        {"Content-Type": "application/json"},
    )
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["predictions"]
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except (urllib.error.URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.2)
    raise AssertionError((folder / "serve.log").read_text())
