"""Change the code bit by bit and count the changes that a test notices: `python -m tests.mutation core --sample 100`.

mutmut makes the changes and tries each with the tests that reach it. A sample is drawn from all changes of a part of
the package, so its share of noticed changes says how that part is tested, within the interval that is printed.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name
from statsmodels.stats.proportion import proportion_confint

MUTMUT = Path(sys.executable).with_name("mutmut")
PACKAGE = Path("eng5_runner")
NOTICED = ("killed", "timeout")
VERDICTS = (*NOTICED, "survived", "no tests")


def changes(part: str) -> list[str]:
    """The name of each change that mutmut makes in a part, such as `results.usage`."""
    place = PACKAGE.joinpath(*part.split("."))
    modules = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return [
        get_mutant_name(module, name)
        for module in modules
        for name in mutate_file_contents(str(module), module.read_text(), None, None).mutant_names
    ]


def verdicts() -> dict[str, str]:
    """What became of each change that was tried."""
    told = subprocess.run([MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True).stdout
    lines = (line.strip().rpartition(": ") for line in told.splitlines())
    return {name: verdict for name, _, verdict in lines}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--sample", type=int, help="how many changes of each part to try (all)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    every = {part: changes(part) for part in given.parts}
    drawn = {
        part: sorted(random.Random(f"{part} {given.seed}").sample(names, min(given.sample or len(names), len(names))))
        for part, names in every.items()
    }
    cores = len(os.sched_getaffinity(0))
    names = [name for part in drawn.values() for name in part]
    ran = subprocess.run([MUTMUT, "run", "--max-children", str(cores), *names], stdout=sys.stderr, check=False)
    if ran.returncode:
        raise SystemExit(ran.returncode)
    found = verdicts()
    lines = [f"{'part':24} {'changes':>8} {'tried':>6} {' '.join(f'{verdict:>9}' for verdict in VERDICTS)}  noticed"]
    for part, tried in drawn.items():
        count = Counter(found[name] for name in tried)
        noticed = sum(count[verdict] for verdict in NOTICED)
        low, high = proportion_confint(noticed, len(tried), method="wilson")
        figures = " ".join(f"{count[verdict]:9}" for verdict in VERDICTS)
        share = f"{noticed / len(tried):.0%}, by a 95 % interval {low:.0%} to {high:.0%}"
        lines.append(f"{part:24} {len(every[part]):8} {len(tried):6} {figures}  {share}")
    lines += [f"{found[name]}: {name}" for name in names if found[name] not in NOTICED]
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    main()
