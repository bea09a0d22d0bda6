"""NIST's lists since 2016, where the side is always a and segments are called by their files."""

from __future__ import annotations

import pytest

from speakergmm.corpora import read_scores, read_split, read_utterances
from speakergmm.corpora.formats import Options, convert
from speakergmm.errors import ManifestError

ENROLLED = """\
modelid\tsegmentid\tside
m\te.sph\ta
n\tf.sph\ta
"""
KEY = """\
modelid\tsegmentid\tside\ttargettype
m\tx.sph\ta\ttarget
n\tx.sph\ta\tnontarget
n\ty.sph\ta\tnontarget
"""
# A system's output, whose lines NIST's validator compares with those of the trials one by one.
OUTPUT = """\
modelid\tsegmentid\tside\tLLR
m\tx.sph\ta\t1.5
n\tx.sph\ta\t-2.5
n\ty.sph\ta\t0.5
"""
TRIALS = "".join(line.rpartition("\t")[0] + "\n" for line in KEY.splitlines())


def read_back(folder):
    utterances = read_utterances(folder / "utterances.csv", must_exist=False)
    return utterances, read_split(folder, "evaluation", utterances)


def test_recordings_of_one_channel_are_called_as_they_are(write, tmp_path):
    options = Options(enroll=write("enrollment.tsv", ENROLLED))
    convert(write("key.tsv", KEY), tmp_path / "lists", options=options)
    utterances, protocol = read_back(tmp_path / "lists")
    assert protocol.enrollment == {"m": ("e.sph",), "n": ("f.sph",)}
    assert protocol.trials.test_ids == ("x.sph", "y.sph")
    # Which is right of recordings of two channels as well.
    assert {utterance.channel for utterance in utterances.values()} == {0}
    convert(tmp_path / "key.tsv", tmp_path / "trials.csv")
    rows = (tmp_path / "trials.csv").read_text().splitlines()
    assert rows[1:] == ["m,x.sph,target", "n,x.sph,nontarget", "n,y.sph,nontarget"]


def test_where_any_is_on_the_other_side_all_are_told_apart(write, tmp_path):
    options = Options(enroll=write("enrollment.tsv", ENROLLED.replace("f.sph\ta", "x.sph\tb")))
    convert(write("key.tsv", KEY), tmp_path / "lists", options=options)
    _, protocol = read_back(tmp_path / "lists")
    assert protocol.enrollment == {"m": ("e.sph_a",), "n": ("x.sph_b",)}
    assert protocol.trials.test_ids == ("x.sph_a", "y.sph_a")
    convert(write("key.tsv", KEY.replace("y.sph\ta", "y.sph\tb")), tmp_path / "trials.csv")
    rows = (tmp_path / "trials.csv").read_text().splitlines()
    assert rows[1:] == ["m,x.sph_a,target", "n,x.sph_a,nontarget", "n,y.sph_b,nontarget"]


@pytest.mark.parametrize("form", ["{}", "{}_a", "{}.sph", "{}.sph_a"])
def test_segments_are_known_without_suffix_and_side(write, tmp_path, form):
    names = [form.format(name) for name in "efxy"]
    rows = "".join(
        f"{name},{speaker},{name}.sph\n" for name, speaker in zip(names, "sfsy", strict=True)
    )
    write("lists/utterances.csv", f"utterance_id,speaker_id,path\n{rows}")
    options = Options(enroll=write("enrollment.tsv", ENROLLED), trials=write("key.tsv", KEY))
    convert(tmp_path / "lists", tmp_path / "new", options=options)
    _, protocol = read_back(tmp_path / "new")
    assert protocol.enrollment == {"m": (names[0],), "n": (names[1],)}
    assert protocol.trials.test_ids == (names[2], names[3])


@pytest.mark.parametrize("trials", [KEY, TRIALS], ids=["key", "trials"])
@pytest.mark.parametrize("form", ["{}", "{}_a", "{}.sph"])
def test_a_systems_output_is_as_the_trial_list(write, tmp_path, form, trials):
    x, y = (form.format(name) for name in "xy")
    options = Options(trials=write("trials.tsv", trials))
    foreign = write("scores", f"n {y} 0.5\nn {x} -2.5\nm {x} 1.5\n")
    done = convert(foreign, tmp_path / "out.tsv", target_format="sre", options=options)
    assert (tmp_path / "out.tsv").read_text() == OUTPUT
    assert done.notes == ("the first of the two names is the model, as known ids say",)
    turned = write("scores", f"{y} n 0.5\n{x} n -2.5\n{x} m 1.5\n")
    convert(turned, tmp_path / "turned.tsv", target_format="sre", options=options)
    assert (tmp_path / "turned.tsv").read_text() == OUTPUT
    ours = write(
        "ours.csv",
        "model_id,test_id,label,score,llr\n"
        f"n,{y},nontarget,9,0.5\nm,{x},target,9,1.5\nn,{x},nontarget,9,-2.5\n",
    )
    convert(ours, tmp_path / "again.tsv", target_format="sre", options=options)
    assert (tmp_path / "again.tsv").read_text() == OUTPUT


