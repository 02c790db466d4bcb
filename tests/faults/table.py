"""The faults that the loader must survive, and the tests that hold it to that.

Each range is a dictionary of its own, so that several people can fill theirs. A test is named by its file and function:
`test_limits::test_a_burst_pauses_everyone` is that function of `test_limits.py`, in whatever folder under `tests/`.
"""

from typing import NamedTuple


class Covered(NamedTuple):
    """One fault, the tests that inject it, what they leave out, and, where there is none, why it cannot happen here."""

    fault: str
    tests: tuple[str, ...] = ()
    note: str = ""
    cannot: str = ""


ANSWERS: dict[int, Covered] = {
    1: Covered(
        "429 of the burst limit, without a Retry-After",
        (
            "test_limits::test_a_burst_pauses_everyone",
            "test_limits::test_a_lower_limit_than_ours_is_found_and_kept",
            "test_limits::test_the_limit_that_answers_name_is_kept",
        ),
    ),
    2: Covered("429 with Retry-After in seconds", ("test_limits::test_retry_after_is_waited_for_by_all",)),
    3: Covered(
        "Retry-After as a date, as nonsense, or far beyond patience",
        (
            "test_waits::test_retry_after_can_be_a_date",
            "test_waits::test_a_retry_after_that_means_nothing_is_ignored",
            "test_limits::test_a_retry_after_beyond_all_patience_stops_the_run",
        ),
    ),
    4: Covered(
        "429 of the daily limit",
        (
            "test_limits::test_the_daily_limit_stops_the_run_at_once",
            "test_limits::test_a_daily_limit_without_a_policy_name_is_known_by_its_message",
            "test_limits::test_a_spent_day_behind_silent_429s_stops_the_run",
        ),
    ),
    5: Covered(
        "the day's quota runs low",
        (
            "test_limits::test_a_quota_that_runs_low_is_shown_and_lasts_to_its_end",
            "test_limits::test_without_headers_the_usage_endpoint_says_what_is_left",
            "test_send_gateway_quota::test_the_daily_reserve_is_left_for_others",
            "test_send_gateway_quota::test_the_reserve_is_left_to_the_last_request_however_many_are_under_way",
        ),
    ),
    6: Covered(
        "500 with a JSON body",
        (
            "test_answers::test_a_failure_that_passes_is_tried_again",
            "test_answers::test_a_failure_is_tried_again_more_than_once",
            "test_reads::test_a_read_that_goes_wrong_is_made_again",
        ),
    ),
    7: Covered(
        "502, 503, 504 with an HTML page",
        (
            "test_answers::test_a_failure_that_passes_is_tried_again",
            "test_answers::test_a_page_in_an_answer_is_cut_and_escaped",
        ),
    ),
    8: Covered("423: the record is locked", ("test_waits::test_a_lock_is_given_its_two_seconds",)),
    9: Covered("477: the portal is being moved", ("test_limits::test_a_migration_stops_the_run_for_now",)),
    10: Covered(
        "521 to 524",
        ("test_answers::test_a_failure_that_passes_is_tried_again",),
        note="that they are tried again slowly is a matter of the long delays: see the tests of the policies",
    ),
    11: Covered(
        "525, 526: broken TLS behind HubSpot",
        (
            "test_answers::test_a_failure_that_passes_is_tried_again",
            "test_answers::test_broken_tls_behind_hubspot_stops_the_run",
        ),
    ),
    12: Covered("408, 425", ("test_answers::test_a_failure_that_passes_is_tried_again",)),
    13: Covered(
        "statuses that nobody documents: 418, 499, 599",
        (
            "test_answers::test_a_refusal_stands_and_concerns_one_row",
            "test_answers::test_a_failure_that_passes_is_tried_again",
        ),
    ),
    14: Covered("400 for one row", ("test_answers::test_a_refusal_stands_and_concerns_one_row",)),
    15: Covered("400 for every row", ("test_answers::test_the_same_refusal_of_every_row_stops_the_run",)),
    16: Covered("404 for one row", ("test_answers::test_a_refusal_stands_and_concerns_one_row",)),
    17: Covered(
        "401 for a private app's token",
        (
            "test_authentication::test_a_revoked_token_stops_the_run_at_the_first_401",
            "test_authentication::test_a_private_apps_token_is_never_renewed",
            "test_stops::test_a_bad_token_stops_with_everything_pending_and_a_good_one_goes_on",
        ),
    ),
    18: Covered(
        "an OAuth token expires in the middle",
        (
            "test_authentication::test_an_expired_token_is_renewed_once_for_all",
            "test_authentication::test_a_renewal_is_not_repeated_with_every_later_attempt",
            "test_authentication::test_tokens_expire_again_and_again",
            "test_authentication::test_a_second_401_in_a_row_is_fatal",
            "test_waits::test_a_short_life_is_renewed_before_it_ends",
        ),
    ),
    19: Covered(
        "the refresh is refused, or gets no answer",
        (
            "test_authentication::test_a_refused_refresh_token_stops_before_the_first_row",
            "test_authentication::test_a_refresh_token_that_is_revoked_in_the_middle_stops_the_run",
            "test_waits::test_a_refresh_that_fails_is_tried_again",
            "test_waits::test_a_token_endpoint_that_stays_down_fails_no_row",
        ),
    ),
    20: Covered(
        "403: a scope is missing",
        (
            "test_authentication::test_a_missing_scope_stops_the_run_and_is_named",
            "test_authentication::test_a_403_that_names_no_scope_stops_the_run",
        ),
    ),
    21: Covered("200 or 201, with or without createdResourceId", ("test_answers::test_every_shape_of_success_is_one",)),
    22: Covered(
        "200 with errors, no results or PENDING",
        (
            "test_answers::test_an_answer_that_says_less_than_done_is_no_success",
            "test_answers::test_an_answer_that_says_less_than_done_is_asked_again",
        ),
        note="the loader sends no default PUT: these are the same bodies in answer to a labelled one",
    ),
    23: Covered(
        "207: part of it failed",
        (
            "test_batches::test_of_a_batch_of_which_a_part_fails_only_that_part_does",
            "test_batches::test_a_pair_that_spoils_a_whole_batch_fails_alone",
            "test_answers::test_an_answer_that_says_less_than_done_is_no_success",
            "test_answers::test_an_answer_that_says_less_than_done_is_asked_again",
        ),
        note="what holds for answers to one PUT holds for batches, too: test_batches has a variant of each kind",
    ),
    24: Covered(
        "204, 202, an empty 201",
        (
            "test_answers::test_an_answer_without_a_body_can_be_a_success",
            "test_answers::test_an_answer_that_says_less_than_done_is_no_success",
            "test_answers::test_an_answer_that_says_less_than_done_is_asked_again",
        ),
    ),
    25: Covered(
        "200 with an HTML page",
        (
            "test_unreadable::test_an_unreadable_success_is_asked_again",
            "test_unreadable::test_a_login_page_for_everything_ends_the_load_for_now",
        ),
    ),
    26: Covered(
        "a success whose JSON is cut, of another type or about other records",
        (
            "test_unreadable::test_an_unreadable_success_is_asked_again",
            "test_unreadable::test_an_answer_that_stays_unreadable_is_no_success",
            "test_unreadable::test_an_answer_about_other_records_is_a_failure",
        ),
    ),
    27: Covered(
        "invalid UTF-8, endless nesting, numbers of thousands of digits",
        (
            "test_unreadable::test_an_unreadable_success_is_asked_again",
            "test_unreadable::test_an_answer_that_stays_unreadable_is_no_success",
            "test_unreadable::test_an_error_full_of_oddities_is_still_an_error",
        ),
    ),
    28: Covered("an endless body, a gzip bomb", ("test_unreadable::test_an_endless_answer_is_cut_off",)),
    29: Covered(
        "a body that ends before its time",
        (
            "test_unreadable::test_broken_http_is_tried_again",
            "test_unreadable::test_broken_http_is_no_verdict_of_hubspot",
        ),
    ),
    37: Covered(
        "garbage for a status line, an oversized header",
        (
            "test_unreadable::test_broken_http_is_tried_again",
            "test_unreadable::test_broken_http_is_no_verdict_of_hubspot",
        ),
    ),
    38: Covered("1xx before the answer", ("test_unreadable::test_interim_answers_are_passed_over",)),
    39: Covered(
        "redirects",
        (
            "test_redirects::test_no_redirect_is_followed",
            "test_redirects::test_nothing_but_redirects_stops_the_run",
        ),
        note="a downgrade from https is not shown: no redirect is followed at all",
    ),
    70: Covered(
        "rows of one pair: repeated, with two labels, far apart",
        (
            "test_pairs::test_two_labels_of_one_pair_both_survive_every_fault",
            "test_pairs::test_a_repeated_row_is_sent_once_and_told_twice",
            "test_pairs::test_labels_survive_a_stop_and_another_order",
            "test_reads::test_what_was_there_before_is_neither_sent_nor_lost",
        ),
    ),
}
"""Items 1 to 29, 37 to 39 and 70: answers, limits, authentication."""

