"""`speakergmm enroll`, `verify` and `identify`: exit status, JSON, lists, and what is refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import save_system

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

SPEAKERS = ("s11", "s12", "s13")


@pytest.fixture(scope="module")
def system(make_calibration, background_model, tmp_path_factory):
    """A calibrated system in one file. Not to be written to."""
    path = tmp_path_factory.mktemp("system") / "system.safetensors"
    made = assemble_system(background_model, calibration=make_calibration(), name="small")
    save_system(path, made)
    return path


@pytest.fixture(scope="module")
def store(system, people, tmp_path_factory):
    """A store of three speakers. Not to be written to."""
    from speakergmm.verification import Verifier

    path = tmp_path_factory.mktemp("store") / "speakers.db"
    verifier = Verifier.load(system, path)
    for name in SPEAKERS:
        verifier.enroll(name, [take(people, name, f"1-{number}") for number in (1, 2)])
    return path


@pytest.fixture
def here(tmp_path, system, store, monkeypatch):
    """A folder with a system under the default name, and a store of three speakers."""
    monkeypatch.chdir(tmp_path)
    for path in (system, store):
        shutil.copy(path, tmp_path)
    return tmp_path


def take(people, name, number):
    return people / name / f"{name}-{number}.flac"


def strict_json(text):
    """Read JSON that has no NaN or infinity."""
    return json.loads(text, parse_constant=pytest.fail)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("here")
def test_status_says_what_was_decided(cli, people):
    path = take(people, "s12", "2-1")
    for command, options, status in (
        (["verify", "s12", path], ["--threshold", -99], 0),
        (["verify", "s12", path], ["--threshold", 99], 3),
        (["verify", "nobody", path], [], 1),
        (["verify", "s12", "missing.wav"], [], 1),
        (["verify", "s12"], [], 2),
        (["verify"], [], 2),
        (["identify", path], ["--threshold", -99], 0),
        (["identify", path], ["--threshold", 99], 3),
        (["identify", path], ["--closed"], 0),
        (["identify", "missing.wav"], [], 1),
        (["identify"], [], 2),
        (["identify", path], ["--top", 0], 2),
        (["identify", path], ["--p-known", 2], 2),
        (["enroll", "new", path], [], 0),
        (["enroll", "new", path], [], 1),
        (["enroll", "new"], [], 2),
        (["enroll"], [], 2),
    ):
        answer = cli(*command, *options)
        assert answer.status == status, (command, options, answer)
        assert "Traceback" not in answer.err
        if status == 1:
            assert answer.out == ""
            assert answer.err.startswith("error: ")
            assert answer.err.count("\n") == 1


@pytest.mark.usefixtures("here")
def test_answers_as_json(cli, people):
    path = take(people, "s12", "2-1")
    verified = strict_json(cli("verify", "s12", path, "--json").out)
    assert verified.keys() == {
        "speaker_id", "recording", "score", "threshold", "accepted", "speech_s", "quality", "llr",
        "expected", "better", "notes", "warnings",
    }  # fmt: skip
    assert verified["llr"] is not None
    identified = strict_json(cli("identify", path, "--json", "--top", 2).out)
    assert identified.keys() == {
        "recording", "candidates", "speaker_id", "is_closed", "threshold", "posterior_none",
        "n_enrolled", "speech_s", "quality", "notes", "warnings", "p_known",
    }  # fmt: skip
    assert [c.keys() for c in identified["candidates"]] == 2 * [
        {"speaker_id", "score", "llr", "posterior"}
    ]
    again = strict_json(cli("verify", "s12", path, "--json", "--threshold", -3).out)
    assert (again["threshold"], again["expected"]) == (-3.0, None)
    closed = strict_json(cli("identify", path, "--json", "--closed").out)
    assert (closed["threshold"], closed["posterior_none"]) == (None, 0.0)
    enrolled = strict_json(cli("enroll", "new", path, "--json").out)
    assert enrolled["fit"] == {str(path): None}
    assert enrolled["warnings"]


@pytest.mark.usefixtures("here")
def test_answers_in_words(cli, people):
    path = take(people, "s12", "2-1")
    verified = strict_json(cli("verify", "s12", path, "--json").out)
    lines = cli("verify", "s12", path).out.splitlines()
    assert lines[0] == f"{'accepted' if verified['accepted'] else 'rejected'}: {path} as 's12'"
    assert [t for t in lines if t.startswith("warning: ")] == [
        f"warning: {text}" for text in verified["warnings"]
    ]
    closed = cli("identify", path, "--closed").out
    assert "(3 enrolled)" in closed
    assert "threshold" not in closed
    assert "none of them" not in closed
    nobody = cli("identify", path, "--threshold", 99).out
    assert nobody.startswith(f"none of them: {path} (3 enrolled)\n")
    assert "plus ln 3: so many chances has a stranger" in nobody
    assert "  none of them: probability " in nobody


@pytest.mark.usefixtures("here")
def test_what_was_enrolled_is_no_test(cli, people):
    answer = cli("verify", "s12", take(people, "s12", "1-1"), "--threshold", -99)
    assert answer.status == 0
    assert "warning: this recording is part of the enrollment of 's12', so it tells nothing" in (
        answer.out
    )


def test_why_is_written_in_any_form(cli, people, here):
    path = take(people, "s12", "2-1")
    names = ["why.html", "why.png", "why.svg", "why.json"]
    options = [word for name in names for word in ("--explain", name)]
    answer = cli("verify", "s12", path, *options, "--threshold", -99)
    assert answer.status == 0
    assert [line for line in answer.out.splitlines() if line.startswith("  why: ")] == [
        f"  why: {name}" for name in names
    ]
    assert all((here / name).stat().st_size > 500 for name in names)
    why = strict_json((here / "why.json").read_text(encoding="utf-8"))
    alone = strict_json(cli("verify", "s12", path, "--json").out)
    assert why["answer"] == pytest.approx(alone["llr"], abs=1e-4)


@pytest.mark.usefixtures("here")
def test_another_form_is_refused_before_anything_is_heard(cli, people, monkeypatch):
    from speakergmm.verification import Verifier

    monkeypatch.setattr(Verifier, "hear", lambda *_: pytest.fail("heard"))
    path = take(people, "s12", "2-1")
    for name in ("why.gif", "why", "why.HTM"):
        answer = cli("verify", "s12", path, "--explain", name)
        assert answer.status in (1, 2)
        assert name in answer.err
        assert ".html" in answer.err
    answer = cli("verify", "s12", path, "--explain", "speakers.db/why.html")
    assert answer.status == 1
    assert "why.html: cannot be written" in answer.err
    assert cli("verify", "s12", "-", "--explain", "why.html").status == 2


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    "name", ["a b", "../../etc/passwd", "'; DROP TABLE speakers; --", "ä\u0301€😀", "\x1b[31mred",
             "line\nend", "x" * 5000, "%s{0}", "0"],
)  # fmt: skip
def test_an_id_may_be_anything(cli, people, name):
    first, second = (take(people, "s14", number) for number in ("1-1", "2-1"))
    answer = cli("enroll", name, first)
    assert answer.status == 0
    assert "\x1b" not in answer.out
    assert answer.out.splitlines()[0].endswith("speakers.db")
    answer = cli("verify", name, second, "--threshold", -99)
    assert answer.status == 0
    assert "\x1b" not in answer.out
    assert strict_json(cli("verify", name, second, "--json").out)["speaker_id"] == name
    answer = cli("identify", second, "--closed", "--top", 9)
    assert "\x1b" not in answer.out
    assert len([t for t in answer.out.splitlines() if t[2:4] in ("1.", "2.", "3.", "4.")]) == 4


@pytest.mark.usefixtures("here")
def test_ids_that_are_none(cli, people):
    path = take(people, "s14", "1-1")
    for name in ("", " "):
        answer = cli("enroll", name, path)
        assert (answer.status, answer.out) == (1, "")
        assert "the speaker id is empty" in answer.err
    assert cli("verify", "", path).status == 1
    answer = cli("enroll", "--", "-x", path)
    assert answer.status == 0


USAGE = [
    (["verify", "s12", "x.wav", "--list", "l.csv"], "give ID and FILE, or --list, not both"),
    (["verify", "s12", "x.wav", "--output", "o.csv"], "--output is for --list"),
    (["verify", "--list", "l.csv", "--explain", "w.html"], "--explain is for one recording"),
    (["verify", "s12", "x.wav", "--raw-rate", "8000"], "--raw-rate is for samples on standard"),
    (["verify", "s12", "x.wav", "--ubm", "u"], "no threshold: a score means nothing"),
    (["verify", "s12", "x.wav", "--system", "s", "--ubm", "u", "--threshold", "0"],
     "give --system or --ubm"),
    (["verify", "s12", "x.wav", "--relevance-factor", "4"], "a system file has its own"),
    (["identify", "x.wav", "--ubm", "u"], "no threshold: a score means nothing"),
    (["identify", "x.wav", "--list", "l.csv"], "give FILE, or --list, not both"),
    (["enroll", "s12", "x.wav", "--list", "l.csv"], "or --list, not both"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), USAGE)
def test_wrong_usage(cli, words, message):
    answer = cli(*words)
    assert (answer.status, answer.out) == (2, "")
    assert message in " ".join(answer.err.split())


def test_no_system(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = cli("identify", "x.wav")
    assert answer.status == 2
    assert "no system: there is no system.safetensors here" in " ".join(answer.err.split())


# --- lists ---


def write_list(path, header, rows):
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def test_a_list_of_claims_is_a_score_file(cli, people, here):
    rows = [
        (name, take(people, test, f"2-{number}"), "target" if name == test else "nontarget")
        for test in SPEAKERS
        for number in (1, 2, 3, 4)
        for name in SPEAKERS
    ]
    source = write_list(here / "claims.csv", "speaker_id,path,label", rows)
    answer = cli("verify", "--list", source)
    assert answer.status == 0, answer
    assert answer.out.startswith("scores.csv: 36 in all, ")
    assert "verification (12) ..." in answer.err
    evaluated = cli("evaluate", "scores.csv", "--json", "--resamples", 20)
    assert evaluated.status == 0, evaluated.err
    quiet = cli("verify", "--list", source, "--output", "o/s.csv", "--quiet", "--json")
    assert quiet.err == ""
    summary = strict_json(quiet.out)
    assert (summary["n_items"], summary["n_failed"], summary["output"]) == (36, 0, "o/s.csv")
    assert (here / "o" / "s.csv").read_bytes() == (here / "scores.csv").read_bytes()


def test_one_bad_recording_leaves_the_others_right(cli, people, here):
    good = take(people, "s12", "2-1")
    (here / "bad.wav").write_bytes(b"no audio" * 99)
    for command, default, header, rows in (
        ("verify", "scores.csv", "speaker_id,path", [("s12", "bad.wav"), ("s12", good)]),
        ("identify", "identified.csv", "path", [("bad.wav",), (good,)]),
        ("enroll", "enrolled.csv", "speaker_id,path", [("n", "bad.wav"), ("m", good)]),
    ):
        source = write_list(here / f"{command}.csv", header, rows)
        answer = cli(command, "--list", source, "--quiet")
        assert answer.status == 1
        assert answer.out.startswith(f"{default}: 2 in all, ")
        assert answer.err == f"error: 1 of 2 failed; see the column 'error' of {default}\n"
        bad, ok, *_ = rows_of(here / default)
        assert "bad.wav: not audio that can be decoded" in bad["error"]
        assert ok["error"] == ""
        if command == "verify":
            alone = strict_json(cli("verify", "s12", good, "--json").out)
            assert float(ok["llr"]) == pytest.approx(alone["llr"], abs=1e-4)
    assert cli("verify", "m", take(people, "s12", "2-2")).status in (0, 3)


@pytest.mark.parametrize("command", ["enroll", "verify", "identify"])
def test_a_list_is_not_written_over(cli, people, here, command):
    header = "path" if command == "identify" else "speaker_id,path"
    row = (take(people, "s15", "1-1"),) if command == "identify" else ("s15", "x.flac")
    defaults = {"enroll": "enrolled.csv", "verify": "scores.csv", "identify": "identified.csv"}
    source = write_list(here / defaults[command], header, [row])
    before = source.read_text()
    for options in ([], ["--output", f"./{source.name}"], ["--output", "speakers.db"]):
        answer = cli(command, "--list", source.name, *options)
        assert (answer.status, answer.out) == (1, "")
        assert "is read here, and would be written over" in answer.err
    (here / "file").touch()
    answer = cli(command, "--list", source.name, "--output", "file/out.csv")
    assert answer.status == 1
    assert "out.csv: cannot be written" in answer.err
    assert source.read_text() == before


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("command", ["verify", "identify"])
def test_ctrl_c_leaves_no_half_of_a_file(people, here, command):
    header = "path,test_id" if command == "identify" else "speaker_id,path,test_id"
    path = take(people, "s12", "2-1")
    rows = [(path, f"t{i}") if command == "identify" else ("s12", path, f"t{i}")
            for i in range(3000)]  # fmt: skip
    write_list(here / "list.csv", header, rows)
    (here / "out.csv").write_text("old")
    words = [sys.executable, "-m", "speakergmm", command, "--list", "list.csv", "--output"]
    with subprocess.Popen([*words, "out.csv"], stderr=subprocess.PIPE, text=True) as process:
        first = process.stderr.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=60)[1]
    assert "(3,000) ..." in first
    assert process.returncode == 130, rest
    assert "interrupted; run the same command again" in rest
    assert "Traceback" not in rest
    assert (here / "out.csv").read_text() == "old"


@pytest.mark.usefixtures("here")
def test_a_store_in_a_folder_that_is_a_file(cli, people):
    answer = cli("enroll", "new", take(people, "s14", "1-1"), "--store", "system.safetensors/s.db")
    assert answer.status == 1
    assert answer.err.count("\n") == 1
