"""Options for what errors cost and how intervals are made, and the settings they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from speakergmm.evaluation import EvaluationConfig

Command = TypeVar("Command", bound="Callable[..., Any]")

_OPTIONS = (
    click.option("--p-target", type=float, help="Prior of the cost model.  [default: 0.01]"),
    click.option("--c-miss", type=float, help="Cost of a miss.  [default: 1]"),
    click.option("--c-fa", type=float, help="Cost of a false alarm.  [default: 1]"),
    click.option(
        "--point",
        metavar="NAME",
        help="Cost model of a well-known evaluation instead: sre08, sre10, voxceleb, voxsrc.",
    ),
    click.option("--resamples", type=int, help="For the intervals; 0: none.  [default: 1000]"),
    click.option(
        "--seed",
        default=0,
        show_default=True,
        type=click.IntRange(min=0),
        help="Decides which speakers are drawn for the intervals.",
    ),
)


def cost_options(command: Command) -> Command:
    """Add ``--p-target``, ``--c-miss``, ``--c-fa``, ``--point``, ``--resamples``, ``--seed``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def evaluation_config(
    p_target: float | None,
    c_miss: float | None,
    c_fa: float | None,
    point: str | None,
    resamples: int | None,
) -> EvaluationConfig:
    """Give the settings of an evaluation, where options may replace defaults."""
    from speakergmm.evaluation import EvaluationConfig, cost_point

    given: dict[str, Any] = {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa}
    given = {name: value for name, value in given.items() if value is not None}
    if point is not None:
        if given:
            raise click.UsageError("--point has a cost model of its own; give no other.")
        costs = cost_point(point)
        if len(costs) > 1:
            raise click.UsageError(
                f"{point} is the mean over several cost models, which has no threshold of its own; "
                "it is among the points of --json and of the report."
            )
        given = {name: getattr(costs[0], name) for name in ("p_target", "c_miss", "c_fa")}
    if resamples is not None:
        given["n_resamples"] = resamples
    return EvaluationConfig(**given)
