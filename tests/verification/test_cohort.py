"""Cohorts: what they hold, that their scores are those of single trials, and their file."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from speakergmm import DiagonalGMM, accumulate, linear_score, log_likelihood_ratio, map_adapt
from speakergmm.audio import duration_s
from speakergmm.corpora import Utterance, read_utterances
from speakergmm.corpora.cohort_lists import cached, cohort_lists
from speakergmm.errors import CohortError, OutputError
from speakergmm.features import FrontEndConfig
from speakergmm.features.extraction import extract_sides
from speakergmm.features.sides import by_name, pooled_sides
from speakergmm.files import file_digest
from speakergmm.gmm import train_ubm
from speakergmm.verification import EnrollmentConfig, NormalizationConfig, ScoringConfig
from speakergmm.verification.cohort import FEW_SPEAKERS, Source, build_cohort
from speakergmm.verification.cohort_file import COHORT_FILE, TENSORS, load_cohort, save_cohort
from speakergmm.verification.cohort_scoring import score_cohort
from speakergmm.verification.trial_normalization import METHODS

CONFIG = FrontEndConfig(n_mfcc=6, n_mels=12)
ENROLLMENT = EnrollmentConfig(relevance_factor=4.0)
DIGEST = "0123456789abcdef" * 4

# Means over float32 blocks, of other shapes for one trial than for a list.
FAST = 1e-4


@pytest.fixture(scope="module")
def utterances(small_corpus):
    return read_utterances(small_corpus / "utterances.csv")


@pytest.fixture(scope="module")
def lists(utterances):
    """Lists of the background's five speakers: recordings of 1.5 s, cut and pooled."""
    background = [u for u in utterances.values() if u.split == "background"]
    return cohort_lists(background, cached(duration_s), enrollment_s=2.5, test_s=1.0)


@pytest.fixture(scope="module")
def pooled(lists):
    models, model_pools = pooled_sides(lists.enrollment, lists.utterances, CONFIG, "cohort enroll")
    tests, test_pools = pooled_sides(lists.tests, lists.utterances, CONFIG, "cohort test")
    return by_name(models, tests), (model_pools, test_pools)


@pytest.fixture(scope="module")
def store(pooled, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "frames"
    return extract_sides(list(pooled[0].values()), folder, CONFIG, jobs=1)[0]


@pytest.fixture(scope="module")
def ubm(store):
    return train_ubm(store, 4, rng=1)[0]


@pytest.fixture(scope="module")
def built(lists, store, pooled, ubm):
    """Build the cohort, with other settings of enrollment where they are given."""

    def build(enrollment=ENROLLMENT, **options):
        return build_cohort(lists, store, pooled[1], ubm, DIGEST, enrollment, **options)

    return build


@pytest.fixture(scope="module")
def cohort(built):
    return built()


@pytest.fixture(scope="module")
def speakers(ubm):
    """Three models of the trials, and four tests: frames by id."""
    rng = np.random.default_rng(2)
    n_features = ubm.n_features
    models = [
        map_adapt(ubm, accumulate(ubm, ubm.mean + rng.normal(size=(60, n_features))))
        for _ in range(3)
    ]
    frames = (ubm.mean + rng.normal(size=(20 + 5 * i, n_features)) for i in range(4))
    return models, {f"t{i}": x.astype(np.float32) for i, x in enumerate(frames)}


# --- what is in it -------------------------------------------------------------------------------


def test_it_has_a_model_and_tests_of_each_speaker(cohort, lists):
    assert cohort.model_speakers == ("s01", "s02", "s03", "s04", "s05")
    assert cohort.test_speakers == tuple(s for s in cohort.model_speakers for _ in range(2))
    assert cohort.n_speakers == 5
    assert len(cohort.n) == len(lists.enrollment)
    assert len(cohort.bounds) == len(lists.tests) + 1
    assert cohort.ubm == DIGEST


def test_its_statistics_are_those_of_the_pooled_frames(cohort, store, pooled, ubm):
    for i, pool in enumerate(pooled[1][0].values()):
        expected = accumulate(ubm, store.pooled(pool))
        assert cohort.n_frames[i] == expected.n_frames
        for name in ("n", "f", "s"):
            np.testing.assert_array_equal(getattr(cohort, name)[i], getattr(expected, name))


def test_its_tests_are_their_frames(cohort, store, pooled):
    for number, pool in enumerate(pooled[1][1].values()):
        np.testing.assert_array_equal(cohort.test_frames(number), store.pooled(pool))
    assert cohort.bounds[-1] == len(cohort.frames)
    assert cohort.frames.dtype == np.float32


def test_its_models_are_adapted_when_they_are_asked_for(cohort, store, pooled, ubm):
    models = cohort.models(ubm)
    assert len(models) == 5
    for model, pool in zip(models, pooled[1][0].values(), strict=True):
        expected = map_adapt(ubm, accumulate(ubm, store.pooled(pool)), relevance_factor=4.0)
        np.testing.assert_array_equal(model.means, expected.means)
    for model, expected in zip(models[1:3], (models[1], models[2]), strict=True):
        np.testing.assert_array_equal(model.means, expected.means)


def test_its_enrollment_may_iterate(built, store, pooled, ubm):
    enrollment = EnrollmentConfig(4.0, "all", 3)
    cohort = built(enrollment)
    pool = next(iter(pooled[1][0].values()))
    frames = store.pooled(pool)
    expected = enrollment.speaker_model(ubm, enrollment.statistics(ubm, frames))
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(cohort.models(ubm)[0], name), getattr(expected, name))


