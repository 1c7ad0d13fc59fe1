"""Faults of the family D: the volume. catalogue.py says how to read a row."""

from catalogue import Row

QUICK, ODD, LONG = (
    "test/faults/test_disk.py::",
    "test/faults/test_odd_volumes.py::",
    "test/torture/test_disk_sweeps.py::",
)
SPACE, RESUME = "test/run/test_space.py::", "test/run/test_resume.py::"

ROWS = [
    Row(
        "D01",
        "no room from any byte on",
        "exit 20 InsufficientDisk, nothing wrong, no marker; a run with room completes and leaves nothing behind",
        proved=(
            LONG + "test_room_that_ends_at_any_page",
            LONG + "test_writes_that_stop_short_where_the_room_ends",
            LONG + "test_a_disk_with_room_for_a_part_of_it",
            SPACE + "test_without_the_check_a_full_disk_still_ends_in_exit_20_and_keeps_what_is_there",
        ),
    ),
    Row(
        "D02",
        "no room for marker or status alone",
        "exit 20, and never a torn marker",
        proved=(
            SPACE + "test_a_disk_that_fills_up_while_we_publish_gives_no_torn_marker",
            LONG + "test_room_that_ends_at_any_page",
            SPACE + "test_a_damaged_volume_that_is_full_has_no_marker_and_no_old_status",
        ),
    ),
    Row(
        "D03",
        "quota: a short write, then EDQUOT",
        "exit 20 QuotaExceeded; a run with more of it goes on",
        proved=(
            LONG + "test_a_quota_that_statfs_does_not_tell_of",
            LONG + "test_writes_that_stop_short_where_the_room_ends",
            ODD + "test_room_that_was_promised_and_is_not_there_is_exit_20",
        ),
    ),
    Row(
        "D04",
        "statfs lies, or counts nothing at all",
        "passes the check and fails cleanly later; no numbers are no full disk",
        proved=(
            ODD + "test_room_that_was_promised_and_is_not_there_is_exit_20",
            LONG + "test_a_quota_that_statfs_does_not_tell_of",
            ODD + "test_a_volume_that_counts_nothing_is_not_taken_for_a_full_one",
            QUICK + "test_a_tmpfs_without_a_size_is_not_taken_for_a_full_one",
        ),
    ),
    Row(
        "D05",
        "no inodes left",
        "exit 20, and the message says inodes",
        proved=(
            SPACE + "test_a_volume_without_inodes_is_named_as_such",
            LONG + "test_inodes_that_end_anywhere",
            LONG + "test_ext4_with_few_inodes_is_named_as_such",
        ),
    ),
    Row(
        "D06",
        "EIO from write, sync, write-back, rename, close, reading back",
        "exit 21 IoError; bytes after a failed sync never count again, so the next run fetches them anew",
        proved=(
            QUICK + "test_an_error_of_the_disk_is_named_and_costs_nothing_but_the_run",
            QUICK + "test_bytes_that_cannot_be_read_back_are_not_published",
            QUICK + "test_what_the_disk_lost_once_is_fetched_again",
            QUICK + "test_bytes_that_were_lost_on_their_way_out_of_the_cache_are_not_published",
            QUICK + "test_a_folder_whose_sync_failed_is_synced_before_the_marker",
            LONG + "test_every_call_may_fail_at_any_time",
        ),
    ),
    Row(
        "D07",
        "the disk loses a file after the marker",
        "the next run sees it by name, size or time and fetches it again; content alone " "is not read again",
        proved=(RESUME + "test_a_file_that_changed_after_completion_is_repaired",),
    ),
    Row(
        "D08",
        "the volume is read-only, or becomes so",
        "exit 22 ReadOnly (a complete volume is fine); a disk that shuts down is exit 21 or 22",
        proved=(
            SPACE + "test_an_incomplete_volume_that_is_mounted_read_only_is_exit_22",
            SPACE + "test_a_complete_volume_that_is_mounted_read_only_is_fine",
            ODD + "test_a_volume_that_fails_in_the_middle_is_told_and_gone_on_with_later",
            LONG + "test_a_disk_that_turns_read_only_in_the_middle",
            LONG + "test_a_disk_that_goes_away_in_the_middle",
        ),
    ),
    Row(
        "D09",
        "the folder is another user's",
        "exit 22 PermissionDenied with uid, gid, owner, mode, and fsGroup as the way out",
        proved=(SPACE + "test_a_target_of_another_user_is_exit_22_with_uid_gid_and_mode",),
    ),
    Row(
        "D10",
        "mounted noexec, nosuid, nodev",
        "works",
        proved=(QUICK + "test_nothing_on_the_volume_need_be_executable_a_device_or_setuid",),
    ),
    Row(
        "D11",
        "a sync takes seconds",
        "the status goes on, SIGTERM is obeyed within 2 s",
        proved=(
            ODD + "test_a_slow_sync_holds_up_nothing_but_its_file",
            ODD + "test_sigterm_is_obeyed_while_the_disk_does_not_answer",
        ),
    ),
    Row(
        "D12",
        "fallocate or openat2 is not supported, or not allowed (old kernels, seccomp, gVisor); fallocate is too large",
        "goes on without; what is there is found and read",
        proved=(
            QUICK + "test_a_call_that_the_volume_lacks_is_done_without",
            QUICK + "test_what_is_there_is_read_where_openat2_is_refused",
            ODD + "test_what_a_volume_lacks_is_done_without",
        ),
    ),
    Row(
        "D13",
        "no symbolic links",
        "layout cache makes hard links, or plain files as Python does",
        proved=(
            QUICK + "test_a_call_that_the_volume_lacks_is_done_without",
            ODD + "test_what_a_volume_lacks_is_done_without",
        ),
    ),
    Row(
        "D14",
        "no hard links",
        "leases and names in the cache are made by rename",
        proved=(
            QUICK + "test_a_call_that_the_volume_lacks_is_done_without",
            ODD + "test_what_a_volume_lacks_is_done_without",
        ),
    ),
    Row(
        "D15",
        "rename refuses with EXDEV",
        "partials lie on the mount of their file; a volume that refuses all the same is exit 21",
        proved=(
            QUICK + "test_a_folder_bound_into_the_target_is_another_place_to_rename_in",
            SPACE + "test_every_file_system_is_checked_for_what_goes_there",
            QUICK + "test_an_error_of_the_disk_is_named_and_costs_nothing_but_the_run",
        ),
    ),
    Row(
        "D16",
        "a folder where a file must go, a file where a folder must be",
        "exit 21 naming it; it stays",
        proved=(
            QUICK + "test_whatever_is_planted_in_layout_dir_nothing_is_written_elsewhere",
            QUICK + "test_whatever_is_planted_in_layout_cache_nothing_is_written_elsewhere",
            "test/unit/test_store_dir.c",
        ),
    ),
    Row(
        "D17",
        "a volume that does not tell upper from lower case",
        "twins but for case are refused, exit 42 naming both, before they are " "fetched; everything else works",
        proved=(
            ODD + "test_twins_but_for_case_are_refused_where_case_does_not_count",
            ODD + "test_one_of_twins_may_be_left_out",
            ODD + "test_folders_that_differ_in_case_are_one_and_hold_the_files_of_both",
            ODD + "test_twins_are_files_of_their_own_where_case_counts",
        ),
    ),
    Row(
        "D18",
        "a file larger than the volume takes (EFBIG)",
        "exit 20 TooLarge before a byte of it is asked for",
        proved=(
            ODD + "test_a_file_larger_than_the_volume_takes_is_refused_before_it_is_fetched",
            SPACE + "test_a_limit_on_file_sizes_is_an_error_and_not_a_death",
        ),
    ),
    Row(
        "D19",
        "mmap fails",
        "no file is mapped",
        proved=(QUICK + "test_files_are_neither_mapped_nor_opened_past_the_page_cache",),
    ),
    Row(
        "D20",
        "O_DIRECT is not supported",
        "it is not used",
        proved=(QUICK + "test_files_are_neither_mapped_nor_opened_past_the_page_cache",),
    ),
    Row(
        "D21",
        "symbolic links planted at any name: file, folder, dangling, loop",
        "never followed out of the target; in the way: exit 21",
        proved=(
            QUICK + "test_whatever_is_planted_in_layout_dir_nothing_is_written_elsewhere",
            QUICK + "test_whatever_is_planted_in_layout_cache_nothing_is_written_elsewhere",
            "test/run/test_layouts.py::test_nothing_is_written_through_links_that_lead_out_of_the_target",
            RESUME + "test_partials_are_never_planted_links",
            "test/unit/test_fs.c",
        ),
    ),
    Row(
        "D22",
        "FIFO, socket or device at a name",
        "never waited for, never written to; exit 21 naming it",
        proved=(
            QUICK + "test_whatever_is_planted_in_layout_dir_nothing_is_written_elsewhere",
            QUICK + "test_whatever_is_planted_in_layout_cache_nothing_is_written_elsewhere",
            "test/unit/test_fs.c",
        ),
    ),
    Row(
        "D23",
        "a partial too large, with holes, with a flipped bit",
        "the hash tells; what is wrong is fetched again",
        proved=(
            RESUME + "test_whatever_happens_to_partial_and_journal_the_content_is_right",
            RESUME + "test_a_resumed_file_is_hashed_whole",
            RESUME + "test_bytes_that_changed_later_under_a_noted_hash_are_noticed",
        ),
    ),
    Row(
        "D24",
        "a partial is cut, grown, taken or replaced while it is written",
        "not published; the next run fetches the file",
        proved=(QUICK + "test_a_partial_that_others_cut_or_take_is_not_published",),
    ),
    Row(
        "D25",
        "the volume goes away: ESTALE, ENOTCONN",
        "exit 21 in seconds; goes on when it is back",
        proved=(
            ODD + "test_a_volume_that_fails_in_the_middle_is_told_and_gone_on_with_later",
            ODD + "test_a_volume_whose_server_died_ends_the_run",
            LONG + "test_every_call_may_fail_at_any_time",
        ),
    ),
    Row(
        "D26",
        "NFS: a rename was done, the answer is ENOENT; ESTALE, for a file was replaced while it is read",
        "it counts as done; it is read again",
        proved=(
            ODD + "test_a_rename_whose_answer_is_lost_was_done",
            ODD + "test_what_is_replaced_while_it_is_read_is_read_again",
            LONG + "test_any_answer_may_be_lost_after_it_was_done",
        ),
    ),
    Row(
        "D27",
        "short reads and writes, EINTR; EAGAIN from openat2, for something was renamed meanwhile",
        "go on where they stopped; made again",
        proved=(
            QUICK + "test_a_link_that_the_kernel_cannot_follow_at_once_is_followed_all_the_same",
            ODD + "test_reads_and_writes_that_stop_short_go_on",
            QUICK + "test_calls_that_are_interrupted_are_made_again",
        ),
    ),
    Row(
        "D28",
        "read-only root, no /tmp, no /etc",
        "works",
        proved=(QUICK + "test_the_binary_is_all_that_a_read_only_root_needs",),
    ),
    Row(
        "D29",
        "a tmpfs volume under a memory limit",
        "too little memory is exit 20 before a byte; killed by the kernel, the next run goes on",
        proved=(SPACE + "test_a_volume_in_memory_has_no_more_room_than_the_container_has_memory",),
    ),
    Row(
        "D30",
        "the disk is full of partials of specs that are gone",
        "those of another revision go at once, those of other repos after a day",
        proved=(
            QUICK + "test_partials_that_nobody_came_back_for_in_a_day_make_room",
            SPACE + "test_dead_partials_of_other_content_make_room",
            "test/unit/test_store_partial.c",
        ),
    ),
]
