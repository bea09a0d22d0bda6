"""Frames for other toolkits on the command line: written, converted, refused."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from speakergmm.features import FrameStore
from speakergmm.features.htk_files import read_htk, read_htk_folder, write_htk
from speakergmm.features.kaldi_archives import read_ark, read_scp, write_kaldi

pytest.importorskip("kaldiio")

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")


@pytest.fixture(scope="module")
def folder(small_corpus, tmp_path_factory):
    """A frame store of the small corpus's background. Not to be written to."""
    from speakergmm.recipes import extract_list, load_settings

    place = tmp_path_factory.mktemp("store") / "frames"
    front_end = load_settings(None, {}).front_end
    extract_list(small_corpus / "utterances.csv", place, front_end, split="background")
    return place


@pytest.fixture
def archive(tmp_path):
    """A script file, and what it names."""
    rng = np.random.default_rng(0)
    matrices = {name: rng.normal(size=(9, 3)).astype(np.float32) for name in ("b", "a")}
    write_kaldi(tmp_path / "archive", matrices.items())
    return tmp_path / "archive/feats.scp", matrices


def test_a_store_is_written_for_kaldi(cli, folder, tmp_path):
    store = FrameStore.open(folder)
    answer = cli("features", "export", folder, "--to", "kaldi", "--output", tmp_path / "k")
    assert answer.status == 0
    assert answer.out == (
        f"{tmp_path / 'k'}: {len(store.places)} utterances, {store.n_frames:,} frames of 30 "
        "features\n"
    )
    assert f"features: export ({len(store.places)}) ..." in answer.err
    found = dict(read_scp(tmp_path / "k/feats.scp"))
    assert list(found) == sorted(store.places)
    for name, frames in found.items():
        np.testing.assert_array_equal(frames, store.frames(name))


def test_a_store_is_written_for_htk(cli, folder, tmp_path):
    store = FrameStore.open(folder)
    answer = cli("features", "export", folder, "--to", "htk", "--output", tmp_path / "h",
                 "--quiet", "--json")  # fmt: skip
    assert answer.err == ""
    assert json.loads(answer.out) == {
        "output": str(tmp_path / "h"),
        "n_utterances": len(store.places),
        "n_frames": store.n_frames,
        "n_features": 30,
    }
    for name, found in read_htk_folder(tmp_path / "h"):
        np.testing.assert_array_equal(found.frames, store.frames(name))
        assert (found.kind, found.hop_s) == ("USER", 0.01)


def test_from_kaldi_to_htk_and_back(cli, archive, tmp_path):
    script, matrices = archive
    answer = cli("features", "convert", script, "--to", "htk", "--output", tmp_path / "h",
                 "--hop", 0.0125)  # fmt: skip
    assert answer.status == 0
    assert answer.out == f"{tmp_path / 'h'}: 2 utterances, 18 frames of 3 features\n"
    assert read_htk(tmp_path / "h/b.htk").hop_s == 0.0125
    back = cli("features", "convert", tmp_path / "h", "--to", "kaldi", "--output", tmp_path / "k")
    assert back.status == 0
    found = dict(read_ark(tmp_path / "k/feats.ark"))
    assert list(found) == ["a", "b"]
    for name, frames in matrices.items():
        np.testing.assert_array_equal(found[name], frames)


def test_archives_and_folders_of_any_names_are_read(cli, archive, tmp_path):
    script, matrices = archive
    ark = script.with_suffix(".ark")
    assert cli("features", "convert", ark, "--to", "htk", "--output", tmp_path / "h").status == 0
    assert read_htk(tmp_path / "h/a.htk").hop_s == 0.01
    write_htk(tmp_path / "m/x.mfc", matrices["a"], 0.005, "FBANK_Z")
    answer = cli("features", "convert", tmp_path / "m", "--to", "htk", "--output",
                 tmp_path / "again", "--pattern", "*.mfc")  # fmt: skip
    assert answer.status == 0
    assert (tmp_path / "again/x.htk").read_bytes() == (tmp_path / "m/x.mfc").read_bytes()
    # What is compressed is expanded.
    content = bytes.fromhex("00000005 000186a0 0002 0409 40000000 3f800000 0003")
    (tmp_path / "m/y.htk").write_bytes(content)
    cli("features", "convert", tmp_path / "m", "--to", "kaldi", "--output", tmp_path / "k")
    np.testing.assert_array_equal(dict(read_ark(tmp_path / "k/feats.ark"))["y"], [[2.0]])


