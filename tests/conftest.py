"""Fixtures that several rooms share: small synthetic and real corpora, the command line."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings
from safetensors.numpy import load, save

from speakergmm.audio.synthetic import SyntheticConfig, write_corpus
from speakergmm.cli import main

# The same examples in every run; time limits belong in benchmarks.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

CORPORA_VARIABLE = "SPEAKERGMM_CORPORA"

SMALL_RECIPE = """
[recipe]
name = "small"
title = "A small synthetic corpus"
manifests = "corpus"

[ubm]
n_components = 8

[training]
max_iterations = 5

[enrollment]
relevance_factor = 4

[evaluation]
n_resamples = 50
"""


@dataclass(frozen=True)
class Answer:
    """What a command gave back."""

    status: int
    out: str
    err: str


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by what its bytes are for, not by long bytes themselves.

    Those of a packed file hold the time of day, so that two processes would name it differently.
    """
    return argname if isinstance(val, bytes) and len(val) > 16 else None


@pytest.fixture
def cli(capsys):
    """Run the command line in this process, as the installed command would."""

    def run(*args: object) -> Answer:
        with pytest.raises(SystemExit) as ended:
            main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Answer(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory) -> Path:
    """Synthetic recordings of sixteen speakers with their lists. Not to be written to."""
    folder = tmp_path_factory.mktemp("small") / "corpus"
    config = SyntheticConfig(
        background=5, development=5, evaluation=6, enrollment_s=1.5, test_s=1.0, sessions=2
    )
    write_corpus(folder, config, seed=1)
    return folder


@pytest.fixture(scope="session")
def small_recipe_text(small_corpus) -> str:
    """A recipe on the small corpus."""
    # As a TOML literal string: a Windows path has backslashes.
    return SMALL_RECIPE.replace('"corpus"', f"'{small_corpus}'")


@pytest.fixture
def small_recipe(small_recipe_text, tmp_path) -> Path:
    """A recipe file of one's own on the small corpus."""
    file = tmp_path / "recipe.toml"
    file.write_text(small_recipe_text, encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def corpora() -> Path:
    """Folder of the real corpora, where there is one."""
    place = os.environ.get(CORPORA_VARIABLE)
    if not place or not Path(place).is_dir():
        pytest.skip(f"needs real speech: set {CORPORA_VARIABLE} to the folder of the corpora")
    return Path(place)


@pytest.fixture
def leaves_nothing_half_written(tmp_path):
    """Check at the end that no temporary file was left behind."""
    yield
    left = [path for path in tmp_path.rglob("*") if re.fullmatch(r"\..*\.tmp", path.name)]
    assert left == []


@pytest.fixture
def rewrite_file():
    """Write a file of arrays again with other entries or arrays, and with the digest of these."""

    def rewrite(path, key, change=None, tensors=None, without=()):
        content = path.read_bytes()
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"][key]) | (change or {})
        arrays = load(content) | (tensors or {})
        for name in without:
            about.pop(name, None)
            arrays.pop(name, None)
        if "sha256" in about:
            about["sha256"] = "0" * 64
        blank = save(arrays, metadata={key: json.dumps(about)})
        digest = hashlib.sha256(blank).hexdigest()
        path.write_bytes(blank.replace(b"0" * 64, digest.encode(), 1))
        return path

    return rewrite
