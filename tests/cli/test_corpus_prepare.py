"""`corpus prepare`: what it prints, and what it leaves as it was."""

from __future__ import annotations

import json
import shlex
import time

import pytest

from speakergmm.cli import corpus_prepare
from speakergmm.corpora.known import own_folders


@pytest.fixture
def voices(tmp_path):
    """Twelve people with three recordings each, in a folder each."""
    folder = tmp_path / "voices"
    for number in range(12):
        for take in range(3):
            place = folder / f"speaker{number:02d}" / f"{take}.wav"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(f"{number} {take}".encode())
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_counts_are_told(cli, voices, tmp_path):
    answer = cli("corpus", "prepare", "folders", voices, "--output", tmp_path / "lists")
    assert (answer.status, answer.err) == (0, "")
    first, _, header, *_, last = answer.out.splitlines()
    assert first == "folders, protocol 'drawn', seed 0: 12 speakers, 36 utterances"
    assert header.split()[:2] == ["speakers", "utterances"]
    assert last.startswith(f"Lists: {tmp_path / 'lists'}; next: speakergmm corpus validate")
    told = json.loads(
        cli("corpus", "prepare", "folders", voices, "--output", tmp_path / "lists", "--json").out
    )
    assert [split["speakers"] for split in told["splits"]] == [6, 2, 4]


def test_the_next_command_can_be_pasted(cli, voices, tmp_path):
    folder, output = voices.rename(tmp_path / "our voices"), tmp_path / "new lists"
    (*_, last) = cli("corpus", "prepare", "folders", folder, "--output", output).out.splitlines()
    command = shlex.split(last.partition("next: speakergmm ")[2])
    assert command == [
        "corpus", "validate", str(output / "utterances.csv"), "--audio", str(folder),
    ]  # fmt: skip


@pytest.mark.parametrize("output", ["", "lists", "speaker00", "speaker00/0"])
def test_lists_in_the_corpus_s_folder_change_nothing_of_it(cli, voices, output):
    before = contents(voices)
    (voices / "notes.csv").write_text("mine")
    for _ in range(2):
        answer = cli("corpus", "prepare", "folders", voices, "--output", voices / output)
        assert answer.status == 0
        assert answer.out.startswith("folders, protocol 'drawn', seed 0: 12 speakers, 36 ")
    after = contents(voices)
    assert {name: after[name] for name in before} == before
    assert after.pop("notes.csv") == b"mine"
    new = {name.rpartition("/")[2] for name in after.keys() - before}
    assert new == {"utterances.csv", "enrollment.csv", "tests.csv", "trials.csv", "lists.json"}


def test_a_long_search_is_told(cli, voices, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_prepare, "QUICK_S", 0.05)
    listed = own_folders.utterances_in_folder

    def slowly(folder):
        time.sleep(0.5)
        return listed(folder)

    monkeypatch.setattr(own_folders, "utterances_in_folder", slowly)
    command = ("corpus", "prepare", "folders", voices, "--output", tmp_path / "lists")
    assert cli(*command).err.startswith(f"looking for recordings in {voices} ...\n")
    assert cli(*command, "--quiet").err == ""
