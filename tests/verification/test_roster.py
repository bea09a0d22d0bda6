"""The roster: everybody who is enrolled, kept up to date while others change the store."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest

from speakergmm import (
    DiagonalGMM,
    Statistics,
    accumulate,
    linear_score,
    log_likelihood_ratio,
)
from speakergmm.errors import MissingError
from speakergmm.verification import Verifier
from speakergmm.verification import roster as roster_module
from speakergmm.verification.calibration import Calibration
from speakergmm.verification.identifying import identify_recording, posterior
from speakergmm.verification.roster import Roster
from speakergmm.verification.speaker_store import SpeakerStore
from speakergmm.verification.trial_scorer import TrialScorer

# float32 sums of blocks of other shapes.
TOLERANCE = 2e-6

# Products of float32 vectors of hundreds, whose responsibilities are of float32 blocks too.
RANKS = 1e-4


class World:
    """Speakers whose frames are drawn around a background model that is moved for each."""

    def __init__(self, system, path):
        self.system, self.ubm = system, system.ubm
        self.store = SpeakerStore(path, system.ubm_digest)

    def voice(self, number):
        rng = np.random.default_rng([1, number])
        offsets = rng.normal(0, 0.4, self.ubm.means.shape) * np.sqrt(self.ubm.variances)
        return DiagonalGMM(self.ubm.weights, self.ubm.means + offsets, self.ubm.variances)

    def frames(self, number, seed, n=200):
        voice, rng = self.voice(number), np.random.default_rng([seed, number])
        which = rng.choice(len(voice.weights), n, p=voice.weights)
        noise = rng.normal(size=(n, voice.means.shape[1]))
        return (voice.means[which] + noise * np.sqrt(voice.variances[which])).astype(np.float32)

    def enroll(self, numbers, seed=0):
        for number in numbers:
            statistics = accumulate(self.ubm, self.frames(number, seed))
            self.store.enroll(f"v{number:04d}", statistics, [])

    def models(self):
        config = self.system.enrollment
        found = {n: s for n, _, s in self.store.models(with_s=True)}
        return {n: config.speaker_model(self.ubm, s) for n, s in found.items()}


@pytest.fixture
def make_world(make_system, tmp_path):
    def make(*variant, **settings):
        return World(make_system(*variant, **settings), tmp_path / "speakers.db")

    return make


def check_shortlist(world, roster, **settings):
    """Its scores are those of all models, made now."""
    models = world.models()
    frames = world.frames(3, seed=9)
    found = roster.shortlist(frames, **settings)
    assert found.n_enrolled == len(models)
    assert list(found.ids) == sorted(found.ids)
    assert dict(zip(found.ids, found.revisions, strict=True)).items() <= (
        world.store.revisions().items()
    )
    everybody = np.arange(len(found.ids))
    expected = roster.scorer.bank([models[name] for name in found.ids]).scores(frames, everybody)
    np.testing.assert_allclose(found.bank.scores(frames, everybody), expected, atol=TOLERANCE)
    known = [world.store.find(name).statistics.n_frames for name in found.ids]
    assert list(found.n_frames) == known
    return found


ADAPTED = ("means", "means+variances", "means+weights", "all")


@pytest.mark.parametrize("scorer", ["exact", "top-3", "linear"])
@pytest.mark.parametrize("parameters", ADAPTED)
def test_few_speakers_are_all_scored_as_the_system_says(make_world, scorer, parameters):
    world = make_world(scorer, parameters=parameters)
    world.enroll(range(12))
    roster = Roster(TrialScorer(world.system), world.store)
    assert len(check_shortlist(world, roster).ids) == 12
    short = check_shortlist(world, roster, most=5)
    assert len(short.ids) == 5
    assert "v0003" in short.ids


def test_it_follows_the_store(make_world, monkeypatch):
    monkeypatch.setattr(roster_module, "BLOCK", 4)
    world = make_world()
    roster = Roster(TrialScorer(world.system), world.store)
    world.enroll(range(9))
    check_shortlist(world, roster)
    other = World(world.system, world.store.path)
    other.enroll([20])
    check_shortlist(world, roster)
    other.store.remove(["v0001", "v0002", "v0020"])
    check_shortlist(world, roster)
    other.enroll([1], seed=5)
    other.enroll([4], seed=6)
    check_shortlist(world, roster)
    for number in range(30, 41):
        other.enroll([number])
        check_shortlist(world, roster)
        # Enrolled one by one they would be as many blocks.
        sizes = [len(block.ids) for block in roster._blocks]
        assert max(sizes) <= 4
        assert sum(size < 2 for size in sizes) <= 1
    other.store.remove(list(other.store.revisions()))
    with pytest.raises(MissingError, match="nobody is enrolled"):
        roster.shortlist(world.frames(3, seed=9))
    other.enroll([3])
    assert check_shortlist(world, roster).ids == ("v0003",)


def test_what_has_not_changed_is_not_made_again(make_world, monkeypatch):
    world = make_world()
    world.enroll(range(6))
    roster = Roster(TrialScorer(world.system), world.store)
    made = []
    make = Roster._made
    monkeypatch.setattr(Roster, "_made", lambda self, n: made.extend(n) or make(self, n))
    for _ in range(3):
        roster.shortlist(world.frames(3, seed=9))
    assert made == [f"v{number:04d}" for number in range(6)]
    world.enroll([7])
    roster.shortlist(world.frames(3, seed=9))
    assert made[6:] == ["v0007"]


@pytest.mark.parametrize("parameters", ["means", "all"])
def test_who_disappears_meanwhile_is_left_out(make_world, monkeypatch, parameters):
    """Between the look at the ids and that at the statistics."""
    world = make_world(parameters=parameters)
    world.enroll(range(8))
    roster = Roster(TrialScorer(world.system), world.store)
    read = SpeakerStore.models
    victims = ["v0002", "v0000", "v0007"]

    def models(self, speaker_ids=None, **settings):
        if victims:
            self.remove([victims.pop()])
        yield from read(self, speaker_ids, **settings)

    monkeypatch.setattr(SpeakerStore, "models", models)
    found = roster.shortlist(world.frames(3, seed=9))
    assert victims == []
    assert set(world.store.revisions()) <= set(found.ids)
    if parameters == "all":
        # The models were asked for last, so they are those of the end.
        assert found.ids == tuple(world.store.revisions())
    check_shortlist(world, roster)


def test_who_is_replaced_meanwhile_is_scored_as_one_state(make_world, monkeypatch):
    world = make_world(parameters="all")
    world.enroll(range(4))
    roster = Roster(TrialScorer(world.system), world.store)
    check_shortlist(world, roster)
    read, changed = SpeakerStore.models, []

    def models(self, speaker_ids=None, **settings):
        if not changed:
            changed.append(1)
            world.enroll([2], seed=7)
        yield from read(self, speaker_ids, **settings)

    monkeypatch.setattr(SpeakerStore, "models", models)
    found = roster.shortlist(world.frames(3, seed=9))
    assert found.revisions == tuple(world.store.revisions().values())


def test_memory_is_one_row_of_float32_a_speaker(make_world):
    world = make_world()
    world.enroll(range(40))
    roster = Roster(TrialScorer(world.system), world.store)
    roster.shortlist(world.frames(3, seed=9))
    n_components, n_features = world.ubm.means.shape
    kept = [block.ranker for block in roster._blocks]
    assert {rows.dtype for rows in kept} == {np.dtype(np.float32)}
    assert {rows.shape[1] for rows in kept} == {n_components * n_features + n_components}
    assert sum(rows.nbytes for rows in kept) == 40 * 4 * n_components * (n_features + 1)
    others = sum(
        getattr(block, field.name).nbytes
        for block in roster._blocks
        for field in dataclasses.fields(block)
        if isinstance(getattr(block, field.name), np.ndarray) and field.name != "ranker"
    )
    assert others <= 40 * 32


def ranks_of(roster, frames):
    """Everybody's bound, by id."""
    blocks = roster._current()
    return dict(
        zip(
            (i for block in blocks for i in block.ids),
            roster._ranks(blocks, frames)[0],
            strict=True,
        )
    )