CONNECTIONS: dict[int, Covered] = {
    30: Covered(
        "connection refused",
        (
            "test_connections::test_a_port_that_is_closed_for_a_moment_is_tried_again",
            "test_connections::test_a_port_where_nobody_answers_ends_the_load_for_now",
        ),
    ),
    31: Covered(
        "reset or closed before the answer, applied or not",
        (
            "test_connections::test_a_connection_that_is_cut_is_tried_again",
            "test_connections::test_a_connection_that_is_always_cut_is_no_verdict",
        ),
    ),
    32: Covered(
        "reset or closed inside the answer's head or body",
        (
            "test_connections::test_a_connection_that_is_cut_is_tried_again",
            "test_connections::test_a_connection_that_is_always_cut_is_no_verdict",
        ),
    ),
    33: Covered(
        "a kept connection that closes when it is used again",
        ("test_connections::test_a_kept_connection_that_closes_is_counted_as_often_as_it_was_used",),
    ),
    34: Covered(
        "no answer at all",
        (
            "test_connections::test_a_connection_that_is_cut_is_tried_again",
            "test_connections::test_a_connection_that_is_always_cut_is_no_verdict",
        ),
    ),
    35: Covered(
        "an answer that drips",
        (
            "test_connections::test_a_connection_that_is_cut_is_tried_again",
            "test_connections::test_a_connection_that_is_always_cut_is_no_verdict",
        ),
    ),
    36: Covered(
        "a port that accepts nobody",
        ("test_connections::test_a_port_where_nobody_answers_ends_the_load_for_now",),
    ),
    40: Covered(
        "TLS: signed by itself, expired, of another host, none at all",
        (
            "test_tls::test_a_certificate_that_does_not_hold_stops_the_load",
            "test_tls::test_a_certificate_that_changes_in_the_middle_stops_the_load",
            "test_tls::test_a_port_without_tls_is_told_apart",
        ),
    ),
    41: Covered(
        "the name cannot be found, at the start or later",
        (
            "test_connections::test_a_name_that_cannot_be_found_at_the_start_ends_the_load",
            "test_connections::test_a_name_that_is_lost_in_the_middle_is_waited_for",
        ),
        note="the resolver is a stand-in: a test asks no name server",
    ),
    42: Covered(
        "an IPv6 address first, and dead",
        ("test_connections::test_a_dead_address_of_the_newer_protocol_is_passed_over",),
    ),
    43: Covered(
        "requests delivered twice by the network",
        ("test_connections::test_every_request_may_be_delivered_twice",),
    ),
    44: Covered(
        "a million rows and a slow server",
        ("test_million_rows::test_many_rows_wait_on_disk_for_a_slow_server",),
    ),
    45: Covered(
        "latency that grows with the requests under way",
        ("test_pressure::test_a_server_that_collapses_gets_no_more_requests_at_once_than_the_command_allows",),
    ),
    46: Covered(
        "an outage of minutes",
        (
            "test_connections::test_an_outage_is_waited_for_and_costs_no_row_an_attempt",
            "test_simulated_trouble::test_an_outage_is_probed_once_a_second_and_left_at_full_speed",
            "test_reads::test_reads_that_never_succeed_end_the_load_for_now",
            "test_simulated_trouble::test_an_outage_is_probed_once_a_second_and_left_at_full_speed",
        ),
        note="ten minutes pass on a fake clock; on real sockets patience is shortened to a tenth of a second",
    ),
}
"""Items 30 to 36 and 40 to 46: connections, names, certificates, load."""

