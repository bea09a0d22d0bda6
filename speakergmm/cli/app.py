"""The `speakergmm` command: its groups, and how it ends."""

from __future__ import annotations

import gc
import os
import shlex
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from speakergmm._version import __version__
from speakergmm.cli.lazy import LazyGroup
from speakergmm.errors import SpeakerGMMError
from speakergmm.names import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_FAILED, EXIT_REJECTED, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 1, 3, 130, 141

# Commands that keep what they have finished.
RESUMABLE = (("corpus", "download"), ("demo",), ("features", "extract"), ("recipe",), ("ubm",))

# Commands, each in a module of the same name, in the order of the work.
COMMANDS = (
    "demo", "corpus", "recipe", "audio", "features", "ubm", "enroll", "verify", "identify",
    "speakers", "cohort", "score", "calibrate", "evaluate", "compare", "model",
)  # fmt: skip


@click.group(
    cls=LazyGroup,
    places={name: (name, name) for name in COMMANDS},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 96},
)
@click.version_option(__version__, prog_name="speakergmm")
def app() -> None:
    """Tell speakers apart with Gaussian mixture models.

    \b
    See it work (under a minute, no data needed):
      speakergmm demo
    Your own recordings, listed in utterances.csv (utterance_id,speaker_id,path):
      speakergmm ubm train utterances.csv --output ubm.safetensors
      speakergmm calibrate recordings/ --ubm ubm.safetensors
    From then on, with the system.safetensors that this leaves:
      speakergmm enroll alice alice1.wav alice2.wav
      speakergmm verify alice unknown.wav
      speakergmm identify unknown.wav

    Every command explains itself: speakergmm COMMAND --help. Exit status: 0 done (verify:
    accepted; identify: somebody), 1 refused or failed, 2 wrong usage, 3 rejected, or none of them.
    """


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, turn every foreseen failure into one clear line, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A file name or symbol that the terminal's encoding lacks must not end the program.
            stream.reconfigure(errors="replace")
    status = _run(args)
    # What is left needs no last look for cycles, which takes a seventh of a second after numba.
    gc.freeze()
    sys.exit(status)


def _clean_up_when_asked_to_end() -> None:
    """Take a polite request to end, and a terminal that is closed, as Ctrl-C is taken.

    Under ``nohup`` the latter is ignored, and stays so.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def _run(args: Sequence[str] | None) -> int:
    complaint, status = "", EXIT_FAILED
    words = sys.argv[1:] if args is None else args
    if args is None:
        _clean_up_when_asked_to_end()
    try:
        typed = shlex.join(["speakergmm", *words])
        result = app.main(args=words, prog_name="speakergmm", standalone_mode=False, obj=typed)
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        resumes = any(tuple(words[: len(known)]) == known for known in RESUMABLE)
        advice = "run the same command to continue" if resumes else "run the same command again"
        complaint = f"interrupted; {advice}"
        status = EXIT_INTERRUPTED
    except SpeakerGMMError as error:
        complaint = f"error: {error}"
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `speakergmm ... | head`; closing standard
        # output here keeps the interpreter from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = EXIT_BROKEN_PIPE
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        complaint = f"error: {place}{error.strerror or error}"
    except UnicodeError as error:
        complaint = f"error: a name cannot be written in this terminal's encoding ({error})"
    except MemoryError:
        complaint = "error: out of memory; use fewer components or fewer workers (--jobs 1)"
    if complaint:
        # What a file is called, or says, must not command the terminal.
        click.echo("\n".join(map(visible, complaint.split("\n"))), err=True)
    return status