def slow_bound(model, ubm, frames):
    """As the module says it, frame by frame and component by component, per frame."""
    total = 0.0
    for x, shares in zip(frames.astype(np.float64), ubm.responsibilities(frames), strict=True):
        for c, share in enumerate(shares):
            step = model.means[c] - ubm.means[c]
            total += share * (step / ubm.variances[c]) @ (x - ubm.means[c] - step / 2)
    return total / len(frames)


@pytest.mark.parametrize("relevance_factor", [0.5, 16.0, 1000.0])
@pytest.mark.parametrize("n", [1, 20, 200])
def test_ranks_are_bounds_of_the_exact_ratios(make_world, relevance_factor, n):
    """Also of models far from the background model, where the linear score is far off."""
    world = make_world(relevance_factor=relevance_factor)
    world.enroll(range(12))
    roster, models = Roster(TrialScorer(world.system), world.store), world.models()
    for number in (0, 3, 50):
        frames = world.frames(number, seed=9, n=n)
        found = ranks_of(roster, frames)
        assert found.keys() == models.keys()
        for name, model in models.items():
            exact = log_likelihood_ratio(model, world.ubm, frames.astype(np.float64))
            assert found[name] == pytest.approx(slow_bound(model, world.ubm, frames), abs=RANKS)
            assert found[name] <= exact + RANKS
    if relevance_factor < 1:
        # The linear score is none: it grows with the distance for ever.
        test = accumulate(world.ubm, world.frames(3, seed=9))
        exact = log_likelihood_ratio(models["v0003"], world.ubm, world.frames(3, seed=9))
        assert linear_score(models["v0003"], world.ubm, test)[0, 0] > exact + 1


