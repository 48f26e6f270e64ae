"""The typed config groups: what keys exist, their types and defaults.

Plain dataclasses, so that the worker can read a plan without Hydra. Hydra checks every key and type against them
when it composes; `plan.py` checks values and combinations. Units are in the key names. `None` means "not set".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional, Union

from sdpa_exp.config.train_schema import TrainConfig

AUTO_BATCH = "auto"
"""As `hardware.batch`: measured by trial steps."""

MISSING = "???"  # OmegaConf's mark for a mandatory value


@dataclass
class ModelConfig:
    """Facts of the model: which architecture, from which weights."""

    name: str = MISSING
    architecture: str = MISSING
    weights: Optional[str] = None  # noqa: UP045 - OmegaConf 2.3 reads annotations at run time
    trust_weights: bool = False


@dataclass
class SyntheticDataset:
    """The rendered field: seeded, written once to a cache, with exact labels."""

    kind: str = "synthetic"
    name: str = MISSING
    num_train_images: int = MISSING  # type: ignore[assignment]
    num_val_images: int = MISSING  # type: ignore[assignment]
    image_px: int = MISSING  # type: ignore[assignment]
    render_seed: int = 0
    fraction: Optional[float] = None  # noqa: UP045
    limit: Optional[int] = None  # noqa: UP045


@dataclass
class YoloDirDataset:
    """A data.yaml, or a folder with images/ and labels/, in Ultralytics' format."""

    kind: str = "yolo_dir"
    name: str = MISSING
    path: Optional[str] = None  # noqa: UP045
    val_share: Optional[float] = None  # noqa: UP045
    split_seed: int = 0
    on_bad: str = "refuse"
    fraction: Optional[float] = None  # noqa: UP045
    limit: Optional[int] = None  # noqa: UP045


@dataclass
class AnnotatedDataset(YoloDirDataset):
    """Images with COCO's or Pascal VOC's annotation files, in a folder; `train`, `val`, `test` are relative to it."""

    kind: str = MISSING
    train: Optional[str] = None  # noqa: UP045
    val: Optional[str] = None  # noqa: UP045
    test: Optional[str] = None  # noqa: UP045


@dataclass
class UltralyticsDataset:
    """A data set that Ultralytics describes and fetches itself: `file` is one of its cfg/datasets/."""

    kind: str = "ultralytics"
    name: str = MISSING
    file: str = MISSING
    path: Optional[str] = None  # noqa: UP045
    mirror: Optional[str] = None  # noqa: UP045
    on_bad: str = "refuse"
    fraction: Optional[float] = None  # noqa: UP045
    limit: Optional[int] = None  # noqa: UP045


@dataclass
class RoboflowDataset:
    """A version of a project on Roboflow, with what it must hold; the key is in the environment, never here."""

    kind: str = "roboflow"
    name: str = MISSING
    workspace: str = MISSING
    project: str = MISSING
    version: int = MISSING  # type: ignore[assignment]
    num_train_images: Optional[int] = None  # noqa: UP045
    num_val_images: Optional[int] = None  # noqa: UP045
    digest: Optional[str] = None  # noqa: UP045
    api: str = "https://api.roboflow.com"
    on_bad: str = "refuse"
    fraction: Optional[float] = None  # noqa: UP045
    limit: Optional[int] = None  # noqa: UP045


@dataclass
class AttentionConfig:
    """One arm: its name in tables, and the backend that computes the attention product.

    `copy_of` names the arm that this one repeats, from weights moved by one ulp: an A/A copy. compare.control sets it.
    """

    name: str = MISSING
    backend: str = MISSING
    copy_of: Optional[str] = None  # noqa: UP045


