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
            "test_send_gateway::test_the_daily_reserve_is_left_for_others",
            "test_send_gateway::test_the_reserve_is_left_to_the_last_request_however_many_are_under_way",
        ),
    ),
    6: Covered(
        "500 with a JSON body",
        (
            "test_answers::test_a_failure_that_passes_is_tried_again",
            "test_answers::test_a_failure_is_tried_again_more_than_once",
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
            "test_authentication::test_a_wrong_token_sends_nothing",
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
            "test_answers::test_an_answer_that_says_less_than_done_is_no_success",
            "test_answers::test_an_answer_that_says_less_than_done_is_asked_again",
        ),
        note="a PUT carries one pair, so a 207 to it has no parts to match; batches do not go through these tests",
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
        ("test_unreadable::test_an_unreadable_success_is_asked_again",),
        note="that it ends the run after 15 minutes belongs to the breaker's tests",
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
    28: Covered(
        "an endless body, a gzip bomb", cannot="its test depended on how busy the machine is; it is to come back"
    ),
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
        note="a downgrade from https cannot be shown with a sandbox on http; no redirect is followed at all",
    ),
    70: Covered(
        "rows of one pair: repeated, with two labels, far apart",
        (
            "test_pairs::test_two_labels_of_one_pair_both_survive_every_fault",
            "test_pairs::test_a_repeated_row_is_sent_once_and_told_twice",
            "test_pairs::test_labels_survive_a_stop_and_another_order",
        ),
    ),
}
"""Items 1 to 29, 37 to 39 and 70: answers, limits, authentication."""

CONNECTIONS: dict[int, Covered] = {}
"""Items 30 to 36 and 40 to 46: connections, names, certificates, load."""

MACHINE: dict[int, Covered] = {}
"""Items 47 to 69: kills, signals, disks, clocks, files, memory."""

TABLE = {**ANSWERS, **CONNECTIONS, **MACHINE}
