from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.cn_celeb import DEV, EVAL, build
from miniatures.files import touch, write

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture(params=[("CN-Celeb_flac", ".flac"), ("CN-Celeb", ".wav")])
def copy(request, tmp_path):
    """Both versions: .flac, and .wav before."""
    name, suffix = request.param
    return build(tmp_path, name=name, suffix=suffix)


def prepare(copy):
    return prepare_corpus(known_corpus("cn_celeb"), copy, copy.parent / "lists")


def test_the_official_trials_and_development_from_speakers_for_training(copy):
    prepared = prepare(copy)
    assert [(c.split, c.speakers, c.utterances) for c in prepared.splits] == [
        ("background", 5, 75), ("development", 5, 75), ("evaluation", 4, 63),
    ]  # fmt: skip
    development, evaluation = prepared.splits[1:]
    assert (evaluation.models, evaluation.tests) == (3, 60)
    assert (evaluation.target, evaluation.nontarget) == (45, 135)
    # Five models; ten tests each, all of other sessions.
    assert (development.target, development.nontarget) == (50, 200)
    protocols = check_lists(copy.parent / "lists", copy, prepared)
    assert {len(pool) for pool in protocols["development"].enrollment.values()} == {4}
    whole, left_out, trials = prepared.notes
    assert trials == "trials.lst has 180 trials, where the published list has 3,484,292"
    assert whole == "14 speakers, where the whole corpus has 997"
    assert left_out.startswith(
        "60 left out: below data/, of speakers of the evaluation, such as data/id00800/interview-01"
    )


def test_an_utterance_has_its_genre_and_session(copy):
    found = known_corpus("cn_celeb").scan(copy).utterances
    assert found["id00800-live_broadcast-02-003"].session_id == "live_broadcast-02"
    assert found["id00001-singing-03-001"].speaker_id == "id00001"
    assert found["id00800-enroll"].session_id == "enroll"
    # Those of the evaluation are in data/ once more.
    assert len(found) == 150 + 60 + 3
    assert len(known_corpus("cn_celeb").scan(copy.parent).utterances) == 213


def test_the_whole_corpus_gives_what_is_promised():
    (known,) = known_corpus("cn_celeb").protocols.values()
    assert 196 * 17_777 == 17_755 + 3_466_537
    assert "17,755 target + 3,466,537 nontarget" in known.summary


def test_without_the_list_of_speakers_those_not_tried_are_for_training(copy):
    (copy / "dev/dev.lst").unlink()
    (copy / "eval/lists/enroll.lst").unlink()
    prepared = prepare(copy)
    assert [c.speakers for c in prepared.splits] == [5, 5, 4]
    assert prepared.notes[-2].startswith("dev/dev.lst is not there: who is not in the evaluation")


def test_speakers_that_are_not_there_are_noted(copy):
    write(copy, "dev/dev.lst", "\n".join([*DEV, "id00700"]))
    assert prepare(copy).notes[-2] == "1 of the 11 speakers of dev.lst without recordings: id00700"


def test_speakers_that_the_list_does_not_name_are_left_out_and_said(copy):
    write(copy, "dev/dev.lst", "\n".join(DEV[:-2]))
    notes = [note.split(", such")[0] for note in known_corpus("cn_celeb").scan(copy).notes]
    assert notes[0] == "30 left out: below data/, of speakers who are not in dev.lst"


def test_models_without_recording_are_left_out_and_said(copy):
    next((copy / "eval/enroll").glob(f"{EVAL[0]}*")).unlink()
    prepared = prepare(copy)
    assert prepared.splits[2].models == 2
    assert prepared.notes[-1].startswith("60 of the 180 trials of trials.lst left out: a record")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("eval/lists/trials.lst", r"trials.lst: missing, but 'trials.lst2': is it misnamed\?"),
        ("eval/test", r"eval.test: missing, but 'test2': is it misnamed\?; expected recordings"),
        ("eval/lists", r"eval.lists: missing, but 'lists2': is it misnamed\?; expected the offic"),
        ("eval", r"eval: missing, but 'eval2': is it misnamed\?; expected recordings of"),
        ("data", r"data: missing, but 'data2': is it misnamed\?; expected a folder for each"),
    ],
)
def test_a_misnamed_part_is_named(copy, part, message):
    (copy / part).rename(copy / f"{part}2")
    with pytest.raises(ManifestError, match=message):
        prepare(copy)


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("dev/dev.lst", "id00000\nid00", r"dev.lst:2: 'id00'; expected a speaker"),
        ("dev/dev.lst", "id00000\nid00001 x\n", r"dev.lst:2: 'id00001 x'; expected a speaker"),
        ("eval/lists/enroll.lst", "id00800\n", r"enroll.lst:1: 'id00800'; expected a line such"),
        ("eval/lists/trials.lst", "a b target\n", r"trials.lst:1: 'a b target'; expected a line"),
    ],
)
def test_a_wrong_line_is_named(copy, table, text, message):
    write(copy, table, text)
    with pytest.raises(ManifestError, match=message):
        prepare(copy)


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["evals/test/x.wav"])
    with pytest.raises(ManifestError, match=r"no 'eval' or 'data' in it, but 'evals': is it"):
        known_corpus("cn_celeb").scan(tmp_path)


def test_cn_celeb2_is_said_to_be_of_no_use(copy):
    touch(copy.parent, ["CN-Celeb2_flac/data/id10000/singing-01-001.flac"])
    notes = known_corpus("cn_celeb").scan(copy.parent).notes
    assert notes[-1] == "CN-Celeb2_flac is not used: the lists are of CN-Celeb1"
    with pytest.raises(ManifestError, match=r"CN-Celeb1 has and CN-Celeb2 has not"):
        known_corpus("cn_celeb").scan(copy.parent / "CN-Celeb2_flac")


def test_too_few_speakers_for_training_are_named(copy):
    write(copy, "dev/dev.lst", "\n".join(DEV[:3]))
    with pytest.raises(ManifestError, match=rf"{copy}: 3 speakers besides those .*; expected 4"):
        prepare(copy)


def test_other_files_are_passed_over_and_said(copy):
    touch(copy, ["data/id00001/noise.wav", "eval/test/id00800-singing-03-001.ogg"])
    assert [note.split(", such")[0] for note in known_corpus("cn_celeb").scan(copy).notes] == [
        "1 left out: there twice",
        "1 left out: not named GENRE-SESSION-NUMBER",
        "60 left out: below data/, of speakers of the evaluation",
    ]
