from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from safetensors.numpy import save

from speakergmm.errors import ModelFileError, OutputError
from speakergmm.features import FrontEndConfig
from speakergmm.gmm import DiagonalGMM, TrainingConfig, TrainingHistory
from speakergmm.gmm.model_file import (
    MODEL_FILE,
    BackgroundModel,
    UbmPart,
    load_background_model,
    save_background_model,
    software_versions,
    unsaid_settings,
)


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    gmm = DiagonalGMM(rng.dirichlet(np.ones(3)), rng.normal(size=(3, 4)), rng.uniform(1, 2, (3, 4)))
    return BackgroundModel(
        gmm,
        FrontEndConfig(n_mfcc=4, vad="none"),
        TrainingConfig(max_iterations=7),
        TrainingHistory((-2.0, -1.5), (1, 0), (0, 0), (0, 1), 3.25, converged=True),
        seed=11,
        data_digest="abc",
        n_frames=1234,
        versions=software_versions(),
    )


def test_what_is_saved_is_loaded(model, tmp_path):
    save_background_model(tmp_path / "m.safetensors", model)
    loaded = load_background_model(tmp_path / "m.safetensors")
    for name in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(loaded.gmm, name), getattr(model.gmm, name))
    for name in ("front_end", "training", "seed", "data_digest", "n_frames", "versions"):
        assert getattr(loaded, name) == getattr(model, name)
    # Wall time is not kept, so that equal trainings give equal files.
    assert np.isnan(loaded.history.seconds)
    assert dataclasses.replace(loaded.history, seconds=3.25) == model.history


def test_equal_models_give_equal_bytes(model, tmp_path):
    slower = dataclasses.replace(model, history=dataclasses.replace(model.history, seconds=9.0))
    save_background_model(tmp_path / "a", model)
    save_background_model(tmp_path / "b", slower)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_missing_file():
    with pytest.raises(ModelFileError, match="nowhere: no such file; expected a model"):
        load_background_model("nowhere")


