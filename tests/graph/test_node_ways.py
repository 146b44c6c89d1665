"""Tests for L{gunnet.graph.node}: the fast way to read a put and the slow one agree."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph import node
from gunnet.graph.node import InvalidGraph, read_put
from gunnet.wire import jstext
from tests.graph.nodes import KEYS, LIMITS, NAMES, STATES, Nodes, put_of, values
from tests.wire.javascript import checked, json_text, json_values, same

NODES = st.dictionaries(NAMES, st.dictionaries(KEYS, values(), max_size=3), max_size=3)
FAULTS = (msgspec.DecodeError, ValueError, LookupError, RecursionError)


class TwoWaysTests(SynchronousTestCase):
    """The fast way to read a put and the slow one agree."""

    def check(self, text: bytes) -> bool:
        """If the fast way takes it, the slow one takes the same. @return: whether it was taken at all."""
        try:
            fast = node._read_fast(text)
        except FAULTS:
            try:
                read_put(text, LIMITS)
            except InvalidGraph:
                return False
            return True
        self.assertEqual(fast, node._read_slowly(text))
        return True

    @checked
    @given(NODES, st.data(), st.booleans(), st.sampled_from([None, 1]))
    def test_valid(self, nodes: Nodes, data: st.DataObject, ascii_only: bool, indent: int | None) -> None:
        """Of a valid put both make the same cells, whatever its spelling, and they are what was put."""
        put = put_of(nodes)
        for soul in put:
            put[soul]["_"][">"] = {key: data.draw(STATES) for key in nodes[soul]}
        text = json.dumps(put, ensure_ascii=ascii_only, indent=indent)
        lone = any("\ud800" <= letter <= "\udfff" for letter in text) or "\\ud" in text
        if not ascii_only and lone:
            text = json.dumps(put, indent=indent)
        self.assertTrue(self.check(text.encode()))
        if not lone:
            node._read_fast(text.encode())
        wanted = [
            (soul, key, float(put[soul]["_"][">"][key]), json_text(value).encode())
            for soul in nodes
            for key, value in nodes[soul].items()
        ]
        self.assertEqual(read_put(text.encode(), LIMITS), wanted)

    @checked
    @given(NODES.filter(bool), st.data())
    def test_changed(self, nodes: Nodes, data: st.DataObject) -> None:
        """With something else in one place, both agree whether that is valid."""
        put = put_of(nodes)
        soul = data.draw(st.sampled_from(list(put)))
        inner = put[soul]
        place = data.draw(st.sampled_from([put, inner, inner["_"], inner["_"][">"]]))
        name = data.draw(st.sampled_from([*place, "_", "#", ">", "x", ""]))
        if data.draw(st.booleans()):
            place.pop(name, None)
        else:
            place[name] = data.draw(json_values(max_leaves=3))
        text = jstext.stringify(put)
        self.assertTrue(same(jstext.parse(text), json.loads(json.dumps(put))))
        self.check(text)

    @checked
    @given(NODES, st.data())
    def test_broken(self, nodes: Nodes, data: st.DataObject) -> None:
        """With a character changed, both agree too."""
        text = jstext.stringify(put_of(nodes)).decode()
        at = data.draw(st.integers(0, len(text) - 1))
        put = data.draw(
            st.sampled_from(['"', "\\", "{", "}", "[", ",", ":", "9", "-", ".", "e", "\n", " ", "", "#"])
        )
        self.check((text[:at] + put + text[at + 1 :]).encode())
