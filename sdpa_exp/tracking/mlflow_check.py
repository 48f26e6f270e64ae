"""Whether a store will take our runs, asked before anything starts, with a sentence for each way it can fail."""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdpa_exp.errors import TrackingError
from sdpa_exp.tracking.location import redact

if TYPE_CHECKING:
    from sdpa_exp.tracking.location import Location
    from sdpa_exp.tracking.mlflow_store import MlflowStore

# The oldest major version whose server we accept; what we test against is the pinned client's own.
_MIN_SERVER = (3, 0)
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")
_REVISION = re.compile(r'^revision = "(\w+)"', re.MULTILINE)
_DOWN_REVISION = re.compile(r'^down_revision = "(\w+)"', re.MULTILINE)


def check_database(database: Path) -> None:
    """Look at a local store without loading MLflow, which takes seconds.

    Raises:
        TrackingError: not writable, not a database of MLflow, or of another MLflow version.
    """
    folder = database.parent
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if (
        not existing.is_dir()
        or not os.access(existing, os.W_OK)
        or (database.exists() and not os.access(database, os.W_OK))
    ):
        raise TrackingError(
            f"the MLflow store {database} is not writable: set tracking.uri=sqlite:///FILE to a folder of yours, "
            f"or use tracking=none."
        )
    if not database.exists() or database.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        raise TrackingError(
            f"{database} is not a database of MLflow ({error}): set tracking.uri=sqlite:///FILE to another file."
        ) from error
    known, heads = _installed_revisions()
    version = None if found is None else found[0]
    if known and version not in known:
        raise TrackingError(
            f"{database} has the schema {version} of a newer MLflow: install that version, or give another file with "
            f"tracking.uri=sqlite:///FILE."
        )
    if known and version not in heads:
        raise TrackingError(
            f"{database} has the schema {version} of an older MLflow: copy the file as a backup, then run "
            f"`mlflow db upgrade sqlite:///{database.as_posix()}`."
        )


def check_server(store: MlflowStore, location: Location, *, experiment: str, timeout_s: float) -> None:
    """Ask a server for its version, for an authenticated answer, and for leave to write.

    Raises:
        TrackingError: unreachable, no MLflow, too old, wrong password, refused host header, or no right to write.
    """
    uri = location.uri
    version = _get(location, "/version", timeout_s)
    if version.status_code == 401:
        raise TrackingError(_wrong_password(uri))
    if version.status_code == 403 and "host header" in version.text.lower():
        raise TrackingError(_refused_host(uri))
    numbers = re.match(r"(\d+)\.(\d+)", version.text.strip())
    if version.status_code != 200 or numbers is None:
        raise TrackingError(
            f"{uri} answers, but not as an MLflow server (GET /version: HTTP {version.status_code}): "
            f"check host, port and path of tracking.uri."
        )
    if tuple(map(int, numbers.groups())) < _MIN_SERVER:
        raise TrackingError(
            f"the MLflow server at {uri} is too old: it runs {version.text.strip()}, expected "
            f"{'.'.join(map(str, _MIN_SERVER))} or newer. Update the server, or use tracking=local."
        )
    answer = _get(location, "/api/2.0/mlflow/experiments/search?max_results=1", timeout_s)
    if answer.status_code == 401:
        raise TrackingError(_wrong_password(uri))
    if answer.status_code == 403:
        raise TrackingError(_refused_host(uri) if "host header" in answer.text.lower() else _no_right(uri, experiment))
    if answer.status_code >= 300:
        raise TrackingError(f"the MLflow server at {uri} does not work: HTTP {answer.status_code}: {answer.text[:200]}")
    try:
        store.mark_writable(experiment, "sdpa_exp.checked", "yes")
    except TrackingError as error:
        if "PERMISSION_DENIED" in str(error) or "Permission denied" in str(error):
            raise TrackingError(_no_right(uri, experiment)) from error
        raise


def _get(location: Location, path: str, timeout_s: float) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        return http_request(get_default_host_creds(location.uri), path, "GET", timeout=timeout_s, raise_on_status=False)
    except MlflowException as error:
        raise TrackingError(_unreachable(location, str(error), timeout_s)) from error


def _unreachable(location: Location, error: str, timeout_s: float) -> str:
    """In one sentence, with the system's own word for the cause where requests' long text has one."""
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return (
            f"the certificate of the MLflow server at {location.uri} isn't trusted here: set "
            f"MLFLOW_TRACKING_SERVER_CERT_PATH to the file of the authority that signed it."
        )
    is_late = "timed out" in error.lower() or "timeout" in error.lower()
    word = _SYSTEM_ERROR.search(error)
    if "Connection aborted" in error:
        cause = "it closed the connection, as a server does that is still starting"
    else:
        cause = word.group(1) if word else redact(error, location.password)
    what = f"did not answer within {timeout_s:g} s" if is_late else f"can't be reached ({cause})"
    return (
        f"the MLflow server at {location.uri} {what}: start it, check tracking.uri (or MLFLOW_TRACKING_URI), or use "
        f"tracking=local."
    )


def _wrong_password(uri: str) -> str:
    from mlflow.utils.credentials import get_default_host_creds

    given = get_default_host_creds(uri)  # as MLflow finds them: variables, then ~/.mlflow/credentials
    if given.username and given.password:
        return (
            f"the MLflow server at {uri} refuses the user or password: correct MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD in the environment (or ~/.mlflow/credentials)."
        )
    if given.token:
        return f"the MLflow server at {uri} refuses the token: correct MLFLOW_TRACKING_TOKEN in the environment."
    return (
        f"the MLflow server at {uri} wants a user and password: set MLFLOW_TRACKING_USERNAME and "
        f"MLFLOW_TRACKING_PASSWORD in the environment."
    )


def _refused_host(uri: str) -> str:
    return (
        f"the MLflow server at {uri} refuses this host name (its host header check): use a name it allows, or start it "
        f"with --allowed-hosts naming this one (docker/: MLFLOW_ALLOWED_HOSTS in docker/.env)."
    )


def _no_right(uri: str, experiment: str) -> str:
    return (
        f"this user may not write to the experiment {experiment!r} at {uri}: ask its owner for the EDIT permission, or "
        f"choose another experiment with name=NAME."
    )


def _installed_revisions() -> tuple[set[str], set[str]]:
    """Schema revisions that the installed MLflow knows, and the newest; empty if they are kept elsewhere by now."""
    spec = importlib.util.find_spec("mlflow")
    if spec is None or spec.origin is None:
        raise TrackingError("mlflow is not installed: pip install 'mlflow>=3.17', or use tracking=none.")
    texts = [
        path.read_text(encoding="utf-8")
        for path in (Path(spec.origin).parent / "store" / "db_migrations" / "versions").glob("*.py")
    ]
    known = {revision for text in texts for revision in _REVISION.findall(text)}
    return known, known - {revision for text in texts for revision in _DOWN_REVISION.findall(text)}
