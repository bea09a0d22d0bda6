"""A small system with all parts, made of nothing but numbers.

`verification/data/system_v1.safetensors` was written by ``python tests/system_cases.py`` when that
was the newest version. It stays as it is: systems of that version must be read for ever. For a new
version add a file beside it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from speakergmm.features import FrontEnd, FrontEndConfig
from speakergmm.files import file_digest
from speakergmm.gmm import DiagonalGMM, TrainingConfig, TrainingHistory, accumulate
from speakergmm.gmm.model_file import BackgroundModel, save_background_model
from speakergmm.verification import Verifier
from speakergmm.verification.calibration import Calibration, SideTerm
from speakergmm.verification.calibration_file import save_calibration
from speakergmm.verification.calibration_record import CalibrationRecord
from speakergmm.verification.cohort import Cohort, Source
from speakergmm.verification.cohort_file import save_cohort
from speakergmm.verification.enrollment import EnrollmentConfig
from speakergmm.verification.expected_errors import ExpectedErrors
from speakergmm.verification.origin import ScoreOrigin
from speakergmm.verification.scoring import ScoringConfig
from speakergmm.verification.speaker_store import SpeakerStore
from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import save_system

OLDEST = Path(__file__).parent / "verification" / "data" / "system_v1.safetensors"

RATE = 8_000
FRONT_END = FrontEndConfig(sample_rate=RATE, n_mfcc=5, n_mels=12, deltas=0)
ENROLLMENT, SCORING = EnrollmentConfig(8.0), ScoringConfig(top_c=3)
EXPECTED = (
    ExpectedErrors(1.0, 0.2, 0.25, 0.1, 0.75, -0.5, 40, 360),
    ExpectedErrors(4.0, 0.05, 0.1, 0.02, 1.0, -0.25, 40, 360),
)


def sound(number: int, seconds: float = 2.0):
    """Make a sound of its own for each number: some partials that swell and glide."""
    t = np.arange(int(seconds * RATE)) / RATE
    parts = [
        np.sin(2 * np.pi * (90 + 17 * number) * k * t + np.sin((3 + number) * t + k)) / k**0.5
        for k in range(1, 12)
    ]
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * (1.5 + 0.1 * number) * t)
    return (0.05 * swell * np.sum(parts, axis=0)).astype(np.float32)


def make_parts(folder: Path, *, n_components: int = 4) -> dict[str, Path]:
    """Write a background model, a cohort and a calibration that belong together."""
    front_end = FrontEnd(FRONT_END)
    frames = [front_end(sound(i), RATE) for i in range(8)]
    pooled = np.concatenate(frames).astype(np.float64)
    gmm = DiagonalGMM(
        np.full(n_components, 1 / n_components),
        pooled[:: len(pooled) // n_components][:n_components],
        np.tile(pooled.var(axis=0), (n_components, 1)),
    )
    paths = {
        "ubm": folder / "ubm.safetensors",
        "cohort": folder / "cohort.safetensors",
        "calibration": folder / "calibration.json",
    }
    history = TrainingHistory((-2.0, -1.5), (1, 0), (0, 0), (0, 1), 3.25, converged=True)
    versions = {"speakergmm": "0", "numpy": "1"}
    save_background_model(
        paths["ubm"],
        BackgroundModel(
            gmm, FRONT_END, TrainingConfig(), history, 11, "ab" * 32, len(pooled), versions
        ),
    )
    statistics = [accumulate(gmm, x) for x in frames[:4]]
    tests = [x[:40] for x in frames[:4]]
    names = tuple("abcd")
    cohort = Cohort(
        file_digest(paths["ubm"]),
        ENROLLMENT,
        names,
        names,
        *(np.stack([getattr(s, name) for s in statistics]) for name in "nfs"),
        np.array([s.n_frames for s in statistics], dtype=np.int64),
        np.concatenate(tests).astype(np.float32),
        np.cumsum([0, *map(len, tests)]).astype(np.int64),
        tuple(Source(f"u-{name}", name, f"{name}.wav", name * 64, None, 2.0) for name in names),
    )
    save_cohort(paths["cohort"], cohort)
    origin = ScoreOrigin(
        file_digest(paths["ubm"]), SCORING, ENROLLMENT, "s", file_digest(paths["cohort"])
    )
    record = CalibrationRecord(
        Calibration(1.25, -0.5, (SideTerm("test_speech", 0.125, 0.0625),)),
        (origin,),
        "Büro | Telefon",
        0.5,
        40,
        360,
        20,
        1.5,
        EXPECTED,
        "the same, on speakers left out",
    )
    save_calibration(paths["calibration"], record)
    return paths


def score(system, folder: Path):
    """Enroll a speaker with one sound and verify two others: scores and ratios."""
    verifier = Verifier(system, SpeakerStore(folder / "speakers.db", system.ubm_digest))
    verifier.enroll("somebody", [(sound(9, 3.0), RATE)])
    answers = [verifier.verify("somebody", (sound(i), RATE), threshold=0.0) for i in (9, 12)]
    return [(answer.score, answer.llr) for answer in answers]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = make_parts(Path(folder))
        system = assemble_system(made.pop("ubm"), **made, name="Büro 🎙 | `x`")
        print(score(system, Path(folder)))  # noqa: T201
    OLDEST.parent.mkdir(exist_ok=True)
    save_system(OLDEST, system)
