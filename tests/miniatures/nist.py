"""NIST's speaker recognition evaluations: one in the form up to SRE10, one in that since SRE16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniatures.files import touch, write

if TYPE_CHECKING:
    from pathlib import Path

# Up to SRE10: a model a speaker, three tests each, men and women apart; calls have two sides.
SPEAKERS = [(f"{10000 + i}", "mf"[i % 2], "ab"[i % 3 % 2]) for i in range(20)]


def enrolled(i: int) -> str:
    """Name the call that a speaker is enrolled with."""
    return f"t{i:04d}"


def tried(i: int, number: int) -> str:
    """Name a call that is tested."""
    return f"x{i:04d}{number}"


def trn() -> str:
    """Make the list of models."""
    return "".join(
        f"{model} {sex} sub/{enrolled(i)}.sph:{side.upper()}\n"
        for i, (model, sex, side) in enumerate(SPEAKERS)
    )


def trials() -> list[tuple[str, str, str, str]]:
    """Make rows of the key: model, call, side, label."""
    return [
        (model, tried(j, number), other_side, "target" if i == j else "nontarget")
        for i, (model, sex, _) in enumerate(SPEAKERS)
        for j, (_, other_sex, other_side) in enumerate(SPEAKERS)
        if sex == other_sex
        for number in range(3)
    ]


MODEL_KEY = "".join(f"{model},speaker{i}\n" for i, (model, _, _) in enumerate(SPEAKERS))
TRIAL_KEY = "".join(f"{','.join(row)},Y,N,N\n" for row in trials())


def build_sre10(above: Path) -> Path:
    """Make an evaluation of twenty speakers, in the form up to SRE10."""
    folder = above / "sre10"
    write(folder, "train/core.trn", trn())
    write(folder, "trials/core-core.ndx", "")
    write(folder, "keys/core-core.trialkey.csv", TRIAL_KEY)
    write(folder, "keys/core.modelkey.csv", MODEL_KEY)
    names = [enrolled(i) for i in range(20)] + [tried(i, n) for i in range(20) for n in range(3)]
    return touch(folder, [f"data/tel/{name}.sph" for name in names])


def build_sre08(above: Path, header: str = "") -> Path:
    """Make SRE08 as it is distributed, of twenty speakers; the header is that of its model key."""
    folder = above / "sre08"
    keys = "LDC2011S08/data/keys/NIST_SRE08_KEYS.v0.1"
    models = [
        f"{model},{sex},{enrolled(i)}:{side},{70000 + i}\n"
        for i, (model, sex, side) in enumerate(SPEAKERS)
    ]
    write(folder, f"{keys}/model-keys/NIST_SRE08_short2.model.key", header + "".join(models))
    rows = [f"{','.join(row)},N,Y,N,N,N,Y,Y,Y\n" for row in trials()]
    write(folder, f"{keys}/trial-keys/NIST_SRE08_short2-short3.trial.key", "".join(rows))
    for sex, word in (("m", "male"), ("f", "female")):
        lines = [
            f"{model} {enrolled(i)}.sph:{side.upper()}\n"
            for i, (model, own, side) in enumerate(SPEAKERS)
            if own == sex
        ]
        write(folder, f"LDC2011S05/data/train/{word}/short2.trn", "".join(lines))
    train = [f"LDC2011S05/data/train/data/short2/{enrolled(i)}.sph" for i in range(20)]
    test = [tried(i, n) for i in range(20) for n in range(3)]
    return touch(folder, [*train, *(f"LDC2011S08/data/test/data/short3/{t}.sph" for t in test)])


def build_sre16(folder: Path) -> Path:
    """Make an evaluation of six, its development set of three beside it, and unlabeled calls."""
    for name, first, n in (("eval", 1001, 6), ("dev", 2001, 3)):
        _write_evaluation(folder / f"sre16_{name}", name, range(first, first + n))
    touch(folder / "sre16_dev", [f"data/unlabeled/major/u{i}.sph" for i in range(5)])
    return folder


def _write_evaluation(folder: Path, name: str, speakers: range) -> None:
    people = [(number, ("male", "female")[number % 2]) for number in speakers]
    enrollment = "".join(f"{p}_sre16\te{p}{k}\ta\n" for p, _ in people for k in (1, 2))
    plural = "s" if name == "dev" else ""
    header = f"modelid\tsegment\tside\n{enrollment}"
    write(folder, f"docs/sre16_{name}_enrollment{plural}.tsv", header)
    rows = [
        f"{p}_sre16\tt{other}{k}\ta\t{'target' if p == other else 'nontarget'}\t2\tN\t{sex}\n"
        for p, sex in people
        for other, _ in people
        for k in (1, 2)
    ]
    columns = "modelid\tsegment\tside\ttargettype\tnum_enroll_segs\tphone_num_match\tgender\n"
    write(folder, f"docs/sre16_{name}_trial_key.tsv", columns + "".join(rows))
    segments = [f"{part}{p}{k}\tcall{p}{k}\n" for part in "et" for p, _ in people for k in (1, 2)]
    write(folder, f"docs/sre16_{name}_segment_key.tsv", "segment\tcall\n" + "".join(segments))
    paths = [
        f"data/{part}/{part[0]}{p}{k}.sph"
        for part in ("enrollment", "test")
        for p, _ in people
        for k in (1, 2)
    ]
    touch(folder, paths)
