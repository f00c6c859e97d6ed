"""What a terminal shows of the demo."""

from contextlib import AbstractContextManager

from rich.console import Console
from rich.table import Table

from ..evaluation.demo import DemoResult
from ..training.train import TrainingCallback
from .console import Bar, console
from .train import TrainingDisplay


class DemoDisplay:
    """Steps as headings, bars for what takes long."""

    def step(self, text: str) -> None:
        console.print(f"\n{text}", style="bold")

    def bar(self, name: str) -> Bar:
        return Bar(name)

    def training(self, epochs: int) -> AbstractContextManager[TrainingCallback]:
        return TrainingDisplay(epochs)


def print_result(result: DemoResult) -> None:
    """An episode a row, what the car flagged and what the PCC alone would have; then what it amounts to."""
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
        print("The PCC alone misses drops: what they blur is easy to reconstruct, and the scene varies more than that.")
    print(
        f"AUC of the PCC on single frames: {verdict.pcc_auc:.3f}; 0.5 tells nothing, below it wet frames score better"
    )
    print(
        f"clean minutes: {minutes:.1f}; frames recorded: {result.frames}; events in the car's log: {len(result.events)}"
    )
    print(f"largest difference between the PCC of the car and of the replay: {result.pcc_difference:.1e}")
    print(f"timeline: {result.timeline}")


def _delay(delay_s: float | None) -> str:
    return "missed" if delay_s is None else f"{delay_s:.1f} s"
