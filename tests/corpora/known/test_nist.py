from __future__ import annotations

import numpy as np
import pytest
from corpus_copies import check_lists
from miniatures.files import touch, write
from miniatures.nist import (
    MODEL_KEY,
    SPEAKERS,
    TRIAL_KEY,
    build_sre08,
    build_sre10,
    build_sre16,
    enrolled,
    trials,
    tried,
    trn,
)

from speakergmm.corpora.known import known_corpus, nist_columns, nist_evaluations
from speakergmm.corpora.known.nist_tables import read_csv_key, read_segment_key
from speakergmm.corpora.known.preparing import prepare_corpus, protocol_named
from speakergmm.errors import ManifestError


@pytest.fixture
def sre10(tmp_path):
    return build_sre10(tmp_path)


def prepare(copy, **options):
    lists = copy.parent / "lists"
    return prepare_corpus(known_corpus("nist"), copy, lists, **options)


def counts(prepared):
    return [(c.split, c.speakers, c.models, c.target, c.nontarget) for c in prepared.splits]


def test_up_to_sre10_speakers_are_shared_out_where_there_is_nobody_else(sre10):
    prepared = prepare(sre10)
    # Of ten men and ten women a half, a fifth, and the rest.
    assert counts(prepared) == [
        ("background", 10, 0, 0, 0), ("development", 4, 4, 12, 12), ("evaluation", 6, 6, 18, 42),
    ]  # fmt: skip
    protocols = check_lists(sre10.parent / "lists", sre10, prepared)
    assert {*protocols["evaluation"].model_speakers.values()} <= {f"speaker{i}" for i in range(20)}
    assert [note[:30] for note in prepared.notes[:2]] == [
        "no recordings of other people ", "no trials for development (a k",
    ]  # fmt: skip
    trials_of = "of the 600 trials of core-core.trialkey.csv are not"
    assert f"576 {trials_of} development: a speaker of theirs" in prepared.notes[2]
    assert f"540 {trials_of} evaluation: a speaker of theirs" in prepared.notes[3]
    found = known_corpus("nist").scan(sre10).utterances
    assert (found["t0001_b"].channel, found["t0001_b"].sex) == (1, "f")
    assert (found["x00020_a"].channel, found["x00020_a"].speaker_id) == (0, "speaker2")
    text = (sre10.parent / "lists/utterances.csv").read_text()
    assert text.startswith("utterance_id,speaker_id,path,session_id,sex,split,channel\n")


def test_people_of_neither_are_the_background(sre10):
    touch(sre10, ["background/ann/a1.sph", "background/ann/a2.sph", "background/bob.sph"])
    touch(sre10, ["data/unlabeled/major/u1.sph", "data/unlabeled/minor/u2.sph"])
    prepared = prepare(sre10)
    assert [c.speakers for c in prepared.splits] == [4, 8, 12]
    found = known_corpus("nist").scan(sre10).utterances
    assert {n: u.speaker_id for n, u in found.items() if "_" not in n} == {
        "a1": "ann", "a2": "ann", "bob": "bob", "u1": "u1", "u2": "u2",
    }  # fmt: skip
    assert found["u1"].channel == 0


def test_recordings_of_others_may_have_the_same_names(sre10):
    touch(sre10, [f"background/{name}/{take}.sph" for name in ("ann", "bob") for take in "12"])
    found = known_corpus("nist").scan(sre10).utterances
    assert {n: u.speaker_id for n, u in found.items() if "_" not in n} == {
        "ann-1": "ann", "ann-2": "ann", "bob-1": "bob", "bob-2": "bob",
    }  # fmt: skip


