"""Calibration on few trials: what is left out of which fit, and that recordings are scored right.

The oracle of the cross-validation goes through the trials one by one, and fits each with scipy.
"""

from __future__ import annotations

import csv
import dataclasses
import math
import shutil

import numpy as np
import pytest
import soundfile
from scipy.optimize import minimize

from speakergmm import FrontEnd, accumulate, fit_calibration, log_likelihood_ratio, map_adapt
from speakergmm.corpora import Scores, Trials, all_against_all
from speakergmm.corpora.told_speakers import NOBODY
from speakergmm.errors import ConfigError, ManifestError, ScoreError
from speakergmm.evaluation import CostModel
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import load_settings, train_on_list
from speakergmm.recipes.calibrating import (
    Goal,
    calibrate_recordings,
    calibrate_scores,
    cross_validated,
)

# Where scipy stops.
FIT_TOLERANCE = 1e-4
# Scores are means over float32 blocks, of other shapes here than there.
SCORE_TOLERANCE = 1e-4
SHOW = {"n_resamples": 0}


def scored(n_speakers, n_tests=3, *, seed=0, shift=1.2):
    """Scores of every model with every test; their speakers, by number."""
    rng = np.random.default_rng(seed)
    models = {f"m{i}": str(i) for i in range(n_speakers)}
    tests = {f"t{i}-{k}": str(i) for i in range(n_speakers) for k in range(n_tests)}
    trials = all_against_all(models, tests)
    return Scores(trials, rng.normal(size=len(trials)) + shift * trials.is_target)


def speakers_of(scores):
    """Speakers of the model and of the test of each trial, by the names that `scored` gave."""
    trials = scores.trials
    models = np.array([int(name[1:]) for name in trials.model_ids])
    tests = np.array([int(name[1:].partition("-")[0]) for name in trials.test_ids])
    return models[trials.model_index], tests[trials.test_index]


def slow_fit(target, nontarget, p_target):
    """Prior-weighted logistic regression by a general optimizer."""
    shift = math.log(p_target / (1 - p_target))
    target, nontarget = (x.reshape(len(x), -1) for x in (target, nontarget))

    def loss(w):
        high, low = (x @ w[:-1] + w[-1] + shift for x in (target, nontarget))
        return (
            p_target * np.logaddexp(0, -high).mean() + (1 - p_target) * np.logaddexp(0, low).mean()
        )

    start = np.zeros(target.shape[1] + 1)
    return minimize(loss, start, method="BFGS", options={"gtol": 1e-9}).x


# --- cross-validation ---


@pytest.mark.parametrize("p_target", [0.5, 0.1])
@pytest.mark.parametrize("n_systems", [1, 2])
def test_each_trial_is_calibrated_by_those_of_other_speakers(n_systems, p_target):
    systems = [scored(6, seed=seed) for seed in range(n_systems)]
    found = cross_validated(systems, p_target)
    trials = systems[0].trials
    values = np.column_stack([scores.score for scores in systems])
    model, test = speakers_of(systems[0])
    expected = np.empty(len(trials))
    for i in range(len(trials)):
        own = {model[i], test[i]}
        kept = [j for j in range(len(trials)) if not own & {model[j], test[j]}]
        rows, is_target = values[kept], trials.is_target[kept]
        *scale, offset = slow_fit(rows[is_target], rows[~is_target], p_target)
        expected[i] = values[i] @ scale + offset
    np.testing.assert_allclose(found, expected, rtol=FIT_TOLERANCE, atol=FIT_TOLERANCE)


