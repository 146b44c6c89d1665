"""
C{python -m tests fuzz [--seconds 60] [--seed N] [--keep FOLDER]}: fuzz, guided by what of gunnet is reached.
C{python -m tests fuzz --replay FILE}: do once more what an input says that was found.

Fuzzing needs C{atheris} (PyPI), replaying does not.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent.parent
FOUND = ROOT / "_fuzz"
"""Where inputs are left that something does not hold for."""

INPUT_BYTES = 8_192
SLOW_SECONDS = 60
_STRUCTURED = 0.6
_NOISE = re.compile(r"#\d+\s+(NEW|REDUCE|RELOAD)|INFO: Instrumenting ")


def has_atheris() -> bool:
    """Whether fuzzing is possible here."""
    try:
        import atheris  # type: ignore[import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        return False
    return True


def fuzz(seconds: int, seed: int, keep: str | None = None) -> tuple[int, str]:
    """
    Fuzz for so long, in a process of its own.

    @param keep: the folder of a corpus to go on with; else it is a new one that is thrown away.
    @return: (status, which is 0 if nothing was found; the last lines that were printed).
    """
    FOUND.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        corpus = keep or folder
        command = [sys.executable, "-m", "tests.fuzz.command", "--inside", corpus]
        command += [
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            f"-max_len={INPUT_BYTES}",
            "-len_control=0",
        ]
        command += [f"-timeout={SLOW_SECONDS}", f"-artifact_prefix={FOUND}{os.sep}", "-print_final_stats=1"]
        print(
            f"seed {seed}, {seconds} s; replay what is found with: python -m tests fuzz --replay FILE",
            flush=True,
        )
        lines = []
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, errors="replace"
        ) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if _NOISE.match(line) is None:
                    print(line, end="", flush=True)
                lines = [*lines[-60:], line]
    return process.returncode, "".join(lines)


def inside(arguments: list[str]) -> None:
    """Be the process that fuzzes."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["gunnet"]):
        from tests.fuzz.target import run
    from tests.fuzz.choices import mutated
    from tests.fuzz.seeds import seeds

    corpus = Path(arguments[0])
    corpus.mkdir(exist_ok=True)
    for number, data in enumerate(seeds()):
        (corpus / f"seed{number:04}").write_bytes(data[:INPUT_BYTES])

    def mutator(data: bytes, size: int, seed: int) -> bytes:
        dice = Random(seed)
        if dice.random() < _STRUCTURED:
            for _ in range(dice.randrange(1, 4)):
                data = mutated(data, dice)
            return data[:size]
        return bytes(atheris.Mutate(data, size))

    atheris.Setup([sys.argv[0], *arguments[1:], str(corpus)], run, custom_mutator=mutator)
    atheris.Fuzz()


def replay(path: str) -> int:
    """Do what the input in a file says. @return: 0 if all holds."""
    from tests.fuzz.target import run

    try:
        run(Path(path).read_bytes())
    except Exception:
        traceback.print_exc()
        return 1
    print("all holds")
    return 0


def main(arguments: list[str]) -> int:
    """See above. @return: the status of the process."""
    parser = argparse.ArgumentParser(prog="python -m tests fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", metavar="FOLDER")
    parser.add_argument("--replay", metavar="FILE")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        return replay(options.replay)
    os.environ["GUNNET_FUZZ_SECONDS"] = str(options.seconds)
    os.environ["GUNNET_FUZZ_SEED"] = "" if options.seed is None else str(options.seed)
    os.environ["GUNNET_FUZZ_KEEP"] = "" if options.keep is None else os.path.abspath(options.keep)
    trial = [sys.executable, "-m", "twisted.trial", "--temp-directory", "_trial_temp_fuzz", "tests.fuzz"]
    return subprocess.call(trial, cwd=ROOT)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2:])
    sys.exit(main(sys.argv[1:]))
