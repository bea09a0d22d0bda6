"""The commands about who is enrolled."""

from __future__ import annotations

import json
import os
import stat

import numpy as np
import pytest
import soundfile
from system_cases import OLDEST, RATE, make_parts, sound

from speakergmm.errors import SpeakerStoreError
from speakergmm.verification import Verifier
from speakergmm.verification.system_file import load_system

LONG = "x" * 10_000
HOSTILE = [
    "Robert'); DROP TABLE speakers;--",
    "\"quoted\" 'twice'",
    "../../etc/passwd",
    "C:\\x",
    "two\nlines",
    "\x1b[2Jscreen",
    "🎙 Ünï",
    "-dash",
    "a, b",
    "%s {x} \\",
    LONG,
]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder of one's own, with a system and a store of three."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "system.safetensors").write_bytes(OLDEST.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A store of three speakers. Not to be written to."""
    folder = tmp_path_factory.mktemp("three")
    verifier = Verifier.load(OLDEST, folder / "speakers.db")
    for number, name in enumerate(("alice", "bob", "carol")):
        soundfile.write(folder / f"{name}.wav", sound(number + 5), RATE)
        verifier.enroll(name, [folder / f"{name}.wav"])
    return verifier.store


@pytest.fixture
def store(here, three):
    (here / "speakers.db").write_bytes(three.path.read_bytes())
    return Verifier.load(OLDEST, here / "speakers.db").store


def ids(store):
    return list(store.revisions())


def refuses(answer, *messages, status=1):
    assert (answer.status, answer.out) == (status, ""), answer
    said = " ".join(answer.err.split())
    for message in messages:
        assert message in said
    if status == 1:
        assert answer.err.startswith("error: ")
        assert len(answer.err) < 2_000


@pytest.fixture
def answering(monkeypatch):
    """Type an answer to what the command asks."""
    import io

    def typed(text):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    return typed


# --- list and show -------------------------------------------------------------------------------


def test_those_enrolled_are_listed(cli, store):
    answer = cli("speakers", "list")
    assert (answer.status, answer.err) == (0, "")
    head, *rows, end = answer.out.splitlines()
    assert head.split() == ["speaker", "speech", "recordings", "changed"]
    assert [row.split()[0] for row in rows] == ["alice", "bob", "carol"]
    assert [row.split()[3] for row in rows] == ["1", "1", "1"]
    assert end == "3 speakers in speakers.db"
    listed = json.loads(cli("speakers", "list", "--json").out)
    assert [row["speaker_id"] for row in listed] == ["alice", "bob", "carol"]
    for row, known in zip(listed, store.speakers(), strict=True):
        assert row["speech_s"] == pytest.approx(known.n_frames / 100, abs=1e-3)
        assert (row["enrolled_at"], row["changed_at"]) == (known.enrolled_at, known.changed_at)


def test_a_speaker_is_shown(cli, store):
    answer = cli("speakers", "show", "bob")
    first, recording, *_ = answer.out.splitlines()
    assert first.startswith("bob: ")
    assert "s of speech from 1 recording, enrolled 20" in first
    assert recording.startswith("  ")
    assert "bob.wav: " in recording
    shown = json.loads(cli("speakers", "show", "bob", "--json").out)
    known = store.find("bob")
    assert shown["recordings"] == [json.loads(json.dumps(r.to_json())) for r in known.recordings]
    assert shown["adaptation"] == known.adaptation


# --- remove --------------------------------------------------------------------------------------


def test_speakers_are_removed_without_a_trace(cli, store, here):
    answer = cli("speakers", "remove", "alice", "bob", "alice", "--yes")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == "removed 2 speakers from speakers.db\n"
    assert ids(store) == ["carol"]
    assert b"alice" not in (here / "speakers.db").read_bytes()


@pytest.mark.parametrize(
    ("typed", "left"), [("n\n", 3), ("\n", 3), ("", 3), ("y\n", 2), ("what\ny\n", 2)]
)
def test_removing_asks_first(cli, store, answering, typed, left):
    answering(typed)
    answer = cli("speakers", "remove", "alice")
    assert "Remove 'alice' for good? [y/N]:" in answer.err
    assert len(ids(store)) == left
    assert (answer.status == 0) == (left == 2)
    # Before version 8.4, click writes the space after a question to standard output.
    assert answer.out.lstrip(" ") == ("removed 1 speaker from speakers.db\n" if left == 2 else "")


