"""Which variables are secrets, and that settings and texts are rid of them."""

from __future__ import annotations

import pytest

from sdpa_exp.config.credentials import is_secret, redact, refuse_credentials, without_credentials
from sdpa_exp.errors import ConfigError


@pytest.mark.parametrize(
    "name",
    ["AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "ROBOFLOW_API_KEY", "HF_TOKEN", "wandb_api_key",
     "MLFLOW_TRACKING_USERNAME", "GOOGLE_APPLICATION_CREDENTIALS", "MLFLOW_FLASK_SERVER_SECRET_KEY"],
)  # fmt: skip
def test_a_variable_with_a_telling_name_is_a_secret(name: str) -> None:
    assert is_secret(name)
    assert without_credentials({name: "x", "PATH": "/bin"}) == {"PATH": "/bin"}


@pytest.mark.parametrize("name", ["PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "MLFLOW_TRACKING_URI", "SSH_ASKPASS"])
def test_other_variables_stay(name: str) -> None:
    assert not is_secret(name)


def test_a_secret_of_the_environment_is_taken_out_of_texts_and_refused_in_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROBOFLOW_API_KEY", "k3y-of-mine-and-long")
    monkeypatch.setenv("OTHER_TOKEN", "short")  # a word like any other
    assert redact("GET /?key=k3y-of-mine-and-long, short") == "GET /?key=***, short"
    with pytest.raises(ConfigError, match=r"^dataset\.path holds the value of a secret variable") as caught:
        refuse_credentials({"seed": 0, "dataset": {"path": "x/k3y-of-mine-and-long/y"}})
    assert "k3y" not in str(caught.value)
    refuse_credentials({"name": "short", "dataset": {"path": "k3y-of-mine-and-longer"}})
