"""All pictures of an evaluation, each with its caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from speakergmm.evaluation.plots import (
    breakdown_figure,
    component_figure,
    cost_figure,
    det_figure,
    entropy_figure,
    evidence_figure,
    figure_svg,
    histogram_figure,
    likelihood_figure,
    reliability_figure,
    save_figure,
    tippett_figure,
    zoo_figure,
)
from speakergmm.evaluation.trial_words import SPEAKERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from speakergmm.evaluation.analysis import Analysis
    from speakergmm.evaluation.trial_words import TrialWords
    from speakergmm.verification.explanation_values import Explanation

SUFFIXES = ("svg", "png")


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, what it is called in files, how to read it, and of which column it is."""

    name: str
    caption: str
    figure: Figure
    column: str = ""

    @property
    def svg(self) -> str:
        """The figure as SVG that can stand in a page beside others."""
        # Sections of a page have names of the same kind.
        return figure_svg(self.figure, f"picture-{self.name}", label=self.caption)


def det_picture(analyses: Mapping[str, Analysis], *, words: TrialWords = SPEAKERS) -> Picture:
    """Draw the detection error trade-off of several lists, with the band of the last."""
    last = list(analyses)[-1]
    band, thresholds = analyses[last].evaluation.band, analyses[last].evaluation.thresholds
    return Picture(
        "det",
        "Detection error trade-off. Each point is a threshold: fewer misses cost more false "
        "alarms. Thick: convex hull; thin: the thresholds themselves; dot: equal error rate. Lower "
        "left is better."
        + (f" Shaded: where the hull of {last} lies with 95 % confidence." if band else ""),
        det_figure(
            {name: analysis.scores for name, analysis in analyses.items()},
            bands={last: band} if band else None,
            points={last: thresholds},
            words=words,
        ),
    )


def score_pictures(analysis: Analysis, *, words: TrialWords = SPEAKERS) -> list[Picture]:
    """Draw what the scores of a list look like, and what its ratios are worth."""
    scores = analysis.scores
    has_llr = scores.llr is not None
    what = "log-likelihood ratios" if has_llr else "scores"
    threshold = None if has_llr else analysis.evaluation.thresholds["eer"].score
    pictures = [
        Picture(
            "histogram",
            f"Histogram of the {what}. The less the two kinds of trials overlap, the fewer errors "
            "there are.",
            histogram_figure(scores, threshold, words=words),
        ),
        Picture(
            "tippett",
            f"Tippett plot: the share of trials whose {what[:-1]} is at least so much. "
            f"{_begin(words.trials[0])} that stay low and {words.trials[1]} that reach high "
            "are misleading evidence.",
            tippett_figure(scores, words=words),
        ),
        Picture(
            "cost",
            "Detection cost over the effective prior. "
            + ("Solid: at the threshold that the ratios imply; dashed: " if has_llr else "")
            + "at the best threshold. 1 is no better than deciding without listening.",
            cost_figure(scores),
        ),
    ]
    if has_llr:
        pictures += [
            Picture(
                "reliability",
                "What the log-likelihood ratios were worth, against what they said. On the line "
                "they mean what they say; flatter than the line they claim too much.",
                reliability_figure(scores, words=words),
            ),
            Picture(
                "entropy",
                "Empirical cross-entropy: the bits that are still missing to know "
                f"{words.unknown}, over the prior odds. Above the neutral curve the ratios do "
                "harm; the distance to the lowest curve is what calibration loses.",
                entropy_figure(scores),
            ),
        ]
    return pictures


def part_pictures(analysis: Analysis) -> list[Picture]:
    """Draw the equal error rate of the parts of a list, column by column."""
    return [
        Picture(
            f"by-{_plain(part.column)}",
            f"Equal error rate by {part.column}, with 95 % intervals.",
            breakdown_figure(part),
            part.column,
        )
        for part in analysis.breakdowns
        if any(p.metrics for p in part.parts)
    ]


def speaker_picture(analysis: Analysis) -> Picture | None:
    """Draw each speaker: how well recognized, and how easily imitated."""
    if not analysis.speakers:
        return None
    return Picture(
        "speakers",
        "Each speaker: how the own trials score on average (higher is better), and how strangers "
        "do against the speaker's model (further left is better). Goats are rejected, lambs "
        "imitated, wolves taken for others more often than chance explains.",
        zoo_figure(analysis.speakers, analysis.evaluation.thresholds["eer"].score),
    )


def training_picture(
    likelihoods: Mapping[str, Sequence[float]], *, words: TrialWords = SPEAKERS
) -> Picture | None:
    """Draw how the likelihood of what was trained on background speech grew."""
    curves = {name: curve for name, curve in likelihoods.items() if len(curve) > 1}
    if not curves:
        return None
    return Picture(
        "training",
        f"{words.training}, by iteration of EM. It never falls; where it is still steep at the "
        "end, more iterations would pay.",
        likelihood_figure(curves),
    )


def pictures_of(
    analyses: Mapping[str, Analysis],
    likelihoods: Mapping[str, Sequence[float]] | None = None,
    *,
    words: TrialWords = SPEAKERS,
) -> list[Picture]:
    """Draw every picture: of the last list, whose result it is, and the trade-off of all."""
    last = list(analyses.values())[-1]
    single = [speaker_picture(last), training_picture(likelihoods or {}, words=words)]
    return [
        det_picture(analyses, words=words),
        *score_pictures(last, words=words),
        *part_pictures(last),
        *(picture for picture in single if picture is not None),
    ]


def explanation_pictures(explanation: Explanation) -> list[Picture]:
    """Draw what speaks for and against a speaker: over time, and by components where known."""
    pictures = [
        Picture(
            "evidence",
            "The recording, and what it says. Evidence above 0 (blue) speaks for the speaker, "
            f"below (orange) against, smoothed over {explanation.smooth_s:g} s; numbers are those "
            "of the largest stretches in the table. Last, what the answer would be without each "
            "piece: a bar down is a piece that holds it up; black, the decision would be the "
            "other.",
            evidence_figure(explanation),
        )
    ]
    if explanation.components:
        pictures.append(
            Picture(
                "components",
                "What each component of the models, a kind of sound, adds to the answer. Where "
                "there are spectra: where the speaker's lies apart from that of all speakers, the "
                "component can tell them apart.",
                component_figure(explanation),
            )
        )
    return pictures


def save_pictures(pictures: Sequence[Picture], folder: Path) -> list[Path]:
    """Write pictures as SVG and PNG.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    written = []
    for picture in pictures:
        for suffix in SUFFIXES:
            path = folder / f"{picture.name}.{suffix}"
            save_figure(picture.figure, path)
            written.append(path)
    return written


def _begin(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-") or "column"
