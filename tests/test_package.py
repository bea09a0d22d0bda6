from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

import speakergmm

HEAVY = ("librosa", "sklearn", "numba", "matplotlib", "scipy", "soundfile")


def modules_after(code):
    """Names of the modules that a fresh interpreter has loaded after some code."""
    program = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    return set(answer.stdout.splitlines()[-1].split())


def test_every_public_name_is_there():
    for name in speakergmm.__all__:
        assert getattr(speakergmm, name) is not None
    assert set(speakergmm.__all__) <= set(dir(speakergmm))
    assert callable(speakergmm.features.deltas)


def test_unknown_name():
    with pytest.raises(AttributeError, match="module 'speakergmm' has no attribute 'nothing'"):
        speakergmm.nothing  # noqa: B018


def test_one_version():
    assert speakergmm.__version__ == version("speakergmm")


def test_importing_the_package_imports_nothing_heavy():
    loaded = modules_after("import speakergmm")
    assert not loaded.intersection(HEAVY)
    assert "numpy" not in loaded


@pytest.mark.parametrize(
    "arguments", [["--help"], ["recipe", "run", "--help"], ["verify", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments):
    code = (
        "from speakergmm.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass"
    )
    loaded = modules_after(code)
    assert "speakergmm.cli.app" in loaded
    assert not loaded.intersection([*HEAVY, "numpy"])


def test_installed_command_answers():
    command = [sys.executable, "-m", "speakergmm", "--version"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    assert answer.stdout.strip() == f"speakergmm, version {speakergmm.__version__}"