MACHINE: dict[int, Covered] = {
    47: Covered(
        "kill -9 at a random moment",
        (
            "test_kills::test_thirty_kills_at_random_lose_and_repeat_nothing",
            "test_two_hundred_kills::test_two_hundred_kills_at_random_lose_and_repeat_nothing",
            "test_kill_moments::test_killed_at_this_moment_a_load_goes_on",
        ),
    ),
    48: Covered(
        "kill -9 between an answer and the journal",
        (
            "test_kill_moments::test_killed_at_this_moment_a_load_goes_on",
            "test_kill_moments::test_a_load_of_batches_that_was_killed_goes_on",
        ),
    ),
    49: Covered(
        "the journal's log, the results or the journal itself cut",
        (
            "test_torn_files::test_the_journals_log_may_be_cut_anywhere",
            "test_torn_files::test_a_load_goes_on_from_a_log_that_was_cut",
            "test_torn_files::test_the_results_may_be_cut_anywhere",
            "test_torn_files::test_a_load_goes_on_with_results_that_were_cut",
            "test_torn_files::test_a_journal_that_was_cut_is_refused_with_the_way_on",
        ),
    ),
    50: Covered(
        "SIGTERM, SIGINT, SIGHUP",
        (
            "test_interruptions::test_a_signal_ends_a_load_with_everything_written_down",
            "test_interruptions::test_answers_that_do_not_come_are_waited_for_no_longer_than_the_grace_time",
            "test_stop_times::test_no_request_leaves_after_a_signal",
        ),
    ),
    51: Covered(
        "a second signal",
        ("test_interruptions::test_a_second_signal_ends_a_load_within_a_second",),
    ),
    52: Covered(
        "a signal in a long wait, while the input is read, while a token is renewed",
        (
            "test_interruptions::test_a_signal_is_obeyed_at_once_while_a_load_waits",
            "test_interruptions::test_a_signal_while_the_input_is_read_is_obeyed_at_once",
            "test_signals::test_a_signal_while_standard_input_is_read_is_obeyed_at_once",
        ),
    ),
    53: Covered(
        "SIGPIPE, closed streams, no terminal",
        ("test_interruptions::test_nobody_who_listens_is_no_reason_to_stop",),
    ),
    54: Covered(
        "ENOSPC on the journal or the results",
        (
            "test_disks::test_a_journal_that_cannot_be_written_stops_the_load",
            "test_disks::test_results_on_a_full_disk_stop_the_load",
            "test_failing_disks::test_every_call_of_the_system_may_fail",
            "test_failing_disks::test_every_statement_of_the_journal_may_fail",
            "test_failing_disks::test_files_may_end_at_any_size",
        ),
    ),
    55: Covered(
        "EIO, a failing fsync",
        (
            "test_disks::test_a_journal_that_cannot_be_written_stops_the_load",
            "test_failing_disks::test_every_call_of_the_system_may_fail",
            "test_failing_disks::test_every_statement_of_the_journal_may_fail",
        ),
        note="SQLite's own fsync fails by its word for it, a disk I/O error at COMMIT; those of Python fail themselves",
    ),
    56: Covered(
        "results that can never be written",
        (
            "test_disks::test_results_that_can_never_be_written_are_refused_before_the_first_request",
            "test_failing_disks::test_every_call_of_the_system_may_fail",
        ),
    ),
    57: Covered(
        "results of another load are there",
        (
            "test_files::test_results_of_another_load_are_not_overwritten",
            "test_kill_moments::test_killed_while_last_nights_files_are_set_aside_a_load_goes_on",
        ),
    ),
    58: Covered(
        "two loads at once on one journal, a stale lock",
        (
            "test_files::test_two_loads_on_the_same_results_do_not_meet",
            "test_files::test_a_lock_of_a_killed_load_locks_nothing",
        ),
    ),
    59: Covered(
        "two loads with one token",
        ("test_files::test_two_loads_share_a_token_that_neither_knows_the_other_uses",),
    ),
    60: Covered("the time of day jumps", ("test_machine::test_the_time_of_day_may_jump",)),
    61: Covered("SIGSTOP and SIGCONT", ("test_stop_times::test_a_process_that_slept_goes_on_within_the_limit",)),
    62: Covered(
        "the input changed between two commands",
        (
            "test_files::test_an_input_that_changed_is_refused",
            "test_files::test_the_changed_one_of_several_inputs_is_named",
        ),
    ),
    63: Covered(
        "the input deleted, replaced or growing during the load",
        (
            "test_files::test_an_input_that_changes_while_it_is_read_is_refused",
            "test_files::test_an_input_that_changes_while_it_is_sent_is_loaded_as_it_was",
        ),
    ),
    64: Covered(
        "other settings on resume", ("test_again::test_an_unfinished_run_refuses_other_settings_and_says_which",)
    ),
    65: Covered(
        "no more open files",
        (
            "test_machine::test_no_more_connections_are_opened_than_the_system_allows",
            "test_machine::test_a_socket_that_cannot_be_had_is_asked_for_again",
        ),
    ),
    66: Covered(
        "no more memory",
        ("test_machine::test_memory_that_runs_out_ends_a_load",),
        note="where the system kills the process, it is item 47",
    ),
    67: Covered(
        "no more local ports",
        (
            "test_machine::test_a_socket_that_cannot_be_had_is_asked_for_again",
            "test_machine::test_connections_are_used_again",
        ),
        note="the system's answer is made up (EADDRNOTAVAIL): ports are not used up, others on the machine need them",
    ),
    68: Covered(
        "the event loop stalls",
        (
            "test_machine::test_a_loop_that_stalls_loses_nothing",
            "test_event_loop::test_nothing_holds_the_event_loop_up_while_many_rows_are_loaded",
        ),
    ),
    69: Covered(
        "a bug in one task",
        ("test_machine::test_a_bug_ends_a_load_and_leaves_no_worker_dead",),
    ),
}
"""Items 47 to 69: kills, signals, disks, clocks, files, memory."""

TABLE = {**ANSWERS, **CONNECTIONS, **MACHINE}
