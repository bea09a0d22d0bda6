"""The stage that turns an experiment's scores into numbers, pictures and the report."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speakergmm.corpora import Column, Scores, read_scores
from speakergmm.corpora.tables import format_table
from speakergmm.evaluation import Evaluation, evaluate_scores
from speakergmm.evaluation.analysis import Analysis, analyze
from speakergmm.evaluation.gallery import det_picture, save_pictures
from speakergmm.evaluation.report import ReportContents, write_report
from speakergmm.evaluation.trial_words import SEXES, trial_words
from speakergmm.files import write_json, write_text
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import steps
from speakergmm.recipes.calibration_stage import CALIBRATION_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from speakergmm.corpora import Pools, Protocol, Utterances
    from speakergmm.progress import Progress
    from speakergmm.recipes.pipeline import Pipeline

METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
PROVENANCE_FILE = "provenance.json"
BREAKDOWN_FILE = "breakdown.json"
CONDITIONS_FILES = ("conditions.json", "conditions.csv")
DET_FILES = ("det.svg", "det.png")
OUTPUTS = (
    METRICS_FILE, REPORT_FILE, PROVENANCE_FILE, BREAKDOWN_FILE, *DET_FILES, *CONDITIONS_FILES,
)  # fmt: skip

# What was measured of each side of a trial, as a column of the breakdown; decimals of each.
SIDE_COLUMNS = {
    "test_speech": ("seconds of speech in the test", 2),
    "enrollment_speech": ("seconds of speech in the enrollment", 1),
    "test_snr": ("SNR of the test (dB)", 1),
}


def read_evaluations(folder: Path) -> dict[str, Evaluation]:
    """Read the evaluations of each split from ``metrics.json``."""
    metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    return {
        split: Evaluation.from_json(entry) for split, entry in metrics.items() if split != "seconds"
    }


def measure(pipeline: Pipeline, protocols: Mapping[str, Protocol]) -> None:
    """Compute the numbers of a pipeline that is not the experiment's own, unless current."""
    settings, seed = pipeline.recipe.settings.evaluation, pipeline.recipe.head.seed
    splits = list(protocols)
    files = [pipeline.score_file(split) for split in splits]
    digests = [pipeline.log.output_digest("calibration", file) for file in files]
    inputs = [pipeline.recipe.tables()["evaluation"], seed, splits, digests]

    def work() -> None:
        pipeline.progress.start(f"evaluation of {pipeline.name}")
        metrics = {
            split: evaluate_scores(
                _read_scores(pipeline, split),
                settings,
                rng=seed,
                progress=pipeline.progress,
            ).to_json()
            for split in protocols
        }
        seconds = pipeline.log.seconds()
        write_json(pipeline.output / METRICS_FILE, metrics | {"seconds": seconds})

    pipeline.log.run("evaluation", inputs, [METRICS_FILE], work)


def evaluate_experiment(
    own: Pipeline,
    others: Sequence[Pipeline],
    probe: Pipeline | None,
    utterances: Utterances,
    protocols: Mapping[str, Protocol],
    provenance: Callable[[], dict[str, Any]],
    identity: Sequence[Any],
    *,
    notes: Sequence[str] = (),
) -> None:
    """Compute the numbers of the experiment, and write its report, unless both are current.

    Parameters
    ----------
    others : sequence of Pipeline
        Under other conditions, already measured.
    probe : Pipeline, optional
        On the frames without speech, already measured.
    provenance : callable
        Gives what the report says about how it came about.
    identity : sequence of JSON values
        Settings and digests that the report depends on besides scores.
    notes : sequence of str
        What is to be known of the lists.
    """
    data = steps.data_table(utterances, protocols, own)
    result = own.recipe.head.evaluation
    for other in others:
        data += [
            row | {"split": f"{result} under {other.name}"}
            for row in steps.data_table(utterances, {result: protocols[result]}, other)
            if row["split"] == result
        ]
    measured = [*others, *([probe] if probe else [])]
    inputs = [
        list(identity),
        [own.log.output_digest("calibration", own.score_file(split)) for split in protocols],
        data,
        {p.name: p.log.output_digest("evaluation", METRICS_FILE) for p in measured},
        list(notes),
    ]

    def work() -> None:
        began = time.perf_counter()
        own.progress.start("evaluation")
        analyses = {
            split: _analysis(own, split, utterances, protocol, own.progress)
            for split, protocol in protocols.items()
        }
        words = trial_words(own.recipe.settings.classes)
        save_pictures([det_picture(analyses, words=words)], own.output)
        evaluations = {split: analysis.evaluation for split, analysis in analyses.items()}
        seconds = own.log.seconds() | {"evaluation": round(time.perf_counter() - began, 3)}
        metrics = {split: value.to_json() for split, value in evaluations.items()}
        write_json(own.output / METRICS_FILE, metrics | {"seconds": seconds})
        last = list(analyses.values())[-1]
        write_json(own.output / BREAKDOWN_FILE, last.to_json().get("breakdown", {}))
        conditions = conditions_of(own, others)
        _write_conditions(own.output, conditions)
        about = provenance()
        write_json(own.output / PROVENANCE_FILE, about)
        contents = ReportContents(
            title=own.recipe.head.title,
            analyses=analyses,
            cost=own.recipe.settings.evaluation.cost,
            data=data,
            provenance=about,
            settings=own.recipe.tables(),
            seconds=seconds,
            calibration=json.loads((own.output / CALIBRATION_FILE).read_text(encoding="utf-8")),
            conditions=conditions if others else {},
            probe=_last(read_evaluations(probe.output)) if probe else None,
            likelihoods=_likelihoods(own),
            words=words,
            notes=notes,
        )
        write_report(own.output / REPORT_FILE, contents)

    own.log.run("evaluation", inputs, list(OUTPUTS), work)


