"""Fixtures of everyday verification: a small system in its variants, and voices that differ."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import soundfile

from speakergmm.audio.synthetic import SyntheticConfig, draw_session, draw_voice, record, speak
from speakergmm.corpora import read_utterances
from speakergmm.files import file_digest
from speakergmm.verification import EnrollmentConfig, Verifier
from speakergmm.verification.calibration import Calibration
from speakergmm.verification.calibration_record import CalibrationRecord
from speakergmm.verification.cohort_file import load_cohort
from speakergmm.verification.scoring import ScoringConfig
from speakergmm.verification.speaker_store import SpeakerStore
from speakergmm.verification.system import assemble_system
from speakergmm.verification.trial_normalization import NormalizationConfig

RATE = 16_000


@pytest.fixture(scope="session")
def ubm_path(small_corpus, tmp_path_factory):
    """A background model of eight components. Not to be written to."""
    from speakergmm.recipes import load_settings, train_on_list

    path = tmp_path_factory.mktemp("ubm") / "ubm.safetensors"
    settings = load_settings(None, {"ubm.n_components": "8"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


@pytest.fixture(scope="session")
def cohort_path(small_corpus, ubm_path, tmp_path_factory):
    """A cohort of the five speakers whom the background model has heard. Not to be written to."""
    from speakergmm.recipes.list_scoring import make_cohort

    path = tmp_path_factory.mktemp("cohort") / "cohort.safetensors"
    make_cohort(
        small_corpus / "utterances.csv", ubm_path, path, EnrollmentConfig(), split="background",
        enrollment_s=1.5, test_s=1.5,
    )  # fmt: skip
    return path


@pytest.fixture(scope="session")
def takes(small_corpus):
    """Recordings of the eleven speakers whom the background model has not heard, in order."""
    found = {}
    for utterance in read_utterances(small_corpus / "utterances.csv").values():
        if utterance.split != "background":
            found.setdefault(utterance.speaker_id, []).append(utterance.path)
    return found


@pytest.fixture(scope="session")
def cohort_takes(small_corpus):
    """Recordings of the cohort's speakers."""
    found = {}
    for utterance in read_utterances(small_corpus / "utterances.csv").values():
        if utterance.split == "background":
            found.setdefault(utterance.speaker_id, []).append(utterance.path)
    return found


@pytest.fixture(scope="session")
def make_system(ubm_path, cohort_path):
    """Make a system of some scorer, normalization, adaptation and calibration."""
    plain = assemble_system(ubm_path)
    cohort = load_cohort(cohort_path, plain.ubm_digest)

    def make(scorer="exact", normalization="none", *, affine=None, side=(), threshold=0.0, **adapt):
        top_c = int(scorer.partition("-")[2]) if scorer.startswith("top-") else None
        with_cohort = normalization != "none"
        system = dataclasses.replace(
            plain,
            scoring=ScoringConfig(top_c, "linear" if scorer == "linear" else "exact"),
            normalization=NormalizationConfig.from_label(normalization),
            cohort=cohort if with_cohort else None,
            cohort_digest=file_digest(cohort_path) if with_cohort else "",
            enrollment=EnrollmentConfig(**adapt),
        )
        if affine is None:
            return system
        calibration = Calibration(*affine, side=tuple(side))
        record = CalibrationRecord(
            calibration, (system.origin,), "by hand", 0.5, 100, 1000, 30, threshold
        )
        return dataclasses.replace(system, calibration=record)

    return make


@pytest.fixture
def make_verifier(make_system, tmp_path):
    """Make a verifier of such a system, with a store of its own or one that is named."""
    n_made = 0

    def make(*variant, store=None, **settings):
        nonlocal n_made
        n_made += 1
        system = make_system(*variant, **settings)
        path = store or tmp_path / f"speakers{n_made}.db"
        return Verifier(system, SpeakerStore(path, system.ubm_digest))

    return make


def two_voices():
    """Give a man's and a woman's voice that nobody would confuse."""
    found = {}
    rng = np.random.default_rng(3)
    while len(found) < 2:
        voice = draw_voice(rng)
        found.setdefault(voice.sex, voice)
    return found["m"], found["f"]


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """Four recordings of four seconds of each of two voices, ``a`` and ``b``."""
    folder = tmp_path_factory.mktemp("spoken")
    rng = np.random.default_rng(4)
    found = {}
    for name, voice in zip("ab", two_voices(), strict=True):
        for number in range(4):
            path = folder / f"{name}{number}.wav"
            # Clean ones would sound like each other beside the background model's.
            session = draw_session(SyntheticConfig(), rng)
            soundfile.write(path, record(speak(voice, 4.0, rng), session, rng), RATE)
            found.setdefault(name, []).append(path)
    return found
