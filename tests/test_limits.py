"""
Every bound has a test that reaches it, and a counter for what it refused or evicted.
"""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

import gunnet
from gunnet.limits import Limits

MESH = "tests.mesh."

ADDRESSES = "tests.transport.test_addresses."
MULTICAST = "tests.transport.test_multicast."
NEIGHBOURS = "tests.transport.test_neighbours.BoundTests."
WRITERS = "tests.mesh.test_writers.WriterTests."

TESTS: dict[str, tuple[str, str]] = {
    "mapped_bytes": ("mapped_bytes_given_back", "tests.store.test_mapped.MindTests.test_mapped_bytes"),
    "address_links": ("address_links_refused", ADDRESSES + "LinkTests.test_address_links"),
    "address_messages": ("address_messages_exceeded", ADDRESSES + "LinkTests.test_address_messages"),
    "address_bytes": ("address_bytes_exceeded", ADDRESSES + "LinkTests.test_address_bytes"),
    "forwarded_hops": (
        "forwarded_hops_exceeded",
        "tests.front.test_clients.NameTests.test_forwarded_hops",
    ),
    "proxy_header_bytes": (
        "proxy_headers_refused",
        "tests.front.test_proxy_protocol.RefusalTests.test_proxy_header_bytes",
    ),
    "addresses": ("addresses_evicted", ADDRESSES + "AddressesTests.test_addresses"),
    "user_bytes": ("user_bytes_refused", "tests.mesh.test_quotas.UserTests.test_user_bytes"),
    "prefix_bytes": ("prefix_bytes_refused", "tests.mesh.test_quotas.PrefixTests.test_prefix_bytes"),
    "users": ("users_exceeded", "tests.mesh.test_quotas.UsageTests.test_users"),
    "asks": ("asks_exceeded", "tests.mesh.test_asks.RuleTests.test_asks_counted"),
    "rule_bytes": ("rule_bytes_exceeded", "tests.access.test_rules.ProgramTests.test_rule_bytes"),
    "writer_puts": ("writer_puts_refused", WRITERS + "test_writer_puts"),
    "writer_bytes": ("writer_bytes_refused", WRITERS + "test_writer_bytes"),
    "writers": ("writers_evicted", WRITERS + "test_writers"),
    "plain_silences": (
        "plain_silences_evicted",
        MESH + "test_plain.CompareTests.test_plain_silences",
    ),
    "plain_cells": ("plain_cells_exceeded", MESH + "test_plain.CompareTests.test_plain_cells"),
    "message_bytes": ("message_bytes_refused", MESH + "test_relay.FrameTests.test_message_bytes"),
    "batch_messages": ("batch_messages_refused", MESH + "test_relay.FrameTests.test_batch_messages"),
    "inbox_messages": ("inbox_messages_exceeded", MESH + "test_relay.FrameTests.test_inbox_messages"),
    "name_bytes": ("name_bytes_refused", MESH + "test_puts.RefusalTests.test_name_bytes"),
    "put_cells": ("put_cells_refused", MESH + "test_puts.RefusalTests.test_put_cells"),
    "id_units": ("ids_replaced", MESH + "test_relay.IdTests.test_id_units"),
    "streams": ("streams_exceeded", MESH + "test_gets.StreamTests.test_streams"),
    "question_peers": ("question_peers_exceeded", MESH + "test_questions.OfferTests.test_question_peers"),
    "depth": ("depth_refused", MESH + "test_relay.FrameTests.test_depth"),
    "inbox_bytes": ("inbox_bytes_exceeded", MESH + "test_relay.FrameTests.test_inbox_bytes"),
    "partial_bytes": (
        "partial_bytes_exceeded",
        "tests.transport.test_websocket.HearTests.test_partial_bytes",
    ),
    "outboxes_bytes": ("outboxes_bytes_exceeded", MESH + "test_peers.SayTests.test_outboxes_bytes"),
    "question_bytes": ("questions_evicted", MESH + "test_questions.OfferTests.test_question_bytes"),
    "dup_ids": ("dup_ids_evicted", MESH + "test_relay.IdTests.test_dup_ids"),
    "rtc_ids": ("rtc_ids_evicted", MESH + "test_forward.SignalTests.test_rtc_ids"),
    "rtc_peers": ("rtc_peers_refused", "tests.rtc.test_signalling.BoundTests.test_rtc_peers"),
    "rtc_signal_bytes": (
        "rtc_signal_bytes_refused",
        "tests.rtc.test_signalling.BoundTests.test_rtc_signal_bytes",
    ),
    "rtc_candidates": ("rtc_candidates_refused", "tests.rtc.test_signalling.BoundTests.test_rtc_candidates"),
    "rtc_tracks": ("rtc_tracks_refused", "tests.rtc.test_connection.ConnectionTests.test_rtc_tracks"),
    "rtc_unread_bytes": ("rtc_messages_lost", "tests.rtc.test_channel.ChannelTests.test_rtc_unread_bytes"),
    "ahead_ms": ("ahead_ms_refused", MESH + "test_deferred.FutureTests.test_ahead_ms"),
    "deferred_cells": ("deferred_refused", MESH + "test_deferred.FutureTests.test_deferred_cells"),
    "deferred_bytes": ("deferred_refused", MESH + "test_deferred.FutureTests.test_deferred_bytes"),
    "pending_bytes": ("pending_bytes_refused", MESH + "test_puts.AckTests.test_pending_bytes"),
    "cache_bytes": ("cache_nodes_evicted", "tests.graph.test_cache.HotNodesTests.test_bound"),
    "cache_node_bytes": ("cache_nodes_too_large", "tests.graph.test_cache.HotNodesTests.test_node_bound"),
    "subscriptions": ("subscriptions_refused", MESH + "test_subscriptions.BoundTests.test_subscriptions"),
    "peer_subscriptions": (
        "peer_subscriptions_refused",
        MESH + "test_subscriptions.BoundTests.test_peer_subscriptions",
    ),
    "subscription_bytes": (
        "subscriptions_refused",
        MESH + "test_subscriptions.BoundTests.test_subscription_bytes",
    ),
    "spans": ("spans_refused", MESH + "test_subscriptions.BoundTests.test_spans"),
    "span_lengths": ("spans_refused", MESH + "test_subscriptions.BoundTests.test_span_lengths"),
    "ask_back_names": ("ask_backs_refused", MESH + "test_askback.BoundTests.test_ask_back_names"),
    "ask_back_bytes": ("ask_backs_refused", MESH + "test_behind.BoundTests.test_ask_back_bytes"),
    "ask_back_souls": ("ask_back_souls_refused", MESH + "test_behind.BoundTests.test_ask_back_souls"),
    "peer_ask_back_souls": (
        "peer_ask_back_souls_refused",
        MESH + "test_behind.BoundTests.test_peer_ask_back_souls",
    ),
    "outbox_bytes": ("outbox_bytes_exceeded", MESH + "test_peers.SayTests.test_outbox_bytes"),
    "offline_bytes": ("offline_bytes_evicted", MESH + "test_peers.SayTests.test_offline_bytes"),
    "questions": ("questions_evicted", MESH + "test_questions.OfferTests.test_questions"),
    "question_sharers": (
        "question_sharers_exceeded",
        MESH + "test_questions.ShareTests.test_question_sharers",
    ),
    "shared_questions": (
        "shared_questions_evicted",
        MESH + "test_questions.ShareTests.test_shared_questions",
    ),
    "answerers": ("answerers_evicted", MESH + "test_questions.BestFirstTests.test_answerers"),
    "interests_unanswered": (
        "interests_unanswered_exceeded",
        MESH + "test_interest.RetryTests.test_interests_unanswered",
    ),
    "interests_idle": ("interests_idle_evicted", MESH + "test_interest.EndTests.test_interests_idle"),
    "upstream_souls": ("upstream_souls_evicted", MESH + "test_questions.UpstreamTests.test_upstream_souls"),
    "searches": ("searches_refused", MESH + "test_wanted.WantedTests.test_searches"),
    "bridges": ("bridges_refused", MESH + "test_relay_verb.HelloTests.test_bridges"),
    "unacked_bytes": ("unacked_bytes_evicted", MESH + "test_unacked.UnackedTests.test_unacked_bytes"),
    "verified": ("verified_evicted", "tests.sea.test_firewall.SignatureTests.test_verified"),
    "unchecked_cells": ("unchecked_cells_exceeded", MESH + "test_checks.OrderTests.test_unchecked_cells"),
    "unchecked_bytes": ("unchecked_bytes_refused", MESH + "test_checks.OrderTests.test_unchecked_bytes"),
    "late_acks": ("late_acks_evicted", MESH + "test_puts.AckTests.test_late_acks"),
    "summary_bytes": ("summary_blocks_joined", "tests.graph.test_summary.BoundTests.test_summary_bytes"),
    "sync_sessions": ("sync_sessions_refused", MESH + "test_sync.BoundTests.test_sync_sessions"),
    "broadcasts": ("broadcasts_refused", MESH + "test_forward.OtherTests.test_broadcasts"),
    "url_characters": ("gossip_urls_bad", MESH + "test_gossip.HearTests.test_url_characters"),
    "gossip_urls": ("gossip_urls_exceeded", MESH + "test_gossip.HearTests.test_gossip_urls"),
    "gossip_message_urls": (
        "gossip_message_urls_exceeded",
        MESH + "test_gossip.HearTests.test_gossip_message_urls",
    ),
    "list_bytes": ("lists_refused", "tests.test_peers_from.FetchTests.test_list_bytes"),
    "listed_relays": ("listed_relays_exceeded", "tests.test_peers_from.FetchTests.test_listed_relays"),
    "datagram_bytes": ("datagram_bytes_exceeded", MULTICAST + "SayTests.test_datagram_bytes"),
    "multicast_bytes": ("multicast_bytes_exceeded", MULTICAST + "SayTests.test_multicast_bytes"),
    "multicast_queue_bytes": (
        "multicast_queue_bytes_evicted",
        MULTICAST + "SayTests.test_multicast_queue_bytes",
    ),
    "source_datagrams": ("source_datagrams_exceeded", MULTICAST + "HearTests.test_source_datagrams"),
    "source_bytes": ("source_datagrams_exceeded", MULTICAST + "HearTests.test_source_bytes"),
    "neighbours": ("neighbours_evicted", NEIGHBOURS + "test_neighbours"),
    "local_links": ("local_links_exceeded", NEIGHBOURS + "test_local_links"),
    "traces": ("traces_evicted", MESH + "test_trace.BoundTests.test_traces"),
    "trace_steps": ("trace_steps_left_out", MESH + "test_trace.BoundTests.test_trace_steps"),
    "peers": ("peers_refused", MESH + "test_peers.TableTests.test_peers_bound"),
}
"""Limit to (its counter, the test that reaches it)."""

