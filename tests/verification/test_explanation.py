"""What an explanation shows is what the answer is made of: frames, components, seconds."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

RATE = 16_000

WAYS = [
    (scorer, normalization)
    for scorer in ("exact", "top-3", "linear")
    for normalization in ("none", "z", "zt", "as-4")
]


@pytest.fixture
def explained(make_verifier, spoken):
    """A recording of anna explained, by some system."""

    def explain(*variant, recording=None, **settings):
        verifier = make_verifier(*variant, **settings)
        verifier.enroll("anna", spoken["a"][:2])
        given = spoken["a"][2] if recording is None else recording
        return verifier, *verifier.explain("anna", given, threshold=settings.get("threshold", 0.0))

    return explain


@pytest.mark.parametrize(("scorer", "normalization"), WAYS)
def test_parts_add_up_to_the_answer(explained, spoken, scorer, normalization):
    affine = (1.5, -0.75) if normalization in ("none", "zt") else None
    verifier, answer, why = explained(scorer, normalization, affine=affine)
    assert answer == verifier.verify("anna", spoken["a"][2], threshold=0.0)
    assert why.answer == answer.value
    assert why.is_calibrated == (affine is not None)
    tolerance = 1e-4 * max(1.0, abs(why.answer))
    assert why.evidence.mean() == pytest.approx(why.answer, abs=tolerance)
    shares = sum(part.share for part in why.components) + why.others_share
    assert shares == pytest.approx(why.answer, abs=tolerance)
    assert len(why.times_s) == len(why.evidence) == len(why.curve)
    assert (np.diff(why.times_s) > 0).all()
    assert sum(part.occupancy for part in why.components) <= 1 + 1e-9
    if len(why.stretches) < 12:
        assert sum(s.share for s in why.stretches) == pytest.approx(why.answer, abs=tolerance)


@pytest.mark.parametrize(
    ("scorer", "normalization"),
    [("exact", "none"), ("top-3", "zt"), ("linear", "s"), ("exact", "as-4")],
)
def test_a_second_left_out_is_scored_without_its_frames(explained, spoken, scorer, normalization):
    verifier, _, why = explained(scorer, normalization, affine=(1.5, -0.75))
    heard = verifier.hear([spoken["a"][2]])
    speaker = verifier.speaker("anna")
    assert [second.start_s for second in why.seconds] == [0, 1, 2, 3]
    for second in why.seconds:
        inside = (why.times_s >= second.start_s) & (why.times_s < second.start_s + 1.0 - 1e-9)
        inside |= (why.times_s >= 4) & (second.start_s == 3)
        assert second.n_frames == inside.sum()
        score = verifier.score(speaker, heard.frames[~inside])
        assert second.answer_without == pytest.approx(1.5 * score - 0.75, rel=1e-5, abs=1e-5)
        assert second.accepted_without == (second.answer_without >= why.threshold)
    assert sum(second.n_frames for second in why.seconds) == len(why.evidence)


def test_all_but_one_second_may_be_silent(explained, spoken, tmp_path):
    samples, _ = soundfile.read(spoken["a"][2], dtype="float32")
    quiet = 1e-4 * np.random.default_rng(0).normal(size=3 * RATE).astype(np.float32)
    path = tmp_path / "one.wav"
    soundfile.write(path, np.concatenate([quiet, samples[:RATE]]), RATE)
    _, answer, why = explained(recording=path)
    assert why.times_s.min() >= 2.9
    assert answer.speech_s <= 1.1
    # Without its only second there is nothing to be said.
    assert all(second.n_frames < len(why.evidence) for second in why.seconds)


def test_a_change_of_speakers_is_seen(explained, spoken, tmp_path):
    a, b = (soundfile.read(spoken[name][n], dtype="float32")[0] for name, n in (("a", 3), ("b", 0)))
    path = tmp_path / "both.wav"
    soundfile.write(path, np.concatenate([a, b]), RATE)
    _, _, why = explained(recording=path)
    first = why.times_s < 4
    assert why.evidence[first].mean() > 0 > why.evidence[~first].mean()
    own, other = (
        sum(s.share for s in why.stretches if (s.start_s < 4) == is_first)
        for is_first in (True, False)
    )
    assert own > 0 > other
    assert all(0 <= s.start_s < s.end_s <= 8.05 for s in why.stretches)
    sizes = [abs(s.share) for s in why.stretches]
    assert sizes == sorted(sizes, reverse=True)
    without = [second.answer_without for second in why.seconds]
    assert max(without[:4]) < why.answer < min(without[4:]) + 0.3
    assert np.mean(without[:4]) < why.answer < np.mean(without[4:])


@pytest.mark.parametrize("normalization", ["none", "as-4"])
def test_it_is_json_as_a_whole(explained, normalization):
    _, _, why = explained("exact", normalization, affine=(1.5, -0.75))
    table = why.to_json()
    read = json.loads(json.dumps(table, allow_nan=False))
    assert read == table
    assert read.keys() == {f.name for f in dataclasses.fields(why)} - {"samples"}
    assert read["answer"] == why.answer
    odd = dataclasses.replace(why, answer=np.float64("inf"), evidence=np.array([np.nan, 1.0]))
    assert odd.to_json()["answer"] is None
    assert odd.to_json()["evidence"] == [None, 1.0]
    assert json.dumps(odd.to_json(), allow_nan=False)


def test_a_pipe_is_heard_once(explained, spoken):
    class Pipe:
        name, n_reads = "a pipe", 0

        def read(self):
            self.n_reads += 1
            return spoken["a"][2].read_bytes() if self.n_reads == 1 else b""

    (_, answer, why), (_, plain, expected) = explained(recording=Pipe()), explained()
    assert answer.score == plain.score
    np.testing.assert_array_equal(why.samples, expected.samples)
    assert why.recording == "a pipe"


LONG = """
import resource, sys, time
import numpy as np, soundfile
from speakergmm.verification import Verifier
path, ubm, store, enrolled = sys.argv[1:]
verifier = Verifier.load(ubm, store)
verifier.enroll("anna", [enrolled])
verifier.explain("anna", enrolled, threshold=0.0)
start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_, why = verifier.explain("anna", path, threshold=0.0)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(time.perf_counter() - start, grown / 1024)
print(len(why.evidence), len(why.seconds))
"""


def test_ten_minutes_take_little_time_and_memory(ubm_path, spoken, tmp_path):
    samples = np.concatenate([soundfile.read(path, dtype="float32")[0] for path in spoken["a"]])
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(samples, 38)[: 600 * RATE], RATE)
    command = [sys.executable, "-c", LONG, path, ubm_path, tmp_path / "s.db", spoken["a"][0]]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes, n_frames, n_pieces = map(float, answer.stdout.split())
    assert n_frames > 30_000
    assert n_pieces <= 60
    # Wide of what it takes, since machines differ: some 4 s and 90 MB, of which the samples are 38.
    assert seconds < 20
    assert megabytes < 150
