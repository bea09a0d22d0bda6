from __future__ import annotations

import pytest
from corpus_copies import check_lists
from miniatures.files import touch
from miniatures.st_aeds import SPEAKERS, build, names_of

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import prepare_corpus
from speakergmm.errors import ManifestError


@pytest.fixture
def copy(tmp_path):
    return build(tmp_path)


def test_lists_are_what_the_protocol_promises(copy, tmp_path):
    prepared = prepare_corpus(known_corpus("st_aeds"), copy, tmp_path / "lists")
    assert [(c.speakers, c.utterances, c.target, c.nontarget) for c in prepared.splits] == [
        (4, 240, 0, 0), (2, 120, 100, 100), (4, 240, 200, 600),
    ]  # fmt: skip
    # How many files there are is not published, so fewer are no shortfall.
    assert prepared.notes == ()
    protocols = check_lists(tmp_path / "lists", copy, prepared)
    # Sexes are spread evenly.
    assert {*"".join(name[0] for name in protocols["evaluation"].enrollment)} == {"f", "m"}
    text = (tmp_path / "lists/utterances.csv").read_text()
    assert "f0003_us_f0003_00007,f0003,f0003_us_f0003_00007.wav,f0003,f," in text


def test_recordings_may_lie_in_folders_of_speakers_below_the_one_given(tmp_path):
    names = [f"ST-AEDS/{name[:5]}/{name}" for name in names_of(SPEAKERS, 2)]
    folder = touch(tmp_path, [name.replace(".wav", ".flac") for name in names])
    found = known_corpus("st_aeds").scan(folder)
    assert len(found.utterances) == 20
    assert all((folder / u.path).exists() for u in found.utterances.values())


def test_missing_speakers_and_other_files_are_said(tmp_path):
    names = [*names_of(SPEAKERS[:8], 1), "f0001_us_f0002_00009.wav", "._f0001_us_f0001_00001.wav"]
    twice = "once_more/f0001_us_f0001_00001.wav"
    found = known_corpus("st_aeds").scan(touch(tmp_path, [*names, twice]))
    assert found.notes == (
        "speakers not there: m0004, m0005",
        "1 left out: not named SPEAKER_us_SPEAKER_SENTENCE, such as f0001_us_f0002_00009.wav",
        f"1 left out: there twice, such as {twice}",
    )


def test_another_folder_is_refused_with_the_layout(tmp_path):
    touch(tmp_path, ["f0001-us-f0001-00001.wav"])
    with pytest.raises(
        ManifestError, match=r"no recordings named as in ST-AEDS; 1 left out: .*-us"
    ):
        known_corpus("st_aeds").scan(tmp_path)
    with pytest.raises(ManifestError, match="nowhere: no such folder; expected the corpus"):
        known_corpus("st_aeds").scan(tmp_path / "nowhere")
