"""What MLflow's own login lets through and this server doesn't: asked before every request."""

from __future__ import annotations

import json

from flask import Response, make_response, request
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import CreateExperiment
from mlflow.server.auth import authenticate_request_basic_auth
from mlflow.server.handlers import _get_request_message
from werkzeug.datastructures import Authorization


def authenticate() -> Authorization | Response:
    """MLflow's basic auth, and then: no tokens, and no place for artifacts but the server's own."""
    given = request.authorization
    if given is not None and given.type != "basic":  # MLflow answers HTTP 500
        return _refuse(401, "UNAUTHENTICATED", "this server takes a user and a password, and no token")
    result = authenticate_request_basic_auth()
    if isinstance(result, Response):
        return result
    if request.method == "POST" and request.path.endswith("/mlflow/experiments/create"):
        try:
            message = _get_request_message(CreateExperiment())  # as the handler reads it, in all its spellings
        except MlflowException:
            return result  # the handler says what is wrong with it
        if message.artifact_location:
            # Whoever chooses it reads, and overwrites, what the server can: other runs' files, its own environment.
            return _refuse(
                403,
                "PERMISSION_DENIED",
                "artifact_location can't be chosen on this server: leave it out, and files go through it",
            )
    return result


def _refuse(status: int, code: str, message: str) -> Response:
    response = make_response(json.dumps({"error_code": code, "message": message}), status)
    response.headers["Content-Type"] = "application/json"
    return response
