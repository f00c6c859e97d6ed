"""The faults that docs/reliability.md lists: what is injected, what happens, which tests show it. No figures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One row; the tests are those of tests/faults with its number in their name, and these."""

    injected: str
    happens: str
    also: tuple[str, ...] = ()  # older tests that show it, as pytest takes them


PART = "tests/parts/test_anomaly.py"
LOG = "tests/parts/test_event_log.py"
DAMAGE = "tests/parts/test_event_damage.py"
BUNDLE = "tests/edge/test_bundle_loading.py"
KEPT = "tests/calibration/test_calibration_file.py"
CALIBRATING = "tests/calibration/test_calibrate_on_tub.py"
IMAGES = "tests/edge/test_tub_images.py"
TORN = "tests/edge/test_tub_damage.py"
READING = "tests/edge/test_tub_reading.py"

FAULTS = {
    1: Fault(
        "No frame: `None` and a 0-d array, at the start, in between, for five seconds",
        "Status `no_frame`, no event; the first frame that comes is scored",
        ("tests/parts/test_vehicle.py::test_no_frame_stops_the_vehicle",),
    ),
    2: Fault(
        "A frozen camera: one picture for a second, three, thirty and for ever. Donkeycar repeats the last frame when"
        " the camera gives none, so this is what a camera that is gone looks like in a car",
        "`frozen` after ten equal frames and half a second; healthy repeats never; an event stays as it is. When the"
        " picture moves again there is no event, and a verdict after two seconds",
        (
            "tests/edge/test_frozen.py",
            "tests/edge/test_monitor.py::test_a_camera_that_hands_out_one_frame_for_ever_is_frozen",
        ),
    ),
    3: Fault(
        "A lens cap and a white picture, on a clear lens and during an event",
        "`dark` and `flat` without a PCC; no event begins, one that lasts stays",
    ),
    4: Fault(
        "Frames of NaN, ∞, 0…1, 16 bit, booleans, another size, four channels, a list (also 5)",
        "`error`, a line in the log at most every 30 s each, the next good frame is scored",
        ("tests/edge/test_frame.py", f"{PART}::test_a_bad_frame_gives_a_status_and_nothing_else"),
    ),
    5: Fault(
        "Frames of one channel, not contiguous, read-only",
        "Scored alike to the last bit, never written to; another size than the model's is refused, see 4",
        ("tests/edge/test_scorer.py::test_any_layout_in_memory_scores_alike_and_no_frame_is_written_to",),
    ),
    8: Fault(
        "A car that stands, with sensor noise",
        "`still`: nothing begins, an event that lasts stays until the car moves",
        (
            "tests/edge/test_scorer_running_means.py::test_a_standing_car_is_told_from_a_moving_one",
            "tests/edge/test_monitor.py::test_a_car_that_stops_keeps_its_event_and_one_that_drives_on_does_not",
        ),
    ),
    9: Fault(
        "The model, the evidence and the alarm raise four kinds of errors in the worker",
        "`error` for that frame, the next is scored; the thread lives",
        (f"{PART}::test_whatever_goes_wrong_inside_is_a_status_and_one_line",),
    ),
    10: Fault(
        "Inference hangs for 30 s of driving; the car is switched off meanwhile",
        "`stale` after a second, the loop never waits; afterwards the newest frame is scored. Switched off, the part"
        " leaves after a second and the event is closed",
    ),
    11: Fault(
        "A bundle cut at every n-th byte, with flipped bits, of another version, without a file",
        "Refused in one line before the car moves",
        (BUNDLE,),
    ),
    12: Fault(
        "A calibration cut at every n-th byte, with flipped bits, of another model, camera or backend",
        "Refused in one line; the part runs `uncalibrated`: score shown, no event",
        (KEPT, f"{PART}::test_without_a_calibration_that_fits_it_shows_the_score_and_raises_nothing"),
    ),
    13: Fault(
        "Calibration drives that are short, dark, frozen, standing; a kill at each call of the save; a full disk",
        "Refused with the reason, or killed: the old file stays whole",
        (CALIBRATING, f"{KEPT}::test_a_save_that_fails_leaves_the_old_file_and_nothing_else"),
    ),
    14: Fault(
        "A disk that fills during the drive: a tmpfs of 256 kB filled to the last byte, a limit on the size of files",
        "The flag stays live; rows wait in memory (256) and are written when there is space. Where there never is, they"
        " are lost and counted in the log of the program. A car does not start on a full disk: one line says why",
        (
            f"{LOG}::test_a_stuck_disk_never_holds_up_the_writer",
            f"{LOG}::test_a_full_disk_for_pictures_keeps_the_row",
            f"{LOG}::test_pictures_do_not_pile_up_while_the_disk_is_stuck",
        ),
    ),
    15: Fault(
        "A card that turns read-only (remounted), whose folder is gone, that fails for a while",
        "As 14: all is written when it is back",
        (f"{LOG}::test_a_disk_that_fails_for_a_while_loses_nothing",),
    ),
    16: Fault(
        "A power cut: the event log and its write-ahead log cut at every n-th byte, a catalog and a manifest at each",
        "Every row whose write had returned is read, none that nobody wrote; the car starts and writes on",
        (f"{DAMAGE}::test_cut_at_any_place_the_car_starts_and_no_number_comes_twice", TORN),
    ),
    17: Fault(
        "One flipped bit in the event log: each byte of the header, every n-th of the rest; pages of zeros",
        "The car starts. What SQLite finds damaged is moved aside whole; else one row may read otherwise, since SQLite"
        " keeps no sums",
        (f"{DAMAGE}::test_a_damaged_log_is_moved_aside_whole_and_the_numbers_go_on",),
    ),
    18: Fault(
        "The wall clock jumps by ten years, 53 minutes, to 1970 during an event; the monotonic one by an hour and by"
        " 30 years, forwards and backwards",
        "Durations come from the monotonic clock, the order from the numbers. If that one jumped, no event is made up"
        " and the part is not stale for ever",
        ("tests/edge/test_alarm.py::test_a_clock_that_steps_back_raises_nothing_at_once",),
    ),
    19: Fault(
        "kill -9 at any moment, SIGTERM",
        "An event is on the disk while it lasts; the next start closes it as `interrupted`",
        (
            "tests/parts/test_event_kill.py",
            f"{LOG}::test_a_killed_process_loses_no_event_and_the_open_one_is_closed_as_interrupted",
        ),
    ),
    20: Fault(
        "Two processes and one log",
        "The second is refused in one line before it moves; readers are welcome",
        (f"{LOG}::test_a_second_writer_is_refused_and_harms_nothing",),
    ),
    21: Fault(
        "A tub that donkeycar writes while it is read",
        "Each record once, none missing",
        (f"{READING}::test_a_tub_that_donkeycar_writes_is_read_while_it_grows",),
    ),
    22: Fault(
        "Images of zero bytes, cut, filled with zeros, of other formats, random bytes",
        "Skipped with the reason, counted; never decoded in part",
        (IMAGES,),
    ),
    23: Fault(
        "Deleted records, images that no record names, an index twice, a manifest that is torn",
        "Equal to what donkeycar reads, or the difference is counted",
        (READING, f"{TORN}::test_the_first_of_two_equal_indexes_counts"),
    ),
    24: Fault(
        "A tub of 100,000 records (which share ten images)",
        "Opened in time that grows with the records; frames are not kept",
    ),
    28: Fault(
        "Names in a catalog that lead outside: `../`, absolute, NUL, 4 kB, a link",
        "Skipped and counted; nothing outside `images/` is opened",
        (
            f"{TORN}::test_an_image_name_that_leaves_the_tub_is_never_opened",
            f"{IMAGES}::test_a_link_a_folder_and_a_pipe_in_place_of_an_image_are_not_read",
        ),
    ),
    29: Fault(
        "A small image that claims 12,000 or 65,500 pixels a side",
        "Refused before it is decoded",
        (f"{IMAGES}::test_a_picture_that_claims_to_be_huge_is_refused_before_decoding",),
    ),
    30: Fault(
        "JSON with NaN, 1e999, deep nesting, long lines, other types, bytes that are no text",
        "The line, or the file, is refused; nesting never ends the process",
        ("tests/edge/test_strict_json.py", f"{TORN}::test_a_line_that_is_no_record_costs_only_itself"),
    ),
    31: Fault(
        "Models made up by somebody, with the right sum: other files, sparse tensors, a loop of 2^62 rounds, functions,"
        " other domains; torn and random bytes",
        "Refused before a runtime sees them. One that asks for more memory than there is is not found",
    ),
    32: Fault(
        "Hostile pickles, archives, YAML",
        "There is no way in: nothing of ours loads any of them",
        ("tests/test_architecture.py::test_nothing_runs_what_it_reads",),
    ),
    35: Fault(
        "The limiter is told nonsense, the flag is stuck, nothing gives a verdict",
        "It acts on the autopilot's throttle alone, never on the steering or the user; what is no number becomes 0",
        ("tests/parts/test_limiter.py",),
    ),
    36: Fault(
        "Settings that are misspelt, of another type, out of range",
        "Refused before the car moves, with the nearest name",
        ("tests/parts/test_config.py", "tests/parts/test_car_config.py"),
    ),
}

LEFT_OUT = {
    6: "Red and blue swapped, a mirrored picture: nothing of ours tells it. A picture that is wholly unlike the"
    " calibration's becomes `drifting`, which was not tried on these.",
    7: "Exposure, headlights, night: how good the detector is, not whether it breaks; see [results.md](results.md).",
    25: "A day of frames is too long for a test: see below.",
    26: "A busy processor is no test but a measurement: see below. The part does not tell how many frames it left out.",
    27: "Heat and undervoltage: the part reads no temperature. Needs a device.",
    33: "A hostile web client: the package serves no web page.",
    34: "MQTT: the package speaks none.",
}
