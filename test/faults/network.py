"""Faults of the family N: the network, HTTP and what comes over it. catalogue.py says how to read a row."""
from catalogue import EMPTY, KEPT, Row

NET, REGRESSIONS, RESUME, OUTPUT = (f"test/run/test_{name}.py::test_" for name in ("network", "regressions", "resume",
    "output"))
CONNECTIONS, DNS, EDGES, SCALE, TLS = (f"test/run/test_{name}.py::test_" for name in ("connections", "dns", "edges",
    "scale", "tls"))
HERE = "test/faults/test_hostile.py::test_"
WAITING = "test/faults/test_waiting.py::test_"
WORLDS = "test/torture/test_networks.py::test_"
UNIT = "test/unit/test_"
MB = 1 << 20
EVER = {"times": None}
CDN = {"host": "cdn", **EVER}
FEW = {"retry": {"attempts": 2, "maxWait": "1s"}}
SOON = {**FEW, "timeouts": {"stall": "1s", "connect": "1s"}}
PARTS = {"concurrency": {"partSize": "1MiB"}}


def tests(prefix, *names):
    return tuple(prefix + name for name in names)


ROWS = [
    # Names and ways.
    Row("N01",
        "the Hub's name does not exist", "tried again, then 30 DnsFailure, with the name and a hint at the resolver",
        proved=tests(NET,
                     "a_name_that_does_not_exist_is_a_matter_of_dns",
                     "a_cdn_whose_name_does_not_exist_is_a_matter_of_dns")
        + tests(WORLDS, "n01_a_name_that_is_not_there_yet_is_asked_for_again",
                "n01_a_name_that_never_comes_is_a_matter_of_dns")),
    Row("N02", "the name server fails or is silent", "as N01, in bounded time",
        proved=tests(WORLDS, "n02_a_name_server_that_fails_is_a_matter_of_dns",
                     "n02_the_name_of_the_cdn_may_fail_alone")),
    Row("N03", "the name server takes five seconds", "waited for, and asked once per host",
        proved=tests(WORLDS, "n03_slow_names_are_waited_for_and_remembered")),
    Row("N04",
        "a search domain answers NODATA under ndots:5", "the absolute name is asked for first; cluster names still work",
        proved=tests(DNS, "a_search_domain_that_answers_nodata_does_not_hide_the_hub",
                     "a_name_inside_the_cluster_is_found_by_the_search_list")
        + tests(WORLDS, "n04_a_look_up_that_fails_does_not_leave_a_name_to_the_search_list")),
    Row("N05", "an answer that does not fit UDP", "asked for again over TCP",
        proved=tests(WORLDS, "n05_eighty_addresses_come_over_tcp")),
    Row("N06", "the first name server is dead", "the second one answers without a wait",
        proved=tests(WORLDS, "n06_the_first_name_server_may_be_dead")),
    Row("N07", "the name has IPv6, and no route leads there", "IPv4 within a moment",
        proved=tests(WORLDS, "n07_ipv6_that_leads_nowhere_costs_no_failure")),
    Row("N08", "there is IPv6 only", "works", proved=tests(WORLDS, "n08_ipv6_alone_is_enough")),
    Row("N09",
        "the connection is refused", "tried again, then 30 Unreachable; behind a dead mirror there is the next endpoint",
        proved=tests(NET, "a_closed_port_is_unreachable", "behind_a_dead_mirror_there_is_the_hub",
                     "the_hub_may_go_away_and_come_back")
        + tests(WORLDS, "n09_who_refuses_for_a_while_is_asked_again", "n09_who_refuses_for_good_is_unreachable")),
    Row("N10",
        "packets to the Hub vanish", "given up after timeouts.connect, other addresses are tried, then 30 Unreachable",
        proved=tests(EDGES, "an_address_that_lets_no_connection_come_up_is_passed_over")
        + tests(WORLDS, "n10_who_never_answers_is_unreachable_after_the_connect_timeout",
                "n10_another_address_of_the_same_name_is_tried")),
    Row("N11", "the network is gone for 40 s", "the run goes on where it was",
        proved=tests(WORLDS, "n11_a_link_that_was_down_for_long_is_used_again",
                     "n11_a_link_that_was_down_for_a_moment_costs_no_connection")),
    Row("N12", "a reset in the middle of a body", "what came is kept, the rest is asked for as a range",
        server=({"kind": "cut", "host": "cdn", "at": 300_000, "how": "rst", "times": 4},), spec=PARTS, asked={"cdn": (7, 12)},
        proved=tests(NET, "parts_that_are_cut_go_on_where_they_ended", "progress_forgives_earlier_failures")
        + tests(WORLDS, "n12_resets_at_any_byte_lose_none")),
    Row("N13",
        "silence in the middle of a body",
        "left after timeouts.stall, asked again from there; another connection helps before",
        server=({"kind": "stall", "host": "cdn", "at": 60_000, "times": 3},), spec={"timeouts": {"stall": "1s"}},
        within_s=25,
        proved=tests(NET, "a_silent_transfer_is_tried_again_from_where_it_stopped", "silence_is_called_silence")
        + tests(CONNECTIONS, "what_a_silent_connection_does_not_bring_another_does",
                "a_server_that_stays_silent_is_given_up_all_the_same") + tests(EDGES,
                    "an_address_that_stands_still_is_left")
        + tests(WORLDS, "n13_stalls_are_forgiven_while_bytes_arrive", "n13_a_stall_for_good_is_called_so_and_the_next_run_goes_on")),
    Row("N14", "head or body a byte at a time", "as silence; other files go on meanwhile; for ever: 30 Stalled",
        server=({"kind": "throttle", "bytes_per_s": 1, **CDN},), spec=SOON, exit=30, reason="Stalled", disk=KEPT,
        within_s=60,
        proved=tests(NET, "a_slow_loris_blocks_nobody")
        + tests(HERE, "an_answer_that_takes_long_holds_up_no_other_file", "a_few_bytes_an_answer_are_no_progress")),
    Row("N15", "slow, but steady", "no stall, no retry",
        proved=tests(NET, "slow_but_steady_is_no_stall") + tests(WORLDS, "n15_slow_but_steady_is_no_stall")),
    Row("N16", "loss, delay and reordering", "completes", proved=tests(WORLDS, "n16_lost_packets_are_a_matter_for_tcp")),

    # Bodies.
    Row("N17", "a body shorter than its Content-Length", "gone on with as a range",
        server=({"kind": "cut", "host": "cdn", "at": MB, "times": 2},), asked={"cdn": (3, 5)},
        proved=tests(REGRESSIONS, "a_body_that_was_cut_goes_on_where_it_ended") + tests(TLS,
            "a_body_cut_without_a_goodbye_is_fetched_to_its_end")),
    Row("N18",
        "a body that is short and never said how long it is", "gone on with as a range; always: 30, nothing published",
        server=({"kind": "short", **CDN}, {"kind": "no-length", **CDN}), spec=FEW, exit=30, reason="Unreachable",
        disk=KEPT,
        proved=tests(HERE, "a_body_that_ends_early_without_a_length_is_gone_on_with")),
    Row("N19", "chunks that are broken, or have no end", "as N18",
        server=({"kind": "chunked", "unfinished": True, "host": "cdn", "times": 1},
                {"kind": "chunked", "bad_at": 70_000, "host": "api", "status": 200, "path": "*/tree/*", "times": 1}),
        proved=tests(NET, "every_file_survives_one_bad_answer")),
    Row("N20",
        "a body longer than the listing says", "ended at the byte too many; 40 IntegrityMismatch, nothing published",
        server=({"kind": "long", **CDN},), exit=40, reason="IntegrityMismatch", disk=KEPT, asked={"cdn": 4},
        proved=tests(REGRESSIONS, "a_file_of_the_wrong_size_is_fetched_again",
                     "a_file_that_stays_of_the_wrong_size_is_never_published")),
    Row("N21", "a body without end", "costs no more than the file has",
        server=({"kind": "endless", "framing": "chunked", **CDN},), exit=40, reason="IntegrityMismatch", disk=KEPT,
        asked={"cdn": 4},
        proved=tests(HERE, "a_body_without_end_costs_no_more_than_the_file")),

    # Ranges and versions.
    Row("N22",
        "a Content-Range that is wrong, foreign or missing", "refused before a byte is written, then asked once more",
        server=({"kind": "content-range", "shift": 1, "range": True, **CDN},), spec=PARTS, exit=32, reason="BadAnswer",
        disk=KEPT,
        proved=tests(NET, "a_wrong_answer_to_a_range_is_survived", "wrong_answers_to_all_ranges_never_make_a_file")
        + (UNIT + "hub_reply.c",)),
    Row("N23", "a range comes as multipart/byteranges", "refused, then asked once more",
        server=({"kind": "multipart", "host": "cdn", "times": 1},), spec=PARTS,
        proved=tests(NET, "wrong_answers_to_all_ranges_never_make_a_file")),
    Row("N24", "the whole file in answer to a range", "never appended: the file is taken in one piece",
        server=({"kind": "ignore-range", **CDN},), spec=PARTS,
        proved=tests(REGRESSIONS, "a_whole_file_in_place_of_a_range_is_not_appended")
        + tests(NET, "a_mirror_without_ranges_is_resumed_from_the_start")),
    Row("N25",
        "ranges of another version of the file", "the hash shows it; all of it once more, then 40 IntegrityMismatch",
        server=({"kind": "other-bytes", "range": "bytes=1048576-*", **CDN},), spec=PARTS, exit=40,
        reason="IntegrityMismatch",
        disk=KEPT, proved=tests(RESUME, "wrong_bytes_after_a_noted_hash_are_fetched_anew")),
    Row("N26", "ETags change while we fetch", "the commit's hashes decide, no ETag does",
        server=({"kind": "etag", "times": None},), spec=PARTS,
        proved=tests(RESUME, "a_branch_that_moves_while_we_run_gives_one_commit_whole")),
    Row("N27", "the branch moves between listing and fetching", "one commit, whole",
        proved=tests(REGRESSIONS, "a_push_in_the_middle_does_not_mix_commits")
        + tests(RESUME, "a_branch_that_moves_while_we_run_gives_one_commit_whole")),

    # Redirects.
    Row("N28", "redirects go round in a circle", "left after ten, tried once more, then 32 BadAnswer",
        server=({"kind": "redirect", "path": "*/tree/*", "to": "loop", **EVER},), exit=32, reason="BadAnswer", disk=EMPTY,
        asked={"api": 23}, says=("more than 10 redirects",), proved=tests(HERE, "a_loop_of_redirects_is_left_after_ten")),
    Row("N29", "a redirect from https to http", "refused: 32, and the host is not asked", proved=tests(NET,
        "https_is_never_left")),
    Row("N30", "a redirect to another host", "followed without the token",
        proved=tests(NET, "a_redirect_to_a_third_host_is_followed_without_the_token",
                     "the_token_never_leaves_the_endpoint",
                     "a_host_off_the_list_is_named_and_not_asked")
        + tests(HERE, "a_token_that_is_shown_elsewhere_by_no_page_no_redirect_and_no_renewal",
                "a_server_is_told_no_more_than_it_needs_and_nothing_it_asks_us_to_remember")),
    Row("N31", "a redirect to another port or scheme of the same host", "another host, as far as the token goes",
        proved=tests(NET, "another_port_is_another_host_to_the_token") + (UNIT
            + "url.c::a_credential_may_go_only_to_its_origin",)),
    Row("N32", "a redirect to this machine, the private network, a metadata service, or file: data: ftp:",
        "from outside refused, 32 HostNotAllowed or BadAnswer, and nobody is asked; a private host may be named in allowedHosts",
        proved=tests(HERE, "from_outside_no_redirect_leads_inside", "a_place_inside_that_the_spec_names_may_be_led_to",
                     "a_redirect_of_a_redirect_is_looked_at_too")
        + tests(NET, "redirects_to_nowhere_are_refused", "the_public_hub_cannot_send_us_to_ourselves")
        + (UNIT + "hub_link.c::redirects", UNIT + "url.c::kinds_of_hosts")),
    Row("N33", "a Location that is relative, empty, 64 KiB long, or holds a line break or a user", "followed, or refused",
        server=({"kind": "relocate", "location": "", **EVER},), spec=FEW, exit=32, reason="BadAnswer", disk=KEPT,
        proved=tests(NET, "redirects_to_nowhere_are_refused")
        + (UNIT + "hub_link.c::redirects", UNIT + "hub_link.c::a_location_of_64_kib_is_refused",
           UNIT + "url.c::locations_resolve_against_where_they_came_from")),
    Row("N34", "a signed URL has expired", "a fresh one from the Hub, and on where it was; that costs no attempt",
        server=({"kind": "expired", "host": "cdn", "after": 1, "times": 2},), spec={**PARTS, "retry": {"attempts": 1}},
        proved=tests(NET, "urls_that_expire_in_the_middle_are_renewed_for_the_rest",
                     "a_refused_url_is_renewed_and_costs_no_attempt",
                     "a_url_about_to_expire_is_renewed_before", "a_cdn_that_always_refuses_is_given_up")),

    # Refusals.
    Row("N35", "the repo is gated", "11 Gated at once, with the page where the terms are",
        proved=tests(NET, "a_gated_repo_says_where_to_accept_the_terms", "a_narrow_token_is_told_which_right_it_lacks")),
    Row("N36", "the token dies while we fetch", "its file is read once more; then 10 Unauthorized, once and not per file",
        proved=tests(NET, "a_rotated_token_file_is_read_again") + tests(REGRESSIONS, "a_dead_token_fails_once")),
    Row("N37", "404 for one file of the listing", "12 EntryNotFound with its name; what is there stays for the next run",
        proved=tests(HERE, "a_file_that_is_gone_fails_the_run_and_the_others_stay")),
    Row("N38", "404 or 401 for the repo", "12 RepoNotFound: private or absent, and whether a token was sent",
        proved=tests(NET, "a_private_repo_looks_absent", "the_wrong_type_is_a_missing_repo",
                     "a_private_repo_opens_with_its_token")),
    Row("N39", "416 to a range", "no success: asked once more, then 32 BadAnswer",
        server=({"kind": "unsatisfiable", **CDN},), spec=PARTS, exit=32, reason="BadAnswer", disk=KEPT, asked={"cdn": 12},
        proved=tests(NET, "a_wrong_answer_to_a_range_is_survived") + tests(REGRESSIONS,
            "a_partial_of_full_size_is_not_a_file_yet")),
    Row("N40", "429 with Retry-After as seconds, date, past, absurd, garbage",
        "kept, five minutes at most; nonsense: our own pauses",
        proved=tests(NET, "429_is_waited_for_in_every_form", "an_absurd_wait_ends_with_the_deadline",
                     "429_for_ever_is_called_rate_limited") + tests(WAITING, "no_server_makes_us_wait_more_than_five_minutes")
        + (UNIT + "retry.c::verdicts", UNIT + "retry.c::gates")),
    Row("N41", "429 without Retry-After, or an exhausted RateLimit", "nobody asks before the window ends",
        server=({"kind": "rate-limit", "path": "*/tree/*", "name": "api", "wait": None},),
        proved=tests(NET, "an_exhausted_bucket_is_left_alone_before_it_says_429", "a_quota_is_used_window_by_window",
                     "a_closed_gate_holds_nobody_at_the_cdn") + tests(REGRESSIONS, "one_429_holds_everybody_back")
        + tests(WAITING, "a_window_of_minutes_is_waited_for_to_its_end")),
    Row("N42",
        "a minute of 500, 502, 503, 504",
        "outlived by the defaults, with pauses that differ; a longer one: 32 ServerError",
        proved=tests(NET, "a_storm_passes", "as_many_attempts_as_the_spec_says", "waits_are_spread",
                     "retry_after_of_a_503_is_kept")
        + tests(WAITING, "a_minute_of_failures_is_outlived_by_the_defaults",
                "a_storm_that_does_not_pass_ends_the_run_after_a_minute_and_before_ten")
        + (UNIT + "retry.c::a_minute_of_failures_is_outlived_however_the_dice_fall",)),
    Row("N43", "408, 425, 520 to 524", "tried again as 5xx are",
        server=tuple({"kind": "status", "code": code, "host": "cdn", "times": 1} for code in (408, 425, 520, 521, 522,
            523, 524)),
        spec={"retry": {"attempts": 9, "maxWait": "1s"}}, within_s=45, proved=tests(NET, "a_storm_passes")),
    Row("N44", "201, 204, 300, 304, 418 where 200 should be", "32 BadAnswer after one more try, nothing lost",
        server=({"kind": "status", "code": 204, **CDN},), exit=32, reason="BadAnswer", disk=KEPT, asked={"cdn": 4},
        proved=tests(NET, "every_file_survives_one_bad_answer") + tests(REGRESSIONS, "an_unasked_304_is_no_answer")),

    # Protocols.
    Row("N45", "HTTP/2: GOAWAY, refused and reset streams, closed windows, floods of frames, header bombs",
        "another connection; bounded memory and time",
        proved=tests(NET, "a_stream_that_breaks_is_tried_again")
        + tests(HERE, "whatever_http2_is_made_to_say_it_ends_within_bounds", "connections_that_are_ended_after_every_answer_are_good_enough",
                "a_server_that_lets_no_further_stream_in_is_asked_over_another_connection",
                "a_connection_that_fell_silent_is_not_asked_again")),
    Row("N46", "HTTP/2 agreed on and not spoken; no ALPN at all", "30 or 32 in bounded time; HTTP/1.1",
        proved=tests(NET, "http2_that_is_agreed_on_and_not_spoken_is_given_up")
        + tests(HERE, "without_an_offer_of_http2_it_is_http1")),
    Row("N47", "a kept connection closes as we ask over it", "asked again at once over another, no attempt spent",
        server=({"kind": "hangup", **EVER},),
        proved=tests(HERE, "a_connection_that_closes_as_we_ask_costs_no_attempt",
                     "a_server_that_always_hangs_up_after_its_answer_is_good_enough")),
    Row("N48", "100, 102, 103 before the answer; a flood of them", "passed over; 32 BadAnswer once they pass 64 KiB",
        server=({"kind": "early", "count": 50_000, **CDN},), exit=32, reason="BadAnswer", disk=KEPT, asked={"cdn": 4},
        proved=tests(HERE, "a_few_early_answers_are_passed_over", "a_head_without_end_is_left")),
    Row("N49",
        "gzip nobody asked for, bombs, six layers",
        "a file is never unpacked; a listing within bounds, else 32 BadAnswer",
        server=({"kind": "bomb", "size": 64 * MB, **CDN},), exit=32, reason="BadAnswer", disk=KEPT, asked={"cdn": 4},
        proved=tests(HERE, "json_that_is_packed_too_well_is_refused")
        + tests(NET, "every_file_survives_one_bad_answer", "no_answer_is_worth_more_than_the_hash")),
    Row("N50", "a header of 200 KiB, 6000 headers, headers without end", "32 BadAnswer after 64 KiB, small memory",
        server=({"kind": "endless-head", **CDN},), exit=32, reason="BadAnswer", disk=KEPT, asked={"cdn": 4},
        proved=tests(HERE, "a_head_without_end_is_left", "trailers_without_end_behind_a_whole_body_do_not_hold_us")),
    Row("N51",
        "two Content-Lengths, impossible ones, one beside chunks", "refused, or held to the listing's size and hash",
        server=({"kind": "set-headers", "headers": {"Content-Length": "7"}, "twice": True, **CDN},), spec=FEW, exit=30, reason="Unreachable", disk=KEPT,
        proved=tests(HERE, "lengths_that_contradict_each_other_never_make_a_wrong_file",
                     "chunks_win_over_a_length_beside_them")),
    Row("N52", "HTTP/0.9, garbage for a status line, TLS on a plain port and the reverse", "30 or 32, with the host",
        server=({"kind": "raw", "data": "<html>an answer of 1991</html>", "path": "*/tree/*", **EVER},), spec=FEW,
        exit=32,
        reason="BadAnswer", disk=EMPTY,
        proved=tests(HERE, "what_is_no_http_is_an_error_and_no_file", "plain_http_to_a_port_that_speaks_tls_is_an_error")
        + tests(NET, "doors_that_shut_are_tried_again_and_then_unreachable") + tests(TLS,
            "http_on_an_https_port_is_named")),

    # Listings.
    Row("N53", "JSON that is cut, malformed, NaN, 1e999, doubled keys, a byte order mark",
        "32 BadAnswer after one more try; of doubled keys one counts; a mark is passed over",
        server=({"kind": "json-cut", "path": "*/tree/*", **EVER},), exit=32, reason="BadAnswer", disk=EMPTY,
        asked={"api": 3},
        proved=tests(NET, "json_that_is_none_is_asked_for_again_and_then_refused", "a_commit_that_is_none_is_refused")
        + tests(HERE, "of_a_key_that_comes_twice_neither_value_leads_out", "a_byte_order_mark_before_a_listing_is_passed_over")
        + (UNIT + "json.c::broken_texts_are_refused", UNIT + "hub_tree.c::pages_that_are_refused")),
    Row("N54",
        "JSON of 100,000 levels, of a million values, of 70 MB",
        "refused at 32 levels and other small numbers, small memory",
        server=({"kind": "json-deep", "path": "*/tree/*", **EVER},), exit=32, reason="BadAnswer", disk=EMPTY,
        asked={"api": 3},
        proved=tests(HERE, "an_answer_about_a_revision_fits_into_our_memory", "a_page_of_a_listing_fits_into_our_memory")
        + (UNIT + "json.c::bombs_are_refused_before_they_cost_anything",)),
    Row("N55", "100,000 files in 100 pages; next links that lead back, in circles, or to another host",
        "planned within 64 MiB; 32 BadAnswer, and the other host is not asked",
        server=({"kind": "next-link", "path": "*/tree/*", "to": "self", **EVER},), spec=FEW, exit=32, reason="BadAnswer",
        disk=EMPTY,
        asked={"api": 8},
        proved=tests(SCALE, "a_hundred_thousand_files_are_planned_within_64_mib")
        + tests(NET, "next_links_that_lead_astray_are_refused", "a_listing_that_goes_in_circles_is_left",
                "another_host_for_page_two_is_not_shown_the_token", "next_links_lead_to_the_endpoint_again")
        + (UNIT + "hub_link.c::next_pages",)),
    Row("N56", "a page comes twice; a file twice, alike or not", "alike: once; not: 42 UnsafeName",
        server=({"kind": "list-twice", "path": "*/tree/*", "name": "model.bin",
                 "set": {"size": 5, "lfs": {"oid": "a" * 64, "size": 5}}, **EVER},), exit=42, reason="UnsafeName",
                 disk=EMPTY,
        proved=tests(NET, "an_entry_that_comes_twice_is_one_file", "two_entries_for_one_file_are_hostile_if_they_differ")
        + (UNIT + "plan.c::names", UNIT + "hub_tree.c::a_page_that_comes_again_shows")),

    # Names and sizes.
    Row("N57", "names that are not UTF-8, with controls, or that turn a line of text around",
        "not UTF-8 and controls: 42 or 32; the rest arrives as it is and is escaped in logs",
        server=({"kind": "list-add", "path": "*/tree/*", "names": ["a\x1b[2J"], **EVER},), exit=42, reason="UnsafeName",
        disk=EMPTY,
        proved=tests(HERE, "odd_names_arrive_as_they_are_and_are_never_said_as_they_are")
        + tests(NET, "strange_names_do_no_harm", "names_of_every_kind_arrive_under_their_own_name")
        + tests(OUTPUT, "names_from_the_hub_cannot_forge_lines") + (UNIT + "repo.c::check_paths",)),
    Row("N58", "../x, /abs, a/../../b, ., empty, a//b, a/, C:\\x, NUL, our own folders and names",
        "42 UnsafeName before a byte is written; what only looks like ours is just a name",
        server=({"kind": "list-add", "path": "*/tree/*", "names": ["C:\\x"], **EVER},), exit=42, reason="UnsafeName",
        disk=EMPTY,
        asked={"api": 3},
        proved=tests(REGRESSIONS, "names_from_the_hub_never_leave_the_target", "dots_inside_of_names_are_just_dots")
        + tests(HERE, "no_file_is_put_where_our_own_state_is", "names_that_look_like_our_own_are_just_names")
        + (UNIT + "repo.c::check_paths",)),
    Row("N59",
        "parts of 256 bytes, paths over 4095, 65 folders",
        "42 UnsafeName, the name in short; the longest that fit arrive",
        proved=tests(HERE, "the_longest_names_arrive", "longer_names_are_refused_and_shown_in_short") + (UNIT
            + "repo.c::check_paths",)),
    Row("N60", "File beside file, on a volume that takes them for one; twins in Unicode",
        "kept apart where the volume does; else 42 UnsafeName with both, before a byte",
        proved=tests(HERE, "names_that_are_one_to_the_volume_are_refused_before_a_byte",
                     "other_names_are_fine_on_a_volume_that_ignores_case",
                     "odd_names_arrive_as_they_are_and_are_never_said_as_they_are")),
    Row("N61", "a is a file, and a/b is one too", "42 UnsafeName",
        server=({"kind": "list-add", "path": "*/tree/*", "names": ["config.json/x"], **EVER},), exit=42,
        reason="UnsafeName", disk=EMPTY,
        proved=tests(NET, "a_name_that_is_file_and_folder_is_hostile") + (UNIT + "plan.c::names",)),
    Row("N62", "sizes that are negative, huge, text, fractions, missing, or add up to nonsense",
        "32 BadAnswer; possible ones that no disk holds: 20 before a byte",
        server=({"kind": "list-change", "path": "*/tree/*", "name": "config.json", "set": {"size": -1}, **EVER},),
        exit=32,
        reason="BadAnswer", disk=EMPTY,
        proved=tests(NET, "entries_that_make_no_sense_are_refused") + tests(HERE,
            "sizes_that_no_disk_holds_are_refused_before_a_byte")
        + (UNIT + "hub_tree.c::pages_that_are_refused", UNIT + "plan.c::names")),

    # Content, and what stands between.
    Row("N63", "the LFS pointer in place of the content", "40 IntegrityMismatch",
        server=({"kind": "pointer", **CDN},), exit=40, reason="IntegrityMismatch", disk=KEPT, asked={"cdn": 4},
        says=("model.bin",),
        proved=tests(NET, "no_answer_is_worth_more_than_the_hash")),
    Row("N64", "a login page with 200", "32 ProxyInterference; never a file, not even of the right size",
        server=({"kind": "html", **EVER},), exit=32, reason="ProxyInterference", disk=EMPTY, asked={"api": 2},
        proved=tests(NET, "a_captive_portal_is_called_by_its_name", "a_login_page_as_large_as_the_file_is_no_file")),
    Row("N65", "the proxy wants a password, refuses, is silent, dies; NO_PROXY in all its forms",
        "30 or 32 that names the proxy, nothing past it; a tunnel is dug again",
        proved=tests(NET, "a_proxy_that_wants_a_password_is_named", "a_proxy_in_the_way_is_named",
                     "a_tunnel_that_is_cut_is_dug_again",
                     "a_dead_proxy_is_unreachable", "no_proxy_is_heeded", "no_proxy_of_some_hosts_leaves_the_others")
        + (UNIT + "proxy.c",)),
    Row("N66", "the first mirror has wrong bytes, or none", "the next endpoint serves",
        proved=tests(NET, "behind_a_bad_mirror_there_is_the_hub", "a_poor_mirror_is_good_enough")),
    Row("N67", "the right size and wrong bytes", "40 IntegrityMismatch after fetching once more, nothing published",
        server=({"kind": "other-bytes", **CDN},), exit=40, reason="IntegrityMismatch", disk=KEPT, asked={"cdn": 4},
        says=("model.bin",),
        proved=tests(NET, "no_answer_is_worth_more_than_the_hash", "a_flipped_byte_costs_one_more_fetch")),
    Row("N68", "no port is left to connect from", "tried again, then 30 Unreachable",
        proved=tests(WORLDS,
                     "n68_with_few_ports_there_are_few_connections",
                     "n68_without_a_port_nothing_is_reachable_until_there_is_one")),
]