def test_without_a_model_key_target_trials_tell_who_is_who(sre10):
    (sre10 / "keys/core.modelkey.csv").unlink()
    more = f"99999 m {tried(0, 0)}.sph:{SPEAKERS[0][2]},unknown.sph:b\n"
    write(sre10, "train/core.trn", trn() + more)
    found = known_corpus("nist").scan(sre10).utterances
    assert len({u.speaker_id for u in found.values()}) == 20
    # The new model is made of a test of the first.
    assert found["t0000_a"].speaker_id == found["x00000_a"].speaker_id == "core-core-10000"
    assert counts(prepare(sre10))[0] == ("background", 10, 0, 0, 0)


@pytest.mark.parametrize(
    ("key", "header", "text"),
    [
        ("NIST_SRE08_short2-short3.trial.key", "modelid,segment,channel,targettype\n", ","),
        ("core-core.trialkey.csv", "model,segment,channel,target,is_scored\n", ","),
        ("core-core_trial_key.txt.key", "", " "),
    ],
)
def test_keys_may_have_a_header_or_blanks(sre10, key, header, text):
    (sre10 / "keys/core-core.trialkey.csv").unlink()
    rows = [text.join(row) for row in trials()]
    rows = [f"{row},Y" if "is_scored" in header else row for row in rows]
    out = "10000,x00010,a,target,N\n" if "is_scored" in header else ""
    write(sre10, f"keys/{key}", header + "\n".join(rows) + "\n" + out)
    assert counts(prepare(sre10))[2] == ("evaluation", 6, 6, 18, 42)


@pytest.mark.parametrize("header", ["", "modelid,segment,channel,targettype,is_scored,cc1,cc2\n"])
def test_trials_that_are_not_scored_are_left_out_and_said(sre10, header):
    out = "10000,x00010,a,target,N,N,N\n10000,x00011,a,nontarget,N,N,N\n"
    write(sre10, "keys/core-core.trialkey.csv", header + TRIAL_KEY + out)
    prepared = prepare(sre10)
    assert counts(prepared)[2] == ("evaluation", 6, 6, 18, 42)
    assert (
        "2 of the 602 trials of core-core.trialkey.csv left out: the key says that they are not "
        "scored"
    ) in prepared.notes


@pytest.mark.parametrize(
    "header", ["", "model-id,gender,trainseg:channel,speaker-id\n", "a,b,c,d\n"]
)
def test_sre08_has_the_sex_before_the_segment_and_the_speaker_last(tmp_path, header):
    copy = build_sre08(tmp_path, header)
    found = known_corpus("nist").scan(copy).utterances
    assert {found[f"t{i:04d}_{side}"].speaker_id for i, (_, _, side) in enumerate(SPEAKERS)} == {
        f"{70000 + i}" for i in range(20)
    }
    assert (found["t0001_b"].sex, found["x00020_a"].sex) == ("f", "m")
    # The conditions behind the label say nothing of whether a trial is scored.
    prepared = prepare(copy)
    assert counts(prepared)[1:] == [
        ("development", 4, 4, 12, 12), ("evaluation", 6, 6, 18, 42),
    ]  # fmt: skip
    check_lists(copy.parent / "lists", copy, prepared)


def test_the_sex_is_known_from_the_model_key_alone(tmp_path):
    copy = build_sre08(tmp_path, "")
    places = [copy / f"LDC2011S05/data/train/{word}/short2.trn" for word in ("male", "female")]
    write(copy, "train/short2.trn", "".join(place.read_text() for place in places))
    for place in places:
        place.unlink()
    found = known_corpus("nist").scan(copy).utterances
    assert (found["t0001_b"].sex, found["t0002_a"].sex) == ("f", "m")


def test_a_model_key_without_speakers_is_refused(sre10):
    write(sre10, "keys/core.modelkey.csv", "10000,m,t0000:a\n10001,f,t0001:b\n")
    with pytest.raises(ManifestError, match=r"modelkey.csv: no column of speakers; expected lines"):
        known_corpus("nist").scan(sre10)


