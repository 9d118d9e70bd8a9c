"""The command: turns errors into sentences and exit codes, and nothing else."""

import sys


def main() -> None:
    """Run the command line."""
    from tillbridge.cli.app import app
    from tillbridge.errors import ConfigError, TillbridgeError
    from tillbridge.log import redact

    try:
        app()
    except ConfigError as error:
        print(redact(str(error)), file=sys.stderr)
        for problem in error.problems:
            print(redact(f"  {problem}"), file=sys.stderr)
        sys.exit(error.exit_code)
    except TillbridgeError as error:
        print(redact(str(error)), file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("Interrupted; nothing is lost, and the next run goes on from here.", file=sys.stderr)
        sys.exit(130)
    except Exception as error:  # noqa: BLE001  # the last line of defence: a sentence, not a trace
        _report_bug(error)
        sys.exit(1)


def _report_bug(error: Exception) -> None:
    import os
    import traceback

    from tillbridge.log import redact

    # The first line only: a database's error goes on for pages.
    what = redact(f"{type(error).__name__}: {error}".splitlines()[0])
    print(
        f"Something went wrong that should not: {what}. Nothing is lost; please report it "
        "with the output of the same command run with TILLBRIDGE_LOG_LEVEL=debug.",
        file=sys.stderr,
    )
    if os.environ.get("TILLBRIDGE_LOG_LEVEL", "").lower() == "debug":
        print(redact("".join(traceback.format_exception(error))), file=sys.stderr)


if __name__ == "__main__":
    main()
