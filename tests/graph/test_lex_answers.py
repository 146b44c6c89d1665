"""
Tests for L{gunnet.graph.answer} and L{gunnet.graph.lex} together: what a relay answered in the recorded
conversations, with its hashes, and where this one means something better.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gunnet.graph.lex import Query, Span
from gunnet.graph.merge import Graph
from tests.graph.nodes import cells_of, chunks, graph_of, question

Answer = tuple[str, int | None]
"""Keys that were answered, or C{soul.key} for many souls, and the hash where gun.js gave the same answer."""


class TraceTests(SynchronousTestCase):
    """Recorded questions on recorded data."""

    def check(self, graph: Graph, answers: dict[str, Answer], *, souls: bool = False) -> None:
        """Each question has its answer, in one chunk, and the same again when asked in small chunks."""
        for get, (names, digest) in answers.items():
            query = question(get)
            found = chunks(graph, query)
            cells = [cell for text, _ in found for cell in cells_of(text)]
            self.assertEqual(
                " ".join(f"{soul}.{key}" if souls else key for soul, key, _ in cells), names, get
            )
            self.assertEqual(len(found), 1 if names else 0)
            if digest is not None:
                self.assertEqual(found[0][1], digest, get)
            small = [cell for text, _ in chunks(graph, query, 1) for cell in cells_of(text)]
            self.assertEqual(small[::-1] if query.reverse else small, cells)

    def test_fruit(self) -> None:
        """Trace 06: prefix, exact, range, budget and reverse on the properties of one soul."""
        names = "apple apricot banana blueberry cherry date fig grape"
        fruit = {"fruit": {name: f"v-{name}" for name in names.split()}}
        answers: dict[str, Answer] = {
            '{"#":"fruit",".":{"*":"ap"}}': ("apple", -2134360632),
            '{"#":"fruit",".":{"*":"ap"},"%":1000}': ("apple apricot", 1888298734),
            '{"#":"fruit",".":{"=":"banana"}}': ("banana", 526656399),
            '{"#":"fruit",".":{">":"b","<":"d"}}': ("banana", 526656399),
            '{"#":"fruit",".":{">":"b","<":"d"},"%":1000}': ("banana blueberry cherry", 101639886),
            '{"#":"fruit",".":{">":"c"},"%":1000}': ("cherry date fig grape", -1793141330),
            '{"#":"fruit",".":{"<":"c"},"%":1000}': ("apple apricot banana blueberry", 470303415),
            '{"#":"fruit",".":{"*":"b",">":"bl"},"%":1000}': ("blueberry", 537427618),
            '{"#":"fruit",".":{"*":""},"%":1000}': (names, -32279077),
            '{"#":"fruit",".":{"*":""},"%":20}': ("apple apricot banana", 453520927),
            '{"#":"fruit",".":{"*":"","-":1},"%":20}': ("cherry date fig grape", -1793141330),
            '{"#":"fruit",".":{"*":"","-":1},"%":1000}': (names, -32279077),
            '{"#":"fruit",".":{">":"b","<":"d","-":1},"%":1000}': ("banana blueberry cherry", 101639886),
            '{"#":"fruit","-":1,".":{"*":""},"%":10}': ("fig grape", 102436309),
            '{"#":"fruit","%":20}': ("apple apricot banana", 453520927),
            '{"#":"fruit","%":20,"-":1}': ("cherry date fig grape", -1793141330),
            # gun.js gives one item for a budget above its limit; here it is cut down to the limit.
            '{"#":"fruit",".":{"*":""},"%":100001}': (names, None),
            '{"#":"fruit",".":{"*":""},"%":"50"}': (
                "apple apricot banana blueberry cherry date fig",
                23723216,
            ),
            '{"#":"fruit",".":{"*":"zzz"},"%":1000}': ("", None),
            '{"#":"fruit",".":{}}': (names, -32279077),
            '{"#":"fruit",".":{},"%":1000}': (names, -32279077),
            '{"#":"fruit",".":{"*":"ap","%":1000}}': ("apple", -2134360632),
            '{"#":"fruit"}': (names, -32279077),
        }
        for settled in (True, False):
            graph = graph_of(fruit, 1795375191285.0, settled=settled)
            self.check(graph, answers)
            self.check(graph, dict(reversed(answers.items())))

    def test_souls(self) -> None:
        """Trace 07: LEX on the soul, where C{.} is left out of account."""
        names = ["chat/1", "chat/2", "chat/3", "chatroom", "dog", "egg"]
        nodes = {soul: {"who": f"w-{soul}", "txt": f"t-{soul}"} for soul in names}

        def both(*souls: str) -> str:
            return " ".join(f"{soul}.txt {soul}.who" for soul in souls)

        answers: dict[str, Answer] = {
            '{"#":{"*":"chat/"}}': ("chat/1.txt", 1722558769),
            '{"#":{"*":"chat/"},"%":1000}': (both(*names[:3]), -1872748645),
            '{"#":{"*":"chat"},"%":1000}': (both(*names[:4]), -1218618528),
            '{"#":{"*":"chat/","-":1},"%":10}': (both("chat/3"), 277378065),
            # gun.js answers ranges with "undefined" in front of each soul, and leaves the last one out.
            '{"#":{">":"chat/2","<":"dog"},"%":1000}': (both("chat/2", "chat/3", "chatroom", "dog"), None),
            '{"#":{">":"d"},"%":1000}': (both("dog", "egg"), None),
            '{"#":{"<":"chat/2"},"%":1000}': (both("chat/1", "chat/2"), None),
            '{"#":{"=":"dog"}}': (both("dog"), -33849735),
            '{"#":{"=":"dog"},".":"who"}': ("dog.who", 638094826),
            '{"#":{"*":"chat/"},".":"who","%":1000}': (both(*names[:3]), -1872748645),
            '{"#":{"*":""},"%":1000}': (both(*names), 473660026),
            '{"#":{"*":"nope"},"%":1000}': ("", None),
            '{"#":{"=":"dog"},".":{"*":"w"}}': ("dog.who", 638094826),
        }
        for settled in (True, False):
            self.check(graph_of(nodes, 1795375200335.0, settled=settled), answers, souls=True)

    def test_after_a_whole_get(self) -> None:
        """Trace 22: a LEX is answered before and after the whole node was, and after an update."""
        graph = graph_of({"fruit": {"apple": 1, "apricot": 2, "banana": 3}}, 1795375385263.0)
        self.check(
            graph,
            {
                '{"#":"fruit",".":{"*":"ap"},"%":1000}': ("apple apricot", 87180297),
                '{"#":"fruit"}': ("apple apricot banana", -2090949592),
                '{"#":"fruit",".":{"*":"ap"},"%":999}': ("apple apricot", 87180297),
            },
        )
        graph.take("fruit", "avocado", (1795375385264.0, b"4"))
        graph.take("fruit", "apple", (1795375385264.0, b"9"))
        self.check(
            graph,
            {
                '{"#":"fruit",".":{"*":"ap"},"%":1000}': ("apple apricot", None),
                '{"#":"fruit"}': ("apple apricot avocado banana", 1287847900),
                '{"#":"fruit",".":"apple"}': ("apple", 278482202),
                '{"#":"fruit",".":"nope"}': ("", None),
            },
        )

    def test_prefix_and_range(self) -> None:
        """Trace 38: prefix and range both hold, on the whole name; order is that of UTF-16 units."""
        names = "Z1 apple apricot avocado banana bz ~t \xc9a \xe9b"
        graph = graph_of({"pr": dict.fromkeys(names.split(), 1)}, 1795376510178.0)
        self.check(
            graph,
            {
                # gun.js compares the range with what follows the prefix.
                '{"#":"pr",".":{"*":"ap",">":"apr"},"%":1000}': ("apricot", None),
                '{"#":"pr",".":{"*":"ap",">":"r"},"%":1000}': ("", None),
                '{"#":"pr",".":{"*":"a","<":"pz"},"%":1000}': ("apple apricot avocado", None),
                '{"#":"pr",".":{"*":"a","<":"az"},"%":1000}': ("apple apricot avocado", None),
                '{"#":"pr",".":{"=":"apple","*":"b"},"%":1000}': ("banana bz", -77749336),
                '{"#":"pr",".":{"*":"",">":"b"},"%":1000}': ("banana bz ~t \xc9a \xe9b", -703292463),
                '{"#":"pr",".":{">":"b","<":"bz"},"%":1000}': ("banana bz", -77749336),
                '{"#":"pr",".":{">":"apricot","<":"apricot"},"%":1000}': ("apricot", 324453221),
                '{"#":"pr",".":{">":"~"},"%":1000}': ("~t \xc9a \xe9b", 137541457),
                '{"#":"pr",".":{"<":"a"},"%":1000}': ("Z1", 497497443),
                '{"#":"pr",".":{"*":5},"%":1000}': ("", None),
                '{"#":"pr",".":{"*":null},"%":1000}': (names, 112985949),
                '{"#":"pr",".":{"=":""},"%":1000}': (names, 112985949),
                '{"#":"pr",".":{"-":1},"%":1000}': (names, 112985949),
                '{"#":"pr",".":{">":"a","<":"b","-":1},"%":10}': ("apricot avocado", -415297894),
            },
        )

    def test_one_soul(self) -> None:
        """Trace 26: the plain get; its nonsense questions are misses (see L{tests.graph.test_lex})."""
        graph = graph_of({"uf": {"x": 1}}, 1795375422164.0)
        self.check(graph, {'{"#":"uf"}': ("x", 1467356693), '{"#":{"*":"u"}}': ("x", 1467356693)})


class BudgetTests(SynchronousTestCase):
    """Budgets in characters, where the traces don't reach."""

    def keys(self, graph: Graph, query: Query) -> str:
        """The keys of an answer."""
        return " ".join(key for text, _ in chunks(graph, query) for _, key, _ in cells_of(text))

    def test_costs(self) -> None:
        """Strings cost their UTF-16 length, others nine; what is taken last may pass the budget."""
        graph = graph_of(
            {"s": {"a": "\U0001f600", "b": None, "c": {"#": "x" * 99}, "d": "xx", "e": 12345, "f": "y"}}
        )
        for budget, keys in (
            (1, "a"),
            (2, "a"),
            (3, "a b"),
            (11, "a b"),
            (12, "a b c"),
            (20, "a b c"),
            (21, "a b c d"),
            (23, "a b c d e"),
            (31, "a b c d e"),
            (32, "a b c d e f"),
            (99, "a b c d e f"),
        ):
            self.assertEqual(self.keys(graph, Query("s", budget=budget)), keys, budget)
        for budget, keys in (
            (1, "f"),
            (2, "e f"),
            (10, "e f"),
            (11, "d e f"),
            (12, "d e f"),
            (13, "c d e f"),
        ):
            self.assertEqual(self.keys(graph, Query("s", budget=budget, reverse=True)), keys, budget)

    def test_empty_text(self) -> None:
        """Empty strings are not free, or a budget would bound nothing."""
        graph = graph_of({"s": dict.fromkeys("abcdef", "")})
        self.assertEqual(self.keys(graph, Query("s", budget=3)), "a b c")
        self.assertEqual(self.keys(graph, Query("s", budget=0)), "a")

    def test_reverse_in_a_span(self) -> None:
        """From the end means from the end of the span; the answer is in order all the same."""
        graph = graph_of({"s": dict.fromkeys("abcdef", 1)})
        query = Query("s", keys=Span("", "b", "d"), budget=10, reverse=True)
        self.assertEqual(self.keys(graph, query), "c d")

    def test_souls(self) -> None:
        """A budget runs over all properties of all souls; from the end it may stop within one."""
        graph = graph_of({soul: {"x": 1, "y": 2} for soul in ("s1", "s2", "s3", "t1")})
        for query, names in (
            (Query(None, souls=Span("s"), budget=27), ["s1 x", "s1 y", "s2 x"]),
            (Query(None, souls=Span("s"), budget=27, reverse=True), ["s2 y", "s3 x", "s3 y"]),
            (Query(None, souls=Span("", "s3"), budget=999), ["s3 x", "s3 y", "t1 x", "t1 y"]),
            (Query(None, souls=Span("", None, "s1"), budget=999), ["s1 x", "s1 y"]),
            (Query(None, souls=Span("x"), budget=999), []),
        ):
            found = [f"{soul} {key}" for text, _ in chunks(graph, query) for soul, key, _ in cells_of(text)]
            self.assertEqual(found, names)
