"""Measure what stopping early costs, and write the tables of `docs/method.md`.

python recipes/measure_streams.py CORPORA_FOLDER WORK_FOLDER

First where likelihood ratios are known, then with simulated speakers, then with real speech. What
was chosen by which of these figures is told there.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from page_tables import write_tables

from speakergmm import DiagonalGMM, accumulate, fit_calibration, map_adapt, train_ubm
from speakergmm.audio.noises import NoisePool
from speakergmm.corpora import read_protocol, read_utterances
from speakergmm.errors import AudioError, ScoreError
from speakergmm.recipes import Condition, Experiment, load_recipe
from speakergmm.recipes.conditions import Degrader
from speakergmm.verification import Verifier
from speakergmm.verification.expected_errors import ExpectedErrors, expected_at
from speakergmm.verification.sequential import Looks, SequentialTest
from speakergmm.verification.streaming import StreamConfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from speakergmm.verification.trial_scorer import Bank

RECIPES = Path(__file__).parent
PAGE = RECIPES.parent / "docs" / "method.md"
NAMES = {
    "speech_commands": "Speech Commands",
    "librispeech_excerpts": "LibriSpeech excerpts",
    "speech_commands_multisession": "Speech Commands, `multisession`",
    "librispeech_excerpts_multisession": "LibriSpeech excerpts, `multisession`",
}
CONFIG = StreamConfig()
ONE, TWO, SHARES = "one look (Wald)", "**two in a row**", "a share for each look"
FRAMES_PER_S, RESAMPLES = 100, 1000

# Speech Commands: words of a speaker in a row, up to so much; LibriSpeech: what follows enrollment.
MAX_STREAM_S, AFTER_ENROLLMENT_S = 10.0, 8.2


@dataclass(frozen=True)
class Outcomes:
    """What became of S streams against M models.

    ``decided`` (S, M) is 1, -1 or 0; ``stopped_s`` (S, M) seconds heard; ``whole_s`` (S,) those
    there were; ``at_end`` (S, M) whether the whole is accepted.
    """

    is_target: NDArray[np.bool_]
    decided: NDArray[np.int_]
    stopped_s: NDArray[np.float64]
    whole_s: NDArray[np.float64]
    at_end: NDArray[np.bool_]


class Shares:
    """Spends α and β over looks: look k has α / k(k + 1), so that all together have α."""

    def __init__(self, threshold: float) -> None:
        self.threshold, self.n_looks = threshold, 0

    def add(self, llr: float) -> str | None:
        """Take the next look."""
        self.n_looks += 1
        share = CONFIG.test.p_fa / (self.n_looks * (self.n_looks + 1))
        return SequentialTest(share, share).decide(llr, self.threshold)


def looks_of(rule: str, threshold: float) -> Looks | Shares:
    """Begin a stream under a rule."""
    if rule == SHARES:
        return Shares(threshold)
    return Looks(SequentialTest(n_agreeing=1 if rule == ONE else 2), threshold)


def first_decision(
    rule: str, threshold: float, heard_s: Sequence[float], llrs: NDArray[np.float64]
) -> tuple[NDArray[np.int_], NDArray[np.float64]]:
    """Stop M streams with ratios (K, M) at K looks; 0 where none of them decides."""
    decided = np.zeros(llrs.shape[1], dtype=int)
    stopped = np.full(llrs.shape[1], heard_s[-1] if len(heard_s) else 0.0)
    for m in range(llrs.shape[1]):
        looks = looks_of(rule, threshold)
        for k, llr in enumerate(llrs[:, m]):
            said = looks.add(llr)
            if said:
                decided[m], stopped[m] = (1 if said == "accepted" else -1), heard_s[k]
                break
    return decided, stopped


def schedule(whole_s: float, block_s: float = 0.01) -> list[float]:
    """Seconds after which answers are due."""
    found, due = [], CONFIG.next_answer_s(0.0)
    while due <= whole_s:
        found.append(math.ceil(round(due / block_s, 6)) * block_s)
        due = CONFIG.next_answer_s(found[-1])
    return [s for s in found if s <= whole_s]


# --- where the ratio is known ---


def ideal(rng: np.random.Generator, n: int = 4000, seconds: float = 30.0) -> list[Outcomes]:
    """Independent frames of two known mixtures, whose log-likelihood ratios add up."""
    centers = np.array([[-1.0], [1.0]])
    stranger, speaker = (
        DiagonalGMM(np.array([0.5, 0.5]), centers + move, np.ones((2, 1))) for move in (0.0, 0.1)
    )
    looks = schedule(seconds)
    at = np.round(np.array(looks) * FRAMES_PER_S).astype(int)
    found = []
    for source in (speaker, stranger):
        llr = np.empty((len(looks), n))
        for i in range(n):
            x = source.means[rng.integers(2, size=at[-1])] + rng.normal(size=(at[-1], 1))
            x = x.astype(np.float32)
            ratio = speaker.log_likelihoods(x) - stranger.log_likelihoods(x)
            llr[:, i] = np.cumsum(ratio, dtype=np.float64)[at - 1]
        found.append((looks, llr))
    return [collect_ideal(rule, found) for rule in (ONE, TWO, SHARES)]


def collect_ideal(rule: str, found: list[tuple[list[float], NDArray[np.float64]]]) -> Outcomes:
    """Stop them all."""
    parts = [first_decision(rule, 0.0, looks, llr) for looks, llr in found]
    decided, stopped = (np.concatenate(p)[None] for p in zip(*parts, strict=True))
    n = [llr.shape[1] for _, llr in found]
    at_end = np.concatenate([llr[-1] >= 0 for _, llr in found])[None]
    is_target = np.repeat([True, False], n)[None]
    return Outcomes(is_target, decided, stopped, np.array([found[0][0][-1]]), at_end)


# --- simulated speakers ---


@dataclass(frozen=True)
class World:
    """Speakers as means about those of a common mixture, and what lies over their speech.

    ``hold`` is the probability that a frame belongs to the same sound as the one before, whose
    deviation it then shares; ``session`` moves all frames of a recording, ``new_session`` those of
    the streams that are judged.
    """

    spread: float = 0.35
    hold: float = 0.85
    session: float = 0.0
    new_session: float = 0.0
    n_components: int = 16
    n_features: int = 10
    n_development: int = 40
    n_evaluation: int = 60
    stream_s: float = 10.0


WORLDS = {
    "independent frames": World(spread=0.2, hold=0.0),
    "sounds that last": World(),
    "sounds that last, sessions": World(session=0.2, new_session=0.2),
    "sessions worse than known": World(session=0.0, new_session=0.3),
}
# Of each speaker.
STREAMS = 2
LENGTHS_S = (0.5, 1.0, 2.0, 3.0, 5.0)


def simulated(world: World, seed: int) -> list[Outcomes]:
    """Train, enroll, calibrate on some speakers, and stop the streams of others."""
    rng = np.random.default_rng(seed)
    shape = world.n_components, world.n_features
    centers, widths = rng.normal(0, 2, shape), rng.uniform(0.7, 1.3, shape)

    def voice() -> NDArray[np.float64]:
        return centers + world.spread * widths * rng.normal(size=shape)

    def spoken(means: NDArray[np.float64], seconds: float, session: float) -> NDArray[np.float64]:
        n = round(seconds * FRAMES_PER_S)
        begins = rng.random(n) >= world.hold
        begins[0] = True
        since = np.maximum.accumulate(np.where(begins, np.arange(n), 0))
        sound = rng.integers(world.n_components, size=n)[since]
        own, shared = rng.normal(size=(2, n, world.n_features))
        weight = 0.7 if world.hold else 0.0
        noise = weight * shared[since] + math.sqrt(1 - weight**2) * own
        return means[sound] + widths[sound] * noise + session * rng.normal(size=world.n_features)

    background = np.concatenate([spoken(voice(), 5.0, world.session) for _ in range(60)])
    ubm, _ = train_ubm(background, world.n_components, rng=seed)

    def streams(n_speakers: int, session: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Mean ratios (streams, T, models) of all frames so far; which are of the speaker."""
        voices = [voice() for _ in range(n_speakers)]
        models = [
            map_adapt(ubm, accumulate(ubm, spoken(means, 10.0, world.session))) for means in voices
        ]
        x = np.concatenate(
            [spoken(m, world.stream_s, session) for m in voices for _ in range(STREAMS)]
        ).astype(np.float32)
        base = ubm.log_likelihoods(x)
        ratios = np.stack([model.log_likelihoods(x) - base for model in models], axis=1)
        n_frames = round(world.stream_s * FRAMES_PER_S)
        sums = np.cumsum(ratios.reshape(-1, n_frames, n_speakers), axis=1, dtype=np.float64)
        means = sums / np.arange(1, n_frames + 1)[:, None]
        return means, np.repeat(np.eye(n_speakers, dtype=bool), STREAMS, axis=0)

    scores, is_target = streams(world.n_development, world.session)
    table = []
    for length_s in (*LENGTHS_S, world.stream_s):
        cut = scores[:, round(length_s * FRAMES_PER_S) - 1]
        try:
            fitted = fit_calibration(cut[is_target], cut[~is_target])
        except ScoreError:
            # Nothing is confused any more; as in a recipe, what is known of less speech counts.
            continue
        worth = float(fitted.scale), fitted.offset
        table.append(ExpectedErrors(length_s, 0.0, 0.0, 0.0, *worth, 1, 1))
    scores, is_target = streams(world.n_evaluation, world.new_session)
    heard = [s for s in schedule(world.stream_s) if s >= CONFIG.min_speech_s]
    rows = [expected_at(table, s) for s in heard]
    llr = np.stack([r.scale * scores[:, round(s * FRAMES_PER_S) - 1] + r.offset
                    for r, s in zip(rows, heard, strict=True)])  # fmt: skip
    return [stopped_streams(rule, 0.0, [(heard, llr[:, i]) for i in range(llr.shape[1])],
                            is_target, llr[-1] >= 0, [world.stream_s] * len(scores))
            for rule in (ONE, TWO, SHARES)]  # fmt: skip


