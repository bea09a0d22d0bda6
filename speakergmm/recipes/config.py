"""A recipe: the settings of an experiment, as a TOML file in a folder of its own."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from speakergmm.config import check_choice, check_whole, config_from_table
from speakergmm.corpora.classes import ClassSettings
from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import protocol_named
from speakergmm.errors import ConfigError, MissingError
from speakergmm.evaluation import EvaluationConfig
from speakergmm.features import FrontEndConfig
from speakergmm.gmm import TrainingConfig
from speakergmm.recipes.conditions import Condition
from speakergmm.verification import (
    CalibrationConfig,
    EnrollmentConfig,
    NormalizationConfig,
    ScoringConfig,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

RECIPE_FILE = "recipe.toml"


@dataclass(frozen=True)
class RecipeHead:
    """What the experiment is, and which lists it uses.

    ``manifests`` is relative to the recipe's folder; the splits are folders in it, with their
    lists, and values of the column ``split`` in ``utterances.csv``. Instead of it, ``corpus`` names
    a known corpus, whose lists are made of the user's copy by ``protocol`` (default: its first),
    with the seed. The experiment is run under ``condition``, and again under each of
    ``conditions``; see `speakergmm.recipes.Condition`.
    """

    name: str
    title: str
    manifests: str = ""
    corpus: str = ""
    protocol: str = ""
    background: str = "background"
    development: str = "development"
    evaluation: str = "evaluation"
    seed: int = 0
    layouts: tuple[str, ...] = ()
    condition: str = "clean"
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for layout in self.layouts:
            try:
                layout.format(speaker_id="", session_id="", stem="")
            except (KeyError, IndexError, ValueError, AttributeError):
                raise ConfigError(
                    f"layout {layout!r}; expected a path with {{speaker_id}}, {{session_id}} or "
                    "{stem} in it"
                ) from None
        if bool(self.manifests) == bool(self.corpus):
            raise ConfigError(
                f"manifests is {self.manifests!r} and corpus {self.corpus!r}; expected one of "
                "them: a folder of lists, or a known corpus (`speakergmm corpus list`)"
            )
        if self.corpus:
            try:
                protocol_named(known_corpus(self.corpus), self.protocol or None)
            except MissingError as error:
                raise ConfigError(str(error)) from None
        check_whole("seed", self.seed, 0)
        for condition in (self.condition, *self.conditions):
            Condition.parse(condition)
        splits = (self.background, self.development, self.evaluation)
        if len(set(splits)) < len(splits):
            raise ConfigError(
                f"background, development, evaluation are {', '.join(map(repr, splits))}; expected "
                "three different splits: what is reported must not have been used to choose"
            )


@dataclass(frozen=True)
class UbmSettings:
    """Size of the background model, and whether it is made of several.

    Parameters
    ----------
    n_components : int
        In all.
    pool_by : {"none", "sex", "condition"}
        Train one model on all of the background, or one for each value of this column of the list,
        and pool them (Reynolds, Quatieri & Dunn 2000, sec. 3.2): components are shared out evenly.
    pool_weights : {"equal", "frames"}
        What each of them weighs in the pooled one: the same, or by its frames.
    """

    n_components: int = 256
    pool_by: Literal["none", "sex", "condition"] = "none"
    pool_weights: Literal["equal", "frames"] = "equal"

    def __post_init__(self) -> None:
        check_whole("n_components", self.n_components, 1)
        check_choice("pool_by", self.pool_by, ("none", "sex", "condition"))
        check_choice("pool_weights", self.pool_weights, ("equal", "frames"))


@dataclass(frozen=True)
class Settings:
    """Settings of all stations, one table each."""

    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    ubm: UbmSettings = field(default_factory=UbmSettings)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    enrollment: EnrollmentConfig = field(default_factory=EnrollmentConfig)
    scoring: ScoringConfig = field(default_factory=ScoringConfig)
    score_normalization: NormalizationConfig = field(default_factory=NormalizationConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    classes: ClassSettings = field(default_factory=ClassSettings)

    def tables(self) -> dict[str, dict[str, Any]]:
        """Give the settings as plain tables, defaults filled in."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Recipe:
    """An experiment: ``folder`` is where its file stands."""

    folder: Path
    head: RecipeHead
    settings: Settings

    def __post_init__(self) -> None:
        top_c, n = self.settings.scoring.top_c, self.settings.ubm.n_components
        if top_c is not None and top_c > n:
            raise ConfigError(
                f"scoring.top_c is {top_c} and ubm.n_components {n}; expected no more best "
                "components than there are: raise n_components, or set top_c = 'none'"
            )

    @property
    def manifests(self) -> Path | None:
        """Folder of the lists; None where they are made of a known corpus."""
        return (self.folder / self.head.manifests).resolve() if self.head.manifests else None

    def tables(self) -> dict[str, dict[str, Any]]:
        """Give all of the recipe as plain tables, defaults filled in."""
        return {"recipe": dataclasses.asdict(self.head), **self.settings.tables()}


