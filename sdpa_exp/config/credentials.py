"""Which variables of the environment are secrets, and texts and processes without them.

What a process doesn't have, no log, traceback or kernel of somebody else's can show; what is typed or configured with
a secret in it is refused, since every file of a run would have it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from sdpa_exp.errors import ConfigError

_NAME = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY|CREDENTIALS?|CONNECTION_STRING)(_|$)"
)
_ALSO = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_BACKEND_STORE_URI")  # of the server, without a telling name
_USER_INFO = re.compile(r"(?<=://).*@")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@'\"]+@")
_MIN_LENGTH = 8  # of a secret that is looked for in texts: a shorter one is a word like any other


def is_secret(variable: str) -> bool:
    """Whether a variable of this name holds what nobody else may see."""
    return variable in _ALSO or _NAME.search(variable.upper()) is not None


def without_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that are no secrets; MLflow's addresses stay, without user and password."""
    return {
        name: _USER_INFO.sub("", value) if name.startswith("MLFLOW_") else value
        for name, value in environment.items()
        if not is_secret(name)
    }


def redact(text: str, *secrets: str | None) -> str:
    """The text without user and password of any address in it, the environment's secrets, and the given ones."""
    text = _IN_ADDRESS.sub("***@", text)
    for secret in filter(None, (*_values(), *secrets)):
        text = text.replace(secret, "***")
    return text


def refuse_credentials(settings: Mapping[str, Any], *, above: str = "") -> None:
    """Refuse settings, by key and in groups of them, that hold a secret: the files of the run would have it.

    Raises:
        ConfigError: one does; its value is not shown.
    """
    for key, value in settings.items():
        if isinstance(value, Mapping):
            refuse_credentials(value, above=f"{above}{key}.")
        elif _IN_ADDRESS.search(str(value)):
            raise _refused(f"{above}{key}", "an address with a user or password", "one without them")
        elif any(re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", str(value)) for secret in _values()):
            raise _refused(f"{above}{key}", "the value of a secret variable of the environment", "another value")


def _refused(key: str, what: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{key} holds {what}, which would end up in files and logs: expected {expected}. Keep it in the environment."
    )


def _values() -> list[str]:
    found = {value for name, value in os.environ.items() if _NAME.search(name.upper()) and len(value) >= _MIN_LENGTH}
    return sorted(found, key=len, reverse=True)