def stopped_streams(
    rule: str,
    threshold: float,
    streams: Iterable[tuple[Sequence[float], NDArray[np.float64]]],
    is_target: NDArray[np.bool_],
    at_end: NDArray[np.bool_],
    whole_s: Sequence[float],
) -> Outcomes:
    """Stop each stream, or hear it to its end."""
    decided, stopped = zip(
        *(first_decision(rule, threshold, looks, llr) for looks, llr in streams), strict=True
    )
    decided, whole = np.stack(decided), np.array(whole_s)
    stopped_s = np.where(decided == 0, whole[:, None], np.stack(stopped))
    return Outcomes(is_target, decided, stopped_s, whole, at_end)


# --- real speech ---


def real(name: str, split_name: str, corpora: Path, folder: Path) -> list[Outcomes]:
    """Enroll the speakers of a split, and stream further speech of theirs against every model."""
    corpus = corpora / name.removesuffix("_multisession")
    recipe = load_recipe(RECIPES / name)
    Experiment(recipe, corpus, folder / name, noise=corpora / "noise").run()
    verifier = Verifier.load(folder / name / "system.safetensors", folder / "none.db")
    utterances = read_utterances(corpus / "utterances.csv")
    lists = corpus / split_name
    protocol = read_protocol(lists / "enrollment.csv", lists / "tests.csv", None, utterances)
    degrade = None
    if name.endswith("_multisession"):
        steps = Condition.parse("multisession").degradation
        degrade = Degrader(steps, NoisePool.load(corpora / "noise"), recipe.head.seed)

    def samples(utterance_id: str) -> tuple[NDArray[np.float32], int]:
        utterance = utterances[utterance_id]
        x, rate = soundfile.read(utterance.path, dtype="float32")
        if utterance.start_s is not None and utterance.end_s is not None:
            x = x[round(utterance.start_s * rate) : round(utterance.end_s * rate)]
        return (degrade(x, rate, utterance_id) if degrade else x), rate

    models, owners = [], []
    for pool in protocol.enrollment.values():
        frames = verifier.hear([samples(u) for u in pool]).frames
        known = accumulate(verifier.system.ubm, frames)
        models.append(verifier.system.enrollment.speaker_model(verifier.system.ubm, known))
        owners.append(utterances[pool[0]].speaker_id)
    bank = verifier.scorer.bank(models)
    compares = verifier.scorer.compares_models
    cohort_scores = verifier.scorer.cohort_scores(bank) if compares else None
    enrolled = {u for pool in protocol.enrollment.values() for u in pool}
    spoken: dict[str, list[str]] = {}
    for utterance_id in sorted({u for pool in protocol.tests.values() for u in pool} - enrolled):
        spoken.setdefault(utterances[utterance_id].speaker_id, []).append(utterance_id)

    streams, at_end, whole_s, is_target = [], [], [], []
    for speaker_id, ids in spoken.items():
        recorded = [soundfile.read(utterances[u].path, dtype="float32") for u in ids]
        rate = recorded[0][1]
        if "librispeech" in name:
            x = recorded[0][0][round(AFTER_ENROLLMENT_S * rate) :]
        else:
            x = np.concatenate([part for part, _ in recorded])[: round(MAX_STREAM_S * rate)]
        if degrade:
            x = degrade(x, rate, f"stream of {speaker_id}")
        looks, llr, accepted = heard_stream(verifier, bank, owners, cohort_scores, x, rate)
        streams.append((looks, llr))
        at_end.append(accepted)
        whole_s.append(len(x) / rate)
        is_target.append(np.array(owners) == speaker_id)
    threshold = verifier.threshold(None)
    together = np.stack(is_target), np.stack(at_end), whole_s
    return [stopped_streams(rule, threshold, streams, *together) for rule in (ONE, TWO, SHARES)]


