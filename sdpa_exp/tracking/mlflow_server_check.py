"""Whether an MLflow server will take our runs, asked before anything starts."""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sdpa_exp.errors import StoreAway, TrackingError
from sdpa_exp.tracking import mlflow_answers as answers
from sdpa_exp.tracking.location import Location

if TYPE_CHECKING:
    from sdpa_exp.tracking.mlflow_store import MlflowStore

logger = logging.getLogger(__name__)

# The oldest major version whose server we accept; what we test against is the pinned client's own.
_MIN_SERVER = (3, 0)
_VERSION = "/version"
_SEARCH = "/api/2.0/mlflow/experiments/search?max_results=1"


def check_server(store: MlflowStore, location: Location, *, experiment: str, timeout_s: float) -> None:
    """Ask a server for its version, for an authenticated answer, and for leave to write.

    Raises:
        TrackingError: no MLflow, too old, wrong password, refused host header, or no right to write.
        StoreAway: unreachable, late, busy or broken for now.
    """
    uri = location.uri
    _warn_of_readable_password(location)
    version = _get(location, _VERSION, timeout_s)
    _refuse(version, location, experiment=experiment, path=_VERSION)
    numbers = re.match(r"(\d+)\.(\d+)", version.text.strip())
    if version.status_code != 200 or numbers is None:
        raise TrackingError(
            f"{uri} answers, but not as an MLflow server (GET {_VERSION}: HTTP {version.status_code}): "
            f"check host, port and path of tracking.uri."
        )
    if tuple(map(int, numbers.groups())) < _MIN_SERVER:
        raise TrackingError(
            f"the MLflow server at {uri} is too old: it runs {version.text.strip()}, expected "
            f"{'.'.join(map(str, _MIN_SERVER))} or newer. Update the server, or use tracking=local."
        )
    answer = _get(location, _SEARCH, timeout_s)
    _refuse(answer, location, experiment=experiment, path=_SEARCH)
    if answer.status_code != 200:
        raise StoreAway(f"the MLflow server at {uri} does not work: HTTP {answer.status_code}: {answer.text[:200]}")
    try:
        store.mark_writable(experiment, "sdpa_exp.checked", "yes")
    except TrackingError as error:
        if "PERMISSION_DENIED" in str(error) or "HTTP 403" in str(error):
            raise TrackingError(answers.no_right(uri, experiment)) from error
        raise


def _refuse(answer: Any, location: Location, *, experiment: str, path: str) -> None:
    """Raise the sentence for a status that has a known cause."""
    uri, status, text = location.uri, answer.status_code, answer.text
    if 300 <= status < 400:
        raise TrackingError(_redirects(uri, str(answer.headers.get("Location", "")), path))
    if status == 401:
        raise TrackingError(answers.wrong_password(uri))
    if status == 403:
        if "host header" in text.lower():
            raise TrackingError(answers.refused_host(uri))
        if path == _SEARCH:
            raise TrackingError(answers.no_right(uri, experiment))
        raise TrackingError(
            f"{uri} refuses every request (HTTP 403: {text[:200]!r}): a proxy or firewall before the server; ask "
            f"whoever runs it."
        )
    if status == 407:
        raise TrackingError(answers.proxy_wants_password(uri))
    if status >= 500 and answers.sends_token(uri):
        raise TrackingError(answers.token_refused(uri, status))
    if status == 429:
        wait = answer.headers.get("Retry-After")
        raise StoreAway(
            f"the MLflow server at {uri} takes no more requests from this address for now (HTTP 429: too many "
            f"requests, or too many wrong passwords): wait {f'{wait} s' if wait else 'a minute'}, and "
            f"correct the password if it was wrong."
        )
    if status >= 500:
        meaning = answers.meaning_of(status) or f"HTTP {status}"
        proxy = answers.proxy_of(uri)
        way = f" Or the proxy of {proxy[0]} doesn't reach it." if proxy and status > 500 else ""
        raise StoreAway(
            f"the MLflow server at {uri} does not work: {meaning} ({text.strip()[:200]}). Wait and repeat the line; "
            f"whoever runs it finds the cause in its log (docker compose logs mlflow).{way}"
        )


def _redirects(uri: str, target: str, path: str) -> str:
    """An http address of an https server, or a login page: requests that change something would get lost there."""
    to = target.removesuffix(path).rstrip("/")
    if to.startswith("https://") and target.endswith(path):
        return f"{uri} sends us on to {to}: set tracking.uri={to} (or MLFLOW_TRACKING_URI)."
    return (
        f"{uri} sends us on to {target.partition('?')[0] or 'another page'}, which is no MLflow server: a login page? "
        f"sdpa_exp can't log in there; ask for an address that takes MLflow's user and password or a token."
    )


def _warn_of_readable_password(location: Location) -> None:
    from mlflow.utils.credentials import get_default_host_creds

    host = urlsplit(location.uri).hostname or ""
    given = get_default_host_creds(location.uri)
    if not location.uri.startswith("http://") or _is_this_machine(host) or not (given.password or given.token):
        return
    logger.warning(
        "the password goes to %s over http, readable for everyone on the way: use https, or a tunnel "
        "(ssh -L 5000:127.0.0.1:5000 %s).",
        location.uri,
        host,
    )


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _get(location: Location, path: str, timeout_s: float) -> Any:
    from mlflow.exceptions import MlflowException
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    try:
        return http_request(
            get_default_host_creds(location.uri),
            path,
            "GET",
            timeout=timeout_s,
            raise_on_status=False,
            allow_redirects=False,
        )
    except MlflowException as error:
        kind = TrackingError if answers.is_settled(str(error)) else StoreAway
        raise kind(answers.unreachable(location, str(error), timeout_s)) from error