UNCOUNTED: dict[str, tuple[str, str]] = {
    "interest_idle_ms": ("waiting is what it is for", MESH + "test_interest.EndTests.test_interest_idle_ms"),
    "frame_bytes": (
        "the link is closed, and says why",
        "tests.transport.test_websocket.HearTests.test_huge_frame",
    ),
    "turn_messages": (
        "nothing is lost, it comes a turn later",
        MESH + "test_relay.FrameTests.test_turn_messages",
    ),
    "dup_ms": ("forgetting is what it is for", MESH + "test_relay.IdTests.test_dup_ms"),
    "rtc_ms": ("forgetting is what it is for", MESH + "test_forward.SignalTests.test_rtc_ms"),
    "ask_backs": ("nothing is lost, it comes later", MESH + "test_askback.BoundTests.test_ask_backs"),
    "answer_bytes": ("nothing is lost, it comes in parts", MESH + "test_gets.StreamTests.test_chunks"),
    "lex_characters": (
        "asking for more is usual: it means all there is",
        MESH + "test_gets.AnswerTests.test_lex_characters",
    ),
    "gap_ms": ("nothing is lost, it comes later", MESH + "test_relay.FrameTests.test_gap_ms"),
    "sync_message_bytes": (
        "nothing is lost, it comes in parts",
        MESH + "test_sync.BoundTests.test_sync_message_bytes",
    ),
    "sync_ms": ("nothing is lost, it comes later", MESH + "test_sync.BoundTests.test_sync_ms"),
    "plain_questions": (
        "nothing is lost, it comes later",
        MESH + "test_plain.CompareTests.test_plain_questions",
    ),
    "check_batch": ("nothing is lost, it comes later", MESH + "test_checks.OrderTests.test_check_batch"),
    "pack_bytes": ("nothing is lost, it comes in parts", MESH + "test_outbox.OutboxTests.test_pack_bytes"),
    "gossip_links": (
        "nothing is lost, the others wait for their turn",
        MESH + "test_gossip.LinkTests.test_gossip_links",
    ),
    "memory_bytes": ("the store has its own figures", "tests.store.test_memory.BoundTests.test_never_over"),
}
"""Limit to (why nothing is counted, the test that reaches it)."""


