"""Fixtures of the commands about calibrations and cohorts: few, short and noisy recordings.

A background model of four components and recordings of a second or so keep the scores of same and
different speakers mixed: of well separated ones there is nothing to calibrate.
"""

from __future__ import annotations

import csv
import shutil

import pytest

RESAMPLES = ("--resamples", 20)


@pytest.fixture(scope="session")
def background_model(small_corpus, tmp_path_factory):
    """A small background model. Not to be written to."""
    from speakergmm.recipes import load_settings, train_on_list

    path = tmp_path_factory.mktemp("background_model") / "ubm.safetensors"
    settings = load_settings(None, {"ubm.n_components": "4"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


@pytest.fixture(scope="session")
def other_model(small_corpus, tmp_path_factory):
    """Another background model. Not to be written to."""
    from speakergmm.recipes import load_settings, train_on_list

    path = tmp_path_factory.mktemp("other_model") / "ubm.safetensors"
    settings = load_settings(None, {"ubm.n_components": "3"})
    train_on_list(small_corpus / "utterances.csv", path, settings, split="background")
    return path


@pytest.fixture(scope="session")
def rows(small_corpus):
    """Rows of the small corpus's list whose speakers the background model has not heard."""
    with (small_corpus / "utterances.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["split"] != "background"]


@pytest.fixture(scope="session")
def people(small_corpus, rows, tmp_path_factory):
    """A folder with a folder of recordings for each of eleven speakers. Not to be written to."""
    folder = tmp_path_factory.mktemp("people") / "people"
    for row in rows:
        (folder / row["speaker_id"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(small_corpus / row["path"], folder / row["speaker_id"])
    return folder


def _cohort(small_corpus, ubm, path, **options):
    from speakergmm.recipes.list_scoring import make_cohort
    from speakergmm.verification import EnrollmentConfig

    enrollment = options.pop("enrollment", EnrollmentConfig())
    lengths = {"enrollment_s": 1.5, "test_s": 1.5} | options
    make_cohort(small_corpus / "utterances.csv", ubm, path, enrollment, **lengths)
    return path


@pytest.fixture(scope="session")
def make_cohort_file(small_corpus):
    """Make a cohort of the small corpus with the library."""

    def make(ubm, path, **options):
        return _cohort(small_corpus, ubm, path, **options)

    return make


@pytest.fixture(scope="session")
def strangers(small_corpus, background_model, tmp_path_factory):
    """A cohort of the background's five speakers. Not to be written to."""
    path = tmp_path_factory.mktemp("cohort") / "cohort.safetensors"
    return _cohort(small_corpus, background_model, path, split="background")


@pytest.fixture(scope="session")
def make_calibration(people, background_model, tmp_path_factory):
    """Calibrate on the eleven people with the library, once for each choice of settings."""
    from speakergmm.recipes import load_settings
    from speakergmm.recipes.calibrating import Goal, calibrate_recordings
    from speakergmm.verification.calibration_file import save_calibration

    made = {}

    def make(cohort=None, **settings):
        key = (cohort, *sorted(settings.items()))
        if key not in made:
            overrides = {name.replace("__", "."): value for name, value in settings.items()}
            report = calibrate_recordings(
                people,
                background_model,
                load_settings(None, overrides),
                Goal(),
                cohort=cohort,
                n_resamples=0,
            )
            path = tmp_path_factory.mktemp("calibration") / "calibration.json"
            save_calibration(path, report.record)
            made[key] = path
        return made[key]

    return make
