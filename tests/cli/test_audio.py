"""Quality on the command line: each file measured, or one line on why it cannot be."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm.audio.quality import recording_quality
from speakergmm.audio.synthetic import draw_voice, speak

RATE = 16_000


def voice(seconds, seed=1):
    rng = np.random.default_rng(seed)
    speech = speak(draw_voice(rng), seconds, rng)
    return (0.5 * speech + 1e-3 * rng.normal(size=len(speech))).astype(np.float32)


def write(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Recordings that can be measured, by what is to be warned of. Not to be written to."""
    folder = tmp_path_factory.mktemp("audio")
    full = voice(8.0)
    muted = full.copy()
    muted[3 * RATE : 4 * RATE] = 0
    noisy = full + 0.1 * np.random.default_rng(2).normal(size=len(full))
    made = {
        "none": full,
        "short_speech": full[: 2 * RATE],
        "low_snr": noisy,
        "clipped": np.clip(4 * full, -0.5, 0.5),
        "digital_silence": muted,
        "dc_offset": 0.5 * full + 0.2,
        "low_level": full / 500,
        "silent_channel": np.stack([full, np.zeros_like(full)], axis=1),
        "identical_channels": np.stack([full, full], axis=1),
    }
    return {name: write(folder / f"{name}.wav", samples) for name, samples in made.items()}


@pytest.fixture
def bad(tmp_path):
    """Files that cannot be measured, each with what is to be said of it."""
    (tmp_path / "text.wav").write_bytes(b"this is not audio" * 99)
    (tmp_path / "empty.wav").write_bytes(b"")
    write(tmp_path / "zeros.wav", np.zeros(RATE))
    write(tmp_path / "short.wav", voice(0.5)[:300])
    # Exact in sixteen bits, so that nothing is left of their mean.
    opposite = np.round(1e4 * voice(1.0)) / 32768
    write(tmp_path / "opposite.wav", np.stack([opposite, -opposite], axis=1))
    return {
        tmp_path / "text.wav": "not audio that can be decoded",
        tmp_path / "empty.wav": "the file is empty (0 bytes)",
        tmp_path / "zeros.wav": "silent: every sample is zero",
        tmp_path / "short.wav": "expected 25 ms or more",
        tmp_path / "opposite.wav": "channels in opposite phase cancel",
        tmp_path / "gone.wav": "no such file",
        tmp_path: "not a file; expected a recording",
    }


def test_a_good_recording_is_a_line_of_the_table(cli, recordings):
    path = recordings["none"]
    answer = cli("audio", "check", path)
    assert (answer.status, answer.err) == (0, "")
    header, line = answer.out.splitlines()
    assert header.split() == [
        "file", "length", "speech", "level", "SNR", "clipped", "DC", "zeros", "band", "warnings",
    ]  # fmt: skip
    quality = recording_quality(path)
    assert line.split() == [
        str(path), "8.0", "s", f"{quality.net_speech_s:.1f}", "s",
        f"{quality.speech_level_dbfs:.0f}", "dBFS", f"{quality.snr_db:.0f}", "dB", "0.00", "%",
        f"{100 * quality.dc_offset:+.2f}", "%",
        f"{100 * quality.zero_share:.1f}", "%", "8.0", "kHz", "none",
    ]  # fmt: skip


def test_every_warning_reaches_the_reader(cli, recordings):
    files = list(recordings.values())
    answer = cli("audio", "check", *files)
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    table, warnings = lines[1 : 1 + len(files)], lines[1 + len(files) :]
    expected = []
    for line, (code, path) in zip(table, recordings.items(), strict=True):
        assert line.startswith(f"{path} ")
        quality = recording_quality(path)
        found = {warning.code for warning in quality.warnings}
        assert code in found | {"none"}
        assert line.split()[-1] == str(len(found) or "none")
        expected += [f"warning: {path}: {warning.text}" for warning in quality.warnings]
    assert warnings == expected
    assert len(expected) >= len(files) - 1


def test_json_holds_every_number_and_warning(cli, recordings):
    answer = cli("audio", "check", *recordings.values(), "--json")
    assert (answer.status, answer.err) == (0, "")
    entries = json.loads(answer.out)
    assert [entry["file"] for entry in entries] == [str(path) for path in recordings.values()]
    for path, entry in zip(recordings.values(), entries, strict=True):
        quality = recording_quality(path).to_json()
        assert entry == json.loads(json.dumps({"file": str(path), **quality}))
    by_name = dict(zip(recordings, entries, strict=True))
    assert by_name["silent_channel"]["silent_channels"] == [1]
    assert by_name["identical_channels"]["identical_channels"] == [[0, 1]]
    assert by_name["identical_channels"]["n_channels"] == 2
    assert {warning["code"] for warning in by_name["clipped"]["warnings"]} >= {"clipped"}


def test_stereo_is_measured_on_what_sounds(cli, recordings):
    mono, one_sided = (
        json.loads(cli("audio", "check", recordings[name], "--json").out)[0]
        for name in ("none", "silent_channel")
    )
    assert one_sided["n_channels"] == 2
    for number in ("net_speech_s", "speech_level_dbfs", "snr_db", "bandwidth_hz", "duration_s"):
        assert one_sided[number] == mono[number]


def test_bad_files_among_good_ones(cli, recordings, bad):
    good = recordings["none"]
    files = [*bad, good]
    answer = cli("audio", "check", *files)
    assert answer.status == 1
    assert answer.out == cli("audio", "check", good).out
    complaints = answer.err.splitlines()
    assert len(complaints) == len(bad)
    for complaint, (path, message) in zip(complaints, bad.items(), strict=True):
        assert complaint.startswith(f"error: {path}: ")
        assert message in complaint
    answer = cli("audio", "check", *files, "--json")
    assert (answer.status, answer.err) == (1, "")
    entries = {entry["file"]: entry for entry in json.loads(answer.out)}
    assert entries.keys() == set(map(str, files))
    for path, message in bad.items():
        entry = entries[str(path)]
        assert entry.keys() == {"file", "error"}
        assert message in entry["error"]
    assert "error" not in entries[str(good)]


def test_nothing_but_bad_files_prints_no_table(cli, bad):
    answer = cli("audio", "check", *bad)
    assert (answer.status, answer.out) == (1, "")
    assert answer.err.count("\n") == len(bad)


def test_no_files_is_wrong_usage(cli):
    answer = cli("audio", "check")
    assert (answer.status, answer.out) == (2, "")
    assert "Missing argument 'FILES...'" in answer.err
    assert cli("audio").status == 2


def test_no_snr_where_the_pauses_were_taken_out(cli, tmp_path):
    samples = voice(4.0)
    samples[np.arange(len(samples)) % RATE > RATE // 2] = 0
    path = write(tmp_path / "gated.wav", samples)
    entry = json.loads(cli("audio", "check", path, "--json").out)[0]
    assert entry["snr_db"] is None
    assert " -  " in cli("audio", "check", path).out.splitlines()[1]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX only")
def test_names_that_are_no_text(cli, recordings, tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff.wav")
    shutil.copy(recordings["none"], path)
    assert json.loads(cli("audio", "check", path, "--json").out)[0]["file"] == str(path)


def test_many_files_show_how_far_it_is(cli, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=16_000), 16_000)
    assert "recordings (20)" in cli("audio", "check", *[path] * 20).err
    assert cli("audio", "check", "--quiet", *[path] * 20).err == ""
    assert cli("audio", "check", *[path] * 19).err == ""
