"""A background model pooled of several: who trains which part, what it weighs, what is refused."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm import train_ubm
from speakergmm.corpora import Utterance, read_utterances
from speakergmm.corpora.tables import format_table
from speakergmm.errors import ConfigError, FrameError, ManifestError
from speakergmm.features import FrameStore
from speakergmm.gmm.model_file import load_background_model
from speakergmm.recipes import Experiment, load_recipe, load_settings, train_on_list
from speakergmm.recipes.lists import train_on_store
from speakergmm.recipes.ubm_training import background_parts

# Weights as products of a share and a weight, of which float64 keeps 16 digits.
ROUNDING = 1e-12

FRONT_END = {
    "front_end.n_mfcc": "6",
    "front_end.n_mels": "12",
    "training.max_iterations": "2",
    "training.kmeans_iterations": "3",
}


def pooled_settings(n_components=5, pool_by="sex", **more):
    table = {"ubm.n_components": str(n_components), "ubm.pool_by": pool_by}
    return load_settings(None, FRONT_END | table | {f"ubm.{k}": v for k, v in more.items()})


@pytest.fixture(scope="module")
def utterances_file(small_corpus):
    return small_corpus / "utterances.csv"


@pytest.fixture(scope="module")
def frames(utterances_file, tmp_path_factory):
    """Frames of the background, extracted once: 2 women and 3 men."""
    folder = tmp_path_factory.mktemp("pooled")
    settings = load_settings(None, FRONT_END | {"ubm.n_components": "1"})
    train_on_list(
        utterances_file, folder / "ubm", settings, split="background", frames=folder / "frames"
    )
    return folder / "frames"


@pytest.fixture
def train(utterances_file, frames, tmp_path):
    """Train on the background and give the model."""

    def train(settings, name="ubm", **options):
        options = {"split": "background", "frames": frames} | options
        return train_on_list(utterances_file, tmp_path / name, settings, **options)

    return train


@pytest.fixture
def by_sex(utterances_file):
    found = {"f": [], "m": []}
    for name, utterance in read_utterances(utterances_file).items():
        if utterance.split == "background":
            found[utterance.sex].append(name)
    assert len(found["m"]) != len(found["f"]) > 0
    return found


def rewritten(file, change, folder):
    """Write the list again, with the recordings where they are and rows changed."""
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    rows = [change(row | {"path": str(file.parent / row["path"])}) for row in rows]
    copy = folder / "changed.csv"
    text = format_table(list(rows[0]), [list(row.values()) for row in rows])
    copy.write_text(text, encoding="utf-8")
    return copy


# --- what is trained -----------------------------------------------------------------------------


def test_components_are_shared_out_and_parts_weigh_the_same(train, by_sex, frames):
    model = train(pooled_settings(5))
    store = FrameStore.open(frames)
    women, men = model.parts
    assert (women.name, men.name) == ("f", "m")
    assert (women.n_components, men.n_components) == (3, 2)
    assert (women.share, men.share) == (0.5, 0.5)
    assert model.gmm.n_components == 5
    assert model.gmm.weights[:3].sum() == pytest.approx(0.5, abs=ROUNDING)
    for part in model.parts:
        assert part.n_frames == store.select(by_sex[part.name]).n_frames
        assert len(part.history.mean_log_likelihood) == 2
    assert model.n_frames == women.n_frames + men.n_frames
    # The pooled model was trained by nothing itself.
    assert model.history.mean_log_likelihood == ()
    assert model.history.converged == (women.history.converged and men.history.converged)


def test_each_part_is_a_model_of_its_own_frames(train, by_sex, frames):
    settings = pooled_settings(5)
    model = train(settings, seed=3)
    store = FrameStore.open(frames)
    first = 0
    for part in model.parts:
        alone, history = train_ubm(
            store.select(by_sex[part.name]), part.n_components, config=settings.training, rng=3
        )
        own = slice(first, first + part.n_components)
        np.testing.assert_array_equal(model.gmm.means[own], alone.means)
        np.testing.assert_array_equal(model.gmm.variances[own], alone.variances)
        np.testing.assert_allclose(model.gmm.weights[own], alone.weights / 2, rtol=ROUNDING)
        assert part.history.mean_log_likelihood == history.mean_log_likelihood
        first += part.n_components


def test_parts_may_weigh_what_their_frames_do(train):
    model = train(pooled_settings(4, pool_weights='"frames"'))
    shares = [part.share for part in model.parts]
    assert shares == [part.n_frames / model.n_frames for part in model.parts]
    assert sum(shares) == pytest.approx(1.0, abs=ROUNDING)
    assert shares[0] != shares[1]
    sums = [model.gmm.weights[:2].sum(), model.gmm.weights[2:].sum()]
    assert sums == pytest.approx(shares, abs=ROUNDING)


def test_the_file_keeps_the_parts(train, tmp_path):
    model = train(pooled_settings(5))
    loaded = load_background_model(tmp_path / "ubm")
    np.testing.assert_array_equal(loaded.gmm.weights, model.gmm.weights)
    for part, saved in zip(model.parts, loaded.parts, strict=True):
        for name in ("name", "n_components", "share", "n_frames"):
            assert getattr(saved, name) == getattr(part, name)
        assert saved.history.mean_log_likelihood == part.history.mean_log_likelihood


def test_number_of_workers_changes_no_byte(train, tmp_path):
    for jobs in (1, 2, 3):
        train(pooled_settings(5), str(jobs), jobs=jobs)
    assert len({(tmp_path / str(jobs)).read_bytes() for jobs in (1, 2, 3)}) == 1


def test_a_model_of_one_piece_has_no_parts(train):
    model = train(pooled_settings(3, "none"))
    assert model.parts == ()
    assert len(model.history.mean_log_likelihood) == 2


class Interrupting:
    """Interrupts training at the n-th start of EM."""

    def __init__(self, at):
        self.left = at

    def start(self, task, total=None):
        if task == "UBM: EM":
            self.left -= 1

    def advance(self, steps=1):
        pass

    def note(self, text):
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [1, 2])
def test_killed_and_called_again_it_ends_with_the_same_bytes(train, tmp_path, at):
    settings = pooled_settings(5)
    train(settings, "whole/ubm")
    with pytest.raises(KeyboardInterrupt):
        train(settings, "cut/ubm", progress=Interrupting(at))
    left = [path.name for path in (tmp_path / "cut").iterdir()]
    assert "ubm" not in left
    assert f"ubm.{at}.checkpoint" in left
    train(settings, "cut/ubm")
    assert (tmp_path / "cut/ubm").read_bytes() == (tmp_path / "whole/ubm").read_bytes()
    # The states of all parts are gone.
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["ubm"]
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["ubm"]


def test_conditions_are_another_column(utterances_file, frames, tmp_path):
    lines = iter(range(10_000))
    listed = rewritten(
        utterances_file, lambda row: row | {"condition": "ab"[next(lines) % 2]}, tmp_path
    )
    model = train_on_list(
        listed,
        tmp_path / "ubm",
        pooled_settings(4, "condition"),
        split="background",
        frames=tmp_path / "frames",
    )
    assert [part.name for part in model.parts] == ["a", "b"]
    assert FrameStore.open(tmp_path / "frames").n_frames == model.n_frames


def test_a_recipe_pools_as_the_single_command(small_recipe, small_corpus, train, tmp_path):
    overrides = FRONT_END | {"ubm.n_components": "5", "ubm.pool_by": "sex"}
    recipe = load_recipe(small_recipe, overrides | {"evaluation.n_resamples": "0"})
    Experiment(recipe, small_corpus, tmp_path / "out").run()
    by_recipe = load_background_model(tmp_path / "out" / "ubm.safetensors")
    by_hand = train(pooled_settings(5))
    assert [p.name for p in by_recipe.parts] == ["f", "m"]
    assert [p.n_frames for p in by_recipe.parts] == [p.n_frames for p in by_hand.parts]
    # The store of the background alone is cut into other chunks, so sums round differently.
    np.testing.assert_allclose(by_recipe.gmm.means, by_hand.gmm.means, atol=1e-3)


def test_sessions_that_are_normalized_together_are_parted_too(utterances_file, tmp_path):
    more = {"front_end.normalization": "cmn", "front_end.normalization_over": "side"}
    table = {"ubm.n_components": "4", "ubm.pool_by": "sex"}
    settings = load_settings(None, FRONT_END | more | table)
    model = train_on_list(utterances_file, tmp_path / "ubm", settings, split="background")
    assert [part.name for part in model.parts] == ["f", "m"]


# --- parts of a list -----------------------------------------------------------------------------


def listed(values, column="sex"):
    """Make entries of one utterance for each value."""
    return {
        f"u{i}": (Utterance(f"u{i}", f"s{i}", Path("x.wav"), **{column: value}),)
        for i, value in enumerate(values)
    }


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(st.sampled_from(["f", "m", "d", "F"]), min_size=2, max_size=12).filter(
        lambda values: len(set(values)) > 1
    ),
    st.sampled_from(["sex", "condition"]),
)
def test_entries_are_parted_by_their_value(values, column):
    entries = listed(values, column)
    parts = background_parts(entries, column)
    assert list(parts) == sorted(set(values))
    for value, names in parts.items():
        # In the order of the list.
        assert names == [n for n, (u,) in entries.items() if getattr(u, column) == value]
    assert background_parts(entries, "none") == {}


def test_an_empty_column_is_named_by_its_entries():
    with pytest.raises(ManifestError) as caught:
        background_parts(listed(["f", "", "m", ""]), "sex")
    assert str(caught.value).splitlines() == [
        "the background model cannot be pooled by 'sex': fill in the column: 2 problems",
        "  u1: sex is ''; expected one value",
        "  u3: sex is ''; expected one value",
    ]


def test_a_side_of_two_values_is_refused():
    entries = {"call": (*listed(["f"])["u0"], *listed(["m"])["u0"]), **listed(["f", "m"])}
    with pytest.raises(ManifestError, match="call: sex is 'f', 'm'; expected one value"):
        background_parts(entries, "sex")


def test_one_value_is_no_reason_to_pool():
    message = (
        "the background model cannot be pooled by 'condition': all utterances have 'gsm'; expected "
        "two values or more, or pool_by = 'none'"
    )
    with pytest.raises(ManifestError, match=message):
        background_parts(listed(["gsm", "gsm"], "condition"), "condition")


# --- what is refused -----------------------------------------------------------------------------


def test_a_list_without_the_column_is_refused_before_any_frame(utterances_file, tmp_path):
    def without_sex(row):
        return {name: value for name, value in row.items() if name != "sex"}

    listed = rewritten(utterances_file, without_sex, tmp_path)
    with pytest.raises(ManifestError) as caught:
        train_on_list(
            listed, tmp_path / "ubm", pooled_settings(), split="background",
            frames=tmp_path / "frames",
        )  # fmt: skip
    heading, *lines = str(caught.value).splitlines()
    assert heading == (
        "the background model cannot be pooled by 'sex': fill in the column: 20 problems"
    )
    assert lines[0] == "  s01-1-1: sex is ''; expected one value"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.csv"]


def test_a_list_of_one_sex_is_refused(utterances_file, tmp_path):
    listed = rewritten(utterances_file, lambda row: row | {"sex": "f"}, tmp_path)
    with pytest.raises(ManifestError, match="all utterances have 'f'; expected two values or more"):
        train_on_list(listed, tmp_path / "ubm", pooled_settings())


def test_more_parts_than_components(train, tmp_path):
    message = "n_components is 1; expected at least one for each of the 2 parts"
    with pytest.raises(ConfigError, match=message):
        train(pooled_settings(1))
    assert list(tmp_path.iterdir()) == []


def test_a_part_with_too_few_frames_is_named(train):
    with pytest.raises(FrameError, match=r"^sex 'f': [\d,]+ frames cannot train 10,000 components"):
        train(pooled_settings(20_000))


def test_a_store_cannot_be_pooled(frames, tmp_path):
    message = (
        "pool_by is 'sex'; a frame store does not say which speech that is: train on the list of "
        "utterances"
    )
    with pytest.raises(ConfigError, match=message):
        train_on_store(frames, tmp_path / "ubm", pooled_settings())
    assert train_on_store(frames, tmp_path / "ubm", pooled_settings(2, "none")).parts == ()


@pytest.mark.parametrize(
    ("setting", "value", "choices"),
    [
        ("pool_by", "speaker", "'none' or 'sex' or 'condition'"),
        ("pool_weights", "speakers", "'equal' or 'frames'"),
    ],
)
def test_settings_that_are_none(setting, value, choices):
    message = re.escape(f"[ubm]: {setting} is {value!r}; expected {choices}")
    with pytest.raises(ConfigError, match=message):
        load_settings(None, {f"ubm.{setting}": value})
