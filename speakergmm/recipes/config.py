"""A recipe: the settings of an experiment, as a TOML file in a folder of its own."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speakergmm.config import check_range, config_from_table
from speakergmm.errors import ConfigError, MissingError
from speakergmm.evaluation import EvaluationConfig
from speakergmm.features import FrontEndConfig
from speakergmm.gmm import Adapted, TrainingConfig

RECIPE_FILE = "recipe.toml"


@dataclass(frozen=True)
class RecipeHead:
    """What the experiment is, and which lists it uses.

    ``manifests`` is relative to the recipe's folder; the splits are folders in it, with their
    lists, and values of the column ``split`` in ``utterances.csv``.
    """

    name: str
    title: str
    manifests: str
    background: str = "background"
    development: str = "development"
    evaluation: str = "evaluation"
    seed: int = 0

    def __post_init__(self) -> None:
        check_range("seed", self.seed, 0)


@dataclass(frozen=True)
class UbmSettings:
    """Size of the background model."""

    n_components: int = 256

    def __post_init__(self) -> None:
        check_range("n_components", self.n_components, 1)


@dataclass(frozen=True)
class EnrollmentConfig:
    """How a speaker's model is made from the background model; see `speakergmm.map_adapt`."""

    relevance_factor: float = 8.0
    parameters: Adapted = "means"

    def __post_init__(self) -> None:
        check_range("relevance_factor", self.relevance_factor, 0.0, unit="frames")


@dataclass(frozen=True)
class Recipe:
    """All settings of an experiment. ``folder`` is where the recipe file stands."""

    folder: Path
    head: RecipeHead
    front_end: FrontEndConfig = field(default_factory=FrontEndConfig)
    ubm: UbmSettings = field(default_factory=UbmSettings)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    enrollment: EnrollmentConfig = field(default_factory=EnrollmentConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    @property
    def manifests(self) -> Path:
        """Folder of the lists."""
        return (self.folder / self.head.manifests).resolve()

    def tables(self) -> dict[str, dict[str, Any]]:
        """Give all settings as plain tables, defaults filled in."""
        return {
            "recipe": dataclasses.asdict(self.head),
            **{name: dataclasses.asdict(getattr(self, name)) for name in TABLES},
        }


TABLES: dict[str, Any] = {
    "front_end": FrontEndConfig,
    "ubm": UbmSettings,
    "training": TrainingConfig,
    "enrollment": EnrollmentConfig,
    "evaluation": EvaluationConfig,
}


def load_recipe(path: Path | str, overrides: dict[str, str] | None = None) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    path : path
        The recipe's folder, or its ``recipe.toml``.
    overrides : dict, optional
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
    for name, text in (overrides or {}).items():
        table, _, setting = name.partition(".")
        if not setting or not isinstance(tables.setdefault(table, {}), dict):
            raise ConfigError(f"setting {name!r}; expected TABLE.NAME, such as ubm.n_components")
        tables[table][setting] = _toml_value(text)
    return recipe_from_tables(tables, file)


def recipe_from_tables(tables: dict[str, Any], file: Path) -> Recipe:
    """Make a recipe from the tables of its file."""
    for name, table in tables.items():
        if name not in ("recipe", *TABLES) or not isinstance(table, dict):
            known = ", ".join(f"[{table}]" for table in ("recipe", *TABLES))
            raise ConfigError(f"{file}: unknown table [{name}]; known are {known}")
    parts = {
        name: config_from_table(kind, tables.get(name, {}), f"{file} [{name}]")
        for name, kind in TABLES.items()
    }
    head = config_from_table(RecipeHead, tables.get("recipe", {}), f"{file} [recipe]")
    return Recipe(file.parent, head, **parts)


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
