"""best.pt of a run as a model in MLflow, which `mlflow models serve` answers with; made without loading the weights.

MLflow keeps such a model beside its run, with tags of its own, and optionally as a version of a registered model.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdpa_exp.config.plan import Plan
from sdpa_exp.runs import result_rows
from sdpa_exp.runs.files import ATTEMPT_FILE, EXAMPLE_FILE, RESULT_FILE, best_checkpoint, read_json
from sdpa_exp.runs.record import Record
from sdpa_exp.tracking.params_and_tags import NUM_FIRST_PARAMS, attestation_tags, clean, plan_params

if TYPE_CHECKING:
    from sdpa_exp.tracking.mlflow_store import MlflowStore

NAME = "best"
_STOCK = "stock"
_PACKAGES = {"torch": "torch", "ultralytics": "ultralytics-opencv-headless", "mlflow": "mlflow", "sdpa_exp": "sdpa_exp"}


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """What becomes of best.pt in the store: nothing, a file of the run, or a model, registered under a name or not."""

    sent: bool = True
    as_model: bool = False
    register_as: str | None = None

    def is_model(self, run_dir: Path) -> bool:
        """Whether a run's weights go as a model: of a run that finished and counts, with an image to try them on."""
        if not (self.sent and self.as_model) or (run_dir / ATTEMPT_FILE).exists():
            return False
        has_files = all(path.exists() for path in (run_dir / EXAMPLE_FILE, best_checkpoint(run_dir)))
        return has_files and (read_json(run_dir / RESULT_FILE) or {}).get("status") == "FINISHED"

    def is_file(self, run_dir: Path) -> bool:
        """Whether they go as one of the run's files."""
        return self.sent and not self.is_model(run_dir)

    def version(self, run_dir: Path) -> str | None:
        """Changes when the model in the store does; None where there is none."""
        if not self.is_model(run_dir):
            return None
        stat = best_checkpoint(run_dir).stat()
        return f"{stat.st_size} {stat.st_mtime_ns} {self.register_as or ''}".rstrip()


def log_model(
    store: MlflowStore, run_id: str, *, experiment_id: str, plan: Plan, record: Record, register_as: str | None
) -> None:
    """Send a run's model, or once more what an end in between left out; nothing is doubled.

    Raises:
        TrackingError: the store didn't take something.
    """
    tags = _tags(plan, record)
    with store.request("look for the model") as client:
        found = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}' AND name = '{NAME}'")
    with store.request("create the model") as client:
        params = dict(list(plan_params(plan).items())[:NUM_FIRST_PARAMS])
        if found:
            model = found[0]
            client.set_logged_model_tags(model.model_id, tags)
        else:
            model = client.create_logged_model(
                experiment_id, name=NAME, source_run_id=run_id, tags=tags, params=params, model_type=plan.purpose.name
            )
    with tempfile.TemporaryDirectory() as folder, store.request("send the model") as client:
        path = Path(folder) / NAME
        write_model(path, plan, record, run_id=run_id, model_id=model.model_id)
        client.log_model_artifacts(model.model_id, str(path))
        client.finalize_logged_model(model.model_id, "READY")
    with store.request("show the model with its run") as client:
        from mlflow.entities import LoggedModelOutput

        shown = client.get_run(run_id).outputs
        if all(output.model_id != model.model_id for output in (shown.model_outputs if shown else ())):
            client.log_outputs(run_id, [LoggedModelOutput(model_id=model.model_id, step=0)])
    if register_as is not None:
        _register(store, register_as, run_id, model, tags)


def write_model(path: Path, plan: Plan, record: Record, *, run_id: str, model_id: str) -> None:
    """A folder in MLflow's format: best.pt, the code that serves it, its signature, an image to try, its packages.

    Args:
        path: a folder that is not there yet.
        plan: of the run.
        record: of the run.
        run_id: in the store.
        model_id: in the store.
    """
    import mlflow.pyfunc
    import pandas
    from mlflow.models import Model

    purpose, backend = plan.purpose.name, plan.attention.backend
    versions = record.environment.get("versions") or {}
    packages = [name for name in _PACKAGES if name != "sdpa_exp" or backend != _STOCK]
    mlflow.pyfunc.save_model(
        path,
        mlflow_model=Model(run_id=run_id, model_id=model_id, model_uuid=model_id),
        python_model=Path(__file__).with_name("served_model.py"),
        code_paths=[result_rows.__file__],
        artifacts={"weights": str(best_checkpoint(plan.run_dir))},
        model_config={"attention": backend, "columns": ["image", *result_rows.columns_of(purpose)]},
        signature=_signature(purpose, plan.imgsz),
        input_example=pandas.DataFrame({"image": [(plan.run_dir / EXAMPLE_FILE).read_bytes()]}),
        pip_requirements=[
            f"{_PACKAGES[name]}=={versions[name]}" if versions.get(name) else _PACKAGES[name] for name in packages
        ],
        metadata={"purpose": purpose, "arm": plan.arm, **_tags(plan, record)},
    )


def _signature(purpose: str, imgsz: int) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import Array

    kinds: dict[str, Any] = {"image": DataType.long, "class": DataType.long, "name": DataType.string}
    kinds |= dict.fromkeys(result_rows.SHAPES.values(), Array(DataType.double))
    columns = ("image", *result_rows.columns_of(purpose))
    params = [ParamSpec("imgsz", DataType.long, imgsz)]
    if purpose == "classify":
        params.append(ParamSpec("top", DataType.long, 5))
    else:
        params += [ParamSpec("conf", DataType.double, 0.25), ParamSpec("iou", DataType.double, 0.7)]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.binary, "image")]),
        outputs=Schema([ColSpec(kinds.get(name, DataType.double), name) for name in columns]),
        params=ParamSchema(params),
    )


def _tags(plan: Plan, record: Record) -> dict[str, str]:
    """What was trained on what, and which kernels ran."""
    digest = record.digests.get("data_set")
    return clean(
        {
            "arm": plan.arm,
            "seed": plan.seed,
            "group_id": plan.group_id(),
            "digest.data_set": digest,
            **attestation_tags(record.attestation or {}),
        }
    )


def _register(store: MlflowStore, name: str, run_id: str, model: Any, tags: dict[str, str]) -> None:
    """A version of the registered model, unless there is one of this run."""
    from mlflow.exceptions import MlflowException

    with store.request(f"register the model as {name}") as client:
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if any(version.name == name for version in client.search_model_versions(f"run_id = '{run_id}'")):
            return
        # MLflow 3.17 looks a models:/ address of a local store up in the store of its global settings.
        source = f"models:/{model.model_id}" if store.location.is_server else model.artifact_location
        client.create_model_version(name, source, run_id, tags=tags, await_creation_for=0, model_id=model.model_id)
