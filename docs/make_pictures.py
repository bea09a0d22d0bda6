"""Make the pictures of `docs/concepts.md`, of synthetic voices: a concept each.

python docs/make_pictures.py [FOLDER]

Needs nothing but the package, and takes some ten seconds.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Ellipse
from PIL import Image

from speakergmm import (
    CostModel,
    FrontEnd,
    FrontEndConfig,
    TrainingConfig,
    accumulate,
    fit_calibration,
    log_likelihood_ratio,
    map_adapt,
    train_ubm,
)
from speakergmm.audio.synthetic import (
    SAMPLE_RATE,
    SyntheticConfig,
    Voice,
    draw_session,
    draw_voice,
    record,
    speak,
)
from speakergmm.corpora import Scores, all_against_all
from speakergmm.evaluation.bootstrap import bootstrap
from speakergmm.evaluation.plots import det_figure, histogram_figure, save_figure
from speakergmm.evaluation.plots.style import (
    COLORS,
    GRAY,
    SMALL,
    add_legend,
    name_axes,
    new_axes,
    new_figure,
    set_style,
)
from speakergmm.evaluation.roc import score_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from speakergmm import DiagonalGMM

    Floats = NDArray[np.float64]

PICTURES = Path(__file__).parent / "pictures"
# Lines and grays need no more, and the file is a third as large.
N_COLORS = 128
RELEVANCE_FACTOR = 16.0
# Of the way to the speaker's frames, from which on an arrow shows it.
LEAST_SHARE = 0.01


# --- what is drawn ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Experiment:
    """A small experiment on synthetic voices.

    Parameters
    ----------
    n_background, n_speakers : int
        Voices that train the background model, and voices that are told apart.
    n_tests, test_s
        Tests of each of these, and the seconds of one.
    n_resamples : int
        For the interval.
    """

    n_background: int = 16
    n_speakers: int = 24
    n_tests: int = 3
    test_s: float = 1.5
    n_resamples: int = 1000
    seed: int = 4

    @cached_property
    def front_end(self) -> FrontEnd:
        """The usual one, with fewer cepstra."""
        return FrontEnd(FrontEndConfig(n_mfcc=20))

    def _frames(
        self, voice: Voice, seconds: float, rng: np.random.Generator
    ) -> NDArray[np.float32]:
        spoken = speak(voice, seconds, rng)
        session = draw_session(SyntheticConfig(channel_db=1.0, snr_db=(20.0, 30.0)), rng)
        samples = record(spoken, session, rng)
        return self.front_end(samples, SAMPLE_RATE)

    @cached_property
    def ubm(self) -> DiagonalGMM:
        """The background model, of four seconds of each voice."""
        rng = np.random.default_rng(self.seed)
        frames = [self._frames(draw_voice(rng), 4.0, rng) for _ in range(self.n_background)]
        ubm, _ = train_ubm(
            np.concatenate(frames).astype(np.float64), 32, config=TrainingConfig(max_iterations=10)
        )
        return ubm

    @cached_property
    def _sides(self) -> tuple[dict[str, DiagonalGMM], dict[str, NDArray[np.float32]]]:
        rng = np.random.default_rng(self.seed + 1)
        models, tests = {}, {}
        for i in range(self.n_speakers):
            voice = draw_voice(rng)
            enrolled = accumulate(self.ubm, self._frames(voice, 4.0, rng))
            models[f"s{i}"] = map_adapt(self.ubm, enrolled, relevance_factor=RELEVANCE_FACTOR)
            for k in range(self.n_tests):
                tests[f"s{i}-{k}"] = self._frames(voice, self.test_s, rng)
        return models, tests

    @cached_property
    def scores(self) -> Scores:
        """Every model with every test, and the ratios of a fit to the same scores."""
        models, tests = self._sides
        trials = all_against_all(
            {name: name for name in models}, {name: name.split("-")[0] for name in tests}
        )
        score = np.array([
            log_likelihood_ratio(model, self.ubm, test)
            for model in models.values() for test in tests.values()
        ])  # fmt: skip
        scores = Scores(trials, score)
        return Scores(trials, score, fit_calibration(scores.target(), scores.nontarget())(score))

    def evidence(self, *, of_target: bool) -> Floats:
        """Give what each frame says for the first speaker (T,), of the test of median score."""
        models, tests = self._sides
        found = []
        for name, test in tests.items():
            if name.startswith("s0-") == of_target:
                frames = test.astype(np.float64)
                found.append(
                    models["s0"].log_likelihoods(frames) - self.ubm.log_likelihoods(frames)
                )
        return sorted(found, key=np.mean)[len(found) // 2]


# --- pictures -----------------------------------------------------------------------------------


def frames_figure(experiment: Experiment) -> Figure:
    """Draw a recording above its frames, with the frames of speech marked."""
    rng = np.random.default_rng(experiment.seed + 2)
    voice = draw_voice(rng)
    pause = np.zeros(SAMPLE_RATE // 3, dtype=np.float32)
    spoken = np.concatenate([pause, speak(voice, 0.7, rng), pause, speak(voice, 0.6, rng), pause])
    samples = record(spoken, draw_session(SyntheticConfig(), rng), rng)
    config = FrontEndConfig(n_mfcc=20, vad="none", c0=False)
    # Which frames hold speech, and what all of them are.
    kept = FrontEnd(FrontEndConfig()).utterance([samples], SAMPLE_RATE).kept
    frames = FrontEnd(config)(samples, SAMPLE_RATE)
    shown = (frames - frames.mean(axis=0)) / frames.std(axis=0)

    figure = new_figure(4.4)
    wave, image = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.6])
    for axes in (wave, image):
        set_style(axes, grid=False)
    seconds = np.arange(len(samples)) / SAMPLE_RATE
    wave.plot(seconds[::4], samples[::4], color=COLORS[0], linewidth=0.4)
    wave.set_yticks([])
    hop_s = config.hop_s
    for start, end in runs(kept):
        wave.axvspan(start * hop_s, end * hop_s, color=COLORS[5], alpha=0.3, linewidth=0)
        image.axvspan(start * hop_s, end * hop_s, color=COLORS[5], alpha=0.2, linewidth=0)
    image.imshow(
        shown.T, origin="lower", aspect="auto", cmap="gray_r", vmin=-2.5, vmax=2.5,
        interpolation="nearest", alpha=0.8,
        extent=(0, len(shown) * hop_s, 0.5, shown.shape[1] + 0.5),
    )  # fmt: skip
    image.set(xlim=(0, seconds[-1]))
    wave.set_title(f"samples, {SAMPLE_RATE:,} a second", fontsize=SMALL, loc="left")
    image.set_title(
        f"frames, {1 / hop_s:.0f} a second: {len(frames)} of {frames.shape[1]} numbers each; "
        f"{kept.sum()} hold speech (yellow)", fontsize=SMALL, loc="left",
    )  # fmt: skip
    name_axes(image, "seconds", "cepstral coefficient")
    return figure


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Give start and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def draw_mixture(axes: Axes, mixture: DiagonalGMM, color: str, style: str) -> None:
    """Draw each component of two features as the ellipse of two standard deviations."""
    for mean, variance in zip(mixture.means, mixture.variances, strict=True):
        width, height = 4 * np.sqrt(variance)
        axes.add_patch(
            Ellipse(
                (mean[0], mean[1]), width, height, fill=False, color=color, linestyle=style,
                linewidth=1.6,
            )
        )  # fmt: skip


def two_features() -> tuple[Floats, Floats, DiagonalGMM]:
    """Draw frames (T, 2) of many people and of one, and train a background model on the former."""
    rng = np.random.default_rng(0)
    centers = np.array([[-3.0, 0.5], [0.0, 2.5], [2.8, 0.3], [0.3, -2.2]])
    many = np.concatenate([rng.normal(c, (0.9, 0.7), (300, 2)) for c in centers])
    # Of three sounds much, little and next to nothing; of the fourth nothing.
    counts, shift = (150, 16, 3, 0), np.array([0.5, 0.8])
    one = np.concatenate(
        [rng.normal(c + shift, (0.5, 0.4), (n, 2)) for c, n in zip(centers, counts, strict=True)]
    )
    ubm, _ = train_ubm(many, 4, config=TrainingConfig(max_iterations=20), rng=1)
    return many, one, ubm


def ubm_figure(_: Experiment) -> Figure:
    """Draw the frames of many people, and the mixture that describes them."""
    many, _one, ubm = two_features()
    figure, axes = new_axes(3.4)
    axes.plot(many[:, 0], many[:, 1], ".", color="0.75", markersize=2.5)
    draw_mixture(axes, ubm, COLORS[0], "-")
    for mean, weight in zip(ubm.means, ubm.weights, strict=True):
        axes.plot(*mean, "+", color=COLORS[0], markersize=9)
        axes.annotate(
            f"{100 * weight:.0f} %", mean, (6, 6), textcoords="offset points", fontsize=SMALL,
            color=COLORS[0], fontweight="bold",
        )  # fmt: skip
    axes.set_aspect("equal")
    name_axes(axes, "feature 1", "feature 2")
    return figure


def map_figure(_: Experiment) -> Figure:
    """Draw how far each mean is moved by the frames of one speaker."""
    _many, one, ubm = two_features()
    statistics = accumulate(ubm, one)
    speaker = map_adapt(ubm, statistics, relevance_factor=RELEVANCE_FACTOR)
    figure, axes = new_axes(3.6)
    (dots,) = axes.plot(one[:, 0], one[:, 1], ".", color=COLORS[1], markersize=4, alpha=0.5)
    draw_mixture(axes, ubm, COLORS[0], "-")
    draw_mixture(axes, speaker, COLORS[1], "--")
    for start, end, n in zip(ubm.means, speaker.means, statistics.n, strict=True):
        share = n / (n + RELEVANCE_FACTOR)
        if share > LEAST_SHARE:
            axes.annotate(
                "", end, start,
                arrowprops={
                    "arrowstyle": "->", "color": "black", "lw": 1.4, "shrinkA": 0, "shrinkB": 0
                },
            )  # fmt: skip
        axes.annotate(
            f"n = {n:.0f}: {100 * share:.0f} %", start, (0, -16), textcoords="offset points",
            fontsize=SMALL, ha="center", bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
    axes.set_aspect("equal")
    name_axes(axes, "feature 1", "feature 2")
    lines = [
        axes.plot([], [], color=color, linestyle=style)[0]
        for color, style in ((COLORS[0], "-"), (COLORS[1], "--"))
    ]
    labels = ["background model", "the speaker's model", "frames of the speaker"]
    add_legend(figure, [*lines, dots], labels, columns=2)
    return figure


def score_figure(experiment: Experiment) -> Figure:
    """Draw what each frame says for a speaker, and the mean: in a true claim and a false one."""
    figure = new_figure(4.0)
    both = figure.subplots(2, 1, sharex=True, sharey=True)
    claims = ((True, "the speaker's own voice", 0), (False, "another voice", 1))
    for axes, (of_target, what, k) in zip(both, claims, strict=True):
        set_style(axes, grid=False)
        evidence = experiment.evidence(of_target=of_target)
        axes.bar(np.arange(len(evidence)), evidence, width=1.0, color=COLORS[k], alpha=0.5)
        axes.axhline(0, color=GRAY, linewidth=0.8)
        axes.axhline(evidence.mean(), color="black", linewidth=1.6, linestyle="--")
        axes.set_title(
            f"{what}: mean {evidence.mean():.2f}, which is the score", fontsize=SMALL, loc="left"
        )
        axes.set_ylabel("nats", fontsize=SMALL)
    both[1].set_xlabel("frame of speech", fontsize=SMALL)
    return figure


def scores_figure(experiment: Experiment) -> Figure:
    """Draw the scores of true and false claims, and a threshold."""
    scores = Scores(experiment.scores.trials, experiment.scores.score)
    points = score_runs(scores.target(), scores.nontarget()).points()
    equal = int(np.argmin(np.abs(points.p_miss - points.p_fa)))
    return histogram_figure(scores, float(points.threshold[equal]))


def det_picture(experiment: Experiment) -> Figure:
    """Draw the errors at every threshold."""
    return det_figure({"synthetic voices": experiment.scores})


def calibration_figure(experiment: Experiment) -> Figure:
    """Draw how scores become ratios: what was found in bins, and the line that is fitted."""
    scores = experiment.scores
    target, nontarget = scores.target(), scores.nontarget()
    # Where there are both, and little else.
    low, high = np.quantile(target, 0.02), np.quantile(nontarget, 0.99)
    edges = np.linspace(low, high, 8)
    counts = np.stack([np.histogram(side, edges)[0] for side in (target, nontarget)])
    both = (counts > 0).all(axis=0)
    densities = counts[:, both] / np.array([[len(target)], [len(nontarget)]])
    middle = ((edges[1:] + edges[:-1]) / 2)[both]
    calibration = fit_calibration(target, nontarget)
    ends = np.array([2 * low - high, 2 * high - low])
    figure, axes = new_axes(3.6)
    (dots,) = axes.plot(middle, np.log(densities[0] / densities[1]), "o", color=COLORS[2])
    (line,) = axes.plot(ends, calibration(ends), color=COLORS[0], linewidth=1.8)
    threshold = CostModel(p_target=0.05).threshold
    rule = axes.axhline(threshold, color="black", linestyle=":", linewidth=1.2)
    axes.axhline(0, color=GRAY, linewidth=0.8)
    name_axes(axes, "score", "log-likelihood ratio (nats)")
    scale, offset = float(np.squeeze(calibration.scale)), calibration.offset
    labels = [
        "found: log of the target over the nontarget density",
        f"calibration: llr = {scale:.2f} · score {'+' if offset >= 0 else '-'} {abs(offset):.2f}",
        f"threshold where one claim in 20 is true: ln 19 = {threshold:.2f}",
    ]
    add_legend(figure, [dots, line, rule], labels)
    return figure


def interval_figure(experiment: Experiment) -> Figure:
    """Draw the equal error rates of speakers drawn anew, and the interval that they give."""
    draws = bootstrap(experiment.scores, [CostModel()], experiment.n_resamples, 0)["eer"]
    low, high = draws.interval()
    figure, axes = new_axes(3.2, grid=False)
    axes.hist(100 * draws.without_bias(), bins=30, color=COLORS[4], edgecolor="white")
    span = axes.axvspan(100 * low, 100 * high, color=COLORS[5], alpha=0.25, linewidth=0, zorder=0)
    line = axes.axvline(100 * draws.observed, color="black", linewidth=1.6)
    name_axes(axes, "EER of the speakers that were drawn (%)", "resamples")
    labels = [
        f"EER of these {experiment.n_speakers} speakers: {100 * draws.observed:.1f} %",
        f"95 % interval: {100 * low:.1f} to {100 * high:.1f} %",
    ]
    add_legend(figure, [line, span], labels)
    return figure


FIGURES: dict[str, Callable[[Experiment], Figure]] = {
    "frames": frames_figure,
    "ubm": ubm_figure,
    "map": map_figure,
    "score": score_figure,
    "scores": scores_figure,
    "det": det_picture,
    "calibration": calibration_figure,
    "interval": interval_figure,
}


def main(folder: Path, experiment: Experiment = Experiment()) -> list[Path]:
    """Write all pictures into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in FIGURES.items():
        path = folder / f"concept_{name}.png"
        save_figure(figure(experiment), path)
        drawn = Image.open(path).convert("RGB")
        drawn.quantize(N_COLORS, Image.Quantize.FASTOCTREE).save(path, optimize=True)
        paths.append(path)
    return paths


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