class LimitsTests(SynchronousTestCase):
    """The tables above."""

    def test_all_are_tested(self) -> None:
        """Each limit is in one of the two, and nothing else is."""
        names = [field.name for field in fields(Limits)]
        self.assertEqual(sorted(names), sorted([*TESTS, *UNCOUNTED]))

    def test_tests_exist(self) -> None:
        """Each test is there, in a file that names the limit."""
        for name, (_, test) in {**TESTS, **UNCOUNTED}.items():
            function = namedAny(test)
            self.assertTrue(callable(function), test)
            if name != "memory_bytes":  # the store knows it as its only parameter
                module = inspect.getmodule(function)
                assert module is not None
                self.assertIn(name, inspect.getsource(module), test)

    def test_counters_exist(self) -> None:
        """Each counter is counted somewhere, and looked at by its test's file."""
        source = "".join(path.read_text("utf-8") for path in Path(gunnet.__file__).parent.rglob("*.py"))
        for counter, test in TESTS.values():
            self.assertIn(f'"{counter}"', source)
            module = inspect.getmodule(namedAny(test))
            assert module is not None
            self.assertIn(counter, inspect.getsource(module), test)

    def test_defaults_fit_together(self) -> None:
        """What one limit lets in, the next can carry."""
        limits = Limits()
        self.assertLessEqual(limits.message_bytes, limits.frame_bytes)
        self.assertLessEqual(limits.message_bytes, limits.pending_bytes // 2)
        self.assertLessEqual(limits.message_bytes, limits.outbox_bytes)
        self.assertLessEqual(limits.message_bytes, limits.offline_bytes)
        self.assertLessEqual(limits.cache_node_bytes, limits.cache_bytes)
        self.assertLessEqual(limits.answer_bytes, limits.outbox_bytes // 2)
        self.assertLessEqual(limits.peer_subscriptions, limits.subscriptions)
