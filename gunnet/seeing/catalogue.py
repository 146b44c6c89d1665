"""
What is counted, and the series of C{/metrics} in which each counter is (L{gunnet.seeing.collector}).
"""

from __future__ import annotations

from dataclasses import dataclass, field

LIMITS: dict[str, str] = {
    "message_bytes": "message_bytes_refused",
    "batch_messages": "batch_messages_refused",
    "depth": "depth_refused",
    "inbox_messages": "inbox_messages_exceeded",
    "inbox_bytes": "inbox_bytes_exceeded",
    "partial_bytes": "partial_bytes_exceeded",
    "name_bytes": "name_bytes_refused",
    "put_cells": "put_cells_refused",
    "id_units": "ids_replaced",
    "dup_ids": "dup_ids_evicted",
    "rtc_ids": "rtc_ids_evicted",
    "rtc_peers": "rtc_peers_refused",
    "rtc_signal_bytes": "rtc_signal_bytes_refused",
    "rtc_candidates": "rtc_candidates_refused",
    "rtc_tracks": "rtc_tracks_refused",
    "rtc_unread_bytes": "rtc_messages_lost",
    "ahead_ms": "ahead_ms_refused",
    "deferred_cells": "deferred_refused",
    "deferred_bytes": "deferred_refused",
    "pending_bytes": "pending_bytes_refused",
    "cache_bytes": "cache_nodes_evicted",
    "cache_node_bytes": "cache_nodes_too_large",
    "subscriptions": "subscriptions_refused",
    "peer_subscriptions": "peer_subscriptions_refused",
    "subscription_bytes": "subscriptions_refused",
    "spans": "spans_refused",
    "span_lengths": "spans_refused",
    "ask_back_names": "ask_backs_refused",
    "ask_back_bytes": "ask_backs_refused",
    "ask_back_souls": "ask_back_souls_refused",
    "peer_ask_back_souls": "peer_ask_back_souls_refused",
    "outbox_bytes": "outbox_bytes_exceeded",
    "outboxes_bytes": "outboxes_bytes_exceeded",
    "offline_bytes": "offline_bytes_evicted",
    "streams": "streams_exceeded",
    "questions": "questions_evicted",
    "question_bytes": "questions_evicted",
    "question_peers": "question_peers_exceeded",
    "question_sharers": "question_sharers_exceeded",
    "shared_questions": "shared_questions_evicted",
    "answerers": "answerers_evicted",
    "upstream_souls": "upstream_souls_evicted",
    "interests_unanswered": "interests_unanswered_exceeded",
    "interests_idle": "interests_idle_evicted",
    "searches": "searches_refused",
    "bridges": "bridges_refused",
    "unacked_bytes": "unacked_bytes_evicted",
    "summary_bytes": "summary_blocks_joined",
    "sync_sessions": "sync_sessions_refused",
    "plain_silences": "plain_silences_evicted",
    "plain_cells": "plain_cells_exceeded",
    "verified": "verified_evicted",
    "unchecked_cells": "unchecked_cells_exceeded",
    "unchecked_bytes": "unchecked_bytes_refused",
    "address_links": "address_links_refused",
    "address_messages": "address_messages_exceeded",
    "address_bytes": "address_bytes_exceeded",
    "addresses": "addresses_evicted",
    "writer_puts": "writer_puts_refused",
    "writer_bytes": "writer_bytes_refused",
    "writers": "writers_evicted",
    "user_bytes": "user_bytes_refused",
    "prefix_bytes": "prefix_bytes_refused",
    "users": "users_exceeded",
    "asks": "asks_exceeded",
    "rule_bytes": "rule_bytes_exceeded",
    "late_acks": "late_acks_evicted",
    "forwarded_hops": "forwarded_hops_exceeded",
    "proxy_header_bytes": "proxy_headers_refused",
    "datagram_bytes": "datagram_bytes_exceeded",
    "multicast_bytes": "multicast_bytes_exceeded",
    "multicast_queue_bytes": "multicast_queue_bytes_evicted",
    "source_datagrams": "source_datagrams_exceeded",
    "source_bytes": "source_datagrams_exceeded",
    "neighbours": "neighbours_evicted",
    "local_links": "local_links_exceeded",
    "broadcasts": "broadcasts_refused",
    "url_characters": "gossip_urls_bad",
    "gossip_urls": "gossip_urls_exceeded",
    "gossip_message_urls": "gossip_message_urls_exceeded",
    "list_bytes": "lists_refused",
    "listed_relays": "listed_relays_exceeded",
    "traces": "traces_evicted",
    "trace_steps": "trace_steps_left_out",
    "peers": "peers_refused",
    "mapped_bytes": "mapped_bytes_given_back",
}
"""
Limit (L{gunnet.limits.Limits}) to the counter of what it refused, evicted or held back. Limits that only cut,
delay or forget have none.
"""


