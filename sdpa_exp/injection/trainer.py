"""Ultralytics' trainers with the backend injected where it lasts, and no silent fallbacks.

The swap happens in `setup_model`: every process runs it (DDP children too), before EMA, compile and the optimizer
see the model. A callback would come too late for EMA, validation and best.pt.

Read in Ultralytics 8.4.190, engine/trainer.py: an out-of-memory in the first epoch halves the batch and goes on; NaN
reloads last.pt; the AMP check downloads a model and can switch AMP off. Each changes what is measured, so here the
first two are errors and the third is replaced: the precision asked for is the precision that runs. A model that
can't be compiled is trained uncompiled there, with a warning; here that is an error too. What its loaders leave out
or undo is refused in `silent_changes.py`.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from ultralytics.engine import trainer as ultralytics_trainer
from ultralytics.models.rtdetr.train import RTDETRTrainer
from ultralytics.models.yolo.classify import ClassificationTrainer
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.models.yolo.obb import OBBTrainer
from ultralytics.models.yolo.pose import PoseTrainer
from ultralytics.models.yolo.segment import SegmentationTrainer
from ultralytics.utils import RANK, WORLD_SIZE

from sdpa_exp.errors import InjectionError, OutOfMemory, RunError
from sdpa_exp.injection.build import head_of
from sdpa_exp.injection.checkpoint import Transfer, load_network, transfer, widen_position_convolutions
from sdpa_exp.injection.inject import Choices, InjectionReport, check_injected, inject
from sdpa_exp.injection.over_gloo import over_gloo
from sdpa_exp.injection.perturb import Perturbation, perturb
from sdpa_exp.injection.replaced import replaced
from sdpa_exp.injection.silent_changes import refuse_what_was_not_asked
from sdpa_exp.measure.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    _Trainer = DetectionTrainer
else:
    _Trainer = object


class AttentionMixin(_Trainer):  # type: ignore[misc,valid-type]
    """What turns one of Ultralytics' trainers into one of ours; stands before it among the bases.

    Besides Ultralytics' events it fires `on_caching_start`, `on_caching_end` (data sets scanned, images cached),
    `on_train_batch_ready` (`last_batch` is preprocessed and not yet used), `on_optimizer_step_start` and
    `on_final_eval_start`.
    """

    def __init__(
        self,
        *,
        backend: str,
        overrides: dict[str, Any],
        choices: Choices | None = None,
        is_strict: bool = False,
        perturb_seed: int | None = None,
        trust_weights: bool = False,
    ) -> None:
        """Seed and set up as Ultralytics does.

        Args:
            backend: at every layer; "auto" with `choices`.
            overrides: Ultralytics' training arguments.
            choices: layer -> backend, with backend="auto".
            is_strict: deterministic algorithms or an error; Ultralytics' own seeding only warns.
            perturb_seed: move the initial weights by one ulp, up or down after this seed; None leaves them.
            trust_weights: run the code that given weights hold.
        """
        self.backend = backend
        self.choices = choices
        self.perturb_seed = perturb_seed
        self.trust_weights = trust_weights
        self.injection: InjectionReport | None = None
        self.perturbation: Perturbation | None = None
        self.last_batch: dict[str, Any] | None = None
        self.batch_asked: int | None = None  # known once the loaders are built
        self.transfer: Transfer | None = None
        self.leaves_out_batch = False
        super().__init__(overrides=overrides)
        if self.device.type == "cpu" and WORLD_SIZE > 1:  # for Ultralytics a CPU is always one process
            self.world_size = WORLD_SIZE
        if is_strict:  # Ultralytics has seeded in its __init__, and takes determinism back when the training ends
            torch.use_deterministic_algorithms(True, warn_only=False)

    def setup_model(self) -> Any:
        """Build or load the model, then inject the backend, and move the weights if asked to.

        Raises:
            InjectionError: the model has no layers, or one did not take the backend.
            ConfigError: the weights are another model's.
            RunError: the weights can't be loaded.
        """
        checkpoint: Any = None
        network: Any = None
        asked: Any = self.model
        if isinstance(asked, str):  # Ultralytics would load weights by code that runs what they hold
            if asked.endswith(".pt"):  # an earlier attempt's, which goes on
                network, checkpoint = self._loaded(asked)
            elif isinstance(self.args.pretrained, str | Path):
                network, _ = self._loaded(self.args.pretrained)
            architecture = network.yaml if checkpoint is not None else asked
            self.model: Any = self.get_model(cfg=architecture, weights=network, verbose=RANK in {-1, 0})
            if network is not None:
                self.transfer = transfer(self.model, network, str(self.args.pretrained))
        super().setup_model()
        self.injection = inject(self.model, self.backend, choices=self.choices)
        if self.perturb_seed is not None:
            self.perturbation = perturb(self.model, seed=self.perturb_seed)
        return checkpoint

    def _loaded(self, weights: str | Path) -> tuple[Any, Any]:
        network, content = load_network(str(weights), is_trusted=self.trust_weights)
        widen_position_convolutions(network)
        return network, content

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Keep the batch for the attestation, and show it to the watchers.

        The dict is copied, and shown before it is used: Ultralytics' plotting thread later turns the original's tensors
        into arrays, and on a CPU scales the image in place.
        """
        ready: dict[str, Any] = super().preprocess_batch(batch)
        self.last_batch = dict(ready)
        self.run_callbacks("on_train_batch_ready")
        return ready

    def final_eval(self) -> None:
        """Evaluate best.pt; its reload must have kept the backend."""
        self.run_callbacks("on_final_eval_start")
        super().final_eval()
        if RANK > 0:  # Ultralytics fires it in the first process alone
            self.run_callbacks("on_train_end")

    def check_reloaded(self, network: Any) -> None:
        """Check that a reloaded checkpoint has the backend at all layers.

        Raises:
            InjectionError: it has not.
        """
        if self.injection is None:
            raise InjectionError("the trainer has not set up its model yet, so there is no injection to check.")
        check_injected(network, self.backend, expected=self.injection.layers, choices=self.choices)

    def optimizer_step(self) -> None:
        """Ultralytics' step, unless a watcher of `on_optimizer_step_start` sets `leaves_out_batch`."""
        self.run_callbacks("on_optimizer_step_start")
        if not self.leaves_out_batch:
            super().optimizer_step()

    def _do_train(self) -> None:
        if self.world_size > 1 and self.device.type == "cpu":
            with over_gloo():
                super()._do_train()
        else:
            super()._do_train()

    def _setup_ddp(self) -> None:
        if self.device.type == "cpu":
            dist.init_process_group("gloo")
        else:  # never run on CUDA so far
            super()._setup_ddp()

    def _setup_train(self) -> None:
        with replaced(ultralytics_trainer, "check_amp", lambda model: True):
            super()._setup_train()
        if self.args.compile and not hasattr(self.model, "_orig_mod"):
            raise RunError(
                "train.compile is on and the model is not compiled: Inductor found no compiler that works (a host C++ "
                "compiler on a CPU, Triton on CUDA), and Ultralytics would train uncompiled. The log above says what "
                "is missing: install it, or take train.compile out."
            )

    def _build_train_pipeline(self) -> None:
        if self.batch_asked is not None:
            raise self._no_second_try(self.batch_asked)
        self.batch_asked = self.batch_size
        self.run_callbacks("on_caching_start")
        super()._build_train_pipeline()
        self.run_callbacks("on_caching_end")
        refuse_what_was_not_asked(self)

    def _no_second_try(self, batch: int) -> RunError:
        """Ultralytics takes some errors of cuDNN for a lack of memory, too: it is called while it handles one."""
        error = sys.exception()
        words = str(error).splitlines()[0] if str(error or "") else "no reason is known"
        unlike = "Ultralytics would halve the batch and go on, and arms would no longer be comparable"
        if error is not None and not is_out_of_memory(error):
            return RunError(f"a step failed in the first epoch ({words}). {unlike}. The log above says more.")
        return OutOfMemory(
            f"out of memory in the first epoch: batch {batch} does not fit on {self.device} ({words}). {unlike}. "
            f"Set hardware.batch={max(1, batch // 2)} or less for all arms, or let a sweep do so by on_oom=repeat."
        )

    def _handle_nan_recovery(self, epoch: int) -> bool:
        loss = None if self.loss is None else float(self.loss.detach())
        fitness = None if self.fitness is None else float(self.fitness)
        for name, value in (("loss", loss), ("fitness", fitness)):
            if value is not None and not math.isfinite(value):
                raise RunError(
                    f"the {name} is {value} after epoch {epoch + 1}. Ultralytics would go on from last.pt; here the "
                    f"run ends. Lower train.lr0, or use hardware.precision=bf16 or fp32 (so far: {Path(self.csv)})."
                )
        return False


