"""`corpus list` and `corpus prepare` of every known corpus, and `corpus validate` of one."""

from __future__ import annotations

import json

import pytest
from miniatures.copies import MINIATURES, spoken_copy

from speakergmm.corpora import read_split, read_utterances
from speakergmm.corpora.classes import read_class_split
from speakergmm.corpora.known import CORPORA
from speakergmm.corpora.known.asvspoof2019_la import CLASSES


def read_lists(folder, corpus, copy):
    """Read the lists as a recipe of the corpus does; recordings need not be there."""
    utterances = read_utterances(folder / "utterances.csv", copy)
    splits = "development", "evaluation"
    if corpus == "asvspoof2019_la":
        return utterances, [read_class_split(folder, s, utterances, CLASSES) for s in splits]
    return utterances, [read_split(folder, split, utterances) for split in splits]


@pytest.mark.parametrize("form", MINIATURES)
def test_prepare_writes_lists_that_can_be_read(cli, form, tmp_path):
    corpus = MINIATURES[form].corpus
    copy = MINIATURES[form].build(tmp_path / "copy")
    answer = cli("corpus", "prepare", corpus, copy, "--output", tmp_path / "lists")
    assert (answer.status, answer.err) == (0, "")
    utterances, protocols = read_lists(tmp_path / "lists", corpus, copy)
    n_speakers = len({utterance.speaker_id for utterance in utterances.values()})
    protocol = next(iter(CORPORA[corpus].protocols))
    first, *lines = answer.out.splitlines()
    assert first == (
        f"{corpus}, protocol {protocol!r}, seed 0: {n_speakers:,} speakers, "
        f"{len(utterances):,} utterances"
    )
    assert lines[-1].startswith(f"Lists: {tmp_path / 'lists'}; next: speakergmm corpus validate ")
    for split, read in zip(("development", "evaluation"), protocols, strict=True):
        (line,) = [line for line in lines if line.startswith(split)]
        n_target = int(read.trials.is_target.sum())
        counts = [n_target, len(read.trials) - n_target]
        assert line.split()[-2:] == [f"{count:,}" for count in counts]


@pytest.mark.parametrize("name", CORPORA)
def test_list_tells_all_that_is_known_of_a_corpus(cli, name):
    answer = cli("corpus", "list", name)
    assert (answer.status, answer.err) == (0, "")
    corpus = CORPORA[name]
    lines = answer.out.splitlines()
    assert lines[0] == corpus.title
    assert "\n".join(lines).endswith(corpus.layout)
    # A fact is not left empty: what is not known of a corpus has no line.
    facts = lines[: lines.index("protocols:")]
    assert not [line for line in facts if line.rstrip().endswith(":")]
    assert f"licence: {corpus.licence}" in facts
    assert any(line.startswith("to be had: ") for line in facts)
    if corpus.n_speakers is not None:
        assert any(line.startswith(f"size: {corpus.n_speakers:,} speakers") for line in facts)


def test_list_tells_the_size_as_far_as_it_is_known(cli):
    def size(name):
        lines = cli("corpus", "list", name).out.splitlines()
        return [line for line in lines if line.startswith("size")]

    assert size("audiomnist") == ["size: 60 speakers, 30,000 utterances, 5.3 hours"]
    assert size("cn_celeb") == ["size: 997 speakers, 271.7 hours"]
    assert size("asvspoof2019_la") == ["size: 121,461 utterances"]
    assert size("nist") == []


def test_list_names_every_corpus(cli):
    answer = cli("corpus", "list")
    rows = answer.out.splitlines()[1:-2]
    assert [row.split()[0] for row in rows] == list(CORPORA)
    told = json.loads(cli("corpus", "list", "--json").out)
    assert [corpus["name"] for corpus in told] == list(CORPORA)


def test_a_prepared_list_can_be_validated(cli, tmp_path):
    copy, prepared = spoken_copy("nist_sre10", tmp_path)
    answer = cli("corpus", "validate", tmp_path / "lists/utterances.csv", "--audio", copy)
    assert answer.status == 0
    assert answer.out.splitlines()[:2] == [
        f"recordings   {prepared.n_utterances}, all usable",
        f"utterances   {prepared.n_utterances} of {prepared.n_speakers} speakers",
    ]
    assert {line.split(maxsplit=1)[0]: line for line in answer.out.splitlines()}["channels"] == (
        "channels     2"
    )
