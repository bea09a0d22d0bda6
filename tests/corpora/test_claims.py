"""Lists of everyday use: whom to enroll with what, who is said to be whom, whom to identify."""

from __future__ import annotations

import pytest

from speakergmm.corpora.claims import (
    Claim,
    ListedRecording,
    read_claims,
    read_enrollments,
    read_unknowns,
)
from speakergmm.errors import ManifestError


@pytest.fixture
def written(tmp_path):
    """Write a list."""

    def write(text):
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_enrollments_are_grouped_in_the_order_of_the_list(written, tmp_path):
    path = written(
        "speaker_id,path,start_s,end_s\n"
        "bob,b.wav,,\nalice,audio/a.wav,1.5,3\nbob,/far/away.wav,,\nbob,b.wav,0,2\n\nbob,b.wav,4,\n"
    )
    found = read_enrollments(path)
    assert list(found) == ["bob", "alice"]
    assert [str(one) for one in found["bob"]] == [
        f"{tmp_path}/b.wav", "/far/away.wav", f"{tmp_path}/b.wav[0:2]", f"{tmp_path}/b.wav[4:]",
    ]  # fmt: skip
    assert found["alice"] == (ListedRecording(tmp_path / "audio" / "a.wav", 1.5, 3.0),)
    assert [one.is_segment for one in found["bob"]] == [False, False, True, True]


def test_claims_without_ids_are_a_test_a_recording(written, tmp_path):
    listed = read_claims(
        written("speaker_id,path,label\na,x.wav,target\nb,x.wav,nontarget\na,y.wav,\n")
    )
    x, y = f"{tmp_path}/x.wav", f"{tmp_path}/y.wav"
    assert listed.tests == {
        x: (ListedRecording(tmp_path / "x.wav"),),
        y: (ListedRecording(tmp_path / "y.wav"),),
    }
    assert listed.claims == (Claim("a", 0, "target"), Claim("b", 0, "nontarget"), Claim("a", 1))


def test_lines_of_one_test_are_pooled(written, tmp_path):
    listed = read_claims(
        written(
            "test_id,speaker_id,path\nt,a,x.wav\nt,a,y.wav\nu,a,x.wav\nt,b,y.wav\nt,b,x.wav\n"
            ",a,z.wav\n"
        )
    )
    x, y, z = (ListedRecording(tmp_path / f"{name}.wav") for name in "xyz")
    assert listed.tests == {"t": (x, y), "u": (x,), str(z): (z,)}
    assert listed.claims == (Claim("a", 0), Claim("a", 1), Claim("b", 0), Claim("a", 2))


def test_unknowns_have_no_speaker(written, tmp_path):
    listed = read_unknowns(written("path,test_id\nx.wav,\ny.wav,t\nz.wav,t\n"))
    assert list(listed.tests) == [f"{tmp_path}/x.wav", "t"]
    assert [len(side) for side in listed.tests.values()] == [1, 2]


def test_segments_of_a_long_recording_stay_apart(written):
    """To a thousandth of a second in hours, where six digits would not tell them apart."""
    listed = read_claims(
        written("speaker_id,path,start_s,end_s\na,x.wav,7234.561,7236.5\na,x.wav,7234.562,7236.5\n")
    )
    assert len(listed.tests) == len(listed.claims) == 2
    first, second = listed.tests
    assert first.endswith("x.wav[7234.561:7236.5]")
    assert second.endswith("x.wav[7234.562:7236.5]")


ENROLLMENTS = {
    "": "list.csv:1: the file is empty; expected the header 'speaker_id,path'",
    "speaker_id,path\n": "list.csv:1: the list is empty; expected at least one row",
    "speaker,path\na,x\n": "list.csv:1: unknown column 'speaker'; did you mean 'speaker_id'?",
    "path\nx\n": "list.csv:1: missing column 'speaker_id'",
    "speaker_id;path\na;x\n": "list.csv:1: columns are separated by ';'",
    "speaker_id,path\na,\n": "list.csv:2: no value for path",
    "speaker_id,path\n,x\n": "list.csv:2: no value for speaker_id",
    "speaker_id,path\na,x,y\n": "list.csv:2: 3 cells; the header has 2 columns",
    "speaker_id,path\na,x\nb,x\na,x\n": "x stands there twice for 'a'",
    "speaker_id,path,start_s\na,x,-1\n": "list.csv:2: start_s is '-1'; expected seconds, 0 or",
    "speaker_id,path,start_s\na,x,one\n": "list.csv:2: start_s is 'one'; expected seconds",
    "speaker_id,path,end_s\na,x,inf\n": "list.csv:2: end_s is 'inf'; expected seconds",
    "speaker_id,path,end_s\na,x,nan\n": "list.csv:2: end_s is 'nan'; expected seconds",
    "speaker_id,path,end_s\na,x,1_5\n": "list.csv:2: end_s is '1_5'; expected seconds",
    "speaker_id,path,start_s,end_s\na,x,2,2\n": "list.csv:2: the segment ends at 2 s, where",
    "speaker_id,path,end_s\na,x,0\n": "list.csv:2: the segment ends at 0 s, where it begins",
    'speaker_id,path\na,"x\n': "not CSV",
}


@pytest.mark.parametrize("content", ENROLLMENTS)
def test_bad_enrollments(written, content):
    with pytest.raises(ManifestError) as caught:
        read_enrollments(written(content))
    assert ENROLLMENTS[content] in str(caught.value)
    assert str(caught.value).startswith("list.csv cannot be used: ")


CLAIMS = {
    "speaker_id,path,label\na,x,same\n": "list.csv:2: label is 'same'; expected 'target' or",
    "speaker_id,path,label,test_id\na,x,target,t\na,y,nontarget,t\n": (
        "list.csv:3: 'a' with 't' has two labels"
    ),
    "speaker_id,path\na,x\nb,x\na,x\n": "list.csv:4: ",
    "speaker_id,path,test_id\na,x,t\na,y,t\nb,x,t\n": (
        "list.csv:4: test 't' is of other recordings for 'b' than for 'a'; give each test an id"
    ),
    "speaker_id,path,test_id\na,x,t\na,x,t\n": "list.csv:3: ",
    "speaker_id,path,score\na,x,1\n": "list.csv:1: unknown column 'score'",
}


@pytest.mark.parametrize("content", CLAIMS)
def test_bad_claims(written, content):
    with pytest.raises(ManifestError) as caught:
        read_claims(written(content))
    assert CLAIMS[content] in str(caught.value)


def test_all_that_is_wrong_is_said_at_once(written):
    with pytest.raises(ManifestError) as caught:
        read_claims(written("speaker_id,path,label,start_s\na,,,\nb,x,good,\nc,x,,-2\n"))
    text = str(caught.value)
    assert "list.csv cannot be used: 3 problems" in text
    for line in (2, 3, 4):
        assert f"list.csv:{line}: " in text


def test_missing_lists_are_named(tmp_path):
    for read in (read_enrollments, read_claims, read_unknowns):
        with pytest.raises(ManifestError, match=r"none\.csv"):
            read(tmp_path / "none.csv")


def test_unknowns_take_no_claims(written):
    with pytest.raises(ManifestError, match="unknown column 'speaker_id'"):
        read_unknowns(written("speaker_id,path\na,x\n"))