class AttentionTrainer(AttentionMixin, DetectionTrainer):  # type: ignore[misc]
    """Trains a YOLO detector with a backend at every attention layer."""


class AttentionRTDETRTrainer(AttentionMixin, RTDETRTrainer):  # type: ignore[misc]
    """Trains RT-DETR with a backend in its AIFI."""


class AttentionSegmentationTrainer(AttentionMixin, SegmentationTrainer):  # type: ignore[misc]
    """Trains a model for masks."""


class AttentionPoseTrainer(AttentionMixin, PoseTrainer):  # type: ignore[misc]
    """Trains a model for keypoints."""


class AttentionOBBTrainer(AttentionMixin, OBBTrainer):  # type: ignore[misc]
    """Trains a model for rotated boxes."""


class AttentionClassificationTrainer(AttentionMixin, ClassificationTrainer):  # type: ignore[misc]
    """Trains a model for classes of whole images."""


_TRAINERS: dict[str, type[AttentionMixin]] = {
    "RTDETRDecoder": AttentionRTDETRTrainer,
    "Segment": AttentionSegmentationTrainer,
    "Pose": AttentionPoseTrainer,
    "OBB": AttentionOBBTrainer,
    "Classify": AttentionClassificationTrainer,
}


def trainer_class(architecture: str) -> type[AttentionMixin]:
    """The trainer that Ultralytics' architecture file wants."""
    return _TRAINERS.get(head_of(architecture), AttentionTrainer)
