"""docker/: pinned, closed, and nothing starts with a default password. No engine needed: docker/try/try.sh has one."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE_FILES = sorted(DOCKER.glob("docker-compose*.yml"))
SOURCED = ("lib.sh", "helpers.sh", *(path.name for path in DOCKER.glob("try/steps_*.sh")))
SCRIPTS = sorted([*DOCKER.glob("*.sh"), *DOCKER.glob("try/*.sh"), *DOCKER.glob("proxy/*.sh")])
DOCKERFILES = (DOCKER / "Dockerfile", DOCKER / "mlflow" / "Dockerfile", DOCKER / "proxy" / "Dockerfile")
PIN = re.compile(r"^([a-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+)", re.MULTILINE)


def services(path: Path = DOCKER / "docker-compose.yml") -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8"))["services"])


def pins(path: Path) -> dict[str, str]:
    return {name.partition("[")[0]: version for name, version in PIN.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_every_compose_file_is_yaml_that_names_known_services(path: Path) -> None:
    assert set(services(path)) <= {"db", "setup", "mlflow", "proxy", "experiment", "exporter"}


def test_every_image_names_a_version() -> None:
    images = [service["image"] for service in services().values()]
    images += [
        line.split()[1]
        for file in DOCKERFILES
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.startswith("FROM ")
    ]
    assert len(images) == 8
    for image in images:
        default = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image)
        assert re.search(r":\d[\w.-]*$", default), image


def test_only_the_proxy_is_reachable_and_only_from_this_machine_unless_told_otherwise() -> None:
    content = services()
    assert [name for name, service in content.items() if "ports" in service] == ["proxy"]
    assert content["proxy"]["ports"] == ["${MLFLOW_BIND:-127.0.0.1}:${MLFLOW_PORT:-5000}:8443"]
    assert content["db"]["networks"] == ["database"]
    assert content["mlflow"]["networks"] == ["database", "server"]
    networks = yaml.safe_load((DOCKER / "docker-compose.yml").read_text(encoding="utf-8"))["networks"]
    assert networks["database"]["internal"] is True
    assert networks["server"]["internal"] is True
    exporter = services(DOCKER / "docker-compose.metrics.yml")["exporter"]
    assert [port.startswith("127.0.0.1:") for port in exporter["ports"]] == [True]


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=lambda path: path.name)
def test_no_secret_has_a_default(path: Path) -> None:
    for name, service in services(path).items():
        for key, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|ACCESS|ADMIN", key) and name != "experiment":
                assert re.fullmatch(r"\$\{MLFLOW_\w+:\?[^}]+\}", str(value)), f"{name}: {key}={value}"


def test_every_service_is_confined_and_the_lasting_ones_come_back() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        if name not in ("experiment", "setup"):
            assert service["restart"] == "unless-stopped", name
            assert service["healthcheck"]["test"], name
        if name != "experiment":
            assert service["mem_limit"], name
            assert service["pids_limit"], name


def test_the_server_has_the_projects_packages_and_few_others_all_hashed() -> None:
    ours, extra = pins(ROOT / "requirements.lock"), pins(DOCKER / "mlflow" / "extra.lock")
    assert set(ours) & set(extra) == set(), "make lock"
    assert {"psycopg", "psycopg-binary", "boto3"} <= set(extra)
    assert {"mlflow", "flask-wtf"} <= set(ours)
    entries = re.split(r"\n(?=[a-z])", (DOCKER / "mlflow" / "extra.lock").read_text(encoding="utf-8").strip())
    assert len(entries) == len(extra)
    assert all("--hash=sha256:" in entry for entry in entries)
    assert services()["mlflow"]["image"].endswith(f":-{ours['mlflow']}}}"), "the image is named for its MLflow"
    assert services()["mlflow"]["image"] == services()["setup"]["image"]
    assert services()["mlflow"]["image"] == services(DOCKER / "docker-compose.metrics.yml")["exporter"]["image"]


def test_the_images_install_nothing_unpinned_from_the_package_index() -> None:
    for file in DOCKERFILES:
        text = file.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            if "pip install" in line:
                assert "--require-hashes" in line or re.search(r" uv==\$\{UV_VERSION\}$", line), line
    uv = re.search(r"UV_VERSION := (\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert uv is not None
    for file in DOCKERFILES[:2]:
        assert f"ARG UV_VERSION={uv[1]}\n" in file.read_text(encoding="utf-8")


def test_users_lie_in_postgresql_and_no_password_in_a_file() -> None:
    ini = (DOCKER / "mlflow" / "basic_auth.ini").read_text(encoding="utf-8")
    uri = re.search(r"^database_uri = (\S+)$", ini, re.MULTILINE)
    assert uri is not None
    assert uri[1] == "postgresql+psycopg://mlflow@db:5432/mlflow_auth"
    assert f'USERS_URI = "{uri[1]}"' in (DOCKER / "mlflow" / "databases.py").read_text(encoding="utf-8")
    assert re.search(r"^admin_password =$", ini, re.MULTILINE)


def test_every_setting_is_explained() -> None:
    readme = (DOCKER / "README.md").read_text(encoding="utf-8")
    made = (DOCKER / "make-env.sh").read_text(encoding="utf-8")
    used = {name for path in COMPOSE_FILES for name in re.findall(r"\$\{(\w+)", path.read_text(encoding="utf-8"))}
    missing = {name for name in used if name not in readme and name not in made}
    assert missing <= {"MLFLOW_IMAGE_TAG", "MLFLOW_PROXY_IMAGE_TAG", "MLFLOW_ALLOWED_HOSTS", "MLFLOW_CORS_ORIGINS"}
    assert len(readme.splitlines()) <= 150


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_say_what_they_are_for(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.name in SOURCED:
        assert lines[0].startswith("# ")
        return
    assert lines[0] == ("#!/bin/sh" if path.parent.name == "proxy" else "#!/usr/bin/env bash")
    assert lines[1].startswith("# ")
    assert path.stat().st_mode & stat.S_IXUSR
    assert any(line.startswith("set -") and "u" in line for line in lines)


def test_shellcheck_finds_nothing() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    command = ["shellcheck", "-S", "warning", "-x", "-P", str(DOCKER), *map(str, SCRIPTS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["docker/.env", "docker/ca.pem", "docker/backups/2026-01-31/mlflow.dump"])
def test_secrets_and_backups_stay_out_of_git(name: str) -> None:
    assert subprocess.run(["git", "check-ignore", "-q", name], check=False, cwd=ROOT).returncode == 0


def test_the_experiment_images_context_holds_no_secret_and_no_run() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert kept == {"requirements.lock", "LICENSE", "conf", "hydra_plugins", "sdpa_exp", "docker/mlflow"}


def test_make_env_writes_random_secrets_for_the_owner_alone_and_never_twice(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        script = shutil.copy(DOCKER / "make-env.sh", folder)
        subprocess.run([script], check=True, capture_output=True)
        path = folder / ".env"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text(encoding="utf-8")
        again = subprocess.run([script], check=False, capture_output=True, text=True)
        assert again.returncode == 1
        assert "stays as it is" in again.stderr
        assert path.read_text(encoding="utf-8") == text
        made.append(dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)))
        assert [path.name for path in folder.iterdir() if path.name.startswith(".env")] == [".env"]
    required = set(re.findall(r"\$\{(\w+):\?", (DOCKER / "docker-compose.yml").read_text(encoding="utf-8")))
    assert required <= set(made[0])
    secret = [name for name in required if "USERNAME" not in name]
    assert all(re.fullmatch("[0-9a-f]{48}", env[name]) for env in made for name in secret)
    assert len({env[name] for env in made for name in secret}) == 2 * len(secret)


def test_the_image_without_cuda_lacks_cuda_alone(tmp_path: Path) -> None:
    """The Dockerfile's own filters on the lock: what PyTorch's index gives, and what stays hashed."""
    lock = ROOT / "requirements.lock"
    kept = tmp_path / "locked.txt"
    kept.write_text(_as_the_dockerfile_does("awk", lock), encoding="utf-8")
    names = pins(lock)
    from_index = _as_the_dockerfile_does("sed -nE", lock).split()
    assert from_index == [f"torch=={names['torch']}+cpu", f"torchvision=={names['torchvision']}+cpu"]
    gone = set(names) - set(pins(kept))
    assert {"torch", "torchvision", "triton", "nvidia-cudnn-cu13"} <= gone
    assert all(re.match(r"torch$|torchvision$|triton$|cuda-|nvidia-", name) for name in gone)
    assert {"nvidia-ml-py", "ultralytics-opencv-headless"} <= set(pins(kept))
    assert kept.read_text(encoding="utf-8").count("--hash=") > 1000


def _as_the_dockerfile_does(command: str, path: Path) -> str:
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    program = text.partition(f"{command} '")[2].partition("'")[0]
    done = subprocess.run([*command.split(), program, str(path)], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_server_whose_bucket_was_left_out_by_mistake_does_not_start() -> None:
    """`-f docker-compose.yml` on a stack with a bucket would quietly put files on the volume."""
    destinations = {"WANTED_DESTINATION": "s3://bucket/mlflow", "MLFLOW_ARTIFACTS_DESTINATION": "file:///mlartifacts"}
    command = [sys.executable, str(DOCKER / "mlflow" / "start.py")]
    done = subprocess.run(command, env=os.environ | destinations, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("not started: docker/.env has MLFLOW_S3_DESTINATION=s3://bucket/mlflow")
    assert "Traceback" not in done.stderr
    override = services(DOCKER / "docker-compose.s3.yml")["mlflow"]["environment"]
    assert override["MLFLOW_ARTIFACTS_DESTINATION"].startswith("${MLFLOW_S3_DESTINATION:?")
    assert services()["mlflow"]["environment"]["WANTED_DESTINATION"] == "${MLFLOW_S3_DESTINATION:-}"


def test_with_a_bucket_the_server_has_a_network_that_leads_outside_and_else_none() -> None:
    content = yaml.safe_load((DOCKER / "docker-compose.s3.yml").read_text(encoding="utf-8"))
    assert content["services"]["mlflow"]["networks"] == ["outside"]
    assert not (content["networks"]["outside"] or {}).get("internal")
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert [name for name, service in content["services"].items() if keys & set(service["environment"])] == ["mlflow"]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"GONE_SETTINGS": "mlflow.example.org"}, "MLFLOW_CORS_ORIGINS in docker/.env are MLFLOW_SERVER_NAMES by now"),
        (
            {"DEFAULT_PERMISSION": "WRITE"},
            "MLFLOW_DEFAULT_PERMISSION=WRITE: expected one of EDIT, READ, NO_PERMISSIONS",
        ),
    ],
)
def test_a_setting_that_means_nothing_keeps_the_server_from_starting(setting: dict[str, str], words: str) -> None:
    command = [sys.executable, str(DOCKER / "mlflow" / "start.py")]
    done = subprocess.run(command, env=os.environ | setting, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_names_of_the_server_are_allowed_with_a_port_and_without_and_no_others() -> None:
    from mlflow.server.security_utils import is_allowed_host_header, should_block_cors_request

    code = "import json, start; print(json.dumps([start.allowed_hosts(['m.org']), start.allowed_origins(['m.org'])]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=DOCKER / "mlflow", check=True, capture_output=True, text=True
    )
    hosts, origins = json.loads(done.stdout)
    for host in ("localhost", "127.0.0.1", "[::1]", "proxy", "m.org"):
        assert is_allowed_host_header(hosts, host), host
        assert is_allowed_host_header(hosts, f"{host}:5000"), host
    for host in ("evil.org", "m.org.evil.org", "::1", "1:5000", "localhost.evil.org"):
        assert not is_allowed_host_header(hosts, host), host
    assert not should_block_cors_request("https://m.org", "POST", origins)
    assert should_block_cors_request("http://m.org", "POST", origins)
    assert should_block_cors_request("https://evil.org", "POST", origins)


def test_what_a_comment_or_message_calls_a_part_of_the_readme_is_one() -> None:
    readme = (DOCKER / "README.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", readme, re.MULTILINE)
    files = [path for path in DOCKER.rglob("*") if path.is_file() and path.suffix in (".py", ".sh", ".yml", ".ini")]
    texts = [path.read_text(encoding="utf-8") for path in files]
    named = [name for text in texts for name in re.findall(r"README\.md, ([A-Z][^.]*)\.", text)]
    assert len(named) > 5
    assert set(named) <= set(headings)
