"""The options by which commands of everyday use name a system and a store, and what they load."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from speakergmm.cli.output_file import OutputFile
from speakergmm.cli.scoring_options import calibration_option, cohort_option, relevance_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from speakergmm.verification import Verifier

Command = TypeVar("Command", bound="Callable[..., Any]")

DEFAULT_SYSTEM = Path("system.safetensors")

store_option = click.option(
    "--store",
    default="speakers.db",
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of enrolled speakers.",
)
threshold_option = click.option(
    "--threshold",
    type=float,
    help="Accept from this log-likelihood ratio on (score, without calibration).  [default: the "
    "system's]",
)
_system_option = click.option(
    "--system",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"System file, from `calibrate`, a recipe or `demo`.  [default: {DEFAULT_SYSTEM}]",
)
_ubm_option = click.option(
    "--ubm",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Background model, instead of a system; then with --calibration and --cohort, if wanted.",
)
list_option = click.option(
    "--list",
    "listed",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Work off this CSV file instead.",
)
output_option = click.option(
    "--output",
    type=OutputFile(),
    help="Of --list: CSV file to write, a line for each of its own.",
)


def system_options(command: Command) -> Command:
    """Add the options that name a system and a store, as one value, ``verifier``."""
    for option in (
        relevance_option,
        cohort_option,
        calibration_option,
        _ubm_option,
        store_option,
        _system_option,
    ):
        command = option(command)
    return command


def load_verifier(
    system: Path | None,
    store: Path,
    ubm: Path | None,
    calibration: Path | None,
    cohort: Path | None,
    relevance_factor: float | None,
) -> Verifier:
    """Load what the options name."""
    parts = {
        "--calibration": calibration,
        "--cohort": cohort,
        "--relevance-factor": relevance_factor,
    }
    given = [name for name, value in parts.items() if value is not None]
    if ubm is not None and system is not None:
        raise click.UsageError("--system holds a background model; give --system or --ubm.")
    if ubm is None and given:
        raise click.UsageError(
            f"{', '.join(given)}: a system file has its own; give it alone, or --ubm with these."
        )
    with _without_collection():
        from speakergmm.verification.verifier import Verifier

    if ubm is not None:
        from speakergmm.tensor_files import kind_of

        if kind_of(ubm) == "speakergmm-system":
            raise click.UsageError(f"{ubm} is a system, not a background model; give --system.")
    if ubm is None:
        chosen = system or DEFAULT_SYSTEM
        if system is None and not chosen.is_file():
            raise click.UsageError(
                f"no system: there is no {DEFAULT_SYSTEM} here. Name one with --system, make one "
                "with `speakergmm calibrate recordings/ --ubm ubm.safetensors`, or try that of "
                "`speakergmm demo`."
            )
        return Verifier.load(chosen, store)
    from speakergmm.cli.scoring_options import enrollment_config

    settings = None if relevance_factor is None else enrollment_config(relevance_factor)
    return Verifier.load(ubm, store, enrollment=settings, calibration=calibration, cohort=cohort)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Look for no cycles meanwhile: an import makes many objects and drops hardly any."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def named_files(
    system: Path | None,
    store: Path,
    ubm: Path | None,
    calibration: Path | None,
    cohort: Path | None,
) -> list[Path | None]:
    """Give the files that the options name, none of which an output may replace."""
    return [system or DEFAULT_SYSTEM, store, ubm, calibration, cohort]


def check_one_or_list(given: bool, listed: Path | None, output: Path | None, what: str) -> None:
    """Refuse both a single item and a list, or neither."""
    if given and listed is not None:
        raise click.UsageError(f"give {what}, or --list, not both.")
    if not given and listed is None:
        raise click.UsageError(f"give {what}, or a list of them with --list.")
    if output is not None and listed is None:
        raise click.UsageError("--output is for --list.")