def heard_stream(
    verifier: Verifier,
    bank: Bank,
    owners: Sequence[str],
    cohort_scores: NDArray[np.float64] | None,
    x: NDArray[np.float32],
    rate: int,
) -> tuple[list[float], NDArray[np.float64], NDArray[np.bool_]]:
    """Give the looks at a stream, all models' ratios at each, and who is accepted at the end."""
    record = verifier.system.calibration
    seconds = len(x) / rate
    looks, rows = [], [np.empty((0, len(owners)))]
    for heard_s in [*schedule(seconds, 0.1), seconds]:
        try:
            heard = verifier.hear([(x[: round(heard_s * rate)], rate)])
        except AudioError:
            continue
        speech_s = len(heard.frames) / verifier.frames_per_s
        score = verifier.scorer.score(bank, heard.frames, owners, cohort_scores)
        if heard_s < seconds and speech_s >= CONFIG.min_speech_s:
            worth = expected_at(record.expected, speech_s)
            looks.append(heard_s)
            rows.append(worth.scale * score[None] + worth.offset)
    return looks, np.concatenate(rows), record.calibration(score) >= record.threshold


# --- tables ---


def percent(x: float) -> str:
    """Format a rate."""
    return f"{100 * x:.2f} %"


def with_interval(errors: NDArray[np.bool_], counted: NDArray[np.bool_]) -> str:
    """Format the rate of errors (S, S) among those counted, with an interval over speakers."""
    rate = errors[counted].mean()
    n, n_errors = len(errors), int(errors[counted].sum())
    if n_errors == 0:
        return f"0 % (to {100 * 3 / n:.1f})"
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), RESAMPLES)
    # As m_i m_j; a target trial counts m_i times.
    is_pair = not np.array_equal(counted, np.eye(n, dtype=bool))
    if is_pair:
        hit = np.einsum("ri,ij,rj->r", weights, errors & counted, weights, optimize=True)
        all_ = np.einsum("ri,ij,rj->r", weights, counted, weights, optimize=True)
    else:
        hit, all_ = weights @ errors.diagonal(), weights.sum(1)
    low, high = 100 * np.quantile(hit / all_, [0.025, 0.975])
    return f"{percent(rate)} ({low:.2f} to {high:.2f})"