@dataclass(frozen=True)
class Counted:
    """
    A series that is made of counters.

    @ivar labels: names of its labels.
    @ivar values: values of these to the counters that are added up there.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    values: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)


def _one(name: str, help: str, counter: str) -> Counted:
    return Counted(name, help, (), {(): (counter,)})


def _by(name: str, help: str, label: str, **counters: str) -> Counted:
    return Counted(name, help, (label,), {(value,): (counter,) for value, counter in counters.items()})


COUNTED: tuple[Counted, ...] = (
    _one("gunnet_frames_heard", "Frames that came.", "frames_heard"),
    _one("gunnet_messages_heard", "Messages that came, duplicates among them.", "messages_heard"),
    _by(
        "gunnet_duplicates",
        "Messages heard before, and answers that somebody gave before.",
        "kind",
        message="messages_duplicate",
        answer="answers_duplicate",
    ),
    _one("gunnet_messages_not_json", "Messages that were no JSON object.", "messages_not_json"),
    _one("gunnet_puts_served", "Puts that were taken in, as a whole or in part.", "puts_served"),
    _one("gunnet_gets_served", "Gets that were answered.", "gets_served"),
    Counted(
        "gunnet_refused",
        "What was refused, by what. Counted where it is refused: one put may be in several.",
        ("what", "by"),
        {
            ("put", "form"): ("puts_refused",),
            ("put", "rule"): ("puts_refused_by_rule",),
            ("put", "rule_silently"): ("puts_dropped",),
            ("property", "firewall"): ("cells_refused",),
            ("property", "expiry"): ("cells_expired",),
            ("property", "quota"): ("user_bytes_refused", "prefix_bytes_refused"),
            ("property", "rate"): ("writer_puts_refused", "writer_bytes_refused"),
            ("link", "origin"): ("links_of_other_origins_refused",),
            ("link", "token"): ("links_without_token_refused",),
            ("link", "tries"): ("address_tries_refused",),
            ("link", "address"): ("address_links_refused",),
            ("link", "full"): ("peers_refused",),
            ("link", "proxy"): ("proxies_refused", "proxy_headers_late"),
            ("broadcast", "rate"): ("broadcasts_refused",),
        },
    ),
    _by(
        "gunnet_rule",
        "Answers of the operator's rule, and how it failed.",
        "result",
        answered="rule_answers",
        late="rule_deadlines_exceeded",
        failed="rule_failures",
    ),
    _by("gunnet_commits", "Commits to the store.", "result", done="commits_done", failed="commits_failed"),
    _one("gunnet_cells_stored", "Properties that were committed.", "cells_stored"),
    _one("gunnet_store_reads_failed", "Reads of the store that failed.", "store_reads_failed"),
    _one("gunnet_updates_sent", "Updates to subscribers and relays, one for each of them.", "updates_sent"),
    _by(
        "gunnet_signatures",
        "Signatures that were verified, how many of these did not hold, and those that were remembered.",
        "result",
        verified="verifications_done",
        failed="verifications_failed",
        remembered="verifications_known",
    ),
    _by(
        "gunnet_faults",
        "Faults of ours, with a traceback in the log.",
        "where",
        relay="faults",
        link="link_faults",
    ),
    _one("gunnet_peers_dropped", "Links that this relay closed.", "peers_dropped"),
    _by(
        "gunnet_sync_sessions",
        "Comparisons with other relays that ended.",
        "result",
        done="sync_sessions_done",
        failed="sync_sessions_failed",
        late="sync_timeouts",
    ),
    _by(
        "gunnet_rtc_connections",
        "Connections to members of a WebRTC room.",
        "result",
        begun="rtc_connections_begun",
        opened="rtc_connections_opened",
        failed="rtc_connections_failed",
    ),
)

EVENTS: tuple[str, ...] = tuple(
    """
    acks_unroutable acks_unwanted answers_corrected answers_known_already ask_backs_sent
    binary_frames_ignored broadcasts_forwarded challenges_refused client_callbacks_failed
    client_faults client_stream_items_evicted client_unsent_refused client_wants_refused
    client_writes_refused complaints_sent errors_heard
    forwarded_disagreements forwarded_ignored forwarded_malformed gossip_links_given_up
    gossip_links_tried gossip_strangers_ignored gossip_urls_private
    ice_servers_told interests_asked_again interests_ended interests_given_up listed_urls_bad
    listed_urls_private lists_fetched local_links_given_up messages_empty mobs_heard mobs_sent
    multicast_by_link_too multicast_failed multicast_foreign multicast_garbage multicast_unheard
    multicast_unsent opts_obeyed opts_refused peers_self pending_bytes_pressed plain_answers_late
    plain_answers_refused plain_questions_unanswered plain_syncs_begun proofs_refused questions_shared
    rtc_announcements_refused rtc_messages_too_large rtc_servers_failed rtc_signals_malformed
    rtc_signals_unexpected rule_answers_ignored rule_program_ends searches_begun searches_timed_out
    tls_reloads tls_reloads_failed tls_expiry_warnings acme_certificates acme_failures
    subscriptions_ended subscriptions_over sync_cells_sent sync_ignored sync_malformed
    sync_messages_served sync_no_room tokens_given twins_dropped updates_said_again verbs_ignored
    wanted_ignored
    """.split()  # noqa: SIM905
)
"""All other counters, each an C{event} of C{gunnet_events_total}."""