@pytest.mark.parametrize("content", [b"", b"RIFF1234WAVE", b"\xff" * 64, bytes(4096)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(ModelFileError, match="m: not a model file, or a damaged one"):
        load_background_model(tmp_path / "m")


def test_safetensors_of_something_else(tmp_path):
    (tmp_path / "m").write_bytes(save({"x": np.zeros(3)}))
    with pytest.raises(ModelFileError, match="not a speakergmm model"):
        load_background_model(tmp_path / "m")


def test_every_truncation_is_refused(model, tmp_path):
    save_background_model(tmp_path / "whole", model)
    content = (tmp_path / "whole").read_bytes()
    for length in range(0, len(content), 7):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(ModelFileError, match="cut: "):
            load_background_model(tmp_path / "cut")


def test_every_flipped_header_byte_and_any_other_is_refused(model, tmp_path):
    save_background_model(tmp_path / "whole", model)
    content = (tmp_path / "whole").read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    for position in [*range(header), *rng.integers(header, len(content), 1000)]:
        damaged = bytearray(content)
        damaged[position] ^= rng.integers(1, 256)
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(ModelFileError, match="damaged: "):
            load_background_model(tmp_path / "damaged")


@pytest.fixture
def rewrite(tmp_path, rewrite_file):
    def rewritten(model, change, tensors=None, without=()):
        save_background_model(tmp_path / "m", model)
        return rewrite_file(tmp_path / "m", MODEL_FILE.key, change, tensors, without)

    return rewritten


def test_newer_file_is_refused_with_both_versions(model, rewrite):
    path = rewrite(model, {"version": 9})
    with pytest.raises(
        ModelFileError, match=r"model file version 9, this program .* reads up to 5"
    ):
        load_background_model(path)


def test_a_front_end_of_version_1_stays_what_it_was(model, rewrite):
    table = dataclasses.asdict(FrontEndConfig(n_mfcc=4, vad_db=25.0, normalization="cmn"))
    old = {name: table[name] for name in table.keys() - unsaid_settings(1).keys()}
    loaded = load_background_model(rewrite(model, {"version": 1, "front_end": old}))
    assert loaded.front_end == FrontEndConfig(
        n_mfcc=4, vad="energy", vad_db=25.0, normalization="cmn", noise_subtraction=0.0
    )


def test_a_front_end_of_version_2_kept_the_speech(model, rewrite):
    table = dataclasses.asdict(model.front_end)
    del table["vad_keeps"]
    loaded = load_background_model(rewrite(model, {"version": 2, "front_end": table}))
    assert loaded.front_end == model.front_end


def test_a_setting_that_a_file_lacks_does_not_become_todays_default(model, rewrite):
    table = dataclasses.asdict(model.front_end)
    del table["vad"], table["lifter"]
    path = rewrite(model, {"front_end": table})
    with pytest.raises(ModelFileError, match="its front end does not say lifter, vad; train the"):
        load_background_model(path)


def test_front_end_that_gives_other_features(model, rewrite):
    front_end = dataclasses.asdict(FrontEndConfig(n_mfcc=20))
    path = rewrite(model, {"front_end": front_end})
    with pytest.raises(ModelFileError, match="model has 4 features, its front end gives 20"):
        load_background_model(path)


def test_unknown_setting_is_refused(model, rewrite):
    path = rewrite(model, {"front_end": {"n_mfc": 4}})
    with pytest.raises(ModelFileError, match="unknown setting 'n_mfc'; did you mean 'n_mfcc'"):
        load_background_model(path)


@pytest.mark.parametrize("bad", [np.nan, -1.0, 0.0])
def test_parameters_that_are_no_mixture(model, rewrite, bad):
    variances = model.gmm.variances.copy()
    variances[0, 0] = bad
    path = rewrite(model, {}, {"variances": variances})
    with pytest.raises(ModelFileError, match="m: damaged: "):
        load_background_model(path)


def test_failed_write_keeps_the_old_file(model, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        save_background_model(tmp_path / "file" / "m", model)


# --- the parts of a pooled model -----------------------------------------------------------------


@pytest.fixture
def pooled(model):
    """Give a model pooled of two, which have their own histories; it has no curve itself."""
    histories = [
        TrainingHistory((-3.0, -2.0), (4, 1), (1, 0), (0, 2), 1.5, converged=True),
        TrainingHistory((-2.5,), (0,), (0,), (0,), 1.75, converged=False),
    ]
    parts = (
        UbmPart("f", 2, 0.5, 1000, histories[0]),
        UbmPart("männlich", 1, 0.5, 234, histories[1]),
    )
    whole = TrainingHistory((), (), (), (), 3.25, converged=False)
    return dataclasses.replace(model, history=whole, parts=parts)


def without_seconds(part):
    return dataclasses.replace(part, history=dataclasses.replace(part.history, seconds=0.0))


def test_parts_are_saved_and_loaded(pooled, tmp_path):
    save_background_model(tmp_path / "m", pooled)
    loaded = load_background_model(tmp_path / "m")
    assert tuple(map(without_seconds, loaded.parts)) == tuple(map(without_seconds, pooled.parts))
    assert all(np.isnan(part.history.seconds) for part in loaded.parts)
    assert loaded.history.mean_log_likelihood == ()
    assert loaded.n_frames == sum(part.n_frames for part in loaded.parts)
    # What was loaded is saved as the same bytes.
    save_background_model(tmp_path / "again", loaded)
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()


def test_seconds_of_parts_are_not_kept(pooled, tmp_path):
    slower = tuple(
        dataclasses.replace(part, history=dataclasses.replace(part.history, seconds=99.0))
        for part in pooled.parts
    )
    save_background_model(tmp_path / "a", pooled)
    save_background_model(tmp_path / "b", dataclasses.replace(pooled, parts=slower))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_model_that_was_not_pooled_has_no_parts(model, tmp_path):
    save_background_model(tmp_path / "m", model)
    assert load_background_model(tmp_path / "m").parts == ()


def test_a_file_from_before_there_were_parts(model, rewrite):
    path = rewrite(model, {"version": 3}, without=("parts", "sha256"))
    loaded = load_background_model(path)
    assert loaded.parts == ()
    assert dataclasses.replace(loaded.history, seconds=3.25) == model.history


@pytest.mark.parametrize(
    "parts", [7, ["f"], [{"name": "f"}], [{"history": 3}], [{"history": {"no": 1}}]]
)
def test_parts_that_are_none(model, rewrite, parts):
    path = rewrite(model, {"parts": parts})
    with pytest.raises(ModelFileError, match="m: not a model file, or a damaged one"):
        load_background_model(path)