@dataclass
class HardwareConfig:
    """Facts of the box. `None` is filled in from the machine found, once per sweep, and recorded; prices stay None."""

    name: str = MISSING
    device: str = "auto"
    devices: int = 1
    batch: Union[int, str, None] = None  # noqa: UP007
    workers: Optional[int] = None  # noqa: UP045
    cache: Optional[str] = None  # noqa: UP045
    precision: Optional[str] = None  # noqa: UP045
    tf32: Optional[bool] = None  # noqa: UP045
    cudnn_benchmark: Optional[bool] = None  # noqa: UP045
    channels_last: Optional[bool] = None  # noqa: UP045
    allocator: Optional[str] = None  # noqa: UP045
    num_threads: Optional[int] = None  # noqa: UP045
    price_per_gpu_hour: Optional[float] = None  # noqa: UP045
    price_per_kwh: Optional[float] = None  # noqa: UP045
    currency: Optional[str] = None  # noqa: UP045

    @property
    def batch_size(self) -> int | None:
        """Images a step; None where the machine or trial steps are still to say."""
        return self.batch if isinstance(self.batch, int) else None


@dataclass
class TaskConfig:
    """What one job does. Its options stand beside it, below its name: the class that `_target_` names types them."""

    name: str = MISSING
    _target_: str = ""


@dataclass
class TelemetryConfig:
    """What the parent samples beside the run, and how often."""

    name: str = MISSING
    enabled: bool = True
    gpu: bool = True
    period_s: float = 1.0


@dataclass
class TrackingConfig:
    """Where runs are shown: an MLflow store, or nowhere."""

    name: str = MISSING
    kind: str = MISSING
    uri: Optional[str] = None  # noqa: UP045
    page_uri: Optional[str] = None  # noqa: UP045
    log_checkpoint: bool = True
    log_model: bool = True
    register_as: Optional[str] = None  # noqa: UP045
    timeout_s: float = 20.0


@dataclass
class PrimaryMetric:
    """A metric that gets a verdict, with the margin inside which arms count as equivalent."""

    metric: str = MISSING
    margin: float = MISSING  # type: ignore[assignment]
    margin_kind: str = MISSING
    allow: bool = False


@dataclass
class CompareConfig:
    """How arms are compared after a sweep; declared before the run and recorded in its plan."""

    after_sweep: bool = True
    alpha: float = 0.05
    control: Optional[str] = None  # noqa: UP045
    speed: str = "interleaved"
    max_seeds: Optional[int] = None  # noqa: UP045
    primary: dict[str, PrimaryMetric] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)


@dataclass
class RunConfig:
    """What happens to the folder of a run or sweep."""

    overwrite: bool = False


@dataclass
class ObjectiveConfig:
    """What a search looks for: the best value of a metric, while another one keeps to a bound."""

    metric: Optional[str] = None  # noqa: UP045
    direction: Optional[str] = None  # noqa: UP045
    bound: Optional[str] = None  # noqa: UP045
    bound_value: Optional[float] = None  # noqa: UP045


@dataclass
class Config:
    """The whole configuration, as `--cfg job` prints it, but for the options of the task."""

    name: str = MISSING
    seed: int = 0
    baseline: Optional[str] = None  # noqa: UP045
    determinism: str = "default"
    on_nan: str = "fail"
    on_oom: str = "fail"
    model: ModelConfig = field(default_factory=ModelConfig)
    dataset: Any = MISSING
    attention: AttentionConfig = field(default_factory=AttentionConfig)
    hardware: HardwareConfig = field(default_factory=HardwareConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    telemetry: TelemetryConfig = field(default_factory=TelemetryConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    run: RunConfig = field(default_factory=RunConfig)
    wait: bool = True
    allow_shared_device: bool = False
    output: str = "text"
    resume: Optional[str] = None  # noqa: UP045
    resume_mode: str = "restart"
    resume_changed: Optional[str] = None  # noqa: UP045


FilesDataset = YoloDirDataset | UltralyticsDataset | RoboflowDataset
AnyDataset = SyntheticDataset | FilesDataset
DATASETS: dict[str, type[AnyDataset]] = {
    "synthetic": SyntheticDataset,
    "yolo_dir": YoloDirDataset,
    "coco_json": AnnotatedDataset,
    "voc_xml": AnnotatedDataset,
    "ultralytics": UltralyticsDataset,
    "roboflow": RoboflowDataset,
}
