"""What it means that an MLflow server refused, failed or was not reached: the cause, and what to do about that one."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from sdpa_exp.config.credentials import redact
from sdpa_exp.tracking.location import Location

_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([^'\")]+)")
_FAILED_WITH = re.compile(r"(?:too many|failed with error code|Tunnel connection failed:) (\d{3})\b")
# MLflow 3.17, while it still remembers the login of a user who was removed.
_NO_USER = re.compile(r"User with username=.+ not found")
_MEANINGS = {
    401: "the user or password is no longer accepted: removed, or changed? What waits is sent by task=sync",
    403: "this user may not do that",
    407: "a proxy on the way wants a password",
    413: "more at once than it takes",
    429: "too many requests or failed logins from this address: wait a minute",
    500: "an error of its own, and only its own log says why",
    502: "the proxy before it doesn't reach it: it is starting, stopped or in a backup",
    503: "not ready: it is starting, stopped or in a backup, or its disk is full",
    504: "the proxy before it waited in vain for its answer",
}


def meaning_of(status: int) -> str | None:
    """What an HTTP status says about the cause, for those that a server of MLflow or a proxy before it sends."""
    meaning = _MEANINGS.get(status)
    return None if meaning is None else f"HTTP {status}: {meaning}"


def brief(what: str, message: str) -> str:
    """What was not done and why, of MLflow's own text, which is long and often names another cause."""
    found = _FAILED_WITH.search(message)
    status = 401 if _NO_USER.search(message) else int(found[1]) if found else 0
    meaning = meaning_of(status)
    if meaning is not None:
        return f"did not {what}: it answers {meaning}"
    if "timed out" in message or "timeout" in message.lower():
        return f"did not {what}: no answer in time"
    if "ProxyError" in message:
        return f"did not {what}: the proxy in HTTP_PROXY or HTTPS_PROXY can't be reached"
    if "Max retries exceeded" in message or "Connection aborted" in message:
        return f"did not {what}: it can't be reached"
    return f"did not {what}: {message}"


def is_settled(error: str) -> bool:
    """Whether a server that wasn't reached will not be later either: TLS or a password of a proxy stands between."""
    return any(word in error for word in ("SSL", "TLS", "CERTIFICATE", "407"))


def unreachable(location: Location, error: str, timeout_s: float) -> str:
    """In one sentence, with the system's own word for the cause where requests' long text has one."""
    uri = location.uri
    certificate = _certificate(uri, error)
    if certificate is not None:
        return certificate
    if "407" in error and "Tunnel" in error:
        return proxy_wants_password(uri)
    word = _SYSTEM_ERROR.search(error)
    if "ProxyError" in error:
        name, address = proxy_of(uri) or ("HTTP_PROXY", "its address")
        return (
            f"the proxy {redact(address)} ({name} in the environment) can't be reached"
            f"{f' ({word[1]})' if word else ''}, and the MLflow server at {uri} not without it: correct or unset "
            f"{name}, or add {urlsplit(uri).hostname} to NO_PROXY."
        )
    is_late = "timed out" in error.lower() or "timeout" in error.lower()
    if "Connection aborted" in error:
        cause = "it closed the connection, as a server does that is still starting"
    else:
        cause = word[1] if word else redact(error, location.password)
    what = f"did not answer within {timeout_s:g} s" if is_late else f"can't be reached ({cause})"
    return (
        f"the MLflow server at {uri} {what}: start it, check tracking.uri (or MLFLOW_TRACKING_URI), or use "
        f"tracking=local."
    )


def _certificate(uri: str, error: str) -> str | None:
    variable = "MLFLOW_TRACKING_SERVER_CERT_PATH"
    if "Could not find a suitable TLS CA certificate bundle" in error or "invalid path" in error:
        return f"{variable} names {os.environ.get(variable)}, and that file is not there: correct it."
    if "WRONG_VERSION_NUMBER" in error:
        return f"the server at {uri} speaks no TLS: set tracking.uri=http{uri.removeprefix('https')}."
    if "CERTIFICATE_VERIFY_FAILED" not in error:
        return None
    if "mismatch" in error or "doesn't match" in error or "not valid for" in error:
        return (
            f"the certificate of the MLflow server at {uri} is for other names: use one of them in tracking.uri, or "
            f"give the server a certificate for this one (docker/: MLFLOW_SERVER_NAMES in docker/.env)."
        )
    if "expired" in error:
        return f"the certificate of the MLflow server at {uri} has expired: it needs a new one."
    return (
        f"the certificate of the MLflow server at {uri} isn't trusted here: set {variable} to the file of the "
        f"authority that signed it."
    )


def proxy_of(uri: str) -> tuple[str, str] | None:
    """The variable that names a proxy for this address, and the proxy."""
    from requests.utils import should_bypass_proxies

    if should_bypass_proxies(uri, no_proxy=None):
        return None
    scheme = urlsplit(uri).scheme
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    return next(((name, os.environ[name]) for name in names if os.environ.get(name)), None)


def proxy_wants_password(uri: str) -> str:
    """HTTP 407, which no MLflow server sends."""
    name, address = proxy_of(uri) or ("HTTP_PROXY", "on the way")
    return (
        f"the proxy {redact(address)} before the MLflow server at {uri} wants a password (HTTP 407): set "
        f"{name}=http://USER:PASSWORD@HOST:PORT, or add {urlsplit(uri).hostname} to NO_PROXY."
    )


def wrong_password(uri: str) -> str:
    """HTTP 401, by what was sent."""
    from mlflow.utils.credentials import get_default_host_creds

    given = get_default_host_creds(uri)  # as MLflow finds them: variables, then ~/.mlflow/credentials
    if given.username and given.password:
        return (
            f"the MLflow server at {uri} refuses the user or password: correct MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD in the environment (or ~/.mlflow/credentials)."
        )
    if given.token:
        return token_refused(uri, 401)
    return (
        f"the MLflow server at {uri} wants a user and password: set MLFLOW_TRACKING_USERNAME and "
        f"MLFLOW_TRACKING_PASSWORD in the environment."
    )


def token_refused(uri: str, status: int) -> str:
    """MLflow's own accounts know no tokens, and MLflow 3.17 answers HTTP 500 to one."""
    return (
        f"the MLflow server at {uri} refuses the token (HTTP {status}): MLflow's own accounts take none. Unset "
        f"MLFLOW_TRACKING_TOKEN and set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; where a login proxy "
        f"does take tokens, correct it."
    )


def sends_token(uri: str) -> bool:
    """Whether requests carry a token: MLflow prefers user and password where it has both."""
    from mlflow.utils.credentials import get_default_host_creds

    given = get_default_host_creds(uri)
    return bool(given.token) and not (given.username and given.password)


def refused_host(uri: str) -> str:
    """HTTP 403 of MLflow's host header check."""
    return (
        f"the MLflow server at {uri} refuses this host name (its host header check): use a name it allows, or start it "
        f"with --allowed-hosts naming this one (docker/: MLFLOW_SERVER_NAMES in docker/.env)."
    )


def no_right(uri: str, experiment: str) -> str:
    """HTTP 403 of MLflow's permissions."""
    return (
        f"this user may not write to the experiment {experiment!r} at {uri}: ask its owner for the EDIT permission, or "
        f"choose another experiment with name=NAME."
    )