def test_where_classes_are_told_apart_a_test_is_calibrated_by_those_of_others():
    rng = np.random.default_rng(0)
    speaker, is_target = np.repeat(np.arange(8), 5), np.repeat(np.arange(8) % 2 == 0, 5)
    n = len(speaker)
    trials = Trials(
        ("f",), tuple(f"t{i}" for i in range(n)), np.zeros(n, np.int32),
        np.arange(n, dtype=np.int32), is_target, np.array([NOBODY]), speaker,
    )  # fmt: skip
    score = rng.normal(size=n) + 1.2 * is_target
    found = cross_validated([Scores(trials, score)], 0.5)
    for own in range(8):
        kept, held = speaker != own, speaker == own
        scale, offset = slow_fit(score[kept & is_target], score[kept & ~is_target], 0.5)
        np.testing.assert_allclose(
            found[held], scale * score[held] + offset, rtol=FIT_TOLERANCE, atol=FIT_TOLERANCE
        )


def test_no_fit_knows_the_speakers_of_its_trials():
    """What one speaker scores has no part in the calibration of that speaker's own trials."""
    before = scored(7)
    model, test = speakers_of(before)
    of_zero = (model == 0) | (test == 0)
    rng = np.random.default_rng(3)
    wild = np.where(of_zero, 40 * rng.normal(size=len(of_zero)), before.score)
    after = dataclasses.replace(before, score=wild)
    llr_before, llr_after = cross_validated([before], 0.5), cross_validated([after], 0.5)
    for other in range(7):
        held = (np.minimum(model, test) == 0) & (np.maximum(model, test) == other)
        # The same line takes the old scores to their ratios, and the wild ones to theirs.
        scale, offset = np.polyfit(before.score[held], llr_before[held], 1)
        np.testing.assert_allclose(llr_after[held], scale * wild[held] + offset, rtol=1e-9)
    # Between others the wild scores are in the fit, and tell.
    assert np.abs(llr_after - llr_before)[~of_zero].min() > 1e-3


@pytest.mark.parametrize("n_speakers", [11, 23])
def test_no_fit_knows_them_where_speakers_are_dealt_into_groups(n_speakers):
    before = scored(n_speakers, 2)
    model, test = speakers_of(before)
    rng = np.random.default_rng(3)
    for speaker in (0, 5, n_speakers - 1):
        own = (model == speaker) | (test == speaker)
        # One trial alone is changed: all others of the speaker keep their ratios to the bit.
        for trial in rng.choice(np.flatnonzero(own), 3, replace=False):
            score = before.score.copy()
            score[trial] += 30.0
            after = cross_validated([dataclasses.replace(before, score=score)], 0.5)
            same = after == cross_validated([before], 0.5)
            assert same[own & (np.arange(len(own)) != trial)].all()
            assert not same[trial]
            # And others do not.
            assert not same.all()
            assert (~same).sum() > 1