def square(outcomes: Outcomes) -> Outcomes:
    """Bring the streams into the order of the models."""
    order = np.argmax(outcomes.is_target, axis=0)
    return Outcomes(
        outcomes.is_target[order],
        outcomes.decided[order],
        outcomes.stopped_s[order],
        outcomes.whole_s[order],
        outcomes.at_end[order],
    )


HEADER = (
    "strangers accepted", "speakers rejected", "decided early: strangers, speakers",
    "seconds heard: strangers, speakers",
)  # fmt: skip


def heading(*columns: str) -> list[str]:
    """Begin a table."""
    return [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]


def saved(parts: Sequence[Outcomes]) -> str:
    """Say how many decided early, and what was heard."""
    target = np.concatenate([p.is_target.ravel() for p in parts])
    decided = np.concatenate([p.decided.ravel() for p in parts]) != 0
    stopped = np.concatenate([p.stopped_s.ravel() for p in parts])
    whole = np.mean([p.whole_s.mean() for p in parts])
    return (
        f"{100 * decided[~target].mean():.0f} %, {100 * decided[target].mean():.0f} % | "
        f"{stopped[~target].mean():.1f}, {stopped[target].mean():.1f} of {whole:.1f}"
    )


def simulation_table(n_seeds: int) -> list[str]:
    """Measure where the truth is known."""
    lines = heading("", "rule", *HEADER, "at the end: strangers accepted, speakers rejected")
    cases = {"known ratios": [ideal(np.random.default_rng(0))]}
    for name, world in WORLDS.items():
        sys.stderr.write(f"{name} ...\n")
        cases[name] = [simulated(world, seed) for seed in range(n_seeds)]
    for name, seeds in cases.items():
        for number, rule in enumerate((ONE, TWO, SHARES)):
            parts = [outcomes[number] for outcomes in seeds]
            fa = [np.mean(p.decided[~p.is_target] == 1) for p in parts]
            miss = [np.mean(p.decided[p.is_target] == -1) for p in parts]
            end_fa = np.mean([np.mean(p.at_end[~p.is_target]) for p in parts])
            end_miss = np.mean([np.mean(~p.at_end[p.is_target]) for p in parts])
            lines.append(
                f"| {name} | {rule} | {percent(np.mean(fa))} | {percent(np.mean(miss))} | "
                f"{saved(parts)} | {percent(end_fa)}, {percent(end_miss)} |"
            )
    return lines


