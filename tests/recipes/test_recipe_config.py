from __future__ import annotations

import inspect

import pytest

from speakergmm import FrontEndConfig, TrainingConfig, map_adapt, train_ubm
from speakergmm.errors import ConfigError, MissingError
from speakergmm.evaluation import CostModel, EvaluationConfig
from speakergmm.recipes import load_recipe, load_settings
from speakergmm.recipes.config import Settings
from speakergmm.verification import EnrollmentConfig

CORPUS_HEAD = '[recipe]\nname = "x"\ntitle = "X"\ncorpus = '
HEAD = '[recipe]\nname = "x"\ntitle = "X"\nmanifests = "lists"\n'


def write(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_have_one_source(tmp_path):
    recipe = load_recipe(write(tmp_path, HEAD))
    assert recipe.settings == Settings()
    assert recipe.settings.front_end == FrontEndConfig()
    assert recipe.settings.training == TrainingConfig()
    assert inspect.signature(train_ubm).parameters["config"].default == TrainingConfig()
    adapt = inspect.signature(map_adapt).parameters
    assert adapt["relevance_factor"].default == EnrollmentConfig().relevance_factor
    assert adapt["parameters"].default == EnrollmentConfig().parameters
    assert (EvaluationConfig().c_miss, EvaluationConfig().c_fa) == (
        CostModel().c_miss,
        CostModel().c_fa,
    )


def test_folder_or_file_and_byte_order_mark(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text("\ufeff" + HEAD, encoding="utf-8")
    assert load_recipe(tmp_path) == load_recipe(path)
    assert load_recipe(path).manifests == (tmp_path / "lists").resolve()


def test_file_and_overrides(tmp_path):
    text = HEAD + '[front_end]\nn_mfcc = 13\nnormalization = "cmn"\n[ubm]\nn_components = 32\n'
    overrides = {
        "ubm.n_components": "64",
        "front_end.normalization": "cmvn",
        "training.tolerance": "0.5",
    }
    settings = load_recipe(write(tmp_path, text), overrides).settings
    assert settings.ubm.n_components == 64
    assert settings.front_end.n_mfcc == 13
    assert settings.front_end.normalization == "cmvn"
    assert settings.training.tolerance == 0.5


def test_more_best_components_than_there_are(tmp_path):
    path = write(tmp_path, HEAD + "[scoring]\ntop_c = 5\n")
    assert load_recipe(path, {"ubm.n_components": "5"}).settings.scoring.top_c == 5
    message = (
        "scoring.top_c is 5 and ubm.n_components 4; expected no more best components than there "
        "are: raise n_components, or set top_c = 'none'"
    )
    with pytest.raises(ConfigError, match=message):
        load_recipe(path, {"ubm.n_components": "4"})


def test_settings_without_a_recipe(tmp_path):
    assert load_settings(None, {}) == Settings()
    assert load_settings(write(tmp_path, HEAD), {"ubm.n_components": "2"}).ubm.n_components == 2


def test_conditions(tmp_path):
    head = load_recipe(write(tmp_path, HEAD)).head
    assert (head.condition, head.conditions) == ("clean", ())
    text = HEAD + 'condition = "multisession"\nconditions = ["noise:5", "speech:2@test"]\n'
    head = load_recipe(write(tmp_path, text)).head
    assert (head.condition, head.conditions) == ("multisession", ("noise:5", "speech:2@test"))
    overrides = {"recipe.condition": "telephone@all", "recipe.conditions": '["cut:3"]'}
    recipe = load_recipe(tmp_path, overrides)
    assert (recipe.head.condition, recipe.head.conditions) == ("telephone@all", ("cut:3",))
    assert recipe.tables()["recipe"]["conditions"] == ("cut:3",)


def test_missing_recipe(tmp_path):
    with pytest.raises(MissingError, match="no such recipe; expected a folder with a recipe"):
        load_recipe(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML"),
        ("x = 1", r"unknown table \[x\]; known are \[recipe\], \[front_end\]"),
        ("[frontend]\n", r"unknown table \[frontend\]"),
        (HEAD + "[front_end]\nn_mfc = 3", r"\[front_end\]: unknown setting 'n_mfc'; did you mean"),
        (HEAD + '[ubm]\nn_components = "many"', "n_components is 'many'; expected a whole number"),
        (HEAD + "[ubm]\nn_components = 0", "n_components is 0; expected 1 or more"),
        (HEAD + "[ubm]\nn_components = true", "n_components is True; expected a whole number"),
        (HEAD + '[enrollment]\nparameters = "variances"', "parameters is 'variances'; expected"),
        (HEAD + "[evaluation]\np_target = 2", "p_target is 2.0; expected"),
        ("[ubm]\n", r"\[recipe\]: no value for name, title"),
        ('[recipe]\nname = "x"\ntitle = "X"', "manifests is '' and corpus ''; expected one of"),
        (HEAD + 'corpus = "audiomnist"', "manifests is 'lists' and corpus 'audiomnist'; exp"),
        (CORPUS_HEAD + '"audiomist"', "no corpus 'audiomist'; did you mean 'audiomnist'"),
        (CORPUS_HEAD + '"audiomnist"\nprotocol = "o"', "audiomnist: no protocol 'o'; expected"),
        (HEAD + "seed = -1", "seed is -1; expected 0 or more"),
        (HEAD + 'condition = "nois:5"', "unknown step 'nois'; did you mean 'noise'"),
        (HEAD + 'condition = "noise:5@tests"', "unknown role 'tests'; expected background, enroll"),
        (HEAD + 'conditions = ["clean", "mp3:7"]', r"'mp3:7': step 'mp3': KBPS is 7\.0; expected"),
        (HEAD + 'conditions = "noise:5"', "conditions is 'noise:5'; expected"),
        (HEAD + "conditions = [5]", "conditions is .*5.*; expected"),
        (HEAD + "condition = 5", "condition is 5; expected text"),
    ],
)
def test_bad_recipes(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        load_recipe(write(tmp_path, text))


@pytest.mark.parametrize("name", ["n_components", ".x", "ubm"])
def test_override_without_a_table(tmp_path, name):
    with pytest.raises(ConfigError, match=r"expected TABLE\.NAME|unknown table|unknown setting"):
        load_recipe(write(tmp_path, HEAD), {name: "1"})


def test_splits_must_differ(tmp_path):
    text = HEAD + 'development = "evaluation"\n'
    with pytest.raises(ConfigError, match="expected three different splits"):
        load_recipe(write(tmp_path, text))


@pytest.mark.parametrize("layout", ["{speaker}/{stem}", "{0}", "{stem"])
def test_layout_with_unknown_parts(tmp_path, layout):
    with pytest.raises(ConfigError, match=r"expected a path with \{speaker_id\}, \{session"):
        load_recipe(write(tmp_path, HEAD + f'layouts = ["{layout}"]'))