def test_trials_without_labels_give_scores_none(write, tmp_path):
    options = Options(trials=write("trials.tsv", TRIALS))
    source = write("output.tsv", OUTPUT)
    with pytest.raises(ManifestError, match="the scores have no labels; give the list of trials"):
        convert(source, tmp_path / "scores.csv", options=options)


def test_files_of_voxceleb_are_known_as_lhotse_and_kaldi_call_them(write, tmp_path):
    rows = "".join(f"id{i}-v-00001,id{i},id{i}/v/00001.wav\n" for i in range(3))
    write("lists/utterances.csv", f"utterance_id,speaker_id,path\n{rows}")
    lines = "".join(f"0 id0/v/00001.wav id{i}/v/00001.wav\n" for i in (1, 2))
    options = Options(trials=write("veri_test.txt", lines))
    convert(tmp_path / "lists", tmp_path / "new", options=options)
    _, protocol = read_back(tmp_path / "new")
    assert protocol.enrollment == {"id0-v-00001": ("id0-v-00001",)}
    assert protocol.trials.test_ids == ("id1-v-00001", "id2-v-00001")
    scores = write("scores", "id0-v-00001 id2-v-00001 1.5\nid0-v-00001 id1-v-00001 2.5\n")
    convert(scores, tmp_path / "scores.csv", options=options)
    assert read_scores(tmp_path / "scores.csv").trials.model_ids == ("id0-v-00001",)


def test_further_columns_of_a_list_with_a_header_are_kept(write, tmp_path):
    lines = KEY.splitlines()
    rows = [f"{lines[0]}\tgender", *(f"{line}\tf" for line in lines[1:-1]), f"{lines[-1]}\tm"]
    done = convert(write("key.tsv", "\n".join(rows)), tmp_path / "trials.csv")
    assert done.read_as == "trials, model test side label gender (NIST since 2016)"
    assert (tmp_path / "trials.csv").read_text() == (
        "model_id,test_id,label,gender\n"
        "m,x.sph,target,f\nn,x.sph,nontarget,f\nn,y.sph,nontarget,m\n"
    )
    options = Options(trials=tmp_path / "key.tsv")
    convert(write("output.tsv", OUTPUT), tmp_path / "scores.csv", options=options)
    scores = read_scores(tmp_path / "scores.csv", columns=["gender"])
    assert scores.trials.columns["gender"].values == ("f", "m")
    # What stands there twice is taken once, with the columns of the first.
    source = write("twice.tsv", "\n".join([*rows, rows[1]]))
    done = convert(source, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "trials.csv").read_text()
    done = convert(source, tmp_path / "t.txt", target_format="nist")
    assert done.lost == ("columns of the trials beside ids and labels: gender",)


def test_what_is_missing_is_said_though_names_differ(write, tmp_path):
    trials = write("t.tsv", "modelid\tsegmentid\tside\nm\ta.sph\ta\nm\tb.sph\ta\nn\ta.sph\ta\n")
    scores = write("scores.txt", "m a 1.5\nm b 0.5\n")
    with pytest.raises(ManifestError, match=r"1 trial of .*t.tsv has no score, such as n with a;"):
        convert(scores, tmp_path / "o", target_format="sre", options=Options(trials=trials))


@pytest.mark.parametrize(
    ("header", "two", "chosen"),
    [("modelid segmentid score LLR", "'score' and 'LLR' are each a score", "model test score -"),
     ("modelid sex segmentid key label", "'key' and 'label' are each a label",
      "model - test label -")],
)  # fmt: skip
def test_two_columns_of_one_role_are_refused(write, tmp_path, header, two, chosen):
    place = write("t.txt", f"{header}\n{' '.join('1' for _ in header.split())}\n")
    with pytest.raises(ManifestError, match=f"t.txt: columns {two}; expected one: .*'{chosen}'"):
        convert(place, tmp_path / "new.csv")


def test_a_kaldi_folder_names_no_channel_of_a_recording_that_has_but_one(write, tmp_path):
    options = Options(enroll=write("enrollment.tsv", ENROLLED))
    convert(write("key.tsv", KEY), tmp_path / "lists", options=options)
    of_one = Options(lengths=lambda path: (8000, 16000, 1 + (path.name == "y.sph")))
    convert(tmp_path / "lists", tmp_path / "data", target_format="kaldi", options=of_one)
    lines = (tmp_path / "data/segments").read_text().splitlines()
    assert lines == ["e.sph e 0 2", "f.sph f 0 2", "x.sph x 0 2", "y.sph y 0 2 0"]
    of_one = Options(lengths=lambda _: (8000, 16000, 1))
    convert(tmp_path / "lists", tmp_path / "data", target_format="kaldi", options=of_one)
    assert not (tmp_path / "data/segments").exists()