def test_near_the_background_model_the_bound_is_the_ratio(make_world):
    world = make_world(relevance_factor=1e6)
    world.enroll(range(5))
    roster, frames = Roster(TrialScorer(world.system), world.store), world.frames(2, seed=9)
    found = ranks_of(roster, frames)
    for name, model in world.models().items():
        exact = log_likelihood_ratio(model, world.ubm, frames.astype(np.float64))
        assert found[name] == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("parameters", ADAPTED)
def test_where_scores_are_linear_the_ranks_are_the_scores(make_world, parameters):
    world = make_world("linear", parameters=parameters)
    world.enroll(range(12))
    roster, frames = Roster(TrialScorer(world.system), world.store), world.frames(3, seed=9)
    models = world.models()
    scores = linear_score(list(models.values()), world.ubm, accumulate(world.ubm, frames))[:, 0]
    found = ranks_of(roster, frames)
    assert list(found) == list(models)
    np.testing.assert_allclose(list(found.values()), scores, rtol=1e-5, atol=RANKS)


def test_the_shortlist_is_of_those_with_the_highest_ranks(make_world):
    world = make_world()
    world.enroll(range(30))
    roster, frames = Roster(TrialScorer(world.system), world.store), world.frames(3, seed=9)
    every = ranks_of(roster, frames)
    found = roster.shortlist(frames, most=7)
    # Half by the bound, half by its linear part.
    linear = dict(zip(every, roster._ranks(roster._current(), frames)[1], strict=True))
    by_bound = set(sorted(every, key=every.get)[-3:])
    by_linear = sorted(every.keys() - by_bound, key=linear.get)[-4:]
    assert set(found.ids) == by_bound | set(by_linear)
    assert list(found.ranks) == [every[name] for name in found.ids]
    assert sorted(found.other_ranks) == sorted(every[i] for i in every.keys() - set(found.ids))
    everybody = roster.shortlist(frames, most=30)
    assert (len(everybody.ids), len(everybody.other_ranks)) == (30, 0)


def test_of_hundreds_the_best_is_on_the_shortlist(make_world):
    world = make_world()
    world.enroll(range(300))
    roster = Roster(TrialScorer(world.system), world.store)
    bank = roster.scorer.bank(list(world.models().values()))
    everybody = np.arange(300)
    names = list(world.store.revisions())
    places = []
    for number in range(60):
        frames = world.frames(number, seed=9, n=100)
        best = names[int(np.argmax(bank.scores(frames, everybody)))]
        ranks = ranks_of(roster, frames)
        places.append(sorted(ranks, key=ranks.get, reverse=True).index(best))
        assert best in roster.shortlist(frames).ids
    assert np.mean(np.array(places) < 10) >= 0.95
    assert max(places) < 50


