"""The security list, and the tests that hold the loader to it: every item has tests, and they exist."""

import ast
from functools import cache
from itertools import pairwise
from pathlib import Path

TESTS = Path(__file__).parents[1]

LIST = """
1. the token in argv
    test_token::test_no_option_takes_a_secret
    test_token::test_a_token_that_is_typed_all_the_same_is_not_repeated
    test_token::test_a_command_that_holds_a_token_shows_it_in_no_core_and_no_command_line
2. the token in logs, `repr`, tracebacks, reports, the journal
    (every fault test looks for the canary in everything that was written, debug logs included)
    test_token::test_a_secret_shows_itself_in_no_form
    test_token::test_nothing_is_in_the_dictionary_of_a_secret
    test_token::test_debug_logs_hold_no_token
    test_token::test_oauth_secrets_are_written_nowhere
    test_token::test_a_bug_writes_its_traceback_without_the_token
    test_token::test_errors_of_the_http_library_are_not_carried_along
    test_odd_answers::test_a_token_in_an_answer_is_shown_nowhere
    test_send_gateway_tokens::test_a_token_answer_that_cannot_be_read_is_tried_again_and_never_quoted
3. a core dump
    test_token::test_a_command_that_holds_a_token_shows_it_in_no_core_and_no_command_line
    test_token::test_a_system_that_knows_no_core_limit_stops_nothing
4. a token with a line break or a blank
    test_token::test_a_token_with_odd_characters_is_refused_and_not_shown
    test_token::test_a_line_break_at_the_end_of_a_token_file_is_no_part_of_it
    test_token::test_bytes_that_are_no_text_are_not_shown
5. ids in the path of a URL
    test_addresses::test_nothing_but_a_record_id_gets_into_a_path
    test_addresses::test_nothing_but_an_object_type_gets_into_a_path
    test_addresses::test_no_cell_changes_the_segments_of_a_path
    test_addresses::test_a_file_full_of_such_ids_sends_none_of_them
6. the base URL
    test_addresses::test_an_address_that_could_be_anybodys_is_refused
    test_addresses::test_hubspot_and_this_machine_are_taken
    test_addresses::test_an_address_that_is_taken_leads_where_the_sentence_says
    test_addresses::test_another_host_is_trusted_only_by_its_whole_name_and_over_tls
    test_wrong::test_a_base_url_that_would_give_the_token_away
7. redirects
    test_addresses::test_a_redirect_of_a_token_request_carries_no_secret_along
    test_redirects::test_no_redirect_is_followed
    test_redirects::test_nothing_but_redirects_stops_the_run
8. proxy and netrc from the environment
    test_addresses::test_proxies_of_the_environment_get_no_connection
9. TLS
    (there is no --ca-file: SSL_CERT_FILE, which OpenSSL itself reads, names other authorities)
    test_addresses::test_the_systems_trust_decides_and_ssl_cert_file_adds_to_it
    test_addresses::test_no_option_or_variable_turns_checks_off
    test_tls::test_a_certificate_that_does_not_hold_stops_the_load
    test_tls::test_a_port_without_tls_is_told_apart
10. formulas in CSV
    test_outputs::test_no_cell_of_any_output_is_a_formula
    test_outputs::test_copies_for_machines_hold_the_cells_as_they_are
11. HTML in the report
    test_outputs::test_the_report_runs_and_fetches_nothing
12. control of a terminal, lines in a log
    test_outputs::test_nothing_that_is_shown_or_logged_controls_a_terminal_or_begins_a_line
    test_outputs::test_other_commands_show_and_write_nothing_evil
    test_outputs::test_the_names_of_files_and_sheets_control_nothing
    test_outputs::test_an_error_is_one_line_that_prints
    test_outputs::test_every_event_on_the_screen_only_prints
    test_outputs::test_the_last_event_names_files_and_reasons_plainly
13. zip and XML bombs in workbooks
    test_bombs::test_no_small_file_fills_the_memory
    test_bombs::test_xml_of_a_workbook_opens_no_file
    test_read_excel::test_two_cells_in_far_corners_do_not_fill_the_memory
14. gzip and zip bombs, names in archives
    test_bombs::test_no_small_file_fills_the_memory
    test_bombs::test_no_name_in_an_archive_is_a_place_on_the_disk
    test_read_inputs::test_a_bomb_is_stopped
15. pickles in Parquet, and elsewhere
    test_bombs::test_code_that_a_parquet_file_carries_is_not_run
    test_bombs::test_a_pickle_is_refused_under_any_name
    test_bombs::test_the_loader_unpickles_evaluates_and_starts_nothing
    test_audit::test_pyarrow_is_newer_than_its_known_holes
16. who may read the files
    (the loader makes no folder but a temporary one)
    test_outputs::test_every_file_is_its_owners_alone_from_the_moment_it_is_there
17. a symbolic link at the place of an output
    test_outputs::test_no_symbolic_link_at_the_place_of_an_output_is_written_through
18. answers of HubSpot's in outputs
    test_outputs::test_an_answer_of_a_megabyte_is_cut_to_a_line
    test_answers::test_a_page_in_an_answer_is_cut_and_escaped
    test_send_transport::test_a_body_is_read_up_to_its_cap_and_not_a_byte_further
19. dependencies with known vulnerabilities
    (no lock file is a part of the project, so versions are bounded, not pinned by hashes)
    test_audit::test_a_known_vulnerability_fails_the_build_and_says_what_mends_it
    test_audit::test_what_pip_audit_itself_writes_is_understood
    test_audit::test_without_a_database_one_line_says_so_and_only_a_required_audit_fails
    test_audit::test_the_audit_is_a_part_of_ci
    test_audit::test_the_loader_depends_on_few_packages_each_with_a_lowest_version
20. habits of the supply chain
    test_audit::test_nothing_names_where_packages_come_from
    test_audit::test_importing_the_loader_opens_and_starts_nothing
21. the wrong portal
    test_before_sending::test_another_portals_token_sends_nothing_and_changes_nothing
    test_before_sending::test_a_run_resumes_in_its_own_portal_only
22. a dry run
    test_before_sending::test_without_a_token_a_dry_run_opens_no_socket
    test_before_sending::test_with_a_token_a_dry_run_only_asks
    test_plan::test_the_plan_is_on_standard_output_and_nothing_is_written_or_sent
23. an accidental mass write
    test_before_sending::test_the_plan_is_said_before_the_first_write
    test_before_sending::test_the_screen_says_how_many_where_to_and_how_long_before_anything_is_sent
    test_before_sending::test_the_damage_of_a_wrong_command_can_be_bounded
    test_answers::test_the_same_refusal_of_every_row_stops_the_run
"""
"""Each risk with its tests, by file and function, in whatever folder of the tests; in brackets what they leave out."""


@cache
def functions(stem: str) -> frozenset[str]:
    """Return the test functions of the file of that name."""
    found = [
        node.name
        for path in TESTS.rglob(f"{stem}.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return frozenset(found)


def test_every_item_has_tests_that_exist() -> None:
    """A renamed test must not leave a risk uncovered in silence."""
    items = LIST.strip().splitlines()
    tests = [line.strip().split("::") for line in items if "::" in line]
    assert [name for file, name in tests if name not in functions(file)] == []
    numbers = [place for place, line in enumerate(items) if line[0].isdigit()]
    assert [items[place].partition(".")[0] for place in numbers] == [str(number) for number in range(1, 24)]
    assert all("::" in "".join(items[place + 1 : after]) for place, after in pairwise([*numbers, len(items)]))
