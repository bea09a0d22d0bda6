"""Lists worked off: one bad line leaves the others right, and what is written is a score file."""

from __future__ import annotations

import csv

import pytest

from speakergmm.corpora import read_scores, read_utterances
from speakergmm.errors import ConfigError, ManifestError, OutputError, SpeakerStoreError
from speakergmm.recipes import load_settings, train_on_list
from speakergmm.recipes.batches import enroll_list, identify_list, verify_list
from speakergmm.verification import Verifier, batches

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

NAMES = ("s06", "s07", "s08")


@pytest.fixture(scope="module")
def ubm_path(small_corpus, tmp_path_factory):
    path = tmp_path_factory.mktemp("ubm") / "ubm.safetensors"
    settings = load_settings(None, {"ubm.n_components": "4"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


@pytest.fixture(scope="module")
def takes(small_corpus):
    found = {}
    for utterance in read_utterances(small_corpus / "utterances.csv").values():
        found.setdefault(utterance.speaker_id, []).append(utterance.path)
    return found


@pytest.fixture
def verifier(ubm_path, tmp_path):
    return Verifier.load(ubm_path, tmp_path / "speakers.db")


@pytest.fixture
def enrolled(verifier, takes):
    for name in NAMES:
        verifier.enroll(name, takes[name][:2])
    return verifier


@pytest.fixture
def written(tmp_path):
    """Write a list."""

    def write(header, *rows, name="list.csv"):
        path = tmp_path / name
        text = [header, *(",".join(map(str, row)) for row in rows)]
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        return path

    return write


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_speaker_who_cannot_be_enrolled_leaves_the_others(verifier, takes, written, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"no audio" * 100)
    rows = [("s06", takes["s06"][0]), ("s07", takes["s07"][0]), ("s07", "bad.wav"),
            ("s08", takes["s08"][0]), ("s08", takes["s08"][1])]  # fmt: skip
    summary = enroll_list(verifier, written("speaker_id,path", *rows), tmp_path / "out.csv")
    assert (summary.n_items, summary.n_positive, summary.n_failed) == (3, 2, 1)
    good, bad, last = rows_of(tmp_path / "out.csv")
    assert (good["speaker_id"], good["n_recordings"], good["error"]) == ("s06", "1", "")
    assert "bad.wav: not audio that can be decoded" in bad["error"]
    assert set(bad.values()) == {"s07", "", bad["error"]}
    assert last["n_recordings"] == "2"
    assert list(verifier.store.revisions()) == ["s06", "s08"]


def test_answers_to_claims_are_those_of_single_ones(enrolled, takes, written, tmp_path):
    paths = [takes[name][2] for name in NAMES]
    rows = [(name, path, "target" if name in str(path) else "nontarget")
            for path in paths for name in NAMES]  # fmt: skip
    rows.insert(4, ("nobody", paths[0], ""))
    rows.insert(2, ("s06", "missing.wav", "nontarget"))
    source = written("speaker_id,path,label", *rows)
    summary = verify_list(enrolled, source, tmp_path / "out.csv", threshold=0.1)
    assert (summary.n_items, summary.n_failed) == (11, 2)
    found = rows_of(tmp_path / "out.csv")
    assert len(found) == len(rows)
    assert summary.n_positive == sum(row["accepted"] == "yes" for row in found)
    for (name, path, label), row in zip(rows, found, strict=True):
        assert (row["model_id"], row["label"]) == (name, label)
        if path == "missing.wav":
            assert "missing.wav: no such file" in row["error"]
            assert row["score"] == row["accepted"] == ""
        elif name == "nobody":
            assert "no speaker 'nobody'" in row["error"]
        else:
            alone = enrolled.verify(name, path, threshold=0.1)
            assert float(row["score"]) == pytest.approx(alone.score, abs=1e-6)
            assert row["accepted"] == ("yes" if alone.accepted else "no")
            assert row["error"] == ""
            assert row["test_id"] == str(path)


def test_what_is_written_is_a_score_file(enrolled, takes, written, tmp_path):
    rows = [(m, takes[t][2], "target" if m == t else "nontarget") for m in NAMES for t in NAMES]
    source = written("speaker_id,path,label", *rows)
    verify_list(enrolled, source, tmp_path / "out.csv", threshold=0.1)
    scores = read_scores(tmp_path / "out.csv")
    assert len(scores.score) == 9
    assert scores.llr is None
    assert scores.trials.is_target.sum() == 3
    assert list(scores.score) == [float(row["score"]) for row in rows_of(tmp_path / "out.csv")]


def test_pooled_tests_are_one_answer(enrolled, takes, written, tmp_path):
    a, b = takes["s06"][2:4]
    verify_list(
        enrolled,
        written("test_id,speaker_id,path", ("t", "s06", a), ("t", "s06", b)),
        tmp_path / "out.csv",
        threshold=0.0,
    )
    (row,) = rows_of(tmp_path / "out.csv")
    heard = enrolled.hear([a, b])
    alone = enrolled.answer(enrolled.speaker("s06"), heard, 0.0)
    assert row["test_id"] == "t"
    assert float(row["score"]) == pytest.approx(alone.score, abs=1e-6)
    assert float(row["speech_s"]) == pytest.approx(alone.speech_s, abs=1e-3)


def test_segments_are_parts(enrolled, takes, written, tmp_path):
    path = takes["s06"][2]
    source = written("speaker_id,path,start_s,end_s", ("s06", path, 0.1, 0.8), ("s06", path, 5, 6))
    summary = verify_list(enrolled, source, tmp_path / "out.csv", threshold=0.0)
    assert summary.n_failed == 1
    part, beyond = rows_of(tmp_path / "out.csv")
    assert 0 < float(part["speech_s"]) <= 0.7
    assert "segment 5 to 6 s does not lie within the recording's 1.000 s" in beyond["error"]


def test_each_test_is_heard_once(enrolled, takes, written, tmp_path, monkeypatch):
    heard = []
    hear = Verifier.hear
    monkeypatch.setattr(
        Verifier, "hear", lambda self, side: heard.append(str(side[0])) or hear(self, side)
    )
    # Of more speakers than are in memory at a time, for each part of them.
    monkeypatch.setattr(batches, "SPEAKERS_AT_ONCE", 2)
    paths = [takes[name][2] for name in NAMES]
    rows = [(name, path) for name in NAMES for path in paths]
    summary = verify_list(
        enrolled, written("speaker_id,path", *rows), tmp_path / "out.csv", threshold=0.0, jobs=2
    )
    assert summary.n_items == 9
    assert summary.n_failed == 0
    assert sorted(heard) == sorted(2 * list(map(str, paths)))


def test_identification_writes_a_line_a_candidate(enrolled, takes, written, tmp_path):
    source = written("path", (takes["s07"][2],), ("missing.wav",), (takes["s08"][2],))
    summary = identify_list(enrolled, source, tmp_path / "out.csv", top=2, closed=True)
    assert (summary.n_items, summary.n_positive, summary.n_failed) == (3, 2, 1)
    found = rows_of(tmp_path / "out.csv")
    assert [row["rank"] for row in found] == ["1", "2", "", "1", "2"]
    alone = enrolled.identify(takes["s07"][2], top=2, closed=True)
    assert [row["candidate"] for row in found[:2]] == [c.speaker_id for c in alone.candidates]
    assert {row["speaker_id"] for row in found[:2]} == {alone.speaker_id}
    assert "missing.wav: no such file" in found[2]["error"]


@pytest.mark.parametrize("run", [enroll_list, verify_list, identify_list])
def test_what_cannot_be_written_is_noticed_first(
    enrolled, takes, written, tmp_path, monkeypatch, run
):
    (tmp_path / "file").write_text("mine")
    header = "path" if run is identify_list else "speaker_id,path"
    row = (takes["s09"][0],) if run is identify_list else ("s09", takes["s09"][0])
    source = written(header, row)
    settings = {} if run is enroll_list else {"threshold": 0.0}
    for method in ("hear", "enroll"):
        monkeypatch.setattr(Verifier, method, lambda *_: pytest.fail("too late"))
    (tmp_path / "folder").mkdir()
    for place in ("file/out.csv", "folder"):
        with pytest.raises(OutputError, match="cannot be written"):
            run(enrolled, source, tmp_path / place, **settings)
    for place in (source, enrolled.store.path, tmp_path / "folder" / ".." / "list.csv"):
        before = place.read_bytes()
        with pytest.raises(OutputError, match="is read here, and would be written over"):
            run(enrolled, source, place, **settings)
        assert place.read_bytes() == before
    recording = tmp_path / "own.flac"
    recording.write_bytes(takes["s09"][0].read_bytes())
    source = written(header, (*row[:-1], "own.flac"))
    with pytest.raises(OutputError, match=r"own\.flac: is read here"):
        run(enrolled, source, recording, **settings)
    assert (tmp_path / "file").read_text() == "mine"


def test_what_is_wrong_with_the_list_or_the_store_ends_it(verifier, takes, written, tmp_path):
    output = tmp_path / "out.csv"
    with pytest.raises(ManifestError):
        verify_list(verifier, written("speaker_id"), output, threshold=0.0)
    source = written("speaker_id,path", ("s06", takes["s06"][2]))
    with pytest.raises(SpeakerStoreError):
        verify_list(verifier, source, output, threshold=0.0)
    with pytest.raises(ConfigError, match="no threshold"):
        verify_list(verifier, source, output)
    verifier.store.path.write_bytes(b"no database at all" * 100)
    with pytest.raises(SpeakerStoreError):
        enroll_list(verifier, source, output)
    assert not output.exists()


def test_nothing_need_be_written(enrolled, takes, written):
    source = written("speaker_id,path", ("s06", takes["s06"][2]))
    assert verify_list(enrolled, source, None, threshold=0.0).n_items == 1


def test_texts_with_commas_and_line_ends_stay_in_their_cells(enrolled, takes, tmp_path):
    name = tmp_path / 'odd, "name".flac'
    name.write_bytes(takes["s06"][2].read_bytes())
    source = tmp_path / "list.csv"
    with source.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["speaker_id", "path"], ["s06", name.name], ["two\nlines", name.name]]
        )
    verify_list(enrolled, source, tmp_path / "out.csv", threshold=0.0)
    good, bad = rows_of(tmp_path / "out.csv")
    assert good["test_id"] == str(name)
    assert good["error"] == ""
    assert bad["model_id"] == "two\nlines"
    assert "no speaker 'two\\nlines'" in bad["error"]
