"""Everything that reads what others wrote: command lines, plans, event logs, records, curves, data sets, labels."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st

from sdpa_exp.compare.load.results_csv import read_results_csv
from sdpa_exp.compare.load.sources import read_sources
from sdpa_exp.config.arguments import check_arguments
from sdpa_exp.config.hydra_errors import translate
from sdpa_exp.config.plan import read_plan
from sdpa_exp.config.validate import check_sweep
from sdpa_exp.data.label_file import check_label
from sdpa_exp.data.yolo_source import find_source
from sdpa_exp.errors import SdpaExpError
from sdpa_exp.runs.events import read_events
from sdpa_exp.runs.files import EVENTS_FILE, PLAN_FILE, RESULT_FILE, SWEEP_FILE, TELEMETRY_FILE
from sdpa_exp.runs.record import read_record
from sdpa_exp.runs.sweep import read_sweep
from tests.config.composing import compose_plan
from tests.data.small_field import make_field
from tests.fuzz.mutations import ODD, damaged, fuzz
from tests.runs.folders import whole_run, write_sweep

KEYS = (
    "seed", "attention", "attention.backend", "model", "model.weights", "dataset", "dataset.path",
    "dataset.num_train_images",
    "hardware", "hardware.batch", "hardware.precision", "train.epochs", "train.imgsz", "train.lr0", "train.optimizer",
    "tracking", "tracking.uri", "telemetry.period_s", "task", "task.name", "bench.arms", "compare.margin", "name",
    "baseline",
    "experiment", "hydra.run.dir", "trian.epochs", "", "+new", "~seed", "++train.epochs", "on_oom", "resume",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from([*ODD, "stock", "sdpa", "yolo12n", "bench", "0,1", "cpu", "auto",
    "range(3)", "choice(a,b)", "sqlite:///x", "(", "[1", "{a:"]),
    st.text(max_size=12),
    st.integers().map(str),
    st.floats().map(str),
)  # fmt: skip
LABEL = b"0 0.5 0.5 0.2 0.3\n1 0.1 0.2 0.05 0.05\n0 0.5 0.5 0.2 0.3\n2 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2\n"
CSV = b"epoch,time,train/box_loss,metrics/mAP50(B)\n1,2.5,3.1,0.2\n2,5.0,2.9,0.4\n3,7.5,2.5,0.55\n"


def counts(quick: int) -> pytest.MarkDecorator:
    """How many examples: few in the quick suite, a hundred times as many in the slow one."""
    return pytest.mark.parametrize("count", [quick, pytest.param(100 * quick, marks=pytest.mark.slow)])


@counts(60)
def test_a_label_file_has_faults_or_boxes_and_what_is_left_of_it_is_sound(count: int) -> None:
    def check(content: bytes) -> None:
        for num_classes in (None, 2):
            found = check_label(content, num_classes)
            assert found.num_boxes >= 0
            assert found.sound is None or check_label(found.sound, num_classes).faults == ()

    fuzz(check, st.one_of(damaged(LABEL), st.binary(max_size=80), st.text(max_size=80).map(str.encode)), count)


@counts(60)
def test_a_results_csv_is_read_or_refused(count: int, tmp_path: Path) -> None:
    path = tmp_path / "results.csv"

    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            curves, _ = read_results_csv(path)
        except SdpaExpError:
            return
        assert len(curves.epochs) > 0
        assert all(len(column) == len(curves.epochs) for column in curves.columns.values())
        assert np.issubdtype(curves.epochs.dtype, np.integer)

    fuzz(check, st.one_of(damaged(CSV), st.binary(max_size=80)), count)


@counts(40)
def test_an_event_log_is_read_or_refused(count: int, tmp_path: Path) -> None:
    whole_run(tmp_path)
    path = tmp_path / EVENTS_FILE

    def check(content: bytes) -> None:
        path.write_bytes(content)
        try:
            events = read_events(tmp_path)
        except SdpaExpError:
            return
        assert all(isinstance(event, dict) for event in events)

    fuzz(check, damaged(path.read_bytes()), count)


@counts(25)
@pytest.mark.parametrize("name", [EVENTS_FILE, RESULT_FILE, PLAN_FILE, TELEMETRY_FILE, "train/results.csv"])
def test_a_comparison_reads_a_run_folder_with_a_damaged_file_or_refuses_it(
    name: str, count: int, tmp_path: Path
) -> None:
    whole_run(tmp_path)
    whole = (tmp_path / name).read_bytes()

    def check(content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        right_or_refused(lambda: read_sources([tmp_path]))

    fuzz(check, damaged(whole), count)


@counts(25)
def test_a_sweep_with_a_damaged_file_is_read_or_refused(count: int, tmp_path: Path) -> None:
    for run_dir, arm in zip(write_sweep(tmp_path, [("stock", 0), ("sdpa", 0)]), ("stock", "sdpa"), strict=True):
        whole_run(run_dir, arm=arm, sweep_dir=str(tmp_path))
    path = tmp_path / SWEEP_FILE

    def check(content: bytes) -> None:
        path.write_bytes(content)
        right_or_refused(lambda: read_sweep(tmp_path))
        right_or_refused(lambda: read_sources([tmp_path]))

    fuzz(check, damaged(path.read_bytes()), count)


@counts(25)
@pytest.mark.parametrize(("name", "read"), [(PLAN_FILE, read_plan), (RESULT_FILE, read_record)])
def test_a_plan_and_a_record_are_read_or_refused(
    name: str, read: Callable[[Path], object], count: int, tmp_path: Path
) -> None:
    whole_run(tmp_path)
    whole = (tmp_path / name).read_bytes()

    def check(content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        right_or_refused(lambda: read(tmp_path))

    fuzz(check, damaged(whole), count)


@counts(40)
def test_a_data_yaml_is_read_or_refused(count: int, tmp_path: Path) -> None:
    path = make_field(tmp_path)

    def check(content: bytes) -> None:
        path.write_bytes(content)
        right_or_refused(lambda: find_source(path))

    fuzz(check, damaged(path.read_bytes()), count)
    shutil.rmtree(tmp_path)


@counts(5)
def test_a_command_line_composes_to_a_plan_or_is_refused(count: int) -> None:
    def check(overrides: list[tuple[str, str]]) -> None:
        try:
            arguments = check_arguments([f"{key}={value}" for key, value in overrides])
            plan = compose_plan(*[each for each in arguments if not each.startswith("-")])
            check_sweep([plan])
        except SdpaExpError:
            return
        except Exception as error:
            if translate(error) is None:
                raise

    fuzz(check, st.lists(st.tuples(st.sampled_from(KEYS), VALUES), min_size=1, max_size=3), count)


def right_or_refused(read: Callable[[], object]) -> None:
    """Call it; an error of ours, which is a sentence, is fine."""
    with suppress(SdpaExpError):
        read()