def test_development_of_the_people_of_the_evaluation_is_refused(sre16):
    for name, first, n in (("eval", 1001, 6), ("dev", 2001, 3)):
        rows = [f"{part}{first + i}{k}\t{i}\n" for part in "et" for i in range(n) for k in (1, 2)]
        write(
            sre16 / f"sre16_{name}",
            f"docs/sre16_{name}_segment_key.tsv",
            "segment\tsubject\n" + "".join(rows),
        )
    with pytest.raises(
        ManifestError,
        match=r"dev_trial_key.tsv: none of its 18 trials is left for development: .* with "
        r"2001_sre16 t20011_a; expected a key of other people\. Put only the evaluation",
    ):
        prepare(sre16)


def test_older_lists_have_a_folder_for_each_sex_and_several_segments(sre10):
    (sre10 / "train/core.trn").unlink()
    for sex, word in (("m", "male"), ("f", "female")):
        lines = [
            f"{model} {enrolled(i)}.sph:{side.upper()},{tried(i, 0)}.sph:{side.upper()}"
            for i, (model, own, side) in enumerate(SPEAKERS)
            if own == sex
        ]
        write(sre10, f"train/{word}/core.trn", "\n".join(lines))
    prepared = prepare(sre10)
    # The first test is in the model now.
    assert counts(prepared)[2] == ("evaluation", 6, 6, 12, 42)
    assert any("both sides are the same recording" in note for note in prepared.notes)
    assert known_corpus("nist").scan(sre10).utterances["t0001_b"].sex == "f"


def test_models_that_are_not_scored_are_not_there(sre10):
    write(sre10, "keys/core.modelkey.csv", MODEL_KEY.replace("speaker19\n", "NOT_SCORED\n"))
    assert sum(c.speakers for c in prepare(sre10).splits) == 22
    assert "t0019_a" not in known_corpus("nist").scan(sre10).utterances


def test_of_several_sets_of_trials_the_required_one_is_taken(sre10):
    write(sre10, "keys/10sec-10sec.trialkey.csv", TRIAL_KEY)
    write(sre10, "train/10sec.trn", trn())
    (note,) = known_corpus("nist").scan(sre10).notes
    assert (
        note == "trials of core-core.trialkey.csv are used, not those of 10sec-10sec.trialkey.csv"
    )


@pytest.fixture
def sre16(tmp_path):
    return build_sre16(tmp_path)


def test_from_sre16_on_development_and_background_are_their_own(sre16):
    prepared = prepare_corpus(known_corpus("nist"), sre16, sre16 / "lists")
    assert counts(prepared) == [
        ("background", 5, 0, 0, 0), ("development", 3, 3, 6, 12), ("evaluation", 6, 6, 12, 60),
    ]  # fmt: skip
    assert prepared.notes == ()
    protocols = check_lists(sre16 / "lists", sre16, prepared)
    assert protocols["evaluation"].enrollment["1001_sre16"] == ("e10011_a", "e10012_a")
    found = known_corpus("nist").scan(sre16).utterances
    assert found["e10011_a"].session_id == "call10011"
    assert (found["t10022_a"].sex, found["t10022_a"].channel) == ("m", 0)


def test_an_evaluation_without_development_is_shared_out(sre16):
    prepared = prepare(sre16 / "sre16_eval")
    assert [c.speakers for c in prepared.splits] == [2, 2, 2]
    assert prepared.notes[0].startswith("no recordings of other people")


def test_later_names_of_columns_and_subjects_will_do(sre16):
    docs = sre16 / "sre16_eval/docs"
    for place in docs.iterdir():
        text = place.read_text().replace("segment\t", "segmentid\t", 1)
        place.write_text(text)
    people = range(1001, 1007)
    rows = [
        f"{part}{p}{k}.sph\t{p}\t{'female' if p % 2 else 'male'}\n"
        for part in "et"
        for p in people
        for k in (1, 2)
    ]
    key = docs / "sre16_eval_segment_key.tsv"
    key.write_text("segmentid\tsubjectid\tgender\n" + "".join(rows))
    found = known_corpus("nist").scan(sre16).utterances
    assert (found["e10011_a"].speaker_id, found["e10011_a"].sex) == ("1001", "f")
    # A key that makes two of one.
    key.write_text(key.read_text().replace("t10011.sph\t1001", "t10011.sph\t1002"))
    with pytest.raises(ManifestError, match=r"speakers '1001' and '1002' are two by the keys"):
        known_corpus("nist").scan(sre16)