TABLES: dict[str, Any] = {
    "front_end": FrontEndConfig,
    "ubm": UbmSettings,
    "training": TrainingConfig,
    "enrollment": EnrollmentConfig,
    "scoring": ScoringConfig,
    "score_normalization": NormalizationConfig,
    "calibration": CalibrationConfig,
    "evaluation": EvaluationConfig,
    "classes": ClassSettings,
}


def load_recipe(path: Path | str, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path : path
        The recipe's folder, or its ``recipe.toml``.
    overrides : mapping, optional
        Settings that replace those of the file: ``"ubm.n_components"`` → TOML text ``"64"``.

    Raises
    ------
    MissingError
        When there is no recipe.
    ConfigError
        For text that is not TOML, unknown tables or settings, values of the wrong kind or range.
    """
    path = Path(path)
    file = path / RECIPE_FILE if path.is_dir() else path
    tables = _read_tables(file, overrides or {})
    settings = _settings(tables, str(file))
    head = config_from_table(RecipeHead, tables.get("recipe", {}), f"{file} [recipe]")
    return Recipe(file.parent, head, settings)


def load_settings(path: Path | str | None, overrides: Mapping[str, str]) -> Settings:
    """Read the settings of a TOML file (a recipe's, say), or take the defaults, and change some.

    Raises
    ------
    MissingError, ConfigError
        As `load_recipe`.
    """
    if path is None:
        return _settings(_override({}, overrides), "settings")
    path = Path(path)
    file = path / RECIPE_FILE if path.is_dir() else path
    return _settings(_read_tables(file, overrides), str(file))


def _read_tables(file: Path, overrides: Mapping[str, str]) -> dict[str, Any]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MissingError(
            f"{file}: no such recipe; expected a folder with a {RECIPE_FILE}: see `recipe list`"
        ) from None
    except OSError as error:
        raise MissingError(f"{file}: cannot be read ({error.strerror})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML ({error})") from None
    return _override(tables, overrides)


def _override(tables: dict[str, Any], overrides: Mapping[str, str]) -> dict[str, Any]:
    for name, text in overrides.items():
        table, _, setting = name.partition(".")
        if not setting or not isinstance(tables.setdefault(table, {}), dict):
            raise ConfigError(f"setting {name!r}; expected TABLE.NAME, such as ubm.n_components")
        tables[table][setting] = _toml_value(text)
    return tables


def _settings(tables: Mapping[str, Any], where: str) -> Settings:
    for name, table in tables.items():
        if name not in ("recipe", *TABLES) or not isinstance(table, dict):
            known = ", ".join(f"[{table}]" for table in ("recipe", *TABLES))
            raise ConfigError(f"{where}: unknown table [{name}]; known are {known}")
    return Settings(
        **{
            name: config_from_table(kind, tables.get(name, {}), f"{where} [{name}]")
            for name, kind in TABLES.items()
        }
    )


def _toml_value(text: str) -> Any:
    """Read a value as TOML writes it; what is not TOML is taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
