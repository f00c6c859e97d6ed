"""The section of the results page about the product protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...optics import TIME_PROFILES
from ..protocols.baselines import NAMES
from ..protocols.figures import EVIDENCE, OVER_TIME, PCC, EpisodeFigures
from ..protocols.metrics import poisson_upper_bound
from ..protocols.plan import BAND_NAMES, BANDS, Plan
from ..protocols.product import VANILLA
from ..protocols.summary import (
    EpisodesByDrive,
    Evaluated,
    auc_of,
    caught_from,
    cell_scores,
    detection_stats,
    episodes_of,
    false_alarm_stats,
    of_band,
    of_family,
    of_time_profile,
)
from . import markdown as md

SIDES = ((False, "met in training"), (True, "held out"))
# The evidence and the worst place are averaged already, so they have no second row.
SCORES = (EVIDENCE, *(name + over for name in (PCC, VANILLA, *NAMES[:-1]) for over in ("", OVER_TIME)), NAMES[-1])
SURE_FROM = BANDS[1]  # minimum coverage at which nearly every episode should be detected
MISSED_LISTED = 30


@dataclass(frozen=True)
class Plots:
    """The plots beside the page, by file name; empty: not drawn."""

    aucs: str = ""
    detections: str = ""
    evidence: tuple[tuple[str, str], ...] = ()  # drive and file
    sheet: str = ""


def product_page(drives: Sequence[Evaluated], plan: Plan, plots: Plots) -> list[str]:
    """Return the paragraphs, tables and plots, in order."""
    return [
        "## The product protocol\n",
        "Trained on an unlabelled part of which one eighth is obscured, calibrated on a clean one for"
        f" {plan.false_alarms_per_hour:g} false alarm(s) per hour, evaluated on a third with other faults. A"
        " held-out family is excluded from everything that was fitted.\n",
        _drives(drives),
        "### AUC of the evidence\n",
        "Settled frames: obscured ones from 1 s after the onset, clean ones from 3 s after an episode. Families met in"
        " training / held out.\n",
        _aucs(drives, plan, settled=True),
        md.image(plots.aucs, "AUC by family and drive"),
        "All frames: obscured ones from the onset, clean ones from the wipe.\n",
        _aucs(drives, plan, settled=False),
        *_detections(drives, plan),
        md.image(plots.detections, "recall and delay by coverage"),
        *_false_alarms(drives),
        *_scores(drives),
        *_pcc(drives, plan),
        *_cell_scores(drives, plan),
        *_missed(drives),
        *(md.image(file, f"evidence over time, {name}") for name, file in plots.evidence),
        md.image(plots.sheet, "frames, reconstructions and evidence of a generated drive"),
    ]


def _drives(drives: Sequence[Evaluated]) -> str:
    rows = []
    for drive in drives:
        if (product := drive.product) is not None:
            lengths = (drive.seconds, product.train_s, product.calibrate_s, product.judge_s)
            origin = "generated" if drive.generated else "recorded"
            episodes = sum(not row.held_out for row in product.episodes)
            rows.append([drive.name, origin, drive.records, *map(md.seconds, lengths), episodes])
    return md.table(["drive", "", "records", "driving", "train", "calibrate", "judge", "episodes"], rows)


def _each_and_all(drives: Sequence[Evaluated]) -> list[tuple[str, Sequence[Evaluated]]]:
    each: list[tuple[str, Sequence[Evaluated]]] = [(drive.name, [drive]) for drive in drives]
    return [*each, ("all", drives)] if len(drives) > 1 else each


def _aucs(drives: Sequence[Evaluated], plan: Plan, settled: bool) -> str:
    rows = []
    for name, some in _each_and_all(drives):
        cells = [name]
        for family in (*plan.families, None):
            both = [auc_of(episodes_of(some, held_out, of_family(family)), EVIDENCE, settled) for held_out, _ in SIDES]
            cells.append(" / ".join(md.auc_value(one.value) if family else md.ranged(one) for one in both))
        rows.append(cells)
    return md.table(["drive", *map(md.words, plan.families), "all families"], rows)


def _detections(drives: Sequence[Evaluated], plan: Plan) -> list[str]:
    parts = ["### Episodes caught\n", "Delay from the onset, of the episodes caught.\n"]
    header = ["", "episodes", "caught", "median delay", "90th percentile", "AUC", "all frames", "of the PCC"]
    for held_out, side in SIDES:
        chosen = [
            (f"coverage {name}", episodes_of(drives, held_out, of_band(number)))
            for number, name in enumerate(BAND_NAMES)
        ]
        large = episodes_of(drives, held_out, lambda e: e.coverage >= SURE_FROM)
        chosen.append((f"coverage from {SURE_FROM:.0%}", large))
        for family in plan.families:
            mine = episodes_of(drives, held_out, of_family(family))
            smallest, largest = map(md.share, caught_from(mine))
            chosen.append((f"{md.words(family)}; smallest caught {smallest}, largest missed {largest}", mine))
        chosen += [
            (f"time profile {time_profile}", episodes_of(drives, held_out, of_time_profile(time_profile)))
            for time_profile in TIME_PROFILES
        ]
        if any(large.values()):
            rows = [[name, *_caught(mine)] for name, mine in chosen if any(mine.values())]
            parts += [f"Families {side}:\n", md.table(header, rows)]
    return parts


def _caught(episodes: EpisodesByDrive) -> list[object]:
    found = detection_stats(episodes)
    return [
        found.episodes,
        md.ranged_share(found.recall),
        md.ranged_seconds(found.median_s),
        md.ranged_seconds(found.late_s),
        md.auc_value(auc_of(episodes, EVIDENCE).value),
        md.auc_value(auc_of(episodes, EVIDENCE, settled=False).value),
        md.both_signs(auc_of(episodes, PCC).value),
    ]


def _false_alarms(drives: Sequence[Evaluated]) -> list[str]:
    rows = []
    for drive in drives:
        everything = drive.product.passes if drive.product else []
        for held_out in dict.fromkeys(row.held_out for row in everything):
            passes = [row for row in everything if row.held_out == held_out]
            cells: list[object] = [drive.name, f"without {md.words(held_out)}" if held_out else "all families"]
            for wet in (False, True):
                found = false_alarm_stats(passes, wet)
                bound = f"{poisson_upper_bound(found.false_alarms, found.hours):.0f}"
                cells += [f"{found.false_alarms} in {found.hours * 60:.1f} min", bound, md.share(found.held)]
            statuses: Counter[str] = sum((Counter(row.statuses) for row in passes), Counter())
            silent = [f"{count} {status}" for status, count in statuses.most_common() if status != "ok"]
            rows.append([*cells, f"{', '.join(silent) or 'none'} of {statuses.total()}"])
    return [
        "### False alarms\n",
        "Rising edges of `obscured` on clean frames, from 3 s after an episode. Between episodes the same footage is"
        " repeated with other noise. At most: the 95 % upper bound of the rate per hour. Held: share of the clean time"
        " during which the lens counted as obscured. Frames without evidence of their own keep the previous decision"
        " and are counted like all others.\n",
        md.table(["drive", "trained on", "clean pass", "at most", "held", "between episodes", "at most", "held",
               "frames without evidence"], rows),
    ]  # fmt: skip


def _scores(drives: Sequence[Evaluated]) -> list[str]:
    each = _each_and_all(drives)
    chosen = [(f"**{score}**" if score == EVIDENCE else score, score, False) for score in SCORES]
    if any(row.held_out for drive in drives if drive.product for row in drive.product.episodes):
        chosen.insert(1, (f"**{EVIDENCE}**, families held out", EVIDENCE, True))
    rows = [
        [name, *(md.both_signs(auc_of(episodes_of(some, held_out), score).value) for _, some in each)]
        for name, score, held_out in chosen
    ]
    return [
        "### Comparison with the baselines\n",
        "AUC on the same settled frames, all families; in brackets with the better sign, which is unknown in"
        f" practice. `{OVER_TIME.strip()}`: averaged over time like the evidence, as `{NAMES[-1]}` always is.\n",
        md.table(["score", *(name for name, _ in each)], rows),
    ]


def _pcc(drives: Sequence[Evaluated], plan: Plan) -> list[str]:
    rows = []
    for name, some in _each_and_all(drives):
        values = [auc_of(episodes_of(some, False, of_family(family)), PCC).value for family in (*plan.families, None)]
        rows.append([name, *map(md.both_signs, values)])
    return [
        "### The PCC alone\n",
        "AUC of a low PCC on the same settled frames; in brackets with the better sign.\n",
        md.table(["drive", *map(md.words, plan.families), "all families"], rows),
    ]


def _cell_scores(drives: Sequence[Evaluated], plan: Plan) -> list[str]:
    rows = []
    for family in plan.families:
        sides = [cell_scores(episodes_of(drives, held_out, of_family(family))) for held_out, _ in SIDES]
        rows.append([md.words(family), *(md.ranged(found) for side in sides for found in side)])
    return [
        "### Where the fault is\n",
        "The mean map of an episode against its mask: AUC over the cells; intersection over union at one half.\n",
        md.table(["family", *(f"{name}, {side}" for _, side in SIDES for name in ("AUC by cell", "IoU"))], rows),
    ]


def _missed(drives: Sequence[Evaluated]) -> list[str]:
    missed = [(drive.name, row) for drive in drives if drive.product for row in drive.product.episodes
              if row.delay_s is None]  # fmt: skip
    missed.sort(key=lambda pair: -pair[1].coverage)
    rows = [
        [
            name,
            md.words(row.family),
            row.time_profile,
            dict(SIDES)[row.held_out],
            md.share(row.coverage),
            _evidence(row),
        ]
        for name, row in missed[:MISSED_LISTED]
    ]
    if not rows:
        return ["### What is missed\n", "Nothing.\n"]
    header = ["drive", "family", "time profile", "", "coverage", "AUC of its evidence"]
    return ["### What is missed\n", f"{len(missed)} episodes; the largest:\n", md.table(header, rows)]


def _evidence(row: EpisodeFigures) -> str:
    return md.auc_value(row.auc[EVIDENCE]) if EVIDENCE in row.auc else md.NOTHING
