"""Draws the arrows between the rooms into docs/architecture.md: `python docs/make_architecture.py`."""

from pathlib import Path

from import_graph import room_graph
from marked import with_part

PAGE = Path(__file__).with_name("architecture.md")


def fresh_page() -> str:
    """Return docs/architecture.md with the arrows as the imports are now."""
    graph = {room: targets - {"package"} for room, targets in room_graph().items() if room != "package"}
    lines = ["```mermaid", "flowchart TD"]
    for room in sorted(graph):
        for target in sorted(graph[room]):
            # An arrow that follows from two others is left out.
            if not any(target in _reachable(graph, other) for other in graph[room] - {target}):
                lines.append(f"    {room} --> {target}")
    return with_part(PAGE, "arrows", "\n".join([*lines, "```"]))


def _reachable(graph: dict[str, set[str]], room: str) -> set[str]:
    found: set[str] = set()
    waiting = [room]
    while waiting:
        for target in graph[waiting.pop()] - found:
            found.add(target)
            waiting.append(target)
    return found


if __name__ == "__main__":
    PAGE.write_text(fresh_page())