def test_number_of_workers_changes_no_byte(built, tmp_path):
    for jobs in (1, 2, 3):
        save_cohort(tmp_path / str(jobs), built(jobs=jobs))
    assert len({(tmp_path / str(jobs)).read_bytes() for jobs in (1, 2, 3)}) == 1


def test_same_speaker_says_which_pairs_are_no_strangers(cohort):
    expected = [[m == t for t in cohort.test_speakers] for m in cohort.model_speakers]
    np.testing.assert_array_equal(cohort.same_speaker, expected)
    assert cohort.same_speaker.sum() == 10


def test_sources_name_all_speech_by_its_content(cohort, lists):
    assert len(cohort.sources) == len(lists.utterances)
    for source, utterance in zip(cohort.sources, lists.utterances.values(), strict=True):
        assert source.utterance_id == utterance.utterance_id
        assert source.speaker_id == utterance.speaker_id
        assert source.path == utterance.path.name
        assert source.digest == file_digest(utterance.path)
        assert (source.start_s, source.end_s) == (utterance.start_s, utterance.end_s)


def test_it_can_be_described(cohort):
    described = json.loads(json.dumps(cohort.described()))
    assert described["ubm"] == DIGEST
    assert described["enrollment"] == dataclasses.asdict(ENROLLMENT)
    counts = {name: described[name] for name in ("n_speakers", "n_models", "n_tests")}
    assert counts == {"n_speakers": 5, "n_models": 5, "n_tests": 10}
    assert described["n_test_frames"] == len(cohort.frames)
    assert len(described["sources"]) == len(cohort.sources)


def test_few_speakers_are_warned_of(cohort):
    (warning,) = cohort.warnings(NormalizationConfig("s"))
    assert warning == (
        "the cohort has 5 speakers; with fewer than 30 the normalized scores depend on who they "
        "happen to be: use more speakers"
    )
    assert cohort.warnings(NormalizationConfig()) == ()


@pytest.mark.parametrize(("n", "n_warnings"), [(FEW_SPEAKERS - 1, 1), (FEW_SPEAKERS, 0)])
def test_thirty_speakers_are_enough(cohort, n, n_warnings):
    # Speakers who have a model only count as those who have tests.
    large = replace(cohort, model_speakers=tuple(f"x{i}" for i in range(n - 5)))
    assert large.n_speakers == n
    assert len(large.warnings(NormalizationConfig("z"))) == n_warnings


# --- scores --------------------------------------------------------------------------------------


def one_score(scoring, model, ubm, frames):
    if scoring.scorer == "linear":
        return linear_score(model, ubm, accumulate(ubm, frames))[0, 0]
    return log_likelihood_ratio(model, ubm, frames, top_c=scoring.top_c)


