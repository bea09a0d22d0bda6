"""Systems in one file: the same numbers as their parts, for ever; nothing else is taken for one."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import system_cases
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load
from system_cases import ENROLLMENT, EXPECTED, OLDEST, RATE, SCORING, make_parts, score, sound

from speakergmm.errors import (
    CalibrationError,
    CohortError,
    ConfigError,
    ModelFileError,
    OutputError,
)
from speakergmm.evaluation import eer
from speakergmm.gmm.model_file import MODEL_FILE, unsaid_settings
from speakergmm.verification.calibration_file import load_calibration, save_calibration
from speakergmm.verification.cohort_file import COHORT_FILE
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.expected_errors import ExpectedErrors, better_length, expected_at
from speakergmm.verification.model_card import write_card
from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import SYSTEM_FILE, load_system, save_system

UNICODE = "Büro 🎙 \u202eقلب | `x`\n# not a heading"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A background model, a cohort and a calibration. Not to be written to."""
    return make_parts(tmp_path_factory.mktemp("parts"))


def assembled(parts, **options):
    others = {name: path for name, path in parts.items() if name != "ubm"}
    return assemble_system(parts["ubm"], **(others | options))


def without_cohort(parts, folder, **changes):
    """Write a calibration of scores that no cohort normalizes."""
    record = load_calibration(parts["calibration"])
    origin = replace(record.origins[0], normalization="none", cohort="")
    path = folder / "plain.json"
    save_calibration(path, replace(record, origins=(origin,), **changes))
    return path


@pytest.fixture
def whole(parts, tmp_path):
    """A system file of one's own, with all parts."""
    path = tmp_path / "system.safetensors"
    save_system(path, assembled(parts, name=UNICODE))
    return path


def plain_history(background):
    without = replace(background, gmm=None, history=replace(background.history, seconds=0.0))
    return dataclasses.asdict(without)