@pytest.mark.parametrize(
    ("table", "text", "message"),
    [
        ("train/core.trn", "10000 m\n", r"core.trn:1: '10000 m'; expected a line such as"),
        ("keys/core-core.trialkey.csv", "10000,x,a\n", r"no key of trials; expected lines such"),
        (
            "keys/core-core.trialkey.csv",
            "1,x,a,target\n1,x,a,maybe\n",
            r"csv:2: label is 'maybe'; expected 'target' or 'nontarget'",
        ),
        (
            "keys/core-core.trialkey.csv",
            "1,x,a,target\n1,x\n",
            r"csv:2: 2 cells; expected 4 or more",
        ),
    ],
)
def test_a_wrong_line_is_named(sre10, table, text, message):
    write(sre10, table, text)
    with pytest.raises(ManifestError, match=message):
        known_corpus("nist").scan(sre10)


def test_a_missing_column_or_table_is_named(sre16):
    docs = sre16 / "sre16_eval/docs"
    key = docs / "sre16_eval_trial_key.tsv"
    text = key.read_text()
    key.write_text(text.replace("targettype", "targettyp"))
    with pytest.raises(ManifestError, match=r"tsv:1: no column 'targettype'; .*mean 'targettyp'"):
        known_corpus("nist").scan(sre16)
    key.write_text(text)
    (docs / "sre16_eval_enrollment.tsv").rename(docs / "sre16_eval_enrolment.tsv")
    with pytest.raises(ManifestError, match=r"missing, but 'sre16_eval_enrolment.tsv': is it"):
        known_corpus("nist").scan(sre16)


def test_no_key_is_taken_for_a_slip_of_the_models(sre16):
    (sre16 / "sre16_eval/docs/sre16_eval_enrollment.tsv").unlink()
    with pytest.raises(ManifestError, match=r"sre16_eval_enrollment.tsv: missing \(sre16_eval_seg"):
        known_corpus("nist").scan(sre16)


def test_a_link_that_leads_back_is_not_followed(sre10):
    found = known_corpus("nist").scan(sre10)
    (sre10 / "again").symlink_to(sre10)
    assert known_corpus("nist").scan(sre10).notes == found.notes


def test_missing_keys_and_lists_are_named(sre10):
    (sre10 / "train/core.trn").rename(sre10 / "train/core.txt")
    with pytest.raises(ManifestError, match=r"no list of models \(\*.trn\) for core-core.trialkey"):
        known_corpus("nist").scan(sre10)
    (sre10 / "keys/core-core.trialkey.csv").unlink()
    with pytest.raises(ManifestError, match=r"no key of trials .*; core-core.ndx has trials with"):
        known_corpus("nist").scan(sre10)
    with pytest.raises(ManifestError, match="no such folder; expected an evaluation"):
        known_corpus("nist").scan(sre10 / "nowhere")