@pytest.mark.parametrize(
    "scoring", [ScoringConfig(), ScoringConfig(2), ScoringConfig(scorer="linear")], ids=str
)
def test_scores_are_those_of_single_trials(cohort, ubm, speakers, scoring):
    models, tests = speakers
    scores = score_cohort(
        cohort, ubm, models, tuple(tests), tests.__getitem__, scoring, "zt", jobs=1
    )
    own_models = list(cohort.models(ubm))
    own_tests = [cohort.test_frames(i) for i in range(10)]
    tables = {
        "models_vs_cohort": (models, own_tests),
        "cohort_vs_tests": (own_models, list(tests.values())),
        "cohort_vs_cohort": (own_models, own_tests),
    }
    for name, (rows, columns) in tables.items():
        expected = [[one_score(scoring, model, ubm, x) for x in columns] for model in rows]
        np.testing.assert_allclose(getattr(scores, name), expected, rtol=FAST, atol=FAST)
    np.testing.assert_array_equal(scores.same_speaker, cohort.same_speaker)


NEEDED = {
    "none": (),
    "z": ("models_vs_cohort",),
    "t": ("cohort_vs_tests",),
    "zt": ("models_vs_cohort", "cohort_vs_tests", "cohort_vs_cohort"),
    "s": ("models_vs_cohort", "cohort_vs_tests"),
    "as": ("models_vs_cohort", "cohort_vs_tests"),
}


class Counting:
    """Counts the tasks and the steps of a progress."""

    def __init__(self):
        self.tasks = {}

    def start(self, task, total=None):
        self.task = task
        self.tasks[task] = [total, 0]

    def advance(self, steps=1):
        self.tasks[self.task][1] += steps

    def note(self, text):
        pass


@pytest.mark.parametrize("method", METHODS)
def test_a_method_gets_the_tables_that_it_needs(cohort, ubm, speakers, method):
    models, tests = speakers
    progress = Counting()
    scores = score_cohort(
        cohort, ubm, models, tuple(tests), tests.__getitem__, ScoringConfig(), method,
        progress=progress,
    )  # fmt: skip
    shapes = {
        "models_vs_cohort": (3, 10), "cohort_vs_tests": (5, 4), "cohort_vs_cohort": (5, 10),
    }  # fmt: skip
    for name, shape in shapes.items():
        table = getattr(scores, name)
        if name in NEEDED[method]:
            assert table.shape == shape
        else:
            assert table is None
    tasks = {
        "models_vs_cohort": "scores with the cohort's tests",
        "cohort_vs_tests": "scores with the cohort's models",
        "cohort_vs_cohort": "scores within the cohort",
    }
    assert list(progress.tasks) == [tasks[name] for name in NEEDED[method]]
    assert all(total == done for total, done in progress.tasks.values())


def test_scores_of_a_cohort_do_not_depend_on_workers(cohort, ubm, speakers):
    models, tests = speakers
    found = [
        score_cohort(
            cohort, ubm, models, tuple(tests), tests.__getitem__, ScoringConfig(), "zt", jobs=jobs
        )
        for jobs in (1, 3)
    ]
    for name in ("models_vs_cohort", "cohort_vs_tests", "cohort_vs_cohort"):
        assert getattr(found[0], name).tobytes() == getattr(found[1], name).tobytes()


# --- apart from the trials -----------------------------------------------------------------------


def test_strangers_are_apart(cohort, utterances):
    cohort.check_apart(u for u in utterances.values() if u.split != "background")
    cohort.check_apart([])


def test_a_shared_speaker_is_named(cohort, utterances):
    mixed = [u for u in utterances.values() if u.split != "background" or u.speaker_id == "s02"]
    message = (
        "cohort and trials share speakers, whose scores are no strangers'; make the cohort of "
        "others: speaker 's02' is in both"
    )
    with pytest.raises(CohortError, match=f"^{message}$"):
        cohort.check_apart(mixed)


def test_all_shared_speakers_are_named(cohort, utterances):
    with pytest.raises(CohortError) as caught:
        cohort.check_apart(reversed(list(utterances.values())))
    heading, *lines = str(caught.value).splitlines()
    assert heading.endswith("make the cohort of others: 5 problems")
    assert lines == [f"  speaker 's0{i}' is in both" for i in range(1, 6)]


