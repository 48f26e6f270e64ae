"""What a user reads after a mistake on the command line or in a file of their own: the whole way through Hydra."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sdpa_exp.conf_dir import attentions_in, conf_dir
from sdpa_exp.entry import start

ALL_ATTENTIONS = f"expected one of {', '.join(attentions_in(conf_dir()))}."

CASES = {
    "task=predict": "'task=predict' has two names now: expected task=latency, which times inference, or task=detect,",
    "allow_shared_cpu=true": "allow_shared_cpu has another name now: expected allow_shared_device.",
    "predict.weights=a.pt": "predict.weights has another name now: expected latency.weights. Write that in its place.",
    "predict.save=true": "predict.save has another name now: expected detect.save.",
    "hardware.bach=4": "There is no key hardware.bach: expected perhaps hardware.batch or hardware.cache. hardware has",
    "train.epchs=3": "There is no key train.epchs: expected perhaps train.epochs. `--cfg job` prints all.",
    "compare.primary.speed.margn=1": "expected perhaps compare.primary.speed.margin or compare.primary.speed.margin_",
    "foo=1": "There is no key foo: expected one of name, seed, baseline, determinism, on_nan,",
    "atention=sdpa": "There is no key atention: expected perhaps attention. The configuration has name, seed,",
    "imgsz=640": "There is no key imgsz: expected train.imgsz. Write that in its place.",
    "device=cuda": "There is no key device: expected hardware.device.",
    "batch=16": "There is no key batch: expected hardware.batch.",
    "train.batch=16": "There is no key train.batch: expected hardware.batch.",
    "data=my.yaml": "There is no key data: expected dataset=yolo_dir dataset.path.",
    "train.data=my.yaml": "There is no key train.data: expected dataset=yolo_dir dataset.path.",
    "weights=best.pt": "There is no key weights: expected model.weights (to train from it) or detect.weights",
    "dataset.path=x": "There is no key dataset.path in the data set that was chosen: expected dataset=yolo_dir. Add",
    "dataset=/my/data.yaml": "expected an option. Write dataset=yolo_dir dataset.path=/my/data.yaml.",
    "model=yolo12": "Did you mean model=yolo12n? Its last letter is the size; n is the smallest.",
    "model=yolo12s.pt": "Write model=yolo12s model.weights=yolo12s.pt; --help model.weights says more.",
    "hydra/launcher=joblib": "expected hydra-joblib-launcher. Run `pip install hydra-joblib-launcher` or",
    "hydra/launcher=joblib_sdpa -m": "hydra/launcher=joblib is not installed: expected hydra-joblib-launcher. Run `pip",
    "hydra/launcher=slurm_sdpa -m": "or `pip install 'sdpa-exp[scale]'`.",
    "hydra/sweeper=optuna": "expected hydra/sweeper=search, which draws from the same intervals. Write that in its",
    "foo/bar=1": "There is no key foo/bar: expected one of name, seed,",
    "~foo": "~foo takes a setting away: expected a value for each, as a run needs all. Leave ~foo out",
    "trian.epochs=1": "There is no key trian.epochs: expected perhaps train.epochs. Write that in its place.",
    "benhc.arms=[sdpa]": "There is no key benhc.arms: expected perhaps bench.arms.",
    "foo.bar=1": "There is no key foo.bar: expected one of name, seed,",
    "seed=0,,42 -m": "seed=0,,42 has a comma with no value beside it: expected values with one comma between two. "
    "Write seed=0,42.",
    "seeds=3": "seeds=3 is a number: expected the name of an option of seeds. Write seeds=five, or 3 of your own: "
    "seed=0,1,2 -m.",
    "model=yolo13n": "expected one of rtdetr_l, rtdetr_x, timm, yolo10 (n, s, m, b, l, x), yolo11 (n, s, m, l, x), "
    "yolo12 (n, s, m, l, x; with -cls, -obb, -pose, -seg too), yolo26 (n, s, m, l, x). Did you mean model=yolo12n?",
    "hydra.foo=1": "There is no key hydra.foo: expected one of run, sweep,",
    "attention=flsh": f"attention=flsh does not exist: {ALL_ATTENTIONS} Did you mean attention=flash?",
    "attention=flsh,sdpa -m": f"attention=flsh does not exist: {ALL_ATTENTIONS} Did you mean attention=flash?",
    "dataset=yolodir": "dataset=yolodir does not exist: expected one of ",
    "experiment=stck": "experiment=stck does not exist: expected one of aa_control, image_size, layout_or_kernel,",
    "seed=abc": "seed=abc has the wrong type: expected a whole number. For instance seed=4.",
    "seed=1,abc -m": "seed=abc has the wrong type: expected a whole number.",
    "seed=": "seed= has the wrong type: expected a whole number.",
    "hardware.workers=foo": "hardware.workers=foo has the wrong type: expected a whole number, or null.",
    "hardware.workers=": "hardware.workers= has the wrong type: expected a whole number, or null.",
    "hardware.batch=foo": "hardware.batch=foo can't work: expected a whole number, auto or null. Set hardware.batch=8",
    "hardware.batch=": "hardware.batch= can't work: expected a whole number, auto or null.",
    "train.epochs=3.5": "train.epochs=3.5 has the wrong type: expected a whole number, or null.",
    "train.val=maybe": "train.val=maybe has the wrong type: expected true or false, or null.",
    "task=latency latency.batches=x": "latency.batches=x has the wrong type: expected a list of this: a whole number.",
    "task=bench bench.imgsz=[x]": "bench.imgsz[0]=x has the wrong type: expected a whole number.",
    "task=bench bench.rouns=3": "There is no key bench.rouns: expected perhaps bench.rounds. bench has arms, levels,",
    "task=bench +bench.rouns=3": "There is no key bench.rouns: expected perhaps bench.rounds.",
    "bench.rounds=3": "bench.rounds is for task=bench, and another task was chosen: expected options of that one. Add",
    "+bench.rounds=3": "bench is for task=bench, and another task was chosen",
    "task=verify,profile verify.num_images=1 -m": "verify.num_images is for task=verify, and another task was chosen",
    "task=bnch": "task=bnch does not exist: expected one of answer, bench, compare, data, detect, doctor,",
    "train.lr0=fast": "train.lr0=fast has the wrong type: expected a number, or null.",
    "name=null": "name=null has the wrong type: expected a text.",
    "compare.primary.speed.margin=x": "compare.primary.speed.margin=x has the wrong type: expected a number.",
    "hardware.batch=[1]": "hardware.batch=[1] has the wrong type: expected a whole number or a text, or null.",
    "flash": "'flash' is not a setting: expected key=value, for instance attention=sdpa. See --help.",
    "name='": "name=' can't be read: expected key=value, where a value with quotes, brackets or = in it is quoted.",
    "name=a{": "Write name=\"'a{'\".",
    "name=${foo}": "hydra.run.dir refers to foo, which does not exist: expected a key.",
    "model.name=???": "model.name is missing: it has no default. Add model.name=VALUE.",
    "~attention": "Leave ~attention out for what comes by itself; --help attention says what else there is.",
    "attention=null": "attention=null leaves the job without its attention: expected an option's name.",
    "attention=null,sdpa -m": "attention=null,sdpa leaves the job without its attention",
    "attention=[flash,sdpa]": "would merge several options into one: expected one. To run them all: attention=flash,sd",
    "attention=flash,sdpa": "attention=flash,sdpa names several values: expected one, or -m at the end to run them",
    "seed=range(0,3)": "seed=range(0,3) names several values: expected one, or -m",
    "seed=0,0 -m": "The sweep has attention=sdpa with seed=0 twice (jobs 0 and 1)",
    "attention=flash,flash -m": "The sweep has attention=flash with seed=0 twice (jobs 0 and 1)",
    "hardware.batch=4,-4 -m": "hardware.batch=-4 can't work: expected 1 or more.",
    "seed=interval(0,9) -m": "seed=interval(0,9) has no jobs that can be counted: expected single values",
    "attention=flash,sdpa baseline=math -m": "baseline=math is not among the arms: expected one of flash, sdpa.",
    "hydra.run.dir=a,b -m": "hydra.run.dir=a,b can't be swept: expected a single value for hydra's own keys.",
    "--config-dir nowhere": "nowhere is not a folder: expected one with groups in it, e.g. hardware/my_box.yaml.",
    "--config-name nope": "There is no config file nope.yaml: expected one in conf/.",
    "--multrun": "expected -m, --cfg job, --config-dir DIR or --help. Did you mean --multirun?",
    "--cfg jobs": "The command line can't be read: argument --cfg/-c: invalid choice: 'jobs'",
    "--cfg hydra -m": "--cfg and -m don't go together: expected one of them. Take out -m: --cfg job -m lists the jobs",
    "--attention stock": "There is no option --attention: settings have no dashes. Write attention=...",
    "seeds=five seed=7 -m": "seeds= and seed= both name the seeds: expected one of them. Take out one.",
    "--resolve": "--resolve does nothing by itself: expected --cfg with it. Add --cfg job.",
}


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Said:
    monkeypatch.chdir(tmp_path)
    return Said(monkeypatch, capfd)


class Said:
    """Runs a command line that is to be refused, and hands back what stood on stderr."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str) -> str:
        self._monkeypatch.setattr(sys, "argv", ["sdpa-exp", *arguments])
        try:
            code = start()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else -1
        out, err = self._capfd.readouterr()
        assert code == 2, err
        assert out == ""
        assert err.count("\n") == 1, err
        return err


