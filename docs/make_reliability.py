"""Prints docs/reliability.md from a run of the fault tests, and from what the two long runs printed:

python benchmarks/faulty_loop.py > loop.txt
python benchmarks/day.py > day.txt
python docs/make_reliability.py loop.txt day.txt > docs/reliability.md

Run it as root, or the disks cannot be mounted and those tests are skipped. Every figure is one that a test recorded.
"""

import contextlib
import platform
import re
import sqlite3
import sys
from collections import Counter, defaultdict
from importlib.metadata import version
from pathlib import Path

import pytest
from faults import FAULTS, LEFT_OUT

REPOSITORY = Path(__file__).parents[1]
OURS = "tests/faults"
NUMBERS = re.compile(r"::test_fault_((?:\d\d_)+)")
LONGEST = "longest "  # a figure of which several tests give the largest, not the sum
TOTALS = ("kills", "cuts", "events lost", "events made up", "whole records lost", "torn files", "threads lost")

INTRODUCTION = """\
# Reliability

Made by `docs/make_reliability.py` from a run of the tests: each fault below is injected for real, and each figure was
recorded by the test that injected it. A figure that several tests give is their sum, a longest one the largest. The
numbers are those of a list of 36 faults; what is left out says why.
"""


class Collector:
    """A plugin of pytest: outcomes and recorded figures, by fault."""

    def __init__(self) -> None:
        self.outcomes: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.figures: defaultdict[int, dict[str, float]] = defaultdict(dict)
        self.totals: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        figures = report.user_properties if report.when == "call" else []
        for name, value in figures:
            self.totals[name] += value
        for number in faults_of(report.nodeid):
            self.outcomes[number][report.outcome] += 1
            for name, value in figures:
                before = self.figures[number].get(name, 0)
                self.figures[number][name] = max(before, value) if name.startswith(LONGEST) else before + value


def faults_of(test: str) -> list[int]:
    """The faults that a test shows: by its name, or because the list names it, its function or its file."""
    by_name = NUMBERS.search(test)
    if by_name:
        return [int(number) for number in by_name[1].strip("_").split("_")]
    function = test.partition("[")[0]
    return [number for number, fault in FAULTS.items() if {function, test.partition("::")[0]} & {*fault.also}]


def row(number: int, collector: Collector) -> str:
    fault, outcomes = FAULTS[number], collector.outcomes[number]
    if not outcomes["passed"]:
        raise SystemExit(f"fault {number}: no test of it ran")
    figures = [f"{name} {value:,}" for name, value in collector.figures[number].items()]
    cases = (
        f"{outcomes['passed']} test"
        + "s" * (outcomes["passed"] > 1)
        + (f", {outcomes['skipped']} skipped" if outcomes["skipped"] else "")
    )
    return f"| {number} | {fault.injected} | {fault.happens} | {'; '.join([*figures, cases])} |"


def printed(path: str) -> str:
    """What a long run printed, without donkeycar's banner."""
    text = Path(path).read_text()
    return text[text.rfind("using donkey") :].partition("\n")[2] if "using donkey" in text else text


def main(loop: str, day: str) -> None:
    collector = Collector()
    targets = [OURS, *dict.fromkeys(test for fault in FAULTS.values() for test in fault.also)]
    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main(["-q", "--rootdir", str(REPOSITORY), *targets], plugins=[collector])
    if code:
        raise SystemExit("a test failed: the page is not written")
    print(INTRODUCTION)
    print("| # | injected | what happens | figures of this run |\n|---|---|---|---|")
    for number in sorted({*FAULTS, *LEFT_OUT}):
        print(row(number, collector) if number in FAULTS else f"| {number} | left out | {LEFT_OUT[number]} | |")
    totals = "\n".join(f"- {name}: {collector.totals[name]:,}" for name in TOTALS)
    print(f"\n## Over all tests\n\n{totals}")
    print(
        f"\nPython {platform.python_version()}, numpy {version('numpy')}, ONNX Runtime {version('onnxruntime')}, SQLite"
        f" {sqlite3.sqlite_version}, {platform.machine()}; other programs ran beside. A power cut is one of the file: a"
        " disk that loses or reorders what it said was written was not simulated."
    )
    print(f"\n## A drive loop under faults\n\n`python benchmarks/faulty_loop.py`\n\n```\n{printed(loop)}```")
    print(f"\n## A day of frames\n\n`python benchmarks/day.py`\n\n```\n{printed(day)}```")


if __name__ == "__main__":
    main(*sys.argv[1:])