def test_a_speaker_is_known_by_name_also_with_other_recordings(cohort, utterances):
    other = next(u for u in utterances.values() if u.split == "evaluation")
    with pytest.raises(CohortError, match="speaker 's01' is in both"):
        cohort.check_apart([replace(other, speaker_id="s01")])


def test_a_recording_under_another_name_is_found(cohort, utterances, tmp_path):
    original = utterances["s03-1-1"]
    copied = tmp_path / "renamed.flac"
    shutil.copy(original.path, copied)
    message = "utterance 'u1' of 'somebody' is the recording of 's03-1-1' of 's03' in the cohort"
    with pytest.raises(CohortError, match=message):
        cohort.check_apart([Utterance("u1", "somebody", copied)])


def test_both_kinds_of_sharing_are_told_together(cohort, utterances, tmp_path):
    copied = tmp_path / "renamed.flac"
    shutil.copy(utterances["s03-1-1"].path, copied)
    mixed = [Utterance("u1", "somebody", copied), utterances["s04-1-1"], utterances["s04-1-2"]]
    with pytest.raises(CohortError) as caught:
        cohort.check_apart(mixed)
    assert str(caught.value).splitlines()[1:] == [
        "  speaker 's04' is in both",
        "  utterance 'u1' of 'somebody' is the recording of 's03-1-1' of 's03' in the cohort",
    ]


@pytest.fixture
def of_a_call(cohort, tmp_path):
    """A cohort whose only speech is 10 to 20 s of a call, and that call's file."""
    call = tmp_path / "call.wav"
    call.write_bytes(b"a call of two speakers")
    source = Source.of(Utterance("side a", "ann", call, 10.0, 20.0))
    return replace(cohort, sources=(source,)), call


@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 10.0), (None, 10.0), (20.0, None), (20, 99)])
def test_other_segments_of_a_recording_are_apart(of_a_call, start_s, end_s):
    cohort, call = of_a_call
    cohort.check_apart([Utterance("side b", "bob", call, start_s, end_s)])


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [(None, None), (None, 10.1), (19.9, None), (12.0, 13.0), (0.0, 99.0), (10.0, 20.0)],
)
def test_segments_that_overlap_are_not(of_a_call, start_s, end_s):
    cohort, call = of_a_call
    other = Utterance("side b", "bob", call, start_s, end_s)
    with pytest.raises(CohortError, match="utterance 'side b' of 'bob' is the recording of 'side"):
        cohort.check_apart([other])
    # Either way round.
    ours, theirs = cohort.sources[0], Source.of(other)
    assert ours.overlaps(theirs)
    assert theirs.overlaps(ours)


def test_the_other_side_of_a_call_is_apart(of_a_call):
    cohort, call = of_a_call
    side = dataclasses.replace(cohort.sources[0], channel=0)
    cohort = replace(cohort, sources=(side,))
    cohort.check_apart([Utterance("side b", "bob", call, 10.0, 20.0, channel=1)])
    for channel in (0, None):
        with pytest.raises(CohortError, match="is the recording of 'side"):
            cohort.check_apart([Utterance("x", "bob", call, 10.0, 20.0, channel=channel)])


def test_other_audio_of_the_same_name_is_apart(of_a_call, tmp_path):
    cohort, call = of_a_call
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / call.name
    other.write_bytes(b"another call")
    cohort.check_apart([Utterance("side a", "bob", other, 10.0, 20.0)])


def test_models_adapted_in_another_way_are_refused(cohort):
    cohort.check_enrollment(EnrollmentConfig(4.0))
    for other in (
        EnrollmentConfig(),
        EnrollmentConfig(4.0, "all"),
        EnrollmentConfig(4.0, iterations=2),
    ):
        message = re.escape(
            "the cohort's models are adapted with relevance factor 4, means, 1 iteration(s), those "
            f"of the trials with relevance factor {other.relevance_factor:g}, {other.parameters}, "
            f"{other.iterations} iteration(s); expected the same: adapt alike, or make the cohort "
            "anew"
        )
        with pytest.raises(CohortError, match=f"^{message}$"):
            cohort.check_enrollment(other)


# --- the file ------------------------------------------------------------------------------------


