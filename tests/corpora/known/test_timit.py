from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.timit import TABLE, TEST, TRAIN, build, names

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def prepare(copy):
    return prepare_corpus(known_corpus("timit"), copy, copy.parent / "lists")


def test_nine_sentences_enroll_and_the_tenth_is_tested(copy):
    prepared = prepare(copy)
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 115, 1150), ("development", 16, 160), ("evaluation", 26, 260),
    ]  # fmt: skip
    # 30 of 56 women and 70 of 112 men.
    assert [c.target for c in prepared.splits[1:]] == [16, 26]
    assert [c.nontarget for c in prepared.splits[1:]] == [16 * 15, 26 * 25]
    protocol = check_lists(copy.parent / "lists", copy, prepared)["evaluation"]
    assert sum(name.startswith("F") for name in protocol.enrollment) == 8
    assert {len(pool) for pool in protocol.enrollment.values()} == {9}
    assert not [test for test in protocol.tests if test.endswith(("SA1", "SA2"))]
    name = f"{TRAIN[0]}_SI648"
    line = f"{name},{TRAIN[0]},TRAIN/DR1/{TRAIN[0]}/SI648.WAV,{TRAIN[0]},f,background\n"
    assert line in (copy.parent / "lists/utterances.csv").read_text()


def test_the_whole_corpus_gives_what_is_promised():
    from speakergmm.corpora.known import timit

    (known,) = known_corpus("timit").protocols.values()
    parts = {"f": (56, 136), "m": (112, 326)}
    n = {sex: round(parts[sex][0] * share / of) for sex, (share, of) in timit.SHARES.items()}
    assert n == {"f": 30, "m": 70}
    assert sum(train for _, train in parts.values()) == 462
    others = sum(test for test, _ in parts.values()) - 100
    assert f"{others} target + {others * (others - 1):,} nontarget" in known.summary
    assert "100 target + 9,900 nontarget" in known.summary


@pytest.mark.parametrize("suffix", [".WAV", ".wav", ".RIFF.wav", ".WAV.wav", ".flac"])
@pytest.mark.parametrize("lower", [False, True])
def test_any_case_and_suffix_will_do(tmp_path, suffix, lower):
    listed = [name.lower() if lower else name for name in names("")][-200:]
    touch(tmp_path / "timit", [f"{name}{suffix}" for name in listed])
    found = known_corpus("timit").scan(tmp_path)
    assert len(found.utterances) == 200
    assert found.utterances[f"{TEST[-1]}_SX37"].sex == "m"
    assert all((tmp_path / u.path).exists() for u in found.utterances.values())


def test_of_two_copies_the_one_in_riff_is_taken(copy):
    touch(copy, [f"{name}.wav" for name in names()])
    found = known_corpus("timit").scan(copy)
    assert len(found.utterances) == 1570
    assert {u.path.name.count(".") for u in found.utterances.values()} == {2}


@pytest.mark.parametrize(
    ("part", "name", "there"),
    [
        ("TRAIN", "elsewhere", r" \(DOC, TEST, elsewhere there\)"),
        ("TEST", "TESTS", r", but 'TESTS': is it misnamed\?"),
    ],
)
def test_a_missing_part_is_named(copy, part, name, there):
    (copy / part).rename(copy / name)
    with pytest.raises(ManifestError, match=rf"{part}: missing{there}; expected the part {part}:"):
        prepare(copy)


def test_a_part_of_too_few_speakers_is_named(copy):
    for place in [*(copy / "TEST").rglob("*.WAV")][1:]:
        place.unlink()
    with pytest.raises(
        ManifestError, match=r"[01] speakers? for .* of the part TEST, where 1 speaker can be found"
    ):
        prepare(copy)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["TRAINING/DR1/FCJF0/SA1.WAV"])
    with pytest.raises(ManifestError, match=r"no 'TRAIN' or .* but 'TRAINING': is it misnamed"):
        known_corpus("timit").scan(tmp_path)


def test_a_wrong_line_of_the_table_is_named(copy):
    write(copy, "DOC/SPKRINFO.TXT", TABLE + "ABC0 6 TRN")
    with pytest.raises(ManifestError, match=r"SPKRINFO.TXT:160: 'ABC0 6 TRN'; expected a line"):
        known_corpus("timit").scan(copy)


def test_other_files_are_passed_over_and_said(copy):
    touch(copy, ["TRAIN/DR1/FAAA0/._SA1.WAV", "TRAIN/DR1/FAAA0/noise.wav"])
    found = known_corpus("timit").scan(copy)
    assert len(found.utterances) == 1570
    assert found.notes[0].startswith("1 left out: not named SPEAKER/SENTENCE, such as TRAIN/DR1/F")