def test_the_jobs_of_a_sweep_are_listed_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        sys, "argv", ["sdpa-exp", "--cfg", "job", "attention=stock,sdpa", "seed=0,1", "-m", "train.epochs=2"]
    )
    with pytest.raises(SystemExit) as leaving:
        start()
    assert leaving.value.code == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "job 1/4  stock seed 0:  seed=0 attention=stock train.epochs=2"
    assert [line.split(":")[0] for line in lines[1:4]] == [
        "job 2/4  sdpa seed 0", "job 3/4  sdpa seed 1", "job 4/4  stock seed 1",
    ]  # fmt: skip
    assert lines[4].startswith("Nothing was started.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", CASES)
def test_a_mistake_gets_one_clear_sentence_and_leaves_nothing_behind(line: str, said: Said, tmp_path: Path) -> None:
    sentence = said(*line.split())
    assert CASES[line] in sentence
    assert "schema_" not in sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "name: mine\nbach: 4\n",
            "In hardware/mine.yaml: There is no key hardware.bach: expected perhaps hardware.batch",
        ),
        (
            "name: mine\nworkers: many\n",
            "In hardware/mine.yaml: hardware.workers=many has the wrong type: expected a whole",
        ),
        ("name: mine\nbatch: [4\n", "A config file is not valid YAML: "),
    ],
)
def test_a_mistake_in_a_file_of_ones_own_names_the_file(text: str, sentence: str, said: Said, tmp_path: Path) -> None:
    (tmp_path / "my" / "hardware").mkdir(parents=True)
    (tmp_path / "my" / "hardware" / "mine.yaml").write_text(text, encoding="utf-8")
    assert sentence in said("--config-dir", "my", "hardware=mine")


def test_a_private_option_is_offered_beside_ours(said: Said, tmp_path: Path) -> None:
    (tmp_path / "my" / "hardware").mkdir(parents=True)
    (tmp_path / "my" / "hardware" / "workstation.yaml").write_text("name: workstation\n", encoding="utf-8")
    assert "Did you mean hardware=workstation?" in said("--config-dir", "my", "hardware=workstaton")


def test_a_user_who_asks_for_the_full_error_gets_traceback_and_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(sys, "argv", ["sdpa-exp", "seed=abc"])
    assert start() == 2
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "seed=abc has the wrong type" in err
