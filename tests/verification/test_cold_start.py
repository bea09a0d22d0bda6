"""A verification loads no more libraries than it needs: their imports are most of its time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from speakergmm import FrontEnd, FrontEndConfig, TrainingConfig, train_ubm
from speakergmm.audio.synthetic import draw_voice, speak
from speakergmm.gmm.model_file import BackgroundModel, save_background_model
from speakergmm.verification import Verifier
from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import save_system

UNWANTED = ("librosa", "sklearn", "matplotlib", "soxr", "dask", "rich")

PROGRAM = """
import sys
from speakergmm.verification import Verifier
verifier = Verifier.load("system.safetensors", "speakers.db")
print(verifier.verify("someone", "test.wav", threshold=0.0).score)
print(*sys.modules)
"""

COMPILING = """
import sys
from numba import float64, njit
njit(float64(float64))(lambda x: x)
print(*sys.modules)
"""


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    voice = draw_voice(rng)
    for name in ("enrollment", "test"):
        samples = speak(voice, 4.0, rng)
        soundfile.write(tmp_path / f"{name}.wav", samples, 16_000)
    config, training = FrontEndConfig(), TrainingConfig(max_iterations=1)
    front_end = FrontEnd(config)
    frames = front_end(samples, 16_000)
    gmm, history = train_ubm(frames, 4, config=training)
    model = BackgroundModel(gmm, config, training, history, 0, "", len(frames), {})
    save_background_model(tmp_path / "ubm.safetensors", model)
    save_system(tmp_path / "system.safetensors", assemble_system(tmp_path / "ubm.safetensors"))
    return tmp_path


def run(program, folder):
    """Lines that a fresh interpreter prints."""
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    return answer.stdout.splitlines()


def test_verifying_with_a_system_file_loads_no_heavy_library(folder):
    verifier = Verifier.load(folder / "system.safetensors", folder / "speakers.db")
    verifier.enroll("someone", [folder / "enrollment.wav"])
    score, modules = run(PROGRAM, folder)
    assert float(score) == verifier.verify("someone", folder / "test.wav", threshold=0.0).score
    loaded = set(modules.split())
    assert not loaded.intersection(UNWANTED)
    # Of scipy there is what numba itself loads, looking for its version and a BLAS.
    (of_numba,) = run(COMPILING, folder)
    of_scipy = {name for name in loaded if name.split(".")[0] == "scipy"}
    assert of_scipy <= set(of_numba.split())
    assert "scipy.fft" not in of_scipy
