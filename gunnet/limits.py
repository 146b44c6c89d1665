"""
Every bound of the relay, by name.

Each limit has a counter of what it refused or evicted (L{gunnet.counters.Counters}) and a test that
reaches it. Sizes are bytes, times are milliseconds unless the name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """
    The bounds of one relay. The defaults suit a relay with 1 GiB of memory.

    @ivar message_bytes: one message; a larger one is answered with C{Message too big!} and skipped
        (gun.js C{src/mesh.js}, where it is 90,000,000 UTF-16 units).
    @ivar frame_bytes: one WebSocket frame; a larger one closes the link with code 1009
        (the C{ws} package's default).
    @ivar batch_messages: messages taken from one array frame; what is over is refused like a
        message that is too big.
    @ivar depth: how deeply objects and arrays of a message may be nested.
    @ivar turn_messages: messages of one frame that are served at once, and of one peer's inbox that are
        served in one turn, so that a long batch does not keep the others waiting.
    @ivar inbox_messages: messages of one peer that wait for their turn; beyond, or when they are larger
        than C{message_bytes} together, reading pauses.
    @ivar inbox_bytes: messages of all peers that wait for their turn; the peer whose frame goes beyond is
        dropped.
    @ivar partial_bytes: messages of all peers that have come in part; likewise.
    @ivar name_bytes: a soul or a key, as UTF-8.
    @ivar put_cells: properties in one put.
    @ivar id_units: characters of a message id; a longer one is treated as missing.
    @ivar dup_ids: message ids remembered.
    @ivar dup_ms: how long an id is remembered after it was last seen (gun.js C{src/dup.js}).
    @ivar rtc_ids: ids whose acks carried WebRTC signalling.
    @ivar rtc_ms: how long those stay routable after the last such ack.
    @ivar rtc_peers: members of a WebRTC room that one is connected to, or about to be (gun.js
        C{lib/webrtc.js}, C{max}).
    @ivar rtc_signal_bytes: an offer, an answer or a candidate.
    @ivar rtc_candidates: addresses that one member may name for one connection.
    @ivar rtc_tracks: tracks that one member may send.
    @ivar rtc_unread_bytes: what one member sends while reading from it is paused.
    @ivar ahead_ms: how far in the future a state may lie; beyond, the put is refused.
    @ivar deferred_cells: properties with a future state that wait for their time.
    @ivar deferred_bytes: the same, by their size.
    @ivar pending_bytes: accepted values that wait for the commit; from half of it on, reading
        pauses, and at the whole of it puts are refused.
    @ivar cache_bytes: hot nodes kept in memory, together with ids, subscriptions and verified signatures;
        these come first, but a third of it is for hot nodes in any case.
    @ivar cache_node_bytes: the largest node kept there.
    @ivar subscriptions: all subscriptions of all peers.
    @ivar peer_subscriptions: subscriptions of one peer.
    @ivar subscription_bytes: the names in all subscriptions together.
    @ivar spans: different spans with bounds (C{>}, C{<} of LEX) among the souls that are subscribed to, and
        among the keys of one soul; each is tested for each change.
    @ivar span_lengths: different lengths of the prefixes of such spans, or of spans that are only a prefix;
        each takes a look-up for each change.
    @ivar ask_backs: things that one peer is asked back for per second (L{gunnet.mesh.askback}).
    @ivar ask_back_names: things that wait to be asked back, of all peers.
    @ivar ask_back_bytes: the same, by the characters of their names.
    @ivar ask_back_souls: souls that are remembered as asked back for whole, of all peers, so that links are
        followed to each once a link of a peer.
    @ivar peer_ask_back_souls: the same, of one peer.
    @ivar outbox_bytes: what one peer may have waiting; at more it is dropped.
    @ivar outboxes_bytes: what all peers may have waiting; at more, the one with most is dropped.
    @ivar offline_bytes: what waits for an upstream whose link is down; at more the oldest goes.
    @ivar streams: long answers that one peer may have under way at once.
    @ivar answer_bytes: roughly the size at which a long answer is cut into chunks.
    @ivar lex_characters: the largest C{%} budget of a LEX get (gun.js C{lib/store.js}).
    @ivar questions: gets that are being offered to other peers in turns.
    @ivar question_bytes: the messages of these gets together.
    @ivar question_peers: peers that one get is offered to; three each 25 ms, so that this many are asked
        within the 9 s for which clients take answers.
    @ivar question_sharers: gets of the same thing that share one question to other peers; a further one is
        asked by itself.
    @ivar shared_questions: questions to other peers that others may share; the oldest is shared no more.
    @ivar answerers: peers that are ranked by how well they answered questions, to be asked before the rest.
    @ivar upstream_souls: souls remembered as asked for, per upstream link.
    @ivar interests_unanswered: of what a relay was asked for, so much is minded until it answers, and asked
        again if it does not.
    @ivar interests_idle: things that no peer asks for any more and relays are still asked for; the oldest is
        given up at once.
    @ivar interest_idle_ms: how long they are.
    @ivar searches: searches for clients that want something, of this relay and others, that are remembered
        (L{gunnet.mesh.wanted}).
    @ivar bridges: relays that link to us and others, and are therefore asked what those above us are.
    @ivar unacked_bytes: the names of changes that other relays have not acknowledged, of all relays
        together; the relay whose names go beyond is compared with as a whole instead.
    @ivar summary_bytes: the fingerprints of parts of the graph, kept for comparing it with other relays;
        beyond, they become coarser.
    @ivar sync_message_bytes: roughly the size at which messages of a comparison are cut.
    @ivar sync_sessions: comparisons with other relays that are under way at once.
    @ivar sync_ms: the least time between two comparisons with the same relay.
    @ivar plain_questions: questions that wait for an answer while the graph is compared with a gun.js relay,
        two for each node.
    @ivar plain_silences: nodes that a gun.js relay seems to have too, of which a late answer may yet show
        that it has not.
    @ivar plain_cells: of the answers that are waited for, so many cells are remembered, one comparison at a
        time; of what a relay has more, ours is put whether it is newer or not.
    @ivar verified: verified signatures, and failed ones, that are remembered.
    @ivar unchecked_cells: properties in puts of one peer that wait for the firewall; beyond, reading pauses.
    @ivar unchecked_bytes: puts of all peers that wait for the firewall; beyond, a put is refused.
    @ivar check_batch: signatures that are handed out to be verified at once.
    @ivar address_links: links that one address may have open at once; 0, here as below, for any number.
    @ivar address_messages: messages that one address may send per second, over all its links; beyond, reading
        pauses.
    @ivar address_bytes: bytes, likewise.
    @ivar forwarded_hops: proxies that are trusted, one before the other, in what one says of the others.
    @ivar proxy_header_bytes: a header of the PROXY protocol; a longer one ends the connection.
    @ivar addresses: addresses without a link that are remembered for that; the oldest goes.
    @ivar writer_puts: signed puts of one key per second, whoever sends them; beyond, they are refused.
    @ivar writer_bytes: bytes in these, likewise.
    @ivar writers: keys that are remembered for that.
    @ivar user_bytes: what one user may keep in the graph (L{gunnet.mesh.quotas}); 0 for any amount.
    @ivar prefix_bytes: (what souls begin with, what may be kept in these), each once.
    @ivar users: users for whom that is counted by themselves; more of them share counters.
    @ivar asks: puts about which the operator's rule is asked at once; others wait for that.
    @ivar rule_bytes: what a program that is asked has not answered, in time or not; beyond, it is taken for
        stuck and started anew.
    @ivar late_acks: acks of others held back until the relay's own commit, per put.
    @ivar gap_ms: the least time between two frames to one peer; 0, as in gun.js, packs what one turn brought
        (C{opt.gap} in gun.js C{src/mesh.js}).
    @ivar pack_bytes: size at which an outgoing array frame is closed (gun.js C{src/mesh.js}).
    @ivar datagram_bytes: one message to the local network must be smaller (gun.js C{lib/multicast.js}); what
        is not is announced, to be fetched over a link.
    @ivar multicast_bytes: what is said there per second, on average over five.
    @ivar multicast_queue_bytes: what waits to be said there; beyond, the oldest is dropped.
    @ivar source_datagrams: datagrams that are heard from one address per second; four times as many are from
        all together.
    @ivar source_bytes: likewise, bytes.
    @ivar neighbours: addresses on the local network that are remembered.
    @ivar local_links: links that are opened because of what was heard there.
    @ivar broadcasts: messages of unknown kind that one peer may have forwarded per second.
    @ivar url_characters: of the URL of a relay that others told.
    @ivar gossip_urls: URLs of relays that others told, which are remembered.
    @ivar gossip_message_urls: URLs that are taken from one message, and told in one.
    @ivar gossip_links: links to relays that others told, at one time.
    @ivar list_bytes: a list of relays (C{--peers-from}).
    @ivar listed_relays: relays that are dialled because the list has them.
    @ivar traces: messages that are followed, and remembered for being asked about; the oldest goes.
    @ivar trace_steps: steps that are remembered of each.
    @ivar peers: links at one time; a further one is refused.
    @ivar mapped_bytes: pages of the data file that were read and stay in memory, looked at twice a second
        (L{gunnet.store.mapped}).
    @ivar memory_bytes: the graph kept by the memory store (C{--no-store}).
    """

    message_bytes: int = 10 * MIB
    frame_bytes: int = 104_857_600
    batch_messages: int = 50_000
    depth: int = 100
    turn_messages: int = 200
    inbox_messages: int = 1_000
    inbox_bytes: int = 128 * MIB
    partial_bytes: int = 256 * MIB
    name_bytes: int = 4_096
    put_cells: int = 50_000
    id_units: int = 128
    dup_ids: int = 200_000
    dup_ms: float = 9_000.0
    rtc_ids: int = 10_000
    rtc_ms: float = 60_000.0
    rtc_peers: int = 55
    rtc_signal_bytes: int = 64 * 1024
    rtc_candidates: int = 100
    rtc_tracks: int = 16
    rtc_unread_bytes: int = 16 * MIB
    ahead_ms: float = 24 * 3600 * 1000.0
    deferred_cells: int = 10_000
    deferred_bytes: int = 16 * MIB
    pending_bytes: int = 64 * MIB
    cache_bytes: int = 24 * MIB
    cache_node_bytes: int = 256 * 1024
    subscriptions: int = 500_000
    peer_subscriptions: int = 50_000
    subscription_bytes: int = 64 * MIB
    spans: int = 1_000
    span_lengths: int = 100
    ask_backs: int = 1_000
    ask_back_names: int = 200_000
    ask_back_bytes: int = 32 * MIB
    ask_back_souls: int = 500_000
    peer_ask_back_souls: int = 20_000
    outbox_bytes: int = 16 * MIB
    outboxes_bytes: int = 256 * MIB
    offline_bytes: int = 16 * MIB
    streams: int = 100
    answer_bytes: int = 150_000
    lex_characters: int = 100_000
    questions: int = 2_000
    question_bytes: int = 16 * MIB
    question_peers: int = 999
    question_sharers: int = 1_000
    shared_questions: int = 5_000
    answerers: int = 32
    upstream_souls: int = 200_000
    interests_unanswered: int = 50_000
    interests_idle: int = 100_000
    interest_idle_ms: float = 60_000.0
    searches: int = 10_000
    bridges: int = 64
    unacked_bytes: int = 32 * MIB
    summary_bytes: int = 32 * MIB
    sync_message_bytes: int = 60_000
    sync_sessions: int = 100
    sync_ms: float = 30_000.0
    plain_questions: int = 100
    plain_silences: int = 5_000
    plain_cells: int = 100_000
    verified: int = 100_000
    unchecked_cells: int = 1_000
    unchecked_bytes: int = 32 * MIB
    check_batch: int = 32
    address_links: int = 0
    address_messages: float = 0.0
    address_bytes: int = 0
    forwarded_hops: int = 32
    proxy_header_bytes: int = 4_096
    addresses: int = 20_000
    writer_puts: float = 0.0
    writer_bytes: int = 0
    writers: int = 20_000
    user_bytes: int = 0
    prefix_bytes: tuple[tuple[str, int], ...] = ()
    users: int = 100_000
    asks: int = 1_000
    rule_bytes: int = 64 * MIB
    late_acks: int = 64
    gap_ms: float = 0.0
    pack_bytes: int = 9_000
    datagram_bytes: int = 50_000
    multicast_bytes: int = MIB
    multicast_queue_bytes: int = 4 * MIB
    source_datagrams: float = 500.0
    source_bytes: int = 4 * MIB
    neighbours: int = 500
    local_links: int = 16
    broadcasts: float = 10.0
    url_characters: int = 256
    gossip_urls: int = 999
    gossip_message_urls: int = 20
    gossip_links: int = 8
    list_bytes: int = MIB
    listed_relays: int = 100
    traces: int = 500
    trace_steps: int = 64
    peers: int = 20_000
    mapped_bytes: int = 8 * MIB
    memory_bytes: int = 256 * MIB
