"""Adds, lists and removes users of the server, and sets passwords, in the users' database itself.

It needs no password of an admin, only this container: also the way back in when that one is lost.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import secrets
import sys
from typing import Any

from databases import USERS_URI, connect
from mlflow.exceptions import MlflowException

_NAME = re.compile(r"[A-Za-z0-9._@-]+")


def main() -> int:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(prog="users.sh", description="Users of the tracking server.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="who has an account")
    for name, text in (("add", "a new user"), ("reset", "a new password for a user"), ("remove", "delete a user")):
        command = commands.add_parser(name, help=text)
        command.add_argument("name")
        if name == "add":
            command.add_argument("--admin", action="store_true", help="may do everything, users included")
        if name != "remove":
            command.add_argument("--password-stdin", action="store_true", help="read it; otherwise it is random")
    grant = commands.add_parser("grant", help="what a user may do with one experiment, whatever the default is")
    grant.add_argument("name")
    grant.add_argument("experiment", help="its name")
    grant.add_argument(
        "permission", choices=["READ", "EDIT", "MANAGE", "NO_PERMISSIONS", "NONE"], help="NONE: the default again"
    )
    arguments = parser.parse_args()
    store = open_store()
    known = {user.username: user for user in store.list_users()}
    if arguments.command == "list":
        for user in sorted(known.values(), key=lambda user: user.username):
            print(user.username + (" (admin)" if user.is_admin else ""))
        return 0
    if (arguments.command == "add") is (arguments.name in known):
        state = "is already there; reset gives a new password" if arguments.name in known else "is not known; see list"
        print(f"the user {arguments.name!r} {state}", file=sys.stderr)
        return 1
    if arguments.command == "grant":
        return _grant(store, arguments)
    if arguments.command == "remove":
        store.delete_user(arguments.name)
        print(f"removed {arguments.name}", file=sys.stderr)
        return 0
    return _give_password(store, arguments)


def _give_password(store: Any, arguments: argparse.Namespace) -> int:
    """Add a user, or set another password."""
    is_new = arguments.command == "add"
    if is_new and not _NAME.fullmatch(arguments.name):
        print(f"{arguments.name!r} can't be a user: expected letters, digits and . _ @ - alone", file=sys.stderr)
        return 1
    password = sys.stdin.readline().rstrip("\n") if arguments.password_stdin else secrets.token_urlsafe(18)
    try:
        if is_new:
            store.create_user(arguments.name, password, is_admin=arguments.admin)
        else:
            store.update_user(arguments.name, password=password)
    except MlflowException as error:  # such as a password that is too short
        print(error.message, file=sys.stderr)
        return 1
    if not arguments.password_stdin:
        print(f"export MLFLOW_TRACKING_USERNAME={arguments.name}\nexport MLFLOW_TRACKING_PASSWORD={password}")
    return 0


def _grant(store: Any, arguments: argparse.Namespace) -> int:
    """Set, change or take back a right of its own."""
    with connect("mlflow") as connection:
        row = connection.execute(
            "SELECT experiment_id FROM experiments WHERE name = %s", (arguments.experiment,)
        ).fetchone()
    if row is None:
        print(f"there is no experiment {arguments.experiment!r} on this server", file=sys.stderr)
        return 1
    place = (str(row[0]), arguments.name)
    with contextlib.suppress(MlflowException):  # none yet
        store.delete_experiment_permission(*place)
    if arguments.permission != "NONE":
        store.create_experiment_permission(*place, arguments.permission)
    return 0


def open_store() -> Any:
    """The users' database."""
    from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore()
    store.init_db(USERS_URI)
    return store


if __name__ == "__main__":
    sys.exit(main())