def test_nobody_is_asked_about_somebody_unknown(cli, store):
    for options in ((), ("--yes",)):
        refuses(
            cli("speakers", "remove", "alice", "zoë", *options),
            "speakers.db: no speaker 'zoë'; enrolled: 'alice', 'bob', 'carol'",
        )
    assert len(ids(store)) == 3
    refuses(cli("speakers", "remove"), "Missing argument 'ID...'", status=2)


# --- export, import and compact ------------------------------------------------------------------


def test_speakers_move_to_another_store(cli, store, here):
    answer = cli("speakers", "export", "team.safetensors")
    assert (answer.status, answer.out) == (0, "team.safetensors: 3 speakers\n")
    assert stat.S_IMODE((here / "team.safetensors").stat().st_mode) == 0o600
    answer = cli("speakers", "import", "team.safetensors", "--store", "other.db")
    assert answer.out == "other.db: 3 speakers from team.safetensors\n"
    other = Verifier.load(OLDEST, "other.db").store
    for name in ids(store):
        found, known = other.find(name), store.find(name)
        np.testing.assert_array_equal(found.statistics.f, known.statistics.f)
        assert found.recordings == known.recordings
    refuses(
        cli("speakers", "import", "team.safetensors", "--store", "other.db"),
        "team.safetensors: already enrolled; replace them, or export the others only",
        "'bob'",
    )
    answer = cli("speakers", "import", "team.safetensors", "--store", "other.db", "--replace")
    assert (answer.status, len(ids(other))) == (0, 3)
    answer = cli("speakers", "export", "two", "bob", "alice", "bob")
    assert answer.out == "two: 2 speakers\n"


def test_a_store_is_not_written_over_by_its_own_export(cli, store, here):
    before = (here / "speakers.db").read_bytes()
    (here / "link").symlink_to(here / "speakers.db")
    for file in ("speakers.db", "./speakers.db", here / "speakers.db", "link"):
        refuses(cli("speakers", "export", file), "is read here, and would be written over")
    assert (here / "speakers.db").read_bytes() == before


def test_exports_and_imports_that_are_none(cli, store, here):
    refuses(cli("speakers", "export", "x", "zoë"), "no speaker 'zoë'; enrolled: 'alice'")
    refuses(cli("speakers", "export", "speakers.db/x"), "speakers.db/x: cannot be written")
    refuses(cli("speakers", "import", "no"), "no: no such file; expected a speakers that")
    refuses(cli("speakers", "import", OLDEST), "not a speakergmm speakers")
    refuses(cli("speakers", "import", "speakers.db"), "not a speakers file, or a damaged one")
    os.mkfifo(here / "pipe")
    refuses(cli("speakers", "import", "pipe"), "pipe: not a file")
    assert not (here / "x").exists()
    assert len(ids(store)) == 3


def test_a_store_is_rewritten(cli, store):
    answer = cli("speakers", "compact")
    assert (answer.status, answer.out) == (0, "speakers.db: rewritten\n")
    assert len(ids(store)) == 3


# --- hostile ids ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_an_id_is_data(cli, here, three, name, answering):
    recording = three.path.parent / "alice.wav"
    before = {path for path in here.parent.rglob("*") if "speakers.db" not in path.name}
    answer = cli("enroll", "--", name, recording)
    assert answer.status == 0, answer
    answer = cli("speakers", "list")
    # One line of the table is one speaker, whatever its name.
    assert len(answer.out.splitlines()) == 3
    assert "\x1b" not in answer.out
    assert len(answer.out) < 1_000
    (listed,) = json.loads(cli("speakers", "list", "--json").out)
    assert listed["speaker_id"] == name
    shown = cli("speakers", "show", "--", name)
    assert shown.status == 0
    assert "s of speech from 1 recording" in shown.out.splitlines()[0]
    assert "\x1b" not in shown.out
    assert cli("speakers", "export", "--", "exported", name).status == 0
    answering("n\n")
    answer = cli("speakers", "remove", "--", name)
    assert "\x1b" not in answer.err
    assert len(answer.err) < 300
    assert cli("speakers", "remove", "--yes", "--", name).status == 0
    assert cli("speakers", "list").out.endswith("0 speakers in speakers.db\n")
    assert cli("speakers", "import", "exported").status == 0
    assert [row["speaker_id"] for row in json.loads(cli("speakers", "list", "--json").out)] == [
        name
    ]
    made = {path for path in here.parent.rglob("*") if "speakers.db" not in path.name} - before
    assert made == {here / "exported"}


