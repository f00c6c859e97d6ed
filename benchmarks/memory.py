"""Measures the memory of `score` and `calibrate` on a drive of many records.

`python benchmarks/memory.py BUNDLE TUB [RECORDS]`: a tub of so many records, 100,000 unless given, is made from the
images of TUB, by links, and scored and calibrated in a process each, whose largest resident size is printed.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

LIMIT_MB = 500
STEP_MS = 50


def long_tub(source: Path, folder: Path, records: int) -> Path:
    """Make a tub of so many records from the images of another, played forwards and backwards."""
    (folder / "images").mkdir(parents=True)
    images = sorted((source / "images").glob("*.jpg"), key=lambda path: int(path.name.split("_")[0]))
    there_and_back = [*images, *images[-2:0:-1]]
    with (folder / "catalog_0.catalog").open("w") as catalog:
        for index in range(records):
            name = f"{index}_cam_image_array_.jpg"
            os.link(there_and_back[index % len(there_and_back)], folder / "images" / name)
            record = {"_index": index, "_timestamp_ms": STEP_MS * index, "_session_id": "1", "cam/image_array": name}
            catalog.write(json.dumps(record) + "\n")
    parts = (["cam/image_array"], ["image_array"], {}, {}, {"paths": ["catalog_0.catalog"], "deleted_indexes": []})
    (folder / "manifest.json").write_text("".join(json.dumps(part) + "\n" for part in parts))
    return folder


def main() -> int:
    """Print one line for each command; return 1 if one needs more than the limit."""
    bundle, source = Path(sys.argv[1]), Path(sys.argv[2])
    records = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    worst_mb = 0.0
    with tempfile.TemporaryDirectory(dir=source.parent) as scratch:
        tub, out = long_tub(source, Path(scratch) / "tub", records), Path(scratch) / "out"
        for command in (
            ["score", tub, "--bundle", bundle, "--out", out],
            ["calibrate", bundle, "--tub", tub, "--out", out],
        ):
            subprocess.run(["mle-uvad", *map(str, command)], check=True, stdout=subprocess.DEVNULL)
            # The largest of all children so far: the second command is seen only if it needs more than the first.
            worst_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"{command[0]}: {records} records, at most {worst_mb:.0f} MB", flush=True)
    return int(worst_mb > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