def assert_same(a, b):
    for name in TENSORS:
        ours, theirs = getattr(a, name), getattr(b, name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    for name in ("ubm", "enrollment", "model_speakers", "test_speakers", "sources"):
        assert getattr(a, name) == getattr(b, name)


def test_what_is_saved_is_loaded_and_saved_again_as_the_same_bytes(cohort, tmp_path):
    save_cohort(tmp_path / "c", cohort)
    loaded = load_cohort(tmp_path / "c")
    assert_same(loaded, cohort)
    save_cohort(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "c").read_bytes()
    assert_same(load_cohort(tmp_path / "c", DIGEST), cohort)


def test_all_settings_of_enrollment_come_back(built, tmp_path):
    enrollment = EnrollmentConfig(7.5, "means+weights", 2)
    save_cohort(tmp_path / "c", built(enrollment))
    assert load_cohort(tmp_path / "c").enrollment == enrollment


def test_a_cohort_of_another_model_is_refused(cohort, tmp_path):
    save_cohort(tmp_path / "c", cohort)
    message = (
        "c: made with the background model 0123456789ab, not with fedcba987654; give that model, "
        "or make a cohort with this one"
    )
    with pytest.raises(CohortError, match=message):
        load_cohort(tmp_path / "c", "fedcba9876543210" * 4)


def test_a_missing_file(tmp_path):
    message = "nowhere: no such file; expected a cohort that `cohort make` or `recipe run` wrote"
    with pytest.raises(CohortError, match=message):
        load_cohort(tmp_path / "nowhere")
    with pytest.raises(CohortError, match="not a file"):
        load_cohort(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF1234WAVE", b"\xff" * 64, bytes(4096), b"a,b\n1,2"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(
        CohortError, match=r"c: not a cohort file, or a damaged one .*make it anew by"
    ):
        load_cohort(tmp_path / "c")


def test_safetensors_of_something_else(tmp_path):
    (tmp_path / "c").write_bytes(save({"x": np.zeros(3)}))
    message = re.escape(
        "c: not a speakergmm cohort (no 'speakergmm-cohort' in its metadata); expected a file that "
        "`cohort make` or `recipe run` wrote"
    )
    with pytest.raises(CohortError, match=message):
        load_cohort(tmp_path / "c")


@pytest.fixture
def small(cohort):
    """Give a cohort of a model and two tests of few frames: its file is mostly header.

    Its statistics are views of others.
    """
    return replace(
        cohort,
        model_speakers=cohort.model_speakers[:1],
        test_speakers=cohort.test_speakers[:2],
        n=cohort.n[:1],
        f=cohort.f[:1, :, :2],
        s=cohort.s[:1, :, :2],
        n_frames=cohort.n_frames[:1],
        frames=np.ascontiguousarray(cohort.frames[:5, :2]),
        bounds=np.array([0, 2, 5]),
        sources=cohort.sources[:1],
    )


def contiguous(cohort):
    return replace(
        cohort, **{name: np.ascontiguousarray(getattr(cohort, name)) for name in TENSORS}
    )


@pytest.fixture
def saved(small, tmp_path):
    save_cohort(tmp_path / "whole", contiguous(small))
    assert load_cohort(tmp_path / "whole").bounds.tolist() == [0, 2, 5]
    return tmp_path / "whole"


def test_a_view_of_other_arrays_is_saved_as_what_it_shows(small, saved, tmp_path):
    save_cohort(tmp_path / "views", small)
    assert (tmp_path / "views").read_bytes() == saved.read_bytes()


def test_every_truncation_is_refused(saved, tmp_path):
    content = saved.read_bytes()
    for length in range(0, len(content), 3):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(CohortError, match="cut: "):
            load_cohort(tmp_path / "cut")


@pytest.mark.parametrize("mask", [0x01, 0x0F, 0x15])
def test_every_flipped_byte_is_refused(saved, tmp_path, mask):
    content = saved.read_bytes()
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= mask
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(CohortError, match="damaged: "):
            load_cohort(tmp_path / "damaged", DIGEST)


@pytest.fixture
def rewrite(saved, rewrite_file):
    """Write the cohort file again, with other entries or tensors."""
    return lambda *args, **kwargs: rewrite_file(saved, COHORT_FILE.key, *args, **kwargs)


def test_a_newer_file_is_refused_with_both_versions(rewrite):
    message = r"whole: cohort file version 9, this program .* reads up to 3; upgrade speakergmm"
    with pytest.raises(CohortError, match=message):
        load_cohort(rewrite({"version": 9}))


N, D = 4, 2
ONE = np.zeros((1, N, D))
UNFIT = {
    "a model more": {"n": np.zeros((2, N))},
    "statistics of no matrix": {"n": np.zeros(N)},
    "counts of frames of another number": {"n_frames": np.array([1, 2])},
    "counts of frames that are one number": {"n_frames": np.array(3)},
    "other components": {"f": np.zeros((1, 3, D))},
    "other features": {"f": np.zeros((1, N, 3)), "s": np.zeros((1, N, 3))},
    "squares of other features": {"s": np.zeros((1, N, 3))},
    "frames of other features": {"frames": np.zeros((5, 3), np.float32)},
    "frames that are one number": {"frames": np.float32([1.0]).reshape(())},
    "frames that are no matrix": {
        "frames": np.zeros(2, np.float32), "bounds": np.array([0, 1, 2]),
    },
    "frames of three axes": {"frames": np.zeros((5, 1, D), np.float32)},
    "more frames than bounds": {"frames": np.zeros((6, D), np.float32)},
    "too few bounds": {"bounds": np.array([0, 5])},
    "bounds of a matrix": {"bounds": np.array([[0, 2, 5]])},
    "bounds that fall": {"bounds": np.array([0, 6, 5])},
    "a test without frames": {"bounds": np.array([0, 5, 5])},
    "bounds that begin late": {"bounds": np.array([1, 2, 5])},
    "bounds that are fractions": {"bounds": np.array([0.0, 2.5, 5.0])},
    "frames that are not finite": {"frames": np.full((5, D), np.nan, np.float32)},
    "statistics that are not finite": {"n": np.full((1, N), np.inf)},
}  # fmt: skip


@pytest.mark.parametrize("tensors", UNFIT.values(), ids=UNFIT.keys())
def test_tensors_that_do_not_fit_are_refused(rewrite, tensors):
    with pytest.raises(CohortError, match=r"whole: .*damaged.* make it (again|anew)"):
        load_cohort(rewrite(tensors=tensors))


@pytest.mark.parametrize("name", [*TENSORS, "ubm", "enrollment", "model_speakers", "sources"])
def test_what_is_missing_in_a_file_is_refused(rewrite, name):
    with pytest.raises(CohortError, match="whole: not a cohort file, or a damaged one"):
        load_cohort(rewrite(without=(name,)))


@pytest.mark.parametrize(
    "change",
    [
        {"model_speakers": ["a", "b"]},
        {"test_speakers": ["a"]},
        {"test_speakers": 7},
        {"enrollment": {"relevance": 4}},
        {"enrollment": {"relevance_factor": -4}},
        {"enrollment": []},
        {"sources": [{"path": "x"}]},
        {"sources": 3},
        {"version": "1"},
        {"version": None},
        {"ubm": 7},
        {"ubm": None},
    ],
    ids=str,
)
def test_entries_that_are_none_are_refused(rewrite, change):
    with pytest.raises(CohortError, match=r"whole: .*(damaged|version|background model)"):
        load_cohort(rewrite(change), DIGEST)


def test_a_cohort_that_cannot_be_written(cohort, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        save_cohort(tmp_path / "file" / "c", cohort)


@pytest.mark.usefixtures("leaves_nothing_half_written")
def test_a_cohort_is_whole_or_not_there(cohort, tmp_path, monkeypatch):
    save_cohort(tmp_path / "c", cohort)
    before = (tmp_path / "c").read_bytes()

    def fail(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        save_cohort(tmp_path / "c", replace(cohort, ubm="other"))
    assert (tmp_path / "c").read_bytes() == before


def test_the_file_of_another_ubm_can_be_shown(cohort, tmp_path):
    # Without a digest any cohort is read, to say what is in it.
    save_cohort(tmp_path / "c", replace(cohort, ubm="f" * 64))
    assert load_cohort(tmp_path / "c").described()["ubm"] == "f" * 64


def test_a_model_of_another_size_is_refused_when_it_is_adapted(cohort):
    other = DiagonalGMM([1.0], np.zeros((1, 2)), np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"statistics are of \(C, D\)"):
        cohort.models(other)[0]
