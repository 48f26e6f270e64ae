"""Where the MLflow store is: its address without credentials, and the credentials apart from it.

No part of this package writes the credentials anywhere but into MLflow's own environment variables of this process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from sdpa_exp.config.credentials import redact
from sdpa_exp.errors import TrackingError

SQLITE = "sqlite:///"
LOCAL_UI = "http://127.0.0.1:5000"  # where `mlflow ui` serves a local store by default, once it is started


@dataclass(frozen=True, kw_only=True)
class Location:
    """An MLflow store.

    Attributes:
        uri: without credentials; absolute for sqlite. This is how the store is named in files and messages.
        user, password: from the address, else None: MLflow then reads its own variables and credentials file.
        database: the sqlite file, or None for a server.
        page_uri: where people open it, if that is another address.
    """

    uri: str
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    database: Path | None = None
    page_uri: str | None = None

    @property
    def is_server(self) -> bool:
        """Whether the store is behind HTTP."""
        return self.database is None

    @property
    def ui(self) -> str:
        """The start of all pages; of a local store, only while its UI runs."""
        return (self.page_uri or "").rstrip("/") or (self.uri if self.is_server else LOCAL_UI)

    def run_page(self, experiment_id: str, run_id: str) -> str:
        """The page of one run."""
        return f"{self.ui}/#/experiments/{experiment_id}/runs/{run_id}"

    @property
    def artifact_root(self) -> Path | None:
        """Where artifacts of a local store lie: beside its database."""
        return None if self.database is None else self.database.parent / "mlartifacts"


def sqlite_uri(database: Path) -> str:
    """The address of an absolute path, as MLflow takes it.

    SQLAlchemy 2.1 wants % and ? quoted. MLflow makes the folder of an address without unquoting it, but not where the
    address names the driver.
    """
    path = database.as_posix()
    quoted = path.replace("%", "%25").replace("?", "%3F")
    return f"{SQLITE}{path}" if quoted == path else f"sqlite+pysqlite:///{quoted}"


def locate(uri: str | None, *, environment: Mapping[str, str], cwd: Path) -> Location:
    """Read a store's address.

    Args:
        uri: `sqlite:///FILE` (relative to `cwd`), `http://HOST:PORT`, `https://...`; None takes MLFLOW_TRACKING_URI.
        environment: the variables of this process.
        cwd: the folder the command was started in.

    Raises:
        TrackingError: no address, or one of another kind.
    """
    uri = uri or environment.get("MLFLOW_TRACKING_URI")
    if not uri:
        raise TrackingError(
            "the address of the MLflow store is missing: set tracking.uri=http://HOST:PORT or the environment variable "
            "MLFLOW_TRACKING_URI, or use tracking=local."
        )
    if uri.startswith(SQLITE):
        name = uri.removeprefix(SQLITE)
        if not name or name.startswith((":memory:", "?")):
            raise TrackingError(
                f"tracking.uri={uri} names no file: expected sqlite:///FILE, such as sqlite:///multirun/mlflow.db."
            )
        database = (cwd / name).resolve()
        return Location(uri=sqlite_uri(database), database=database)
    parts = urlsplit(uri)
    if "@" in parts.path:
        raise TrackingError(
            "the address of the MLflow store has an @ behind its host, as a password with a slash in it would give: "
            "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and an address without them."
        )
    if parts.scheme in ("http", "https") and parts.hostname:
        address = parts.netloc.rpartition("@")[2]
        return Location(
            uri=urlunsplit((parts.scheme, address, parts.path.rstrip("/"), "", "")),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )
    raise TrackingError(
        f"tracking.uri={redact(uri)} is no store we can use: expected sqlite:///FILE, or http(s)://HOST:PORT of an "
        f"MLflow server, which is also the way to a PostgreSQL or MySQL database."
    )