# --- the same system -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["ubm", "calibrated", "normalized"])
def test_a_loaded_system_is_the_one_that_was_saved(parts, tmp_path, what):
    if what == "ubm":
        system = assemble_system(parts["ubm"], name=UNICODE)
    elif what == "calibrated":
        calibration = without_cohort(parts, tmp_path, threshold=None, expected=())
        system = assemble_system(parts["ubm"], calibration=calibration)
    else:
        system = replace(assembled(parts, name=UNICODE), card="# Mine\n\n| a | b |\n\x07 ü 🎙\n")
    path = tmp_path / "s"
    save_system(path, system)
    loaded = load_system(path)
    for name in ("ubm_digest", "enrollment", "scoring", "normalization", "cohort_digest",
                 "calibration", "name", "origin", "threshold", "warnings"):  # fmt: skip
        assert getattr(loaded, name) == getattr(system, name), name
    assert loaded.card == (system.card or write_card(system))
    assert plain_history(loaded.background) == plain_history(system.background)
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(loaded.ubm, name), getattr(system.ubm, name))
    for name, constant in system.front_end.constants().items():
        np.testing.assert_array_equal(loaded.front_end.constants()[name], constant)
    assert (loaded.cohort is None) == (what != "normalized")
    if system.cohort is not None:
        for field in dataclasses.fields(system.cohort):
            saved, read = (getattr(s.cohort, field.name) for s in (system, loaded))
            assert np.array_equal(saved, read), field.name
    # What was loaded is saved as the same bytes.
    save_system(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    # Same scores and ratios, to the last bit.
    (tmp_path / "parts").mkdir()
    (tmp_path / "file").mkdir()
    assert score(loaded, tmp_path / "file") == score(system, tmp_path / "parts")


def test_a_ubm_is_a_system_without_calibration(parts):
    system = load_system(parts["ubm"])
    assert system.calibration is system.cohort is system.threshold is None
    assert system.ubm_digest == assembled(parts).ubm_digest
    assert system.warnings == ()


def test_the_digest_of_the_model_file_outlives_the_system_file(parts, whole, tmp_path):
    # Enrolled with the parts, verified with the file.
    score(assembled(parts), tmp_path)
    verifier = system_cases.Verifier.load(whole, tmp_path / "speakers.db")
    assert verifier.verify("somebody", (sound(9), RATE)).accepted


PROGRAM = """
import sys
from speakergmm.verification.system_file import load_system
system = load_system(sys.argv[1])
system.front_end.transform
print(*sys.modules)
"""


def test_loading_needs_no_heavy_library(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(OLDEST)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert not modules & {"librosa", "sklearn", "scipy.fft", "scipy.signal", "soxr", "matplotlib"}


# --- older versions ------------------------------------------------------------------------------

# Recorded when the file was written.
OLDEST_SCORES = [(6.366161537309576, 7.386137972109933), (5.323913527527308, 6.117550945527249)]


def test_the_oldest_system_is_read_for_ever(tmp_path):
    assert OLDEST.stat().st_size < 40_000
    system = load_system(OLDEST)
    assert system.name == "Büro 🎙 | `x`"
    assert (system.enrollment, system.scoring) == (ENROLLMENT, SCORING)
    assert (system.normalization.label, system.threshold) == ("s", 1.5)
    assert system.calibration.expected == EXPECTED
    assert system.cohort.n_speakers == 4
    # Other processors round float32 sums in another way.
    np.testing.assert_allclose(score(system, tmp_path), OLDEST_SCORES, rtol=1e-3)


def about_of(path, key):
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return json.loads(header["__metadata__"][key])


def made_older(parts, folder, rewrite_file, *, model=4, cohort=2, calibration=2):
    """Write the parts as older versions did, with the digests of one another."""
    folder.mkdir()
    paths = {name: Path(shutil.copy(path, folder)) for name, path in parts.items()}
    unsaid = unsaid_settings(model)
    table = about_of(paths["ubm"], MODEL_FILE.key)["front_end"]
    if model < 4:
        left = {name: value for name, value in table.items() if name not in unsaid}
        without = ("sha256", "parts") if model < 3 else ("sha256",)
        change = {"version": model, "front_end": left}
        rewrite_file(paths["ubm"], MODEL_FILE.key, change, without=without)
    ubm_digest = system_cases.file_digest(paths["ubm"])
    change, without = ({}, ()) if cohort == 2 else ({"version": 1}, ("sha256",))
    rewrite_file(paths["cohort"], COHORT_FILE.key, change | {"ubm": ubm_digest}, without=without)
    entry = json.loads(paths["calibration"].read_text(encoding="utf-8"))
    entry["origins"][0] |= {
        "ubm": ubm_digest, "cohort": system_cases.file_digest(paths["cohort"])
    }  # fmt: skip
    if calibration == 1:
        entry = {k: v for k, v in entry.items() if k not in {"expected", "measured_on"}}
        entry["version"] = 1
    paths["calibration"].write_text(json.dumps(entry), encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    "versions",
    [{"model": 1}, {"model": 2}, {"model": 3}, {"cohort": 1}, {"calibration": 1},
     {"model": 1, "cohort": 1, "calibration": 1}],
    ids=str,
)  # fmt: skip
def test_parts_of_older_versions_make_a_system(tmp_path, rewrite_file, versions):
    # Of a front end that the first version could have had.
    front_end = replace(system_cases.FRONT_END, **unsaid_settings(1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(system_cases, "FRONT_END", front_end)
        newest = make_parts(tmp_path)
    older = made_older(newest, tmp_path / "older", rewrite_file, **versions)
    system = assembled(older)
    assert system.background.front_end == front_end
    assert system.calibration.expected == (() if versions.get("calibration") == 1 else EXPECTED)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    expected = score(assembled(newest), tmp_path / "a")
    assert score(system, tmp_path / "b") == expected
    # They are written as the newest.
    save_system(tmp_path / "system", system)
    assert load_system(tmp_path / "system").origin == system.origin


def test_newer_versions_are_refused_with_both(whole, rewrite_file, parts, tmp_path):
    key = SYSTEM_FILE.key
    about = about_of(whole, key)
    message = r"system file version 9, this program \(.+\) reads up to 2; upgrade speakergmm"
    with pytest.raises(ModelFileError, match=message):
        load_system(rewrite_file(whole, key, {"version": 9}))
    message = r"holds a model of version 9, this program \(.+\) reads up to 5; upgrade"
    ubm = about["ubm"] | {"version": 9}
    with pytest.raises(ModelFileError, match=message):
        load_system(rewrite_file(whole, key, {"version": 1, "ubm": ubm}))
    calibration = about["calibration"] | {"version": 9}
    message = "calibration version 9, this program reads up to 2; upgrade"
    with pytest.raises(ModelFileError, match=message):
        load_system(rewrite_file(whole, key, {"ubm": about["ubm"], "calibration": calibration}))


# --- what is none --------------------------------------------------------------------------------


def test_any_changed_byte_is_noticed(whole):
    content = whole.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    places = np.random.default_rng(1).integers(len(content), size=300)
    for place in [*range(0, header, 17), *places]:
        whole.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(ModelFileError, match=r"system\.safetensors: not a ") as caught:
            load_system(whole)
        assert str(caught.value).isprintable()
    for length in [*range(0, len(content), 199), len(content) - 1]:
        whole.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match=r"system\.safetensors: not a "):
            load_system(whole)


def test_other_files_are_no_systems(parts, tmp_path):
    message = "not a speakergmm system .*says 'speakergmm-cohort'.*; expected a file that `calib"
    with pytest.raises(ModelFileError, match=message):
        load_system(parts["cohort"])
    with pytest.raises(ModelFileError, match="not a system file, or a damaged one"):
        load_system(parts["calibration"])
    wav = tmp_path / "x.wav"
    import soundfile

    soundfile.write(wav, sound(1), RATE)
    with pytest.raises(ModelFileError, match=r"x\.wav: not a system file, or a damaged one \("):
        load_system(wav)
    with pytest.raises(ModelFileError, match="no such file; expected a system that `calibrate`"):
        load_system(tmp_path / "nowhere")
    ubm = parts["ubm"].read_bytes()
    (tmp_path / "ubm").write_bytes(ubm[:-1])
    with pytest.raises(ModelFileError, match="ubm: not a model file, or a damaged one"):
        load_system(tmp_path / "ubm")


WRONG = {
    "ubm": [None, [], "x", {}, {"version": 4}],
    "enrollment": [None, 3, [], {"relevance_factor": -1}, {"no": 1}],
    "scoring": [None, {"scorer": "guess"}, "exact"],
    "normalization": [None, 3, "none", "as-1", "as-x", "z-5", [], "s-s"],
    "cohort": [None, {}, [], 3],
    "cohort_digest": ["", None],
    "calibration": [[], 3, "x", {}, {"format": "x"}, {"unavailable": "too few"}],
    "ubm_digest": [None, "", "ab" * 32],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG.items() for value in values]
)
def test_entries_that_do_not_fit_are_refused(whole, rewrite_file, name, value):
    rewrite_file(whole, SYSTEM_FILE.key, {name: value})
    with pytest.raises(ModelFileError, match=r"system\.safetensors: ") as caught:
        load_system(whole)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", [*WRONG, "name", "card"])
def test_entries_that_are_missing_are_named(whole, rewrite_file, name):
    with pytest.raises(ModelFileError, match=f"damaged one .*'{name}'"):
        load_system(rewrite_file(whole, SYSTEM_FILE.key, without=(name,)))


def test_background_models_that_are_none(whole, rewrite_file):
    ubm = about_of(whole, SYSTEM_FILE.key)["ubm"]
    for change in ({"seed": "x"}, {"seed": True}, {"versions": []}, {"n_frames": None},
                   {"data_digest": 3}, {"version": True}, {"version": 0}, {"history": []},
                   {"training": 3}, {"parts": 3}, {"front_end": []}):  # fmt: skip
        rewrite_file(whole, SYSTEM_FILE.key, {"ubm": ubm | change})
        with pytest.raises(ModelFileError, match=r"system\.safetensors: not a system file"):
            load_system(whole)


def test_arrays_that_are_missing_or_of_another_shape(whole, rewrite_file):
    content = whole.read_bytes()
    for name, tensor in load(content).items():
        whole.write_bytes(content)
        with pytest.raises(ModelFileError, match=r"system\.safetensors: "):
            load_system(rewrite_file(whole, SYSTEM_FILE.key, without=(name,)))
        bad = [tensor[..., :-1]]
        if tensor.dtype.kind == "f":
            bad.append(np.full_like(tensor, np.nan))
        for other in bad:
            whole.write_bytes(content)
            with pytest.raises(ModelFileError, match=r"system\.safetensors: "):
                load_system(rewrite_file(whole, SYSTEM_FILE.key, tensors={name: other}))


def test_a_cohort_of_another_size_of_model_is_refused(whole, rewrite_file):
    tensors = load(whole.read_bytes())
    narrow = {f"cohort.{name}": tensors[f"cohort.{name}"][..., :-1].copy() for name in "fs"}
    narrow["cohort.frames"] = tensors["cohort.frames"][:, :-1].copy()
    with pytest.raises(ModelFileError, match="its cohort is of another background model"):
        load_system(rewrite_file(whole, SYSTEM_FILE.key, tensors=narrow))


def test_a_system_that_cannot_be_written_leaves_the_old_one(parts, whole):
    before = whole.read_bytes()
    with pytest.raises(OutputError, match="cannot be written"):
        save_system(whole / "x", assembled(parts))
    assert whole.read_bytes() == before


# --- parts that do not belong together -----------------------------------------------------------


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    return make_parts(tmp_path_factory.mktemp("others"), n_components=3)


def test_parts_of_two_systems_are_refused(parts, others, tmp_path):
    with pytest.raises(CohortError, match=r"made with the background model .*, not with"):
        assembled(parts, cohort=others["cohort"])
    # The calibration says which cohort it needs before its own model is looked at.
    with pytest.raises(CalibrationError, match="made with background model"):
        assembled(parts, calibration=others["calibration"])
    with pytest.raises(CalibrationError, match="relevance factor 8, not 4"):
        assembled(parts, enrollment=EnrollmentConfig(4.0))
    with pytest.raises(CalibrationError, match=r"made with .*cohort none, not"):
        assembled(parts, calibration=without_cohort(parts, tmp_path))


def test_parts_that_need_others(parts, tmp_path):
    with pytest.raises(ConfigError, match=r"of scores that a cohort normalizes \(s\); give that"):
        assembled(parts, cohort=None)
    with pytest.raises(ConfigError, match="a cohort changes what scores mean; give the calib"):
        assembled(parts, calibration=None)
    record = load_calibration(parts["calibration"])
    path = tmp_path / "iterated.json"
    origin = replace(record.origins[0], enrollment=replace(ENROLLMENT, iterations=2),
                     normalization="none", cohort="")  # fmt: skip
    save_calibration(path, replace(record, origins=(origin,)))
    with pytest.raises(ConfigError, match="made with 2 iterations of adaptation"):
        assembled(parts, calibration=path, cohort=None)
    for name in parts:
        missing = parts | {name: tmp_path / "nowhere"}
        with pytest.raises((ModelFileError, CalibrationError, CohortError), match="no such file"):
            assembled(missing)


# --- the card ------------------------------------------------------------------------------------


def test_the_card_says_what_a_system_rests_on(parts):
    system = assembled(parts, name="Office")
    card = write_card(system)
    assert card.startswith("# Office\n\nGaussian mixture models")
    assert f"| Background model | 4 components, {system.ubm_digest[:12]} |" in card
    assert "| Scorer | top-3 |" in card
    assert "| Score normalization | s, by 4 strangers |" in card
    assert "accepted from a ratio of 1.50" in card
    assert "| 1.0 s | 20.0 % | 25.0 % | 10.0 % |\n| 4.0 s | 5.0 % | 10.0 % | 2.0 % |" in card
    assert "## Warnings\n\n- the cohort has 4 speakers" in card
    assert card.endswith("\n")
    assert "\n\n\n" not in card


def test_the_card_of_a_background_model_says_what_is_missing(parts):
    card = write_card(assemble_system(parts["ubm"]))
    assert card.startswith("# Speaker verification system\n")
    assert "Not calibrated" in card
    assert "| Score normalization | none |" in card
    assert "## Errors" not in card
    assert "## Warnings" not in card


HOSTILE = "a | b\n# c `d` \r\x1b[2J\u2028<e>"


def test_what_people_name_breaks_no_line_of_the_card(parts):
    system = assembled(parts, name=HOSTILE)
    versions = {"speaker|gmm": HOSTILE}
    record = replace(system.calibration, fitted_on=HOSTILE, measured_on=HOSTILE)
    hostile = replace(
        system, background=replace(system.background, versions=versions), calibration=record
    )
    card, usual = write_card(hostile), write_card(replace(system, name="Office"))
    lines, expected = card.split("\n"), usual.split("\n")
    assert len(lines) == len(expected)
    assert all(line.isprintable() for line in lines)
    for line, other in zip(lines, expected, strict=True):
        assert line.startswith("#") == other.startswith("#")
        assert line.count(" | ") == other.count(" | ") or not line.startswith("|")
    assert lines[0].startswith("# a | b # c `d` ")


# --- errors to expect ----------------------------------------------------------------------------


def row(speech_s, eer=0.1, p_miss=0.2, p_fa=0.05, scale=1.0, offset=0.0, n=(10, 90)):
    return ExpectedErrors(speech_s, eer, p_miss, p_fa, scale, offset, *n)


def many(speech_s, eer):
    """Measure on so many trials that no difference of a fifth is chance."""
    return row(speech_s, eer, n=(10_000, 90_000))


share = st.floats(0.0, 1.0)
tables = st.lists(
    st.tuples(st.floats(0.01, 1e4), share, share, share, st.floats(0.01, 9), st.floats(-9, 9)),
    min_size=1,
    max_size=6,
    unique_by=lambda values: round(math.log(values[0]), 3),
).map(lambda rows: tuple(row(*values) for values in sorted(rows)))
NUMBERS = ("eer", "p_miss", "p_fa", "scale", "offset")


@given(tables, st.floats(0.0, 1e6))
def test_expected_errors_lie_between_their_rows(table, speech_s):
    found = expected_at(table, speech_s)
    # Nothing was measured beyond the ends.
    assert found.speech_s == min(max(speech_s, table[0].speech_s), table[-1].speech_s)
    assert (found.n_target, found.n_nontarget) == (10, 90)
    below = [r for r in table if r.speech_s <= speech_s][-1:] or [table[0]]
    above = [r for r in table if r.speech_s >= speech_s][:1] or [table[-1]]
    for name in NUMBERS:
        ends = [getattr(r, name) for r in (*below, *above)]
        assert min(ends) - 1e-12 <= getattr(found, name) <= max(ends) + 1e-12


@given(tables)
def test_expected_errors_are_exact_at_rows_and_level_beyond_the_ends(table):
    for r in table:
        found = expected_at(table, r.speech_s)
        assert [getattr(found, name) for name in NUMBERS] == [getattr(r, name) for name in NUMBERS]
        assert found == r
    for speech_s, end in (
        (0.0, table[0]),
        (-1.0, table[0]),
        (math.nextafter(table[0].speech_s, 0.0), table[0]),
        (math.nextafter(table[-1].speech_s, math.inf), table[-1]),
        (1e9, table[-1]),
    ):
        # With its own length, not that which was asked for.
        assert expected_at(table, speech_s) is end


@given(tables, share, share)
def test_expected_errors_fall_where_their_rows_fall(table, one, other):
    eers = sorted((r.eer for r in table), reverse=True)
    falling = tuple(replace(r, eer=eer) for r, eer in zip(table, eers, strict=True))
    low, high = sorted((one * 1e4, other * 1e4))
    found = expected_at(falling, low), expected_at(falling, high)
    assert found[0].eer >= found[1].eer - 1e-12


def test_half_way_in_the_logarithm_is_half_way():
    table = (row(1.0, 0.4), row(4.0, 0.2))
    assert expected_at(table, 2.0).eer == pytest.approx(0.3)
    assert expected_at((), 2.0) is None


def test_the_length_that_is_worth_asking_for():
    table = (many(1.0, 0.4), many(2.0, 0.3), many(5.0, 0.2), many(10.0, 0.1), many(20.0, 0.01))
    # The shortest that halves, not the best.
    assert better_length(table, 1.0) is table[2]
    assert better_length(table, 5.0) is table[3]
    # None halves: the one with the lowest.
    assert better_length(table[:2], 1.0) is table[1]
    # Nothing that is clearly longer, or clearly better.
    assert better_length(table, 15.0) is None
    assert better_length(table[:4], 7.0) is None
    assert better_length((many(1.0, 0.1), many(9.0, 0.09)), 1.0) is None
    assert better_length((many(1.0, 0.1), many(9.0, 0.3)), 1.0) is None
    assert better_length((), 1.0) is None


def test_nothing_is_better_than_no_errors():
    assert better_length((many(1.0, 0.0), many(4.0, 0.0)), 1.0) is None
    assert better_length((many(1.0, 0.0), many(4.0, 0.1)), 0.5) is None
    table = (many(1.0, 0.1), many(4.0, 0.0))
    assert better_length(table, 1.0) is table[1]


@pytest.mark.parametrize("n", [(100, 10_000), (10_000, 100), (100, 100)])
def test_better_is_more_than_chance(n):
    """Of both rates, with as many trials as the kind has of which there are fewer."""
    here = row(1.0, 0.2, n=n)
    error = math.sqrt((0.2 * 0.8 + 0.08 * 0.92) / 100)
    assert 2.33 * error == pytest.approx(0.1126, abs=1e-4)
    # The difference is 0.12, which is just enough, and of a trial less in eight it is not.
    there = row(4.0, 0.08, n=n)
    assert better_length((here, there), 1.0) is there
    fewer = tuple(min(85, count) if count == 100 else count for count in n)
    assert math.sqrt((0.2 * 0.8 + 0.08 * 0.92) / 85) * 2.33 > 0.12
    pair = [replace(r, n_target=fewer[0], n_nontarget=fewer[1]) for r in (here, there)]
    assert better_length(pair, 1.0) is None
    # Of many trials a fifth less is enough, of few nothing.
    assert better_length((many(1.0, 0.2), many(4.0, 0.159)), 1.0) is not None
    assert better_length((row(1.0, 0.2, n=(10, 90)), row(4.0, 0.1, n=(10, 90))), 1.0) is None


LENGTHS = (1.0, 2.0, 5.0, 10.0)


def measured(rng, distances):
    """Count errors on 64 targets and 1,000 nontargets, of each length others."""
    rows = []
    for length, distance in zip(LENGTHS, distances, strict=False):
        rate = eer(distance + rng.normal(size=64), rng.normal(size=1000))
        rows.append(row(length, float(rate), n=(64, 1000)))
    return tuple(rows)


@pytest.mark.parametrize("distance", [1.0, 2.0, 3.0])
def test_noise_is_no_reason_to_ask_for_more_speech(distance):
    """All lengths are as good: what differs in a table is chance."""
    rng = np.random.default_rng(11)
    found = [better_length(measured(rng, [distance] * 4), 1.0) for _ in range(300)]
    assert sum(better is not None for better in found) < 0.1 * 300


@pytest.mark.parametrize("rate", [0.05, 0.15, 0.3])
def test_of_two_lengths_chance_decides_once_in_twenty(rate):
    """Also of rates that vary as much as those at a threshold do, which is more."""
    rng = np.random.default_rng(13)
    asked = 0
    for here, there in rng.binomial(64, rate, (300, 2)) / 64:
        table = row(1.0, here, n=(64, 4000)), row(5.0, there, n=(64, 4000))
        asked += better_length(table, 1.0) is not None
    assert asked < 0.1 * 300


def test_what_is_better_is_asked_for_in_spite_of_noise():
    rng = np.random.default_rng(12)
    found = [better_length(measured(rng, [1.0, 2.0, 3.0, 4.0]), 1.0) for _ in range(100)]
    assert sum(better is not None for better in found) > 95


@given(tables, st.floats(0.0, 1e5))
def test_a_better_length_is_longer_and_better(table, speech_s):
    better = better_length(table, speech_s)
    if better is not None:
        assert better in table
        assert better.speech_s >= 1.5 * speech_s
        here = expected_at(table, speech_s)
        assert better.eer <= 0.8 * here.eer
        variances = (r.eer * (1 - r.eer) / 10 for r in (better, here))
        assert here.eer - better.eer >= 2.33 * math.sqrt(sum(variances))


# --- the table in a calibration file -------------------------------------------------------------

GOOD = dataclasses.asdict(row(1.0))
BAD_TABLES = {
    "no list": 3,
    "null": None,
    "an object": {"speech_s": 1.0},
    "numbers": [1.0],
    "a list of lists": [[1.0] * 8],
    "a text": ["eer"],
    "a missing number": [{k: v for k, v in GOOD.items() if k != "scale"}],
    "one too many": [GOOD | {"more": 1}],
    "text": [GOOD | {"eer": "0.1"}],
    "a truth": [GOOD | {"p_fa": True}],
    "null inside": [GOOD | {"offset": None}],
    "list inside": [GOOD | {"offset": [1.0]}],
    "half a trial": [GOOD | {"n_target": 1.5}],
    "no trials": [GOOD | {"n_nontarget": 0}],
    "a negative length": [GOOD | {"speech_s": -1.0}],
    "no length": [GOOD | {"speech_s": 0}],
    "not sorted": [GOOD | {"speech_s": 2.0}, GOOD],
    "the same length": [GOOD, GOOD],
    "more than all": [GOOD | {"eer": 1.01}],
    "less than none": [GOOD | {"p_miss": -0.01}],
    "too large": [GOOD | {"scale": 10**400}],
    "too many trials": [GOOD | {"n_target": 10**400}],
    **{
        f"{name} {value}": [GOOD | {name: value}]
        for name in ("speech_s", "eer", "scale", "n_target")
        for value in (math.nan, math.inf, -math.inf)
    },
}


@pytest.mark.parametrize("table", BAD_TABLES.values(), ids=BAD_TABLES)
def test_tables_that_are_none_are_refused(parts, tmp_path, table):
    entry = json.loads(parts["calibration"].read_text(encoding="utf-8")) | {"expected": table}
    (tmp_path / "c.json").write_text(json.dumps(entry), encoding="utf-8")
    message = r"c\.json: damaged calibration \(.+\); calibrate again"
    with pytest.raises(CalibrationError, match=message):
        load_calibration(tmp_path / "c.json")


@pytest.mark.parametrize("version", [True, 1.0, 2.5, "2", None, [2], 0, -1, math.nan, 10**400])
def test_versions_of_calibrations_that_are_none(parts, tmp_path, version):
    entry = json.loads(parts["calibration"].read_text(encoding="utf-8")) | {"version": version}
    (tmp_path / "c.json").write_text(json.dumps(entry), encoding="utf-8")
    with pytest.raises(CalibrationError, match=r"c\.json: damaged calibration \("):
        load_calibration(tmp_path / "c.json")


def test_a_calibration_that_says_a_thing_twice(parts, tmp_path):
    text = parts["calibration"].read_text(encoding="utf-8")
    doubled = text.replace('"offset"', '"scale": 100, "offset"', 1)
    (tmp_path / "c.json").write_text(doubled, encoding="utf-8")
    message = r"c\.json: not a calibration file \('scale' stands there twice\)"
    with pytest.raises(CalibrationError, match=message):
        load_calibration(tmp_path / "c.json")
