"""Each sample plugin fails the tests of its fault and no other: a kit failing less misses faults, one that fails more is noisy.

The first test of each list is the one that is made for the fault; the others see the same fault from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

RIGHT = ("Pair", "List")

WRONG = {
    "ChangesInPlan": """
        looking_at_a_host_changes_nothing
        check_before_attach_finds_that_it_is_missing
        the_plan_follows_from_the_request
        detach_before_attach_changes_nothing
        attach_without_the_netns_is_gone_and_leaves_nothing
        every_prefix_of_attach_is_undone_by_detach
        a_process_killed_anywhere_in_attach_is_undone_by_the_next
    """,
    "DetachNeedsNetns": """
        detach_without_the_netns
        inventory_finds_it_and_is_enough_to_detach
        attach_without_the_netns_is_gone_and_leaves_nothing
        a_netns_that_is_gone_is_found
    """,
    "EatsForeign": """
        a_link_of_our_name_is_a_conflict_and_survives
        a_link_that_took_our_name_after_attach_survives_detach
    """,
    "ForgetsPrior": """
        attach_makes_what_the_options_say_and_detach_takes_it_away
        long_identities_give_names_that_fit
        inventory_finds_it_and_is_enough_to_detach
        a_new_process_checks_and_detaches_from_the_record
        attaching_twice_is_attaching_once
        detach_may_be_repeated
        detach_without_the_netns
        detach_without_the_pods_link
        one_pod_takes_two_interfaces
        a_declared_wish_is_honoured
        every_prefix_of_attach_is_undone_by_detach
        what_failed_anywhere_can_be_detached_and_attached
        a_detach_that_failed_anywhere_is_finished_by_the_next
        a_process_killed_anywhere_in_attach_is_undone_by_the_next
        a_process_killed_anywhere_in_detach_is_followed_by_the_next
        eight_sandboxes_at_once_with_one_instance
        eight_sandboxes_at_once_with_two_instances
        a_deadline_that_passed_leaves_nothing_after_detach
        withdrawn_work_leaves_nothing_after_detach
    """,
    "HoldsSocket": """
        close_leaves_nothing_open
        what_calls_open_does_not_add_up
    """,
    "IgnoresMac": """
        a_declared_wish_is_honoured
    """,
    "KeepsPriorInMemory": """
        a_new_process_checks_and_detaches_from_the_record
        inventory_finds_it_and_is_enough_to_detach
        every_prefix_of_attach_is_undone_by_detach
        what_failed_anywhere_can_be_detached_and_attached
        a_detach_that_failed_anywhere_is_finished_by_the_next
        a_process_killed_anywhere_in_attach_is_undone_by_the_next
        a_process_killed_anywhere_in_detach_is_followed_by_the_next
    """,
    "LeaksAfterFault": """
        every_prefix_of_attach_is_undone_by_detach
        what_failed_anywhere_can_be_detached_and_attached
        a_process_killed_anywhere_in_attach_is_undone_by_the_next
    """,
    "LeaksPort": """
        attach_makes_what_the_options_say_and_detach_takes_it_away
        long_identities_give_names_that_fit
        inventory_finds_it_and_is_enough_to_detach
        a_new_process_checks_and_detaches_from_the_record
        attaching_twice_is_attaching_once
        detach_may_be_repeated
        one_pod_takes_two_interfaces
        a_declared_wish_is_honoured
        every_prefix_of_attach_is_undone_by_detach
        what_failed_anywhere_can_be_detached_and_attached
        a_detach_that_failed_anywhere_is_finished_by_the_next
        a_process_killed_anywhere_in_attach_is_undone_by_the_next
        a_process_killed_anywhere_in_detach_is_followed_by_the_next
        eight_sandboxes_at_once_with_one_instance
        eight_sandboxes_at_once_with_two_instances
        a_link_of_our_name_is_a_conflict_and_survives
        a_link_that_took_our_name_after_attach_survives_detach
        a_breakage_is_found_and_mended_by_a_new_attach
        a_renamed_link_is_found
        another_mtu_is_found
        another_mac_is_found
        a_deadline_that_passed_leaves_nothing_after_detach
        withdrawn_work_leaves_nothing_after_detach
        what_calls_open_does_not_add_up
    """,
    "LeavesUp": """
        attach_makes_what_the_options_say_and_detach_takes_it_away
        a_declared_wish_is_honoured
    """,
    "LiesInCheck": """
        a_deleted_link_is_found
        check_before_attach_finds_that_it_is_missing
        a_breakage_is_found_and_mended_by_a_new_attach
        a_renamed_link_is_found
        another_mtu_is_found
        another_mac_is_found
        a_netns_that_is_gone_is_found
    """,
    "LooseSchema": """
        the_schema_is_closed_and_documented_and_its_examples_are_valid
        the_core_accepts_it
    """,
    "MisspelledMethod": """
        each_method_takes_what_the_contract_says
    """,
    "NoSteps": """
        every_change_stands_in_a_step
    """,
    "NodeNeverSettles": """
        reconciling_again_changes_nothing
        teardown_leaves_the_node_as_it_was_before
        a_reconcile_that_failed_anywhere_is_undone_by_teardown
        an_attachment_survives_reconciling
    """,
    "OnceOnly": """
        attaching_twice_is_attaching_once
    """,
    "OneNameForAll": """
        eight_sandboxes_at_once_with_one_instance
        long_identities_give_names_that_fit
        eight_sandboxes_at_once_with_two_instances
    """,
    "OpensInConstructor": """
        the_constructor_does_no_io
        describe_is_pure
        probe_where_nothing_is_there_is_a_value
        close_without_any_use
        lock_keys_needs_no_host
    """,
    "ProbeRaises": """
        probe_where_nothing_is_there_is_a_value
    """,
    "RaisesAnything": """
        the_driver_refuses_before_any_change
    """,
    "SeesNothing": """
        inventory_finds_it_and_is_enough_to_detach
    """,
    "Sleeps": """
        a_stall_ends_with_the_deadline
        cancelling_ends_a_stall
    """,
    "StartsThread": """
        close_leaves_nothing_open
        what_calls_open_does_not_add_up
    """,
    "StaysInNetns": """
        calls_leave_their_thread_in_its_namespace
        looking_at_an_attachment_changes_nothing
        long_identities_give_names_that_fit
        attach_makes_what_the_options_say_and_detach_takes_it_away
        inventory_finds_it_and_is_enough_to_detach
        a_new_process_checks_and_detaches_from_the_record
        one_pod_takes_two_interfaces
        what_failed_anywhere_can_be_detached_and_attached
        eight_sandboxes_at_once_with_one_instance
        eight_sandboxes_at_once_with_two_instances
        a_breakage_is_found_and_mended_by_a_new_attach
        a_deleted_link_is_found
        a_renamed_link_is_found
        another_mtu_is_found
        another_mac_is_found
        an_attachment_survives_reconciling
        what_calls_open_does_not_add_up
    """,
    "WritesUnserialisable": """
        a_new_process_checks_and_detaches_from_the_record
        the_plan_follows_from_the_request
        a_process_killed_anywhere_in_attach_is_undone_by_the_next
        a_process_killed_anywhere_in_detach_is_followed_by_the_next
    """,
    "DoublesWhenFull": """
        it_is_busy_when_all_addresses_are_given
        a_released_address_serves_the_next
        the_last_address_goes_to_one_of_all_who_want_it
    """,
    "DoublesWhenRaced": """
        another_comes_between_the_decision_and_the_write
        threads_on_one_instance
        processes_on_one_store
        the_last_address_goes_to_one_of_all_who_want_it
    """,
    "FindsAllWell": """
        check_finds_what_somebody_broke
    """,
    "ForgetsOwner": """
        the_same_owner_gets_the_same_lease
        another_comes_between_the_decision_and_the_write
        it_is_busy_when_all_addresses_are_given
        an_allocation_that_was_killed_is_completed_by_the_next
        an_owner_may_insist_on_what_it_has
    """,
    "GivesWhatIsTaken": """
        what_another_has_is_a_conflict
    """,
    "HidesLeases": """
        it_lists_the_leases_of_the_living_with_all_addresses
        it_does_not_list_what_was_given_back
        what_it_lists_can_be_given_back
        an_allocation_that_was_killed_is_completed_by_the_next
    """,
    "IgnoresInterface": """
        another_interface_of_the_sandbox_gets_another_address
        it_leaves_the_leases_of_others
    """,
    "IgnoresIps": """
        what_is_asked_for_is_given_in_this_order
        what_another_has_is_a_conflict
    """,
    "RefusesSecondRelease": """
        it_may_be_repeated
        it_is_busy_when_all_addresses_are_given
        a_released_address_serves_the_next
        the_last_address_goes_to_one_of_all_who_want_it
        of_nothing_it_changes_nothing
        by_the_owner_alone
        after_its_object_vanished
        what_it_lists_can_be_given_back
        an_allocation_that_was_killed_is_released
        a_release_that_was_killed_is_completed_by_the_next
        an_allocation_that_failed_leaves_nothing_after_release
        a_release_that_failed_is_completed_by_the_next
        an_expired_deadline_leaves_nothing_after_release
        a_withdrawn_call_leaves_nothing_after_release
        a_store_where_others_are_always_faster_ends_with_the_deadline
    """,
    "RemembersInMemory": """
        the_same_owner_gets_the_same_lease
        a_lease_is_for_who_asked_and_can_be_used
        a_lease_survives_as_json
        check_finds_what_somebody_broke
        release_and_allocate_can_follow_each_other
        renew_keeps_the_addresses
        threads_on_one_instance
        processes_on_one_store
        another_comes_between_the_decision_and_the_write
        it_is_busy_when_all_addresses_are_given
        a_released_address_serves_the_next
        the_last_address_goes_to_one_of_all_who_want_it
        it_may_be_repeated
        by_a_new_process
        it_leaves_the_leases_of_others
        by_the_owner_alone
        it_lists_the_leases_of_the_living_with_all_addresses
        it_does_not_list_what_was_given_back
        what_it_lists_can_be_given_back
        an_allocation_that_was_killed_is_released
        an_allocation_that_was_killed_is_completed_by_the_next
        a_release_that_was_killed_is_completed_by_the_next
        an_allocation_that_failed_leaves_nothing_after_release
        a_release_that_failed_is_completed_by_the_next
        a_write_whose_answer_was_lost_leaves_nothing_after_release
        what_is_asked_for_is_given_in_this_order
        an_owner_may_insist_on_what_it_has
    """,
    "TakesInTwoWrites": """
        an_allocation_that_was_killed_is_released
        an_allocation_that_was_killed_is_completed_by_the_next
        an_allocation_that_failed_leaves_nothing_after_release
        a_write_whose_answer_was_lost_leaves_nothing_after_release
    """,
    "WritesUnseen": """
        every_write_stands_inside_a_step
        an_allocation_that_was_killed_is_released
        an_allocation_that_was_killed_is_completed_by_the_next
        a_release_that_was_killed_is_completed_by_the_next
        an_allocation_that_failed_leaves_nothing_after_release
        a_release_that_failed_is_completed_by_the_next
    """,
}


def test_every_sample_has_its_list(failing: Mapping[str, frozenset[str]]) -> None:
    assert sorted(failing) == sorted(f"Test{name}" for name in [*RIGHT, *WRONG])


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_plugin_passes_everything(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert failing[f"Test{name}"] == frozenset()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_plugin_fails_exactly_these(failing: Mapping[str, frozenset[str]], name: str) -> None:
    assert sorted(failing[f"Test{name}"]) == sorted(f"test_{test}" for test in WRONG[name].split())
