"""`speakergmm verify` with a calibration: the same scores as the batch's, and a decision."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from speakergmm.corpora import read_scores
from speakergmm.evaluation.wording import ratio_sentence
from speakergmm.files import file_digest
from speakergmm.verification.calibration_file import load_calibration
from speakergmm.verification.expected_errors import expected_at

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

# One trial's frames are scored as one float32 block, those of a list in blocks of other shapes;
# normalization divides by deviations of some hundredths.
SCORE_TOLERANCE = 1e-4
NORMALIZED_TOLERANCE = 5e-3

# Enrolled with their first two recordings, tested by others.
SPEAKERS = ("s11", "s12", "s13")
TESTS = ("s11-2-1", "s12-2-1", "s13-2-4")


def recording(people, utterance_id):
    return people / utterance_id.partition("-")[0] / f"{utterance_id}.flac"


@pytest.fixture(scope="module")
def store(people, background_model, tmp_path_factory):
    """A store of three speakers. Not to be written to."""
    from speakergmm.verification import Verifier

    path = tmp_path_factory.mktemp("store") / "speakers.db"
    verifier = Verifier.load(background_model, path)
    for name in SPEAKERS:
        verifier.enroll(name, [recording(people, f"{name}-1-{take}") for take in (1, 2)])
    return path


@pytest.fixture
def verify(cli, people, background_model, store):
    """Verify a recording of the people as one of those enrolled."""

    def run(speaker_id, utterance_id, *options, ubm=background_model):
        return cli("verify", speaker_id, recording(people, utterance_id), "--ubm", ubm, "--store",
                   store, *options)  # fmt: skip

    return run


def refuses(answer, *messages, status=1):
    assert (answer.status, answer.out) == (status, ""), answer
    said = " ".join(answer.err.split())
    for message in messages:
        assert message in said


WAYS = {
    "exact": (False, {}, []),
    "top-2": (False, {"scoring__top_c": "2"}, ["--top-c", 2]),
    "linear": (False, {"scoring__scorer": "linear"}, ["--scorer", "linear"]),
    "relevance factor": (
        False,
        {"enrollment__relevance_factor": "4"},
        ["--relevance-factor", 4],
    ),
    "s": (True, {"score_normalization__method": "s"}, []),
    "zt": (True, {"score_normalization__method": "zt"}, ["--normalization", "zt"]),
    "as": (
        True,
        {"score_normalization__method": "as", "score_normalization__top_n": "4"},
        ["--normalization", "as", "--top-n", 4],
    ),
    "linear, t": (
        True,
        {"score_normalization__method": "t", "scoring__scorer": "linear"},
        ["--normalization", "t", "--scorer", "linear"],
    ),
}


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """The same models and tests as lists."""
    folder = tmp_path_factory.mktemp("lists")
    enrollment = [f"{name},{name}-1-{take}" for name in SPEAKERS for take in (1, 2)]
    tests = [f"{name},{name}" for name in TESTS]
    (folder / "enrollment.csv").write_text("\n".join(["model_id,utterance_id", *enrollment]))
    (folder / "tests.csv").write_text("\n".join(["test_id,utterance_id", *tests]))
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_a_verification_is_a_trial_of_the_batch(
    cli, verify, make_calibration, background_model, small_corpus, strangers, lists, tmp_path, way
):
    with_cohort, settings, options = WAYS[way]
    cohort = ["--cohort", strangers] if with_cohort else []
    calibration = make_calibration(strangers if with_cohort else None, **settings)
    scores = tmp_path / "scores.csv"
    answer = cli("score", lists, "--utterances", small_corpus / "utterances.csv", "--ubm",
                 background_model, "--output", scores, *cohort, *options, "--calibration",
                 calibration, "--quiet")  # fmt: skip
    assert answer.status == 0
    batch = read_scores(scores)
    tolerance = NORMALIZED_TOLERANCE if with_cohort else SCORE_TOLERANCE
    scale = load_calibration(calibration).calibration.scale
    found = [
        json.loads(verify(name, test, "--calibration", calibration, *cohort, "--json").out)
        for name in SPEAKERS
        for test in TESTS
    ]
    np.testing.assert_allclose(
        [trial["score"] for trial in found], batch.score, rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(
        [trial["llr"] for trial in found], batch.llr, rtol=tolerance, atol=abs(scale) * tolerance
    )


def changed(calibration, path, **entries):
    """Write a calibration again with other entries."""
    entry = json.loads(calibration.read_text(encoding="utf-8"))
    path.write_text(json.dumps(entry | entries), encoding="utf-8")
    return path


# Of so short tests the recipe measures one length or two; by hand they differ more.
ROW = {"eer": 0.2, "p_miss": 0.2, "p_fa": 0.2, "n_target": 40, "n_nontarget": 360}
BY_LENGTH = [
    ROW | {"speech_s": 0.25, "scale": 0.5, "offset": -0.5},
    ROW | {"speech_s": 2.0, "scale": 3.0, "offset": 1.0},
]


@pytest.mark.parametrize("table", ["own", "by hand", "none"])
def test_ratio_and_threshold_of_the_calibration_decide(verify, make_calibration, tmp_path, table):
    calibration = make_calibration()
    if table != "own":
        given = BY_LENGTH if table == "by hand" else []
        calibration = changed(calibration, tmp_path / "calibration.json", expected=given)
    record = load_calibration(calibration)
    assert record.knows_lengths == bool(record.expected) == (table != "none")
    statuses = set()
    for name in SPEAKERS:
        for test in TESTS:
            answer = verify(name, test, "--calibration", calibration, "--json")
            found = json.loads(answer.out)
            worth = expected_at(record.expected, found["speech_s"]) or record.calibration
            if table == "by hand":
                assert 0.5 < worth.scale < 3.0
            ratio = worth.scale * found["score"] + worth.offset
            assert found["llr"] == pytest.approx(ratio, rel=1e-12)
            assert found["threshold"] == record.threshold == pytest.approx(math.log(99))
            assert found["accepted"] == (found["llr"] >= found["threshold"])
            assert answer.status == (0 if found["accepted"] else 3)
            statuses.add(answer.status)
    assert 3 in statuses


def test_identification_reads_the_same_ratios(
    cli, verify, people, make_calibration, background_model, store, tmp_path
):
    calibration = changed(make_calibration(), tmp_path / "c.json", expected=BY_LENGTH)
    options = ["--calibration", calibration]
    answer = cli("identify", recording(people, "s12-2-1"), "--ubm", background_model, "--store",
                 store, "--json", *options)  # fmt: skip
    found = json.loads(answer.out)
    worth = expected_at(load_calibration(calibration).expected, found["speech_s"])
    assert len(found["candidates"]) == len(SPEAKERS)
    for candidate in found["candidates"]:
        name = candidate["speaker_id"]
        claim = json.loads(verify(name, "s12-2-1", *options, "--json").out)
        ratio = worth.scale * candidate["score"] + worth.offset
        assert candidate["llr"] == pytest.approx(ratio, rel=1e-12)
        assert candidate["llr"] == pytest.approx(claim["llr"], abs=10 * SCORE_TOLERANCE)


def test_scores_of_a_list_get_the_same_ratios(
    cli, verify, make_calibration, background_model, small_corpus, lists, tmp_path
):
    calibration = changed(make_calibration(), tmp_path / "c.json", expected=BY_LENGTH)
    record, scores = load_calibration(calibration), tmp_path / "scores.csv"
    answer = cli("score", lists, "--utterances", small_corpus / "utterances.csv", "--ubm",
                 background_model, "--output", scores, "--calibration", calibration,
                 "--quiet")  # fmt: skip
    assert answer.status == 0
    batch = read_scores(scores)
    found = [
        json.loads(verify(name, test, "--calibration", calibration, "--json").out)
        for name in SPEAKERS
        for test in TESTS
    ]
    worth = [expected_at(record.expected, trial["speech_s"]) for trial in found]
    assert len({row.scale for row in worth}) > 1
    by_hand = [
        row.scale * score + row.offset for row, score in zip(worth, batch.score, strict=True)
    ]
    np.testing.assert_allclose(batch.llr, by_hand, atol=1e-5)
    np.testing.assert_allclose([t["llr"] for t in found], batch.llr, atol=10 * SCORE_TOLERANCE)


def test_side_information_goes_before_the_table(verify, make_calibration, tmp_path):
    calibration = changed(make_calibration(), tmp_path / "c.json", expected=BY_LENGTH)
    with_side(calibration, calibration, ("test_speech", 0.5, -0.25))
    record = load_calibration(calibration)
    assert record.expected
    assert not record.knows_lengths
    found = json.loads(verify("s12", "s12-2-1", "--calibration", calibration, "--json").out)
    scale = record.calibration.scale + 0.5 * math.log(found["speech_s"])
    offset = record.calibration.offset - 0.25 * math.log(found["speech_s"])
    assert found["llr"] == pytest.approx(scale * found["score"] + offset, rel=1e-12)


def test_it_is_said_in_plain_words(verify, people, make_calibration):
    calibration = make_calibration()
    common = ["--calibration", calibration]
    found = json.loads(verify("s11", "s11-2-1", *common, "--json").out)
    llr = found["llr"]
    for threshold, status, word, relation in (
        (llr, 0, "accepted", "at or above"),
        (llr + 1e-6, 3, "rejected", "below"),
    ):
        answer = verify("s11", "s11-2-1", *common, "--threshold", repr(threshold))
        assert (answer.status, answer.err) == (status, "")
        first, second, third, *others = answer.out.splitlines()
        path = recording(people, "s11-2-1")
        assert first == f"{word}: {path} as 's11'"
        assert second == (
            f"  log-likelihood ratio {llr:.2f}, {relation} the threshold {threshold:.2f} (score "
            f"{found['score']:.4f})"
        )
        assert third == f"  {ratio_sentence(llr)}"
        heard, *warnings = others
        assert heard.startswith(f"  heard {found['speech_s']:.1f} s of speech in ")
        assert warnings == [f"warning: {text}" for text in found["warnings"]]


def test_without_a_calibration_there_is_no_ratio(verify):
    answer = verify("s11", "s11-2-1", "--threshold", -9)
    assert answer.status == 0
    assert "ratio" not in answer.out
    assert "times as likely" not in answer.out
    found = json.loads(verify("s11", "s11-2-1", "--threshold", -9, "--json").out)
    assert found["llr"] is None


def test_a_threshold_given_replaces_the_calibrations(verify, make_calibration):
    common = ["--calibration", make_calibration(), "--json"]
    for threshold, status in ((-99, 0), (99, 3)):
        answer = verify("s11", "s12-2-1", *common, "--threshold", threshold)
        assert answer.status == status
        assert json.loads(answer.out)["threshold"] == threshold
    refuses(
        verify("s11", "s12-2-1", *common, "--threshold", "nan"),
        "threshold is nan; expected a finite number",
    )


def test_a_calibration_without_a_threshold(verify, make_calibration, tmp_path):
    entry = json.loads(make_calibration().read_text(encoding="utf-8"))
    # As a recipe writes it.
    (tmp_path / "calibration.json").write_text(json.dumps(entry | {"threshold": None}))
    common = ["--calibration", tmp_path / "calibration.json"]
    refuses(
        verify("s11", "s11-2-1", *common),
        "no threshold: a score means nothing without one; give one, or a system that is "
        "calibrated and has one",
    )
    answer = verify("s11", "s11-2-1", *common, "--threshold", -99)
    assert answer.status == 0
    assert "log-likelihood ratio" in answer.out


def test_the_relevance_factor_is_the_calibrations(verify, make_calibration):
    calibration = make_calibration(enrollment__relevance_factor="4")
    common = ["--calibration", calibration, "--json"]
    found = verify("s11", "s11-2-1", *common)
    assert verify("s11", "s11-2-1", *common, "--relevance-factor", 4) == found
    by_default, by_hand = (
        json.loads(verify("s11", "s11-2-1", "--threshold", 0, "--json", *more).out)["score"]
        for more in ([], ["--relevance-factor", 4])
    )
    score = json.loads(found.out)["score"]
    assert score == by_hand
    assert abs(score - by_default) > 100 * SCORE_TOLERANCE
    refuses(
        verify("s11", "s11-2-1", *common, "--relevance-factor", 16),
        f"error: {calibration}: made with relevance factor 4, not 16: a calibration holds for the "
        "scores that it was made with",
    )


def test_a_calibration_of_normalized_scores_needs_its_cohort(
    verify, make_calibration, make_cohort_file, background_model, strangers, tmp_path
):
    calibration = make_calibration(strangers, score_normalization__method="s")
    refuses(
        verify("s11", "s11-2-1", "--calibration", calibration),
        f"{calibration}: of scores that a cohort normalizes (s); give that cohort too",
    )
    other = make_cohort_file(
        background_model, tmp_path / "other", split="background", tests_per_speaker=1
    )
    refuses(
        verify("s11", "s11-2-1", "--calibration", calibration, "--cohort", other),
        f"made with cohort {file_digest(strangers)[:12]}, not {file_digest(other)[:12]}: a calib",
    )
    refuses(
        verify("s11", "s11-2-1", "--threshold", 0, "--cohort", strangers),
        f"{strangers}: a cohort changes what scores mean; give the calibration that was made with",
    )
    plain = make_calibration()
    refuses(
        verify("s11", "s11-2-1", "--calibration", plain, "--cohort", strangers),
        f"{plain}: made with cohort none, not {file_digest(strangers)[:12]}",
    )


def test_calibrations_of_other_systems(
    cli, verify, make_calibration, other_model, background_model, people, tmp_path
):
    calibration = make_calibration()
    store = tmp_path / "other.db"
    path = recording(people, "s11-2-1")
    cli("enroll", "s11", path, "--ubm", other_model, "--store", store)
    answer = cli("verify", "s11", path, "--ubm", other_model, "--store", store, "--calibration",
                 calibration)  # fmt: skip
    refuses(
        answer,
        f"{calibration}: made with background model {file_digest(background_model)[:12]}, not "
        f"{file_digest(other_model)[:12]}",
    )
    entry = json.loads(calibration.read_text(encoding="utf-8"))
    (tmp_path / "unknown.json").write_text(json.dumps(entry | {"origins": [None]}))
    refuses(
        verify("s11", "s11-2-1", "--calibration", tmp_path / "unknown.json"),
        "unknown.json: does not say what made its scores; calibrate with recordings, or with "
        "scores that `score` wrote",
    )
    fusion = entry | {"origins": entry["origins"] * 2, "scale": [1.0, 2.0]}
    (tmp_path / "fusion.json").write_text(json.dumps(fusion))
    refuses(
        verify("s11", "s11-2-1", "--calibration", tmp_path / "fusion.json"),
        "fusion.json: fuses 2 systems; expected one system's calibration",
    )
    refuses(
        verify("s11", "s11-2-1", "--calibration", tmp_path / "no"),
        "no: no such file; expected a calibration that `calibrate` wrote",
    )
    refuses(
        verify("s11", "s11-2-1", "--calibration", background_model),
        "not a calibration file",
    )
    (tmp_path / "newer.json").write_text(json.dumps(entry | {"version": 99}))
    refuses(
        verify("s11", "s11-2-1", "--calibration", tmp_path / "newer.json"),
        "newer.json: calibration version 99, this program reads up to 2; upgrade speakergmm",
    )


def test_repeated_adaptation_is_not_promised(verify, make_calibration):
    """The store keeps statistics under the background model, which one iteration adapts from."""
    calibration = make_calibration(enrollment__iterations="3")
    refuses(
        verify("s11", "s11-2-1", "--calibration", calibration),
        f"{calibration}: ",
        "iterations",
    )


def with_side(calibration, path, *terms):
    entry = json.loads(calibration.read_text(encoding="utf-8"))
    side = [{"name": name, "scale": scale, "offset": offset} for name, scale, offset in terms]
    path.write_text(json.dumps(entry | {"side": side}))
    return path


@pytest.fixture
def enrolled_speech_s(cli, people, background_model, tmp_path):
    """Seconds of speech that a speaker was enrolled with."""

    def seconds(name):
        paths = [recording(people, f"{name}-1-{take}") for take in (1, 2)]
        answer = cli("enroll", name, *paths, "--ubm", background_model, "--store",
                     tmp_path / "again.db", "--json")  # fmt: skip
        return json.loads(answer.out)["total_speech_s"]

    return seconds


def test_speech_of_both_sides_enters_the_ratio(
    verify, enrolled_speech_s, make_calibration, tmp_path
):
    calibration = with_side(
        make_calibration(), tmp_path / "side.json",
        ("test_speech", 0.5, -0.25), ("enrollment_speech", -0.125, 2.0),
    )  # fmt: skip
    record = load_calibration(calibration).calibration
    found = json.loads(verify("s12", "s12-2-1", "--calibration", calibration, "--json").out)
    enrolled_s = enrolled_speech_s("s12")
    # Two recordings of a second and a half, and one of a second.
    assert 0 < found["speech_s"] <= 1 < enrolled_s <= 3
    scale = record.scale + 0.5 * math.log(found["speech_s"]) - 0.125 * math.log(enrolled_s)
    offset = record.offset - 0.25 * math.log(found["speech_s"]) + 2.0 * math.log(enrolled_s)
    assert found["llr"] == pytest.approx(scale * found["score"] + offset, rel=1e-12)


def test_what_is_not_known_of_a_trial(verify, make_calibration, tmp_path):
    calibration = with_side(make_calibration(), tmp_path / "side.json", ("test_level", 0.5, 0.0))
    refuses(
        verify("s12", "s12-2-1", "--calibration", calibration),
        "the calibration needs test_level, which is not known of this trial; calibrate without it",
    )


# --- the sentence ---


@pytest.mark.parametrize(
    ("llr", "said"),
    [
        (0.0, "Such a score speaks for neither the claimed speaker nor a stranger."),
        (math.log(2), "about 2 times as likely from the claimed speaker as from a stranger."),
        (math.log(2.54), "about 2.5 times as likely from the claimed speaker as from a stranger."),
        (-math.log(12.4), "about 12 times as likely from a stranger as from the claimed speaker."),
        (math.log(12_345), "about 12,000 times as likely from the claimed speaker as from a "),
        (math.log(999_999), "about 1,000,000 times as likely from the claimed"),
        (14.0, "more than 1,000,000 times as likely from the claimed speaker as from a stranger."),
        (-800.0, "more than 1,000,000 times as likely from a stranger as from the claimed sp"),
        (math.inf, "more than 1,000,000 times as likely from the claimed speaker as from a str"),
        (-math.inf, "more than 1,000,000 times as likely from a stranger as from the claimed"),
    ],
)
def test_the_sentence_of_a_ratio(llr, said):
    assert ratio_sentence(llr).startswith("Such a score ")
    assert said in ratio_sentence(llr)


def test_the_sentence_is_symmetric_and_grows():
    times = []
    for llr in np.linspace(0.01, 13.8, 300):
        own, stranger = ratio_sentence(llr), ratio_sentence(-llr)
        swapped = re.sub("from (.*) as from (.*)[.]", lambda m: f"from {m[2]} as from {m[1]}.", own)
        assert stranger == swapped
        times.append(float(re.search("about (.*) times", own)[1].replace(",", "")))
    assert times == sorted(times)
    # As written, to two digits or a whole number.
    np.testing.assert_allclose(times, np.exp(np.linspace(0.01, 13.8, 300)), rtol=0.06)


def test_who_is_in_the_cohort_is_not_verified_by_it(
    cli, verify, make_calibration, small_corpus, background_model, strangers, tmp_path
):
    """By name, by the recording that is tested, and by those that were enrolled."""
    from speakergmm.corpora import read_utterances

    everybody = read_utterances(small_corpus / "utterances.csv").values()
    stranger = next(u for u in everybody if u.split == "background")
    other = next(u for u in everybody if u.speaker_id == "s11")
    options = [
        "--ubm", background_model, "--calibration",
        make_calibration(strangers, score_normalization__method="s"), "--cohort", strangers,
    ]  # fmt: skip
    for name, enrolled, tested, message in (
        (stranger.speaker_id, other, other, f"speaker {stranger.speaker_id!r} is in both"),
        ("new", other, stranger, f"of {stranger.speaker_id!r} in the cohort"),
        ("other", stranger, other, f"recordings of {stranger.speaker_id!r} in the cohort"),
    ):
        store = ["--store", tmp_path / f"{name}.db"]
        cli("enroll", name, enrolled.path, "--ubm", background_model, *store)
        refuses(cli("verify", name, tested.path, *options, *store), message)
