"""Faults of the family P: the process and its neighbours. catalogue.py says how to read a row."""
from catalogue import COMPLETE, EMPTY, KEPT, Row  # noqa: F401

KILL, SIGNALS = "test/torture/test_kill.py::", "test/faults/test_signals.py::"
OUTPUT, RESUME = "test/run/test_output.py::", "test/run/test_resume.py::"

ROWS = [
    Row("P01", "SIGTERM at any moment", "143 within 2 s, or 0 if it was done; the next run goes on",
        proved=(KILL + "test_sigterm_at_five_hundred_random_moments",
                RESUME + "test_sigterm_is_obeyed_whatever_the_run_waits_for",
                SIGNALS + "test_a_run_that_hangs_in_the_disk_ends_in_time_all_the_same_and_says_so")),
    Row("P02", "SIGTERM twice, SIGINT, SIGHUP, SIGPIPE, SIGQUIT",
        "a second one ends it at once; 130, 143; not noticed; ended at once, without a core",
        proved=(SIGNALS + "test_a_signal_that_asks_to_end_is_obeyed_in_good_order",
                SIGNALS + "test_a_second_signal_ends_at_once_what_the_first_one_could_not",
                SIGNALS + "test_a_signal_that_ends_it_at_once_leaves_no_core_and_nothing_that_confuses",
                SIGNALS + "test_a_pipe_without_a_reader_is_no_reason_to_end")),
    Row("P03", "SIGKILL at random moments, a thousand times", "the next run leaves the repo and nothing else",
        proved=(KILL + "test_a_thousand_kills_at_random",)),
    Row("P04", "SIGKILL at every system call", "as P03", proved=(KILL + "test_a_kill_at_every_system_call_of_a_run",)),
    Row("P05", "the power fails at random moments, a thousand times", "a marker means that all of it is on the disk",
        proved=(KILL + "test_the_power_is_cut_at_random",
                "test/run/test_regressions.py::test_data_is_on_disk_before_it_has_its_name")),
    Row("P06", "a disk says it has written, and has not", "what is missing or shorter is fetched again",
        not_here="what such a disk loses may keep name, size and time; then only its hash shows it, and no run hashes "
                 "again what was right"),
    Row("P07", "killed for lack of memory", "as P03; no message of an earlier run stays",
        proved=(KILL + "test_the_kernel_kills_for_lack_of_memory",
                SIGNALS + "test_who_is_killed_leaves_no_message_of_an_earlier_run")),
    Row("P11", "a limit on the size of files", "20, and not the death of it",
        proved=("test/run/test_space.py::test_a_limit_on_file_sizes_is_an_error_and_not_a_death",)),
    Row("P21", "a marker, and files that are gone, changed or more", "repaired; what is more stays",
        proved=(RESUME + "test_a_file_that_changed_after_completion_is_repaired",
                RESUME + "test_what_is_missing_from_a_complete_cache_is_put_back",
                "test/run/test_layouts.py::test_files_of_others_in_the_folder_are_left_alone")),
    Row("P22", "a marker of another version of its form", "it counts as none, and is written anew",
        proved=(RESUME + "test_a_marker_or_status_that_is_not_ours_is_ignored",)),
    Row("P23", "the status cannot be written", "one warning, and the run goes on",
        proved=(SIGNALS + "test_a_status_that_cannot_be_written_is_a_warning_and_no_more",)),
    Row("P24", "stdout or stderr closed, full, or without a reader", "lines are dropped, the run goes on",
        proved=(OUTPUT + "test_nobody_who_reads_the_log_does_not_stop_a_run",
                OUTPUT + "test_closed_standard_descriptors_do_no_harm")),
    Row("P25", "an environment that is huge, empty or odd", "no difference",
        proved=(SIGNALS + "test_the_environment_around_the_settings_does_not_matter",
                OUTPUT + "test_an_empty_environment_is_enough")),
    Row("P26", "the termination message has no file, or none that can be written", "nobody misses it",
        proved=(SIGNALS + "test_a_termination_message_that_cannot_be_left_is_not_missed",
                OUTPUT + "test_a_missing_termination_file_is_no_error_and_is_not_made")),
]