def conditions_of(own: Pipeline, others: Sequence[Pipeline]) -> dict[str, dict[str, Evaluation]]:
    """Read the evaluations under each condition, the experiment's own first."""
    return {
        str(pipeline.condition): read_evaluations(pipeline.output) for pipeline in (own, *others)
    }


def _last(evaluations: Mapping[str, Evaluation]) -> Evaluation:
    return list(evaluations.values())[-1]


def _analysis(
    pipeline: Pipeline,
    split: str,
    utterances: Utterances,
    protocol: Protocol,
    progress: Progress,
) -> Analysis:
    """Look at a split closely; only the evaluation's is broken down."""
    scores = _read_scores(pipeline, split)
    if split == pipeline.recipe.head.evaluation:
        scores = _with_columns(scores, pipeline, split, utterances, protocol)
    return analyze(
        scores,
        pipeline.recipe.settings.evaluation,
        rng=pipeline.recipe.head.seed,
        model_files=_files_of(protocol.enrollment, utterances),
        test_files=_files_of(protocol.tests, utterances),
        progress=progress,
    )


def _read_scores(pipeline: Pipeline, split: str) -> Scores:
    """Read a split's scores, which say who speaks where the target trials do not."""
    return read_scores(pipeline.output / pipeline.score_file(split))


def _with_columns(
    scores: Scores,
    pipeline: Pipeline,
    split: str,
    utterances: Utterances,
    protocol: Protocol,
) -> Scores:
    """Add what is known of each trial: sexes, seconds of speech, noise."""
    trials = scores.trials
    # The raw scores are in the order of the protocol, and so are the calibrated ones.
    listed = protocol.trials
    columns: dict[str, Column] = {}
    sexes = _sexes(protocol, utterances) if protocol.enrollment else None
    if sexes is not None:
        model, test = (
            np.array([sexes[i] for i in ids])[index]
            for ids, index in (
                (trials.model_ids, trials.model_index), (trials.test_ids, trials.test_index),
            )
        )  # fmt: skip
        columns["sex"] = _column(np.where(model == test, model, "different sexes"))
    side = pipeline.raw_scores(split).side.values
    for name, (title, decimals) in SIDE_COLUMNS.items():
        if name not in side:
            # Where classes are told apart nobody is enrolled.
            continue
        index = listed.model_index if name.startswith("enrollment") else listed.test_index
        columns[title] = _column(np.round(side[name], decimals)[index])
    return Scores(replace(trials, columns=columns), scores.score, scores.llr)


def _column(values: NDArray[Any]) -> Column:
    distinct, index = np.unique(values, return_inverse=True)
    return Column(tuple(str(value) for value in distinct.tolist()), index.astype(np.int32))


def _sexes(protocol: Protocol, utterances: Utterances) -> dict[str, str] | None:
    """Tell the sex of each model and test, where the list has it for all of them."""
    found = {
        identity: SEXES.get(utterances[pool[0]].sex.lower(), utterances[pool[0]].sex)
        for pools in (protocol.enrollment, protocol.tests)
        for identity, pool in pools.items()
    }
    return found if all(found.values()) else None


def _files_of(pools: Pools, utterances: Utterances) -> Callable[[str], tuple[str, ...]]:
    """Name the recordings of a model or a test, with the segment where it is a part of one.

    A model of a class has none to be named.
    """

    def look_up(identity: str) -> tuple[str, ...]:
        names = []
        for utterance in (utterances[u] for u in pools.get(identity, ())):
            start, end = utterance.start_s, utterance.end_s
            part = "" if start is None else f" from {start:g} s"
            part += "" if end is None else f" to {end:g} s"
            part += "" if utterance.channel is None else f" channel {utterance.channel}"
            names.append(f"{'/'.join(utterance.path.parts[-2:])}{part}")
        return tuple(dict.fromkeys(names))

    return look_up


def _likelihoods(pipeline: Pipeline) -> dict[str, tuple[float, ...]]:
    """Read how each model was trained, or each of those that one was pooled from."""
    found: dict[str, tuple[float, ...]] = {}
    # Of two classes the target comes first, as in the other pictures.
    for name, path in reversed(pipeline.models.items()):
        model = load_background_model(path)
        parts = {part.name: part.history for part in model.parts} or {name: model.history}
        found |= {part: history.mean_log_likelihood for part, history in parts.items()}
    return found


def _write_conditions(folder: Path, conditions: Mapping[str, Mapping[str, Evaluation]]) -> None:
    """Write every condition's numbers, for programs."""
    as_json, as_csv = (folder / name for name in CONDITIONS_FILES)
    entries = {
        name: {split: evaluation.to_json() for split, evaluation in evaluations.items()}
        for name, evaluations in conditions.items()
    }
    write_json(as_json, entries)
    rows = [
        [name, split, metric, estimate.value, estimate.low, estimate.high]
        for name, evaluations in conditions.items()
        for split, evaluation in evaluations.items()
        for metric, estimate in evaluation.metrics.items()
    ]
    header = ["condition", "split", "metric", "value", "low", "high"]
    write_text(as_csv, format_table(header, rows))