def test_a_model_of_which_a_recording_is_missing_is_left_out_and_counted(sre16):
    # Of less speech it would be another model than the evaluation's.
    (sre16 / "sre16_eval/data/enrollment/e10012.sph").unlink()
    (sre16 / "sre16_eval/data/test/t10031.sph").unlink()
    prepared = prepare_corpus(known_corpus("nist"), sre16, sre16 / "lists")
    assert counts(prepared)[2] == ("evaluation", 6, 5, 9, 46)
    key = "sre16_eval_trial_key.tsv"
    assert prepared.notes[:2] == (
        (
            f"1 of the 6 models of {key} left out: a recording is not there, such as e10012_a of "
            "1001_sre16"
        ),
        f"1 of the 12 tests of {key} left out: a recording is not there, such as t10031_a",
    )
    # Twelve of the model, six of the test, one of both.
    assert prepared.notes[2].startswith(f"17 of the 72 trials of {key} left out: a recording is")
    protocols = check_lists(sre16 / "lists", sre16, prepared)
    assert "1001_sre16" not in protocols["evaluation"].enrollment
    assert "e10011_a" in known_corpus("nist").scan(sre16).utterances


def test_keys_are_read_once_and_those_not_used_never(sre10, monkeypatch):
    write(sre10, "keys/10sec-10sec.trialkey.csv", "no key\n")
    read = []
    monkeypatch.setattr(
        nist_evaluations, "read_csv_key", lambda key: read.append(key.name) or read_csv_key(key)
    )
    lists = sre10.parent / "lists"
    prepare(sre10)
    assert read == ["core-core.trialkey.csv"]
    # From other utterances than those that a scan found, the same lists are made.
    found = known_corpus("nist").scan(sre10).utterances
    _, protocol = protocol_named(known_corpus("nist"), None)
    again = protocol.make({**found}, sre10, 0)
    assert again.protocols["evaluation"].trials.model_ids == tuple(
        check_lists(lists, sre10, prepare(sre10))["evaluation"].enrollment
    )


def test_keys_are_the_same_in_blocks_of_any_length(tmp_path, monkeypatch):
    rows = [f"{i % 7}_x, seg{i % 5}.sph ,{'ab'[i % 2]},{'nontarget' if i % 3 else 'target'}"
            for i in range(60)]  # fmt: skip
    text = "\ufeffmodelid,segment,side,targettype,is_scored\r\n\r\n"
    text += "\r\n".join(f"{row},{'YN'[i % 4 == 3]}" for i, row in enumerate(rows)) + "\r\n \r\n"
    (tmp_path / "x.trialkey.csv").write_bytes(text.encode())
    whole = read_csv_key(tmp_path / "x.trialkey.csv")
    assert len(whole.pairs) == 45
    # The oracle: rows one by one.
    kept = [(i, row.split(",")) for i, row in enumerate(rows) if i % 4 != 3]
    for place, (i, (model, segment, side, label)) in enumerate(kept):
        assert whole.pairs.pair(place) == f"{model} {segment.strip()[:-4]}_{side}"
        assert bool(whole.pairs.is_target[place]) == (label == "target")
        assert whole.pairs.lines[place] == i + 3
    for length in (1, 50, 130):
        monkeypatch.setattr(nist_columns, "BLOCK_LENGTH", length)
        parts = read_csv_key(tmp_path / "x.trialkey.csv")
        assert parts.segments == whole.segments
        for name in ("model_index", "test_index", "is_target", "lines"):
            assert np.array_equal(getattr(parts.pairs, name), getattr(whole.pairs, name))


def test_a_last_cell_may_be_empty(tmp_path):
    write(tmp_path, "segment_key.tsv", "segmentid\tgender\tcall_id\nu1\tmale\t\nu2\tfemale\tc2\n")
    key = read_segment_key(tmp_path / "segment_key.tsv")
    assert (key.sexes, key.sessions) == ({"u1": "m", "u2": "f"}, {"u2": "c2"})


def test_recordings_that_are_missing_or_twice(sre10):
    (sre10 / f"data/tel/{tried(0, 0)}.sph").unlink()
    touch(sre10, ["background/p.sph", "background/q.sph"])
    assert any("a recording is not there" in note for note in prepare(sre10).notes)
    touch(sre10, [f"other/{enrolled(0)}.sph"])
    with pytest.raises(ManifestError, match=r"recording 't0000' is in .*tel and in other; expec"):
        prepare(sre10)
