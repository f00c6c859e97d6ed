"""`mle-uvad demo`: run the whole pipeline on generated drives."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from .app import require_extra
from .console import Bar, console, say_next
from .training_display import TrainingDisplay

if TYPE_CHECKING:  # they need torch, which the car does not have
    from ..evaluation.demo import DemoResult
    from ..training.train import TrainingCallback


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the drives, the car and the plot.")] = Path("demo"),
    seed: Annotated[int, typer.Option(min=0, help="Each number is another track.")] = 0,
) -> None:
    """Run the whole pipeline on generated drives: train, export, calibrate, drive a real Donkeycar, list the events."""
    require_extra("train,export,report,donkeycar", "torch", "onnx", "matplotlib", "donkeycar")
    from ..evaluation.demo import run_demo

    print_result(run_demo(out, seed, DemoDisplay()))
    say_next(f"mle-uvad report {shlex.quote(str(out / 'mycar'))}")


class DemoDisplay:
    """Shows a long computation: each step as a heading, with progress bars below it."""

    def step(self, text: str) -> None:
        console.print(f"\n{text}", style="bold")

    def bar(self, name: str) -> Bar:
        return Bar(name)

    def training(self, epochs: int) -> AbstractContextManager[TrainingCallback]:
        return TrainingDisplay(epochs)


def print_result(result: DemoResult) -> None:
    """Print a row for each episode, as flagged by the car and by the PCC alone, and the totals."""
    verdict, pcc_alone = result.verdict, result.pcc_alone
    table = Table(box=None, header_style="bold")
    for name in ("episode", "kind", "coverage", "flagged after", "by PCC alone"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for number, (found, alone) in enumerate(zip(verdict.episodes, pcc_alone.episodes, strict=True), start=1):
        kind = found.label.kind.replace("_", " ")
        table.add_row(str(number), kind, f"{found.label.coverage:.0%}", _delay(found.delay_s), _delay(alone.delay_s))
    Console(width=120, highlight=False).print(table)
    episodes, minutes = len(verdict.episodes), verdict.clean_hours * 60
    for name, judged in (("flagged by the car", verdict), ("flagged by PCC alone", pcc_alone)):
        print(f"{name}: {judged.flagged} of {episodes} episodes, {judged.false_alarms} false alarms")
    if pcc_alone.flagged < episodes:
        print(
            "The PCC alone misses drops: a blurred area is easy to reconstruct, and the PCC varies more with the scene."
        )
    print(
        f"AUC of the PCC on single frames: {verdict.pcc_auc:.3f}"
        " (0.5 is chance; below 0.5, wet frames are reconstructed better than clean ones)"
    )
    print(
        f"clean minutes: {minutes:.1f}; frames recorded: {result.frames}; events in the car's log: {len(result.events)}"
    )
    print(f"largest difference between the PCC of the car and of the replay: {result.pcc_difference:.1e}")
    print(f"timeline: {result.timeline}")


def _delay(delay_s: float | None) -> str:
    return "missed" if delay_s is None else f"{delay_s:.1f} s"