def real_table(corpora: Path, folder: Path) -> list[str]:
    """Measure on real speech."""
    lines = heading("recipe", "split", "rule", *HEADER, "at the end")
    for name, title in NAMES.items():
        for split in ("development", "evaluation"):
            sys.stderr.write(f"{name}, {split} ...\n")
            outcomes = real(name, split, corpora, folder)
            for rule, found in zip((ONE, TWO, SHARES), outcomes, strict=True):
                if split == "evaluation" and rule == SHARES:
                    continue
                one = square(found)
                fa = with_interval(one.decided == 1, ~one.is_target)
                miss = with_interval(one.decided == -1, one.is_target)
                end = np.mean(one.at_end[~one.is_target]), np.mean(~one.at_end[one.is_target])
                lines.append(
                    f"| {title} | {split} | {rule} | {fa} | {miss} | {saved([one])} | "
                    f"{percent(end[0])}, {percent(end[1])} |"
                )
    return lines


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corpora", type=Path, help="folder of the corpora and of `noise`")
    parser.add_argument("work", type=Path, help="folder of experiments, which are kept")
    parser.add_argument("--only", choices=["streams simulated", "streams measured"])
    parser.add_argument("--seeds", type=int, default=5, help="simulated worlds of each kind")
    options = parser.parse_args()
    tables = {
        "streams simulated": lambda: simulation_table(options.seeds),
        "streams measured": lambda: real_table(options.corpora, options.work),
    }
    parts = {name: make() for name, make in tables.items() if options.only in (None, name)}
    write_tables(PAGE, parts, Path(__file__).name)


if __name__ == "__main__":
    main()