def test_speakers_are_told_by_the_list_where_it_says_so():
    """Models of one speaker that no target trial joins are still left out together."""
    scores = scored(6, 2)
    trials = scores.trials
    # A model of each speaker for every test of that speaker, which it alone meets of these.
    model_ids = tuple(f"m{i // 2}-{i % 2}" for i in range(12))
    model, test = (index.ravel() for index in np.indices((12, 12)))
    is_target = model // 2 == test // 2
    allowed = ~is_target | (model % 2 == test % 2)
    own = np.arange(12) // 2
    joined = dataclasses.replace(
        trials, model_ids=model_ids, model_index=model[allowed].astype(np.int32),
        test_index=test[allowed].astype(np.int32), is_target=is_target[allowed],
        model_speaker=own, test_speaker=own,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    score = rng.normal(size=len(joined)) + 1.5 * joined.is_target
    before = cross_validated([Scores(joined, score)], 0.5)
    own_trials = (own[joined.model_index] == 0) | (own[joined.test_index] == 0)
    changed = score.copy()
    # A trial of the speaker's second model; the first one's ratios stay.
    trial = np.flatnonzero((joined.model_index == 1) & ~joined.is_target)[0]
    changed[trial] += 30.0
    after = cross_validated([Scores(joined, changed)], 0.5)
    own_trials[trial] = False
    np.testing.assert_array_equal(after[own_trials], before[own_trials])
    assert (after != before)[~own_trials].sum() > 1


def test_seeds_deal_speakers():
    few, many = scored(8), scored(14)
    # One speaker in each group: there is nothing to deal.
    np.testing.assert_array_equal(
        cross_validated([few], 0.5, seed=0), cross_validated([few], 0.5, seed=9)
    )
    first, again, other = (cross_validated([many], 0.5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert np.corrcoef(first, other)[0, 1] > 0.99


def test_the_order_of_trials_does_not_matter():
    scores = scored(6)
    order = np.random.default_rng(1).permutation(len(scores.trials))
    trials = dataclasses.replace(
        scores.trials,
        model_index=scores.trials.model_index[order],
        test_index=scores.trials.test_index[order],
        is_target=scores.trials.is_target[order],
    )
    found = cross_validated([Scores(trials, scores.score[order])], 0.5)
    np.testing.assert_allclose(found, cross_validated([scores], 0.5)[order], rtol=1e-8, atol=1e-8)


def test_units_of_scores_do_not_matter():
    scores = scored(6)
    other = dataclasses.replace(scores, score=-1e4 * scores.score + 77)
    np.testing.assert_allclose(
        cross_validated([other], 0.5), cross_validated([scores], 0.5), rtol=1e-6, atol=1e-6
    )


def test_what_is_left_may_be_too_little():
    # Only speaker 0's targets lie among strangers: without them there is nothing to calibrate.
    scores = scored(6, shift=50.0)
    model, test = speakers_of(scores)
    scores.score[(model == 0) & (test == 0)] = 0.0
    with pytest.raises(ScoreError) as caught:
        cross_validated([scores], 0.5)
    assert str(caught.value).startswith(
        "not enough data to check a calibration: with some of the 6 speakers left out, the "
    )
    assert "perfectly separated" in str(caught.value)
    assert str(caught.value).endswith("add recordings, or harder ones, and speakers (20 or more)")


def test_progress_counts_every_pair_of_groups():
    class Counter:
        def __init__(self):
            self.started, self.steps = [], 0

        def start(self, task, total=None):
            self.started.append((task, total))

        def advance(self, steps=1):
            self.steps += steps

        def note(self, text):
            pass

    for n_speakers, n_pairs in ((6, 21), (30, 55)):
        counter = Counter()
        cross_validated([scored(n_speakers, 4)], 0.5, progress=counter)
        assert counter.started == [("cross-validation", n_pairs)]
        assert counter.steps == n_pairs


# --- calibrate_scores ---


def test_a_report_is_of_the_ratios_of_strangers_to_the_fit():
    scores = scored(9)
    report = calibrate_scores([scores], [None], Goal(CostModel(0.5)), n_resamples=20)
    np.testing.assert_array_equal(report.scores.llr, cross_validated([scores], 0.5))
    np.testing.assert_array_equal(report.scores.score, report.scores.llr)
    assert report.record.calibration == fit_calibration(scores.target(), scores.nontarget())
    llr, is_target = report.scores.llr, scores.trials.is_target
    assert report.decision.n_miss == (llr[is_target] < 0).sum()
    assert report.decision.n_fa == (llr[~is_target] >= 0).sum()
    loss = np.logaddexp(0, -llr[is_target]).mean() + np.logaddexp(0, llr[~is_target]).mean()
    cllr = report.evaluation.metrics["cllr"].value
    assert cllr == pytest.approx(loss / 2 / math.log(2))
    # A fit judged by its own trials would look better than it is.
    own = report.record.calibration(scores.score)
    optimistic = np.logaddexp(0, -own[is_target]).mean() + np.logaddexp(0, own[~is_target]).mean()
    assert optimistic < loss
    assert report.n_recordings is None


@pytest.mark.parametrize(
    "cost", [CostModel(0.5), CostModel(0.2, 2.0, 1.0), CostModel(0.3, 1.0, 3.0)]
)
def test_the_threshold_is_bayes(cost):
    report = calibrate_scores([scored(9, 8)], [None], Goal(cost), **SHOW)
    odds = cost.p_target / (1 - cost.p_target)
    expected = -math.log(odds * cost.c_miss / cost.c_fa)
    assert report.record.threshold == report.decision.threshold == pytest.approx(expected)


def test_the_threshold_of_a_rate_is_the_lowest_that_keeps_it():
    scores = scored(12, 4)
    for p_fa in (0.06, 0.1, 0.3):
        report = calibrate_scores([scores], [None], Goal(p_fa=p_fa), **SHOW)
        strangers = report.scores.llr[~scores.trials.is_target]
        threshold = report.record.threshold
        assert (strangers >= threshold).mean() <= p_fa
        below = strangers[strangers < threshold].max()
        assert (strangers >= below).mean() > p_fa


def test_the_fits_prior_is_another_matter_than_the_cost():
    scores = scored(9)
    by_prior = [
        calibrate_scores([scores], [None], Goal(CostModel(0.5)), p_target=p, **SHOW).record
        for p in (0.5, 0.01)
    ]
    assert by_prior[0].calibration != by_prior[1].calibration
    assert [record.p_target for record in by_prior] == [0.5, 0.01]
    assert by_prior[0].threshold == by_prior[1].threshold


def test_systems_are_fused():
    systems = [scored(9, seed=seed) for seed in (1, 2, 3)]
    goal = Goal(CostModel(0.5))
    report = calibrate_scores(systems, [None] * 3, goal, names=["a", "b", "c"], **SHOW)
    assert report.record.calibration.n_systems == 3
    assert report.record.fitted_on == "a, b, c"
    np.testing.assert_array_equal(report.scores.llr, cross_validated(systems, 0.5))
    alone = [
        calibrate_scores([one], [None], goal, **SHOW).evaluation.metrics["cllr"].value
        for one in systems
    ]
    assert report.evaluation.metrics["cllr"].value < min(alone)


def test_systems_need_no_names():
    systems = [scored(9, seed=seed) for seed in (1, 2)]
    report = calibrate_scores(systems, [None, None], Goal(CostModel(0.5)), **SHOW)
    assert report.record.calibration.n_systems == 2


def test_warnings_are_handed_on():
    goal = Goal(CostModel(0.04))
    report = calibrate_scores([scored(9)], [None], goal, warnings=["beware"], **SHOW)
    first, second, third = report.warnings
    assert first == "beware"
    assert second.startswith("the error rates at this threshold are uncertain: have 216 different")
    assert third.startswith("calibrated on 9 speakers; with fewer than 20")
    assert report.to_json()["warnings"] == list(report.warnings)


@pytest.mark.parametrize("p_fa", [0.0, 1.0, -0.1, math.nan, math.inf])
def test_a_rate_is_a_fraction(p_fa):
    with pytest.raises(ConfigError, match=r"the false-accept rate is .*; expected a fraction"):
        Goal(p_fa=p_fa)


def test_systems_of_other_trials():
    with pytest.raises(ManifestError, match="a and b are not of the same trials: 81 only in b, su"):
        calibrate_scores([scored(9, 2), scored(9, 3)], [None, None], names=["a", "b"])


def test_a_calibration_takes_one_score_as_it_takes_many():
    scores = scored(9)
    fitted = calibrate_scores([scores], [None], Goal(CostModel(0.5)), **SHOW).record.calibration
    assert float(fitted(0.25)) == fitted([0.25])[0]


# --- recordings ---


@pytest.fixture(scope="module")
def ubm(small_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("ubm") / "ubm.safetensors"
    settings = load_settings(None, {"ubm.n_components": "4"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


@pytest.fixture(scope="module")
def people(small_corpus, tmp_path_factory):
    """Folders of seven people; of one there is a single recording. Not to be written to."""
    folder = tmp_path_factory.mktemp("people")
    with (small_corpus / "utterances.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["speaker_id"] >= "s10"]
    for row in rows:
        if row["speaker_id"] == "s16" and row["utterance_id"] != "s16-1-1":
            continue
        (folder / row["speaker_id"]).mkdir(exist_ok=True)
        shutil.copy(small_corpus / row["path"], folder / row["speaker_id"])
    return folder


@pytest.mark.parametrize(
    ("overrides", "max_enrollment"),
    [
        ({}, None),
        ({}, 2),
        ({"scoring.top_c": "2", "enrollment.relevance_factor": "4"}, None),
    ],
)
def test_recordings_are_scored_one_by_one(people, ubm, overrides, max_enrollment):
    model = load_background_model(ubm)
    front_end, gmm = FrontEnd(model.front_end), model.gmm
    frames = {
        path: front_end(*soundfile.read(path, dtype="float32"))
        for path in sorted(people.rglob("*.flac"))
    }
    factor = float(overrides.get("enrollment.relevance_factor", 16))
    top_c = 2 if "scoring.top_c" in overrides else None
    expected, is_target, between = [], [], []
    for left_out in frames:
        own = [path for path in frames if path.parent == left_out.parent and path != left_out]
        if not own:
            continue
        pooled = np.concatenate([frames[path] for path in own[:max_enrollment]])
        speaker = map_adapt(gmm, accumulate(gmm, pooled), relevance_factor=factor)
        for path, x in frames.items():
            if path not in own:
                expected.append(log_likelihood_ratio(speaker, gmm, x, top_c=top_c))
                is_target.append(path == left_out)
                between.append({path.parent.name, left_out.parent.name})
    expected, is_target = np.array(expected), np.array(is_target)
    report = calibrate_recordings(
        people, ubm, load_settings(None, overrides), max_enrollment=max_enrollment, **SHOW
    )
    assert report.n_recordings == 37
    assert (report.record.n_target, report.record.n_nontarget) == (36, 36 * 31)
    assert report.record.n_speakers == 7
    np.testing.assert_array_equal(report.scores.trials.is_target, is_target)
    fitted = fit_calibration(expected[is_target], expected[~is_target])
    assert report.record.calibration.scale == pytest.approx(fitted.scale, rel=1e-3)
    assert report.record.calibration.offset == pytest.approx(fitted.offset, rel=1e-2, abs=1e-3)
    for i in (0, 5, 40, 400, 1000):
        kept = np.array([not between[i] & other for other in between])
        fit = fit_calibration(expected[kept & is_target], expected[kept & ~is_target])
        assert report.scores.llr[i] == pytest.approx(
            fit.scale * expected[i] + fit.offset, rel=1e-2, abs=1e-2
        )
    assert report.warnings[0].startswith("the recordings name no sessions")


def test_a_recording_of_which_parts_are_listed(small_corpus, ubm, people, tmp_path):
    """A list may name parts of recordings; the same part twice is refused, another is not."""
    rows = []
    for path in sorted(people.rglob("*-1-*.flac")):
        name = path.relative_to(people).as_posix()
        rows += [f"{path.stem}{k},{path.parent.name},{name},{k * 0.7},{k * 0.7 + 0.7}"
                 for k in (0, 1)]  # fmt: skip
    header = "utterance_id,speaker_id,path,start_s,end_s"
    (tmp_path / "list.csv").write_text("\n".join([header, *rows]))
    settings = load_settings(None, {})
    report = calibrate_recordings(tmp_path / "list.csv", ubm, settings, Goal(CostModel(0.5)),
                                  audio=people, **SHOW)  # fmt: skip
    assert report.n_recordings == len(rows)
    twice = rows[0].replace("s10-1-10,", "again,")
    (tmp_path / "list.csv").write_text("\n".join([header, *rows, twice]))
    with pytest.raises(ManifestError, match="'again' of 's10' is the same as 's10-1-10' of 's10'"):
        calibrate_recordings(tmp_path / "list.csv", ubm, settings, audio=people, **SHOW)


def test_workers_change_nothing(people, ubm):
    one, three = (
        calibrate_recordings(people, ubm, load_settings(None, {}), jobs=jobs, **SHOW)
        for jobs in (1, 3)
    )
    assert one.record == three.record
    np.testing.assert_array_equal(one.scores.llr, three.scores.llr)