def test_commands_in_script_files_are_not_run(cli, tmp_path):
    script = tmp_path / "feats.scp"
    script.write_text(f"a touch {tmp_path / 'ran'} |\n")
    answer = cli("features", "convert", script, "--to", "htk", "--output", tmp_path / "h")
    assert answer.status == 1
    assert "utterance 'a' is read from a command or a pipe" in answer.err
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "h").exists()


def test_without_kaldiio_one_line_says_what_to_do(cli, archive, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kaldiio", None)
    answer = cli("features", "convert", archive[0], "--to", "htk", "--output", tmp_path / "h",
                 "--quiet")  # fmt: skip
    assert (answer.status, answer.out) == (1, "")
    assert answer.err == (
        'error: reading Kaldi archives needs kaldiio; install it with: pip install "speakergmm'
        '[kaldi]"\n'
    )


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("archive/feats.scp", ("--to", "kaldi", "--hop", 0.01), "hop_s (--hop) is of use from"),
        ("m", ("--to", "htk", "--hop", 0.01), "hop_s (--hop) is of use from Kaldi"),
        ("archive/feats.scp", ("--to", "htk", "--hop", -1), "hop_s is -1.0; expected 1e-07 to"),
        ("archive/feats.scp", ("--to", "htk", "--pattern", "*"), "pattern (--pattern) is of use"),
        ("m", ("--to", "kaldi"), "m: no file '*.htk' there; expected HTK parameter files"),
        ("m/x.mfc", ("--to", "kaldi"), "x.mfc: expected a Kaldi script file (.scp), a "),
        ("gone", ("--to", "kaldi"), "gone: expected a Kaldi script file (.scp), a Ka"),
        ("gone.scp", ("--to", "kaldi"), "gone.scp: no such file; expected a Kaldi script file"),
        ("gone.ark", ("--to", "kaldi"), "gone.ark: no such file; expected a Kaldi archive (.ark)"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted(cli, archive, tmp_path, source, options, message):
    write_htk(tmp_path / "m/x.mfc", np.ones((2, 2)), 0.01)
    answer = cli("features", "convert", tmp_path / source, *options, "--output", tmp_path / "out")
    assert answer.status == 1
    assert message in answer.err
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over_what_is_read(cli, archive, tmp_path):
    script, _ = archive
    other = tmp_path / "other.scp"
    other.write_text(script.read_text())
    before = script.with_suffix(".ark").read_bytes()
    for source in (script, script.with_suffix(".ark"), other):
        answer = cli("features", "convert", source, "--to", "kaldi", "--output", script.parent)
        assert answer.status == 1
        assert "is read here, and would be written over" in answer.err
    assert script.with_suffix(".ark").read_bytes() == before
    write_htk(tmp_path / "m/x.htk", np.ones((2, 2)), 0.01)
    answer = cli("features", "convert", tmp_path / "m", "--to", "htk", "--output", tmp_path / "m")
    assert "is read here, and would be written over" in answer.err


def test_a_store_is_exported_not_converted(cli, folder, archive, tmp_path):
    answer = cli("features", "convert", folder, "--to", "kaldi", "--output", tmp_path / "k")
    assert answer.status == 1
    assert "frames: a frame store; give it to `features export`" in answer.err
    answer = cli("features", "export", archive[0].parent, "--to", "htk", "--output", tmp_path / "k")
    assert answer.status == 1
    assert "store.json: not there; no store, or an unfinished one" in answer.err


@pytest.mark.parametrize(
    ("to", "name", "message"),
    [
        (
            "htk",
            "a/b",
            r"utterance 'a/b' cannot be the name of a file; expected an id without / \ : ",
        ),
        ("htk", "..", "utterance '..' cannot be the name of a file"),
        ("kaldi", "a b", "utterance 'a b' cannot be the key of a Kaldi archive"),
    ],
)
def test_ids_that_the_other_toolkit_cannot_have(cli, small_corpus, tmp_path, to, name, message):
    recording = next((small_corpus / "audio").rglob("*.flac"))
    utterances = tmp_path / "utterances.csv"
    utterances.write_text(f"utterance_id,speaker_id,path\n!,s,{recording}\n{name},s,{recording}\n")
    cli("features", "extract", utterances, "--output", tmp_path / "frames")
    answer = cli("features", "export", tmp_path / "frames", "--to", to, "--output", tmp_path / "o")
    assert answer.status == 1
    assert message in answer.err
    assert not list((tmp_path / "o").glob("*"))
