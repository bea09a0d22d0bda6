"""Reports and comparisons to be looked at, with names that spoil pages."""

from __future__ import annotations

import dataclasses

import numpy as np

from speakergmm.corpora import Column, Scores, all_against_all
from speakergmm.evaluation import CostModel, EvaluationConfig
from speakergmm.evaluation.analysis import analyze
from speakergmm.evaluation.comparison import compare_scores
from speakergmm.evaluation.report import ComparisonContents, ReportContents

FEW = EvaluationConfig(n_resamples=20)
HOSTILE = "<script>alert(1)</script>"
LONG = "long" * 50
# Of one speaker each; what a page makes of them is what is tested.
NAMES = (HOSTILE, LONG, "Пётр Ильич", "山田太郎", "أحمد", "a & b \"c\" 'd'", "__init__", "$x$")
LANGUAGES = ("Ελληνικά", "日本語", "<b>bold</b>", "a language with a name of " + "very " * 20)


def make_scores(n_speakers=8, *, calibrated=True, columns=False, distance=1.5, seed=1):
    """Score every speaker against three tests of each, the first speakers by those names."""
    names = [NAMES[i] if i < len(NAMES) else f"speaker {i}" for i in range(n_speakers)]
    trials = all_against_all(
        {name: name for name in names},
        {f"{name}/{k}": name for name in names for k in range(3)},
    )
    rng = np.random.default_rng(seed)
    model, test = trials.model_index, trials.test_index
    score = rng.normal(size=len(trials)) + distance * trials.is_target
    if columns:
        seconds = tuple(f"{second / 4}" for second in range(1, 41))
        given = {
            "language": Column(LANGUAGES, np.arange(len(trials), dtype=np.int32) % len(LANGUAGES)),
            # The longest name of a column that recipes make.
            "seconds of speech in the enrollment": Column(
                seconds, rng.integers(40, size=len(trials)).astype(np.int32)
            ),
            "sex": Column(
                ("female", "different sexes"), (model % 2 != test // 3 % 2).astype(np.int32)
            ),
            f"a & {HOSTILE}": Column(("only",), np.zeros(len(trials), dtype=np.int32)),
        }
        trials = dataclasses.replace(trials, columns=given)
    return Scores(trials, score, distance * (score - distance / 2) if calibrated else None)


def make_analysis(config=FEW, **options):
    """Look closely at such scores."""
    return analyze(make_scores(**options), config, rng=0)


def make_plain_report(config=FEW, **options):
    """Give what the command ``evaluate`` reports of scores."""
    analysis = make_analysis(config, **options)
    return ReportContents(
        title="Evaluation of scores.csv",
        analyses={"scores": analysis},
        cost=config.cost,
        data=[{"scores": "scores.csv", "speakers": analysis.evaluation.n_speakers}],
        provenance={"command": "speakergmm evaluate scores.csv", "seed": 0},
    )


def _recordings_of(identity):
    return f"{identity}/{LONG}.flac", "a b.wav from 1 s to 2.5 s"


def make_full_report():
    """Give a report with all of its sections."""
    result = make_analysis(columns=True, n_speakers=12)
    development = make_analysis(n_speakers=9, seed=2)
    result = analyze(
        result.scores, FEW, rng=0, model_files=_recordings_of, test_files=_recordings_of
    )
    splits = {"development": development.evaluation, "evaluation": result.evaluation}
    worse = make_analysis(n_speakers=12, distance=0.7, seed=3).evaluation
    return ReportContents(
        title=f"All there is {HOSTILE}",
        analyses={"development": development, "evaluation": result},
        cost=CostModel(0.05),
        data=[
            {"split": split, "speakers": found.n_speakers, "hours": 0.25}
            for split, found in splits.items()
        ],
        provenance={
            "command": f"speakergmm recipe run recipes/x --corpus {LONG} --output out",
            "versions": {"speakergmm": "0", HOSTILE: LONG},
        },
        settings={
            "front_end": {"n_mfcc": 20, "vad": "energy"},
            "scoring": {"scorer": "exact", "top_c": 5},
            "score_normalization": {"method": "s", "cohort": LONG},
        },
        seconds={"features": 1.25, "ubm": 100.0},
        calibration={
            "scale": 2.5,
            "offset": -1.0,
            "fitted_on": "development",
            "warnings": ["calibrated on 9 speakers"],
        },
        conditions={
            "clean": splits,
            "noise:5+telephone+opus:6@enrollment+test": splits | {"evaluation": worse},
        },
        probe=worse,
        likelihoods={"women": (-60.0, -55.0, -54.5), "men": (-61.0, -56.0, -55.0)},
    )


def make_comparison(n=3, config=FEW):
    """Give a comparison of systems on the same trials, the later the worse."""
    names = ("out/baseline", HOSTILE, f"runs/{LONG}", "日本")[:n]
    systems = {
        name: make_scores(n_speakers=9, distance=2 - i / 2, seed=4) for i, name in enumerate(names)
    }
    analyses = {name: analyze(scores, config, rng=0) for name, scores in systems.items()}
    return ComparisonContents(
        analyses, compare_scores(systems, config, rng=0), {"command": "speakergmm compare"}
    )