def test_a_model_that_float32_cannot_hold_is_scored_in_full(make_world):
    world = make_world()
    world.enroll(range(4))
    ubm = world.ubm
    far = ubm.means + 1e5 * np.sqrt(ubm.variances)
    n = np.full(ubm.n_components, 100.0)
    statistics = Statistics(n, n[:, None] * far, n[:, None] * far**2, 0.0, 800)
    world.store.enroll("far", statistics, [])
    check_shortlist(world, Roster(TrialScorer(world.system), world.store))


@pytest.mark.parametrize("normalization", ["z", "zt", "s", "as-4"])
def test_the_order_of_normalized_scores_is_kept_in_mind(make_world, normalization):
    world = make_world("linear", normalization)
    world.enroll(range(30))
    roster = Roster(TrialScorer(world.system), world.store)
    for number in range(5):
        frames = world.frames(number, seed=9)
        everybody = roster.shortlist(frames)
        compared = roster.scorer.cohort_scores(everybody.bank)
        scores = roster.scorer.score(everybody.bank, frames, everybody.ids, compared)
        best = [everybody.ids[i] for i in np.argsort(-scores)[:2]]
        assert set(best) <= set(roster.shortlist(frames, most=8).ids)


# --- posteriors count everybody ---


def heard_of(frames):
    """What identification looks at of a recording, but for its sound."""
    one = SimpleNamespace(name="test", audio_digest="a", quality=None, file_digest=lambda: "f")
    return SimpleNamespace(frames=frames, recordings=[one], snr_db=20.0)


def slow_posteriors(exact, p_known, affine):
    """Bayes' rule over everybody: of each, and that it is nobody."""
    weights = {
        name: p_known / len(exact) * np.exp(affine[0] * score + affine[1])
        for name, score in exact.items()
    }
    total = 1 - p_known + sum(weights.values())
    return {name: weight / total for name, weight in weights.items()}, (1 - p_known) / total


# From what tells nothing to what tells a little; errors of the estimate are below a hundredth.
AFFINES = ((0.0, 0.0), (0.0, -2.0), (0.3, -1.0), (1.0, -4.0), (2.0, -8.0))
POSTERIORS = 0.02


def test_those_who_are_not_scored_count_for_the_posteriors(make_world, monkeypatch):
    """Of short tests that tell little, hundreds of improbable ones outweigh the best."""
    # No more than these are scored.
    monkeypatch.setattr(Roster.shortlist, "__defaults__", (20,))
    world = make_world(affine=(1.0, 0.0))
    world.enroll(range(150))
    verifier, models = Verifier(world.system, world.store), world.models()
    left_out = dict.fromkeys(AFFINES, 0.0)
    for number in (0, 40, 149, 200, 300):
        frames = world.frames(number, seed=9, n=5)
        exact = {
            name: log_likelihood_ratio(model, world.ubm, frames.astype(np.float64))
            for name, model in models.items()
        }
        for affine in AFFINES:
            record = dataclasses.replace(world.system.calibration, calibration=Calibration(*affine))
            object.__setattr__(
                verifier, "system", dataclasses.replace(world.system, calibration=record)
            )
            for p_known in (0.1, 0.5, 0.9):
                answer = identify_recording(
                    verifier, heard_of(frames), 99, math.log((1 - p_known) / p_known)
                )
                expected, none = slow_posteriors(exact, p_known, affine)
                assert (len(answer.candidates), answer.n_enrolled) == (20, 150)
                assert answer.posterior_none == pytest.approx(none, abs=POSTERIORS)
                for found in answer.candidates:
                    slow = expected[found.speaker_id]
                    assert found.posterior == pytest.approx(slow, rel=0.1, abs=1e-6)
                llr = np.array([c.llr for c in answer.candidates])
                error = abs(posterior(llr, 150, p_known)[1] - none)
                left_out[affine] = max(left_out[affine], error)
            closed = identify_recording(verifier, heard_of(frames), 99, None)
            expected, _ = slow_posteriors(exact, 1.0, affine)
            assert closed.posterior_none == 0.0
            best = closed.candidates[0]
            assert best.posterior == pytest.approx(expected[best.speaker_id], abs=POSTERIORS)
            if affine[0] == 0:
                # Who tells nothing leaves it at what was known before.
                assert best.posterior == pytest.approx(1 / 150, rel=1e-9)
    # With those alone who were scored it would be far off.
    assert left_out[0.0, 0.0] > 0.3
    assert left_out[0.3, -1.0] > 0.1
