"""Tubs that are very large, or that name files outside."""

import gc
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from mle_uvad.edge.tubs.tub import Tub

RECORDS = 100_000
PER_CATALOG = 1000
IMAGES = 10  # that all records share, each under its own name
READ = 2000  # frames that are decoded, from the end of the drive


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def enlarge(folder: Path, records: int) -> None:
    """Extend the catalogs of a tub of ten records to this many."""
    line = json.loads((folder / "catalog_0.catalog").read_text().splitlines()[0])
    for number in range(records // PER_CATALOG):
        lines = []
        for index in range(number * PER_CATALOG, (number + 1) * PER_CATALOG):
            name = f"{index}_cam_image_array_.jpg"
            if index >= IMAGES:
                os.link(folder / "images" / f"{index % IMAGES}_cam_image_array_.jpg", folder / "images" / name)
            fields = {"_index": index, "cam/image_array": name}
            lines.append(json.dumps(line | fields | {"_timestamp_ms": 1_700_000_000_000 + 50 * index}) + "\n")
        (folder / f"catalog_{number}.catalog").write_text("".join(lines))


def test_a_tub_of_a_hundred_thousand_records_opens_in_linear_time(make_tub: Any, record_property: Any) -> None:
    small, large = make_tub(IMAGES, name="small"), make_tub(IMAGES, name="large")
    enlarge(small, RECORDS // 10)
    enlarge(large, RECORDS)
    gc.collect()
    gc.freeze()  # or else the garbage of all other tests is collected while this one reads
    began_s = time.process_time()
    assert len(Tub(small).records) == RECORDS // 10
    small_s, before_mb, began_s = time.process_time() - began_s, resident_mb(), time.process_time()
    tub = Tub(large)
    open_s, open_mb = time.process_time() - began_s, resident_mb() - before_mb
    gc.unfreeze()
    assert [record.index for record in tub.records[:: RECORDS // 10]] == list(range(0, RECORDS, RECORDS // 10))
    assert tub.skipped == []
    before_mb = resident_mb()
    tub.records = tub.records[-READ:]
    assert sum(frame.shape == (120, 160, 3) for _, frame in tub.frames()) == READ
    grown_mb = resident_mb() - before_mb
    assert grown_mb < 20, "frames are kept"
    record_property("records", RECORDS)
    record_property("seconds of a core to open it", round(open_s, 1))
    record_property("times the time of a tenth of it", round(open_s / small_s, 1))
    record_property("MB to hold the records", round(open_mb))
    record_property("MB more after 2,000 frames", round(max(grown_mb, 0.0), 1))


def test_a_file_outside_a_tub_is_never_opened(make_tub: Any, tmp_path: Path, record_property: Any) -> None:
    folder = make_tub(12)
    secret = tmp_path / "0_cam_image_array_.jpg"
    secret.write_bytes((folder / "images" / secret.name).read_bytes())  # an image, so that opening it would be noticed
    inside = "1_cam_image_array_.jpg"
    (folder / "images" / inside).unlink()
    (folder / "images" / inside).symlink_to(secret)
    names = [
        f"../../{secret.name}",
        str(secret),
        f"../images/../../{secret.name}",
        "/etc/passwd",
        "0_cam_image_array_.jpg\0.jpg",
        f"./{secret.name}",
        f"..\\{secret.name}",
        "9" * 4096 + "_cam_image_array_.jpg",
        "\u0661_cam_image_array_.jpg/../../" + secret.name,
        "",
        inside,
    ]
    catalog = folder / "catalog_0.catalog"
    lines = [json.loads(line) for line in catalog.read_text().splitlines()]
    for line, name in zip(lines, names, strict=False):
        line["cam/image_array"] = name
    catalog.write_text("".join(json.dumps(line) + "\n" for line in lines))
    opened: list[Path] = []
    with pytest.MonkeyPatch.context() as patch:
        real = os.open

        def record_open(path: Any, *arguments: Any, **named: Any) -> int:
            opened.append(Path(path))
            return real(path, *arguments, **named)

        patch.setattr(os, "open", record_open)
        tub = Tub(folder)
        read = [record.index for record, _ in tub.frames()]
    assert read == [11], "only the record that was left as it was"
    assert opened, "images are no longer opened through os.open: patch something else"
    its_own = (folder / "manifest.json", catalog)
    outside = [path for path in opened if path.parent != folder / "images" and path not in its_own]
    assert outside == []
    record_property("hostile names", len(names))
    record_property("files opened outside", len(outside))
