"""What MLflow's own login lets through and this server doesn't: asked before every request.

Beside it: with a bucket MLflow tells clients to fetch and send files there themselves, with signed addresses. A lab's
clients need not reach the bucket, so that this server says that it can't; the proxy refuses those addresses.
"""

from __future__ import annotations

import json

from flask import Response, make_response, request
from mlflow.exceptions import MlflowException
from mlflow.protos.service_pb2 import CreateExperiment
from mlflow.server import auth, server_info_api
from mlflow.server.handlers import _get_request_message
from mlflow.utils.server_info import (
    SERVER_INFO_MULTIPART_DOWNLOADS_ENABLED,
    SERVER_INFO_MULTIPART_UPLOADS_ENABLED,
)
from werkzeug.datastructures import Authorization

_info = server_info_api.build_server_info_payload
server_info_api.build_server_info_payload = lambda: (
    _info() | {SERVER_INFO_MULTIPART_DOWNLOADS_ENABLED: False, SERVER_INFO_MULTIPART_UPLOADS_ENABLED: False}
)


def authenticate() -> Authorization | Response:
    """MLflow's basic auth; no tokens, no user who was removed, and no place for artifacts but the server's own."""
    given = request.authorization
    if given is not None and given.type != "basic":  # MLflow answers HTTP 500
        return _refuse(401, "UNAUTHENTICATED", "this server takes a user and a password, and no token")
    result = auth.authenticate_request_basic_auth()
    if isinstance(result, Response):
        return result
    if not auth.store.has_user(result.username):  # remembered for a minute, and then MLflow answers HTTP 404
        return auth.make_basic_auth_response()
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