@pytest.mark.parametrize("name", ["", "  ", "\t\n"])
def test_an_id_that_is_none(cli, store, three, name):
    refuses(cli("enroll", name, three.path.parent / "bob.wav"), "the speaker id is empty; expected")
    refuses(cli("speakers", "show", name), "no speaker ")
    refuses(cli("speakers", "remove", "--yes", name), "no speaker ")


def test_ids_that_no_command_line_can_give(store, three):
    verifier = Verifier.load(OLDEST, store.path)
    recording = three.path.parent / "alice.wav"
    name = "nul\0alice"
    verifier.enroll(name, [recording])
    assert name in ids(store)
    assert store.find(name).speaker_id == name
    assert verifier.verify(name, recording).speaker_id == name
    store.remove([name])
    assert ids(store) == ["alice", "bob", "carol"]
    with pytest.raises(SpeakerStoreError, match="is not text; expected UTF-8"):
        verifier.enroll("\udcff", [recording])


def test_a_recordings_name_does_not_command_the_terminal(cli, here, three):
    (here / "\x1b[2Ja\nb.wav").write_bytes((three.path.parent / "bob.wav").read_bytes())
    assert cli("enroll", "bob", here / "\x1b[2Ja\nb.wav").status == 0
    shown = cli("speakers", "show", "bob")
    assert "\x1b" not in shown.out
    assert r"\x1b[2Ja\nb.wav" in shown.out


# --- stores that are none ------------------------------------------------------------------------

COMMANDS = {
    "list": ("list",),
    "list as JSON": ("list", "--json"),
    "show": ("show", "alice"),
    "remove": ("remove", "alice", "--yes"),
    "remove, asking": ("remove", "alice"),
    "export": ("export", "x"),
    "compact": ("compact",),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_stores_that_cannot_be_used(cli, command, here):
    refuses(cli("speakers", *command), "speakers.db: no such speaker store; enroll a speaker first")
    assert not (here / "speakers.db").exists()
    (here / "speakers.db").write_bytes(b"x" * 5_000)
    refuses(cli("speakers", *command), "speakers.db: ", "not a speaker store")
    refuses(cli("speakers", *command, "--store", here), "is a directory", status=2)
    assert not (here / "x").exists()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_stores_of_other_background_models(cli, command, store, here, tmp_path_factory):
    other = make_parts(tmp_path_factory.mktemp("other"), n_components=3)["ubm"]
    before = store.revision()
    digest = load_system(other).ubm_digest[:12]
    answer = cli("speakers", *command, "--ubm", other)
    refuses(answer, "speakers.db: ", digest)
    assert store.revision() == before


def test_speakers_of_other_background_models_are_not_imported(cli, store, tmp_path_factory):
    other = make_parts(tmp_path_factory.mktemp("other"), n_components=3)["ubm"]
    assert cli("speakers", "export", "team").status == 0
    refuses(
        cli("speakers", "import", "team", "--ubm", other, "--store", "new.db"),
        f"team: speakers of the UBM {store.ubm_digest[:12]}, not of",
        "import them into a store of that UBM",
    )


def test_a_store_of_nobody(cli, store):
    assert cli("speakers", "remove", "alice", "bob", "carol", "--yes").status == 0
    assert cli("speakers", "list").out.splitlines()[-1] == "0 speakers in speakers.db"
    assert cli("speakers", "list", "--json").out == "[]\n"
    refuses(cli("speakers", "show", "alice"), "no speaker 'alice'; enrolled: nobody")
    refuses(cli("speakers", "export", "x"), "nobody to export; enroll or name a speaker")
    assert cli("speakers", "compact").status == 0
