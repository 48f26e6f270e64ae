"""The one entry point: `python -m sdpa_exp` and the `sdpa-exp` script. Help comes before anything heavy is imported."""

from __future__ import annotations

import atexit
import gc
import signal
import sys

_ONLY_PRINTS = frozenset({"--info", "-i", "--cfg", "-c", "--hydra-help", "--shell-completion", "-sc"})


def main() -> int:
    """Answer --help and --version at once; hand everything else to Hydra. Returns the exit code."""
    arguments = sys.argv[1:]
    if "-h" in arguments or "--help" in arguments:
        from sdpa_exp.errors import ConfigError
        from sdpa_exp.help import help_text

        try:
            sys.stdout.write(help_text(arguments))
        except ConfigError as error:
            sys.stderr.write(f"{error}\n")
            return error.exit_code
        return 0
    if "--version" in arguments:
        from sdpa_exp import __version__

        sys.stdout.write(f"sdpa_exp {__version__}\n")
        return 0
    if _ONLY_PRINTS & {word.partition("=")[0] for word in arguments} and hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # what reads it may close it early, as head does
    try:
        from sdpa_exp.entry import start
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sdpa_exp"):
            raise
        sys.stderr.write(
            f"{error.name} is not installed for {sys.executable}: expected sdpa_exp's environment. Use "
            f".venv/bin/python, which `make setup` makes, or pip install -e .\n"
        )
        return 1
    atexit.register(gc.freeze)  # else the interpreter looks for cycles in all of MLflow before it ends, for 3 s
    return start()


if __name__ == "__main__":
    sys.exit(main())
