"""The command: turns errors into sentences and exit codes, and nothing else."""

import os
import sys


def main() -> None:
    """Run the command line."""
    from tillbridge.memory import begin_start

    begin_start()
    # pydantic would look through every installed package for plugins, and would show them all that
    # it checks: the configuration with its secrets, and what the vendors say.
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    from tillbridge.cli.app import app
    from tillbridge.errors import ConfigError, TillbridgeError

    try:
        app()
    except TillbridgeError as error:
        problems = error.problems if isinstance(error, ConfigError) else ()
        _say(str(error), *(f"  {problem}" for problem in problems))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("Interrupted; nothing is lost, and the next run goes on from here.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # the last line of defence: a sentence, not a trace
        _report_bug(error)
        sys.exit(1)


def _say(*lines: str) -> None:
    from tillbridge.log import redact  # loads structlog, which --help has no use for

    for line in lines:
        print(redact(line), file=sys.stderr)


def _report_bug(error: Exception) -> None:
    import traceback

    # The first line only: a database's error goes on for pages.
    what = f"{type(error).__name__}: {error}".splitlines()[0]
    _say(
        f"Something went wrong that should not: {what}. Nothing is lost; please report it "
        "with the output of the same command run with TILLBRIDGE_LOG_LEVEL=debug."
    )
    if os.environ.get("TILLBRIDGE_LOG_LEVEL", "").lower() == "debug":
        _say("".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main()
