"""The commands that make systems and show them, and the options that name one."""

from __future__ import annotations

import json

import pytest
from system_cases import OLDEST, make_parts

from speakergmm.tensor_files import kind_of
from speakergmm.verification.system import assemble_system
from speakergmm.verification.system_file import SYSTEM_FILE, load_system, save_system

QUIET = ("--resamples", 0, "--quiet")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A background model, a cohort and a calibration. Not to be written to."""
    return make_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in a folder of one's own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuses(answer, *messages, status=1):
    assert (answer.status, answer.out) == (status, ""), answer
    said = " ".join(answer.err.split())
    for message in messages:
        assert message in said
    if status == 1:
        assert answer.err.startswith("error: ")
        assert answer.err.count("\n") == 1


# --- model show ----------------------------------------------------------------------------------


def test_a_system_is_shown_by_its_card(cli):
    answer = cli("model", "show", OLDEST)
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.startswith("# Büro 🎙 | `x`\n\nGaussian mixture models")
    assert "| 1.0 s | 20.0 % | 25.0 % | 10.0 % |\n" in answer.out
    assert "\nkind: system\nname: Büro 🎙 | `x`\nn_components: 4\n" in answer.out
    # Of the cohort's sources the number.
    assert "  sources: 4\n" in answer.out
    assert "\nthreshold: 1.5\n" in answer.out


def test_a_system_as_json(cli):
    shown = json.loads(cli("model", "show", OLDEST, "--json").out)
    assert (shown["kind"], shown["name"]) == ("system", "Büro 🎙 | `x`")
    assert shown["card"].startswith("# Büro")
    assert shown["threshold"] == shown["calibration"]["threshold"] == 1.5
    assert [row["speech_s"] for row in shown["calibration"]["expected"]] == [1.0, 4.0]
    assert shown["normalization"] == "s"
    assert shown["cohort"]["n_speakers"] == 4
    assert shown["scoring"]["top_c"] == 3
    assert shown["digest"] == load_system(OLDEST).ubm_digest
    assert len(shown["warnings"]) == 1


def test_a_background_model_is_shown(cli, parts):
    answer = cli("model", "show", parts["ubm"])
    assert answer.out.startswith("kind: background model\nn_components: 4\n")
    shown = json.loads(cli("model", "show", parts["ubm"], "--json").out)
    assert shown["kind"] == "background model"
    assert "card" not in shown
    assert shown["digest"] == load_system(parts["ubm"]).ubm_digest


def test_other_files_are_not_shown(cli, parts, tmp_path):
    refuses(
        cli("model", "show", parts["cohort"]),
        f"{parts['cohort']}: not a speakergmm system (no 'speakergmm-system' in its metadata, "
        "which says 'speakergmm-cohort'); expected a file that `calibrate`, `recipe run` or",
    )
    refuses(cli("model", "show", parts["calibration"]), "not a system file, or a damaged one")
    refuses(cli("model", "show", tmp_path / "no"), "no: no such file; expected a system that")
    refuses(cli("model", "show", tmp_path), "is a directory", status=2)


def test_a_file_does_not_command_the_terminal(cli, parts, tmp_path):
    system = assemble_system(parts["ubm"], name="a\x1b[2J\nthreshold: 0")
    save_system(tmp_path / "s", system)
    shown = cli("model", "show", tmp_path / "s")
    assert "\x1b" not in shown.out
    assert "\nname: a\\x1b[2J\\x0athreshold: 0\n" in shown.out
    assert [line for line in shown.out.splitlines() if line.startswith("threshold")] == [
        "threshold: none"
    ]
    assert json.loads(cli("model", "show", tmp_path / "s", "--json").out)["name"] == system.name


# --- model build ---------------------------------------------------------------------------------


def test_parts_are_put_together(cli, parts):
    options = [word for name, path in parts.items() for word in (f"--{name}", path)]
    answer = cli("model", "build", *options, "--name", "Büro | 🎙")
    assert (answer.status, answer.out, answer.err) == (0, "System: system.safetensors\n", "")
    made = load_system("system.safetensors")
    expected = assemble_system(**parts)
    assert made.origin == expected.origin
    assert made.calibration == expected.calibration
    assert made.name == "Büro | 🎙"
    assert made.card.startswith("# Büro | 🎙\n")


def test_a_background_model_alone_has_no_threshold(cli, parts, tmp_path):
    (tmp_path / "card.md").write_text("# Meine\n\nKärtchen 🎙\n", encoding="utf-8")
    answer = cli("model", "build", "--ubm", parts["ubm"], "--card", "card.md", "--output", "s")
    assert (answer.status, answer.out) == (0, "System: s\n")
    assert answer.err == "note: it has no threshold; give one with each verification\n"
    assert load_system("s").card == "# Meine\n\nKärtchen 🎙\n"
    assert cli("model", "show", "s").out.startswith("# Meine\n\nKärtchen 🎙\n")


def test_what_cannot_be_put_together(cli, parts, tmp_path):
    def build(*options):
        return cli("model", "build", *options)

    ubm = ("--ubm", parts["ubm"])
    refuses(build(), "Missing option '--ubm'", status=2)
    refuses(build(*ubm, "--cohort", parts["cohort"]), "a cohort changes what scores mean; give")
    refuses(
        build(*ubm, "--calibration", parts["calibration"]),
        "of scores that a cohort normalizes (s); give that cohort too",
    )
    refuses(build("--ubm", OLDEST), "not a speakergmm model (no 'speakergmm-ubm' in its metadata")
    refuses(build("--ubm", "no"), "no: no such file; expected a model")
    refuses(build(*ubm, "--card", "no"), "does not exist", status=2)
    (tmp_path / "card").write_bytes(b"\xff\xfe\x00")
    refuses(build(*ubm, "--card", "card"), "card")
    refuses(build(*ubm, "--output", "card/x"), "card/x: cannot be written")
    assert not (tmp_path / "system.safetensors").exists()


# --- calibrate -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibrated(people, background_model, strangers, tmp_path_factory):
    """Calibrate with a cohort: what the command says, and the folder that it works in."""
    from click.testing import CliRunner

    from speakergmm.cli import app

    folder = tmp_path_factory.mktemp("calibrated")
    command = ["calibrate", people, "--ubm", background_model, "--cohort", strangers,
               "--output", folder / "c.json", "--system", folder / "s", "--name", "Büro", *QUIET,
               "--enroll", 2]  # fmt: skip
    answer = CliRunner().invoke(app, [str(word) for word in command])
    return folder, answer


def test_calibrate_leaves_a_system_that_needs_nothing_else(
    cli, calibrated, people, background_model, strangers
):
    folder, said = calibrated
    assert said.exit_code == 0, said.output
    assert said.output.endswith(f"Calibration: {folder / 'c.json'}\nSystem:      {folder / 's'}\n")
    system = load_system(folder / "s")
    expected = assemble_system(background_model, calibration=folder / "c.json", cohort=strangers)
    assert system.origin == expected.origin
    assert system.calibration == expected.calibration
    assert system.normalization.method == "s"
    assert system.name == "Büro"
    lengths = [row.speech_s for row in system.calibration.expected]
    assert lengths == sorted(lengths)
    assert len(lengths) >= 1
    recordings = sorted((people / "s11").iterdir())
    answers = []
    for store, options in (
        ("a.db", ("--system", folder / "s")),
        ("b.db", ("--ubm", background_model, "--calibration", folder / "c.json", "--cohort",
                  strangers)),
    ):  # fmt: skip
        common = ("--store", store, *options, "--json")
        assert cli("enroll", "anna", recordings[0], *common).status == 0
        answers.append(json.loads(cli("verify", "anna", recordings[1], *common).out))
    assert answers[0] == answers[1]
    assert answers[0]["threshold"] == system.threshold


def test_the_system_is_in_this_folder_by_default(cli, calibrated, people, background_model, here):
    answer = cli("calibrate", people, "--ubm", background_model, *QUIET, "--enroll", 1)
    assert answer.status == 0
    assert answer.out.endswith("Calibration: calibration.json\nSystem:      system.safetensors\n")
    assert kind_of(here / "system.safetensors") == SYSTEM_FILE.key
    # From here on it need not be named.
    first, second, *_ = sorted((people / "s11").iterdir())
    assert cli("enroll", "anna", first).status == 0
    assert cli("verify", "anna", second).status in (0, 3)
    assert cli("speakers", "list").out.endswith("1 speaker in speakers.db\n")


def test_files_that_would_be_written_over_are_kept(cli, people, background_model, strangers, here):
    mine = here / "mine"
    mine.write_bytes(background_model.read_bytes())
    common = ("calibrate", people, *QUIET)
    for options, message in (
        (("--ubm", "mine", "--system", "mine"), "--ubm and --system are the same file, mine"),
        (("--ubm", "mine", "--output", "./mine"), "--ubm and --output are the same file, mine"),
        (("--ubm", "mine", "--output", "x", "--system", here / "x"), "--output and --system are"),
        (("--ubm", background_model, "--cohort", "mine", "--system", "mine"), "--cohort and --sys"),
    ):
        refuses(cli(*common, *options), message, status=2)
    assert mine.read_bytes() == background_model.read_bytes()
    assert list(here.iterdir()) == [mine]


def test_of_scores_there_is_no_system(cli, here):
    import numpy as np

    from speakergmm.corpora import Scores, all_against_all, write_scores

    trials = all_against_all(
        {f"m{i}": str(i) for i in range(8)}, {f"t{i}-{k}": str(i) for i in range(8) for k in "ab"}
    )
    noise = np.random.default_rng(0).normal(size=len(trials))
    write_scores("scores.csv", Scores(trials, noise + 1.5 * trials.is_target))
    answer = cli("calibrate", "scores.csv", "--p-target", 0.5, *QUIET)
    assert answer.status == 0
    assert "System" not in answer.out
    assert not (here / "system.safetensors").exists()
    for option in ("--system", "--name"):
        refuses(
            cli("calibrate", "scores.csv", option, "x"),
            f"{option}: of no use with score files",
            status=2,
        )


# --- the options that name a system --------------------------------------------------------------

COMMANDS = {
    "enroll": ("enroll", "anna", "x.wav"),
    "verify": ("verify", "anna", "x.wav", "--threshold", 0),
    "identify": ("identify", "x.wav", "--threshold", 0),
    "list": ("speakers", "list"),
    "show": ("speakers", "show", "anna"),
    "remove": ("speakers", "remove", "anna", "--yes"),
    "export": ("speakers", "export", "x"),
    "import": ("speakers", "import", "x"),
    "compact": ("speakers", "compact"),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_systems_that_are_named_wrongly(cli, command, parts, here):
    for options, message in (
        ((), "no system: there is no system.safetensors here. Name one with --system, make one"),
        (("--system", OLDEST, "--ubm", parts["ubm"]), "--system holds a background model; give"),
        (("--calibration", "c"), "--calibration: a system file has its own; give it alone, or"),
        (("--system", OLDEST, "--cohort", "c"), "--cohort: a system file has its own"),
        (
            ("--relevance-factor", 3, "--calibration", "c"),
            "--calibration, --relevance-factor: a system file has its own",
        ),
    ):
        refuses(cli(*command, *options), message, status=2)
    refuses(cli(*command, "--system", "no"), "no: no such file; expected a system that")
    refuses(cli(*command, "--system", parts["cohort"]), "not a speakergmm system")
    (here / "system.safetensors").write_bytes(OLDEST.read_bytes()[:-1])
    refuses(cli(*command), "system.safetensors: not a system file, or a damaged one")
    assert not (here / "speakers.db").exists()
