"""
Accounts: what creating one puts, and how it is opened again (gun.js C{sea/create.js}, C{sea/auth.js},
C{sea/recall.js}).

Graphs are as on the wire: C{{soul: {"_": {"#": soul, ">": {key: state}}, key: value}}}. An account is made of
two nodes::

    ~@alias   ~pub = {"#": "~pub"}, unsigned: anybody may add theirs
    ~pub      pub, unsigned; alias, epub and auth, signed

C{auth} is the text C{{"ek": encrypted private keys, "s": salt}}, encrypted with the work of passphrase and
salt. That work takes some 50 ms, in which nothing else runs in its thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gunnet.sea.certificates import ReadValue, nothing_stored, verify_put
from gunnet.sea.encryption import decrypt, encrypted
from gunnet.sea.entropy import RandomBytes, secure
from gunnet.sea.errors import BadData, NotAuthenticated, SEAError
from gunnet.sea.hashing import work
from gunnet.sea.keys import Keys, Pair, private_key
from gunnet.sea.pairs import pair as new_pair
from gunnet.sea.puts import sign_value
from gunnet.sea.text import json_text, parsed
from gunnet.wire import jstext

Graph = dict[str, dict[str, Any]]

PASSPHRASE_UNITS_MIN = 8
SALT_LETTERS = 64
ACCOUNTS_MAX = 50
"""So many accounts of one alias are tried: each costs a work, and anybody may add some to an alias."""

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXZabcdefghijklmnopqrstuvwxyz"


def alias_soul(alias: str) -> str:
    """
    Where the accounts of an alias are listed.

    @raise BadData: if it is no alias.
    """
    if not isinstance(alias, str) or not alias:
        raise BadData("No user.")
    return f"~@{alias}"


def account_souls(alias_node: Any) -> list[str]:
    """The souls of the accounts that a node of L{alias_soul} lists; there may be several."""
    if not isinstance(alias_node, Mapping):
        return []
    return [key for key, value in alias_node.items() if key != "_" and value == {"#": key}]


def node(soul: str, values: Mapping[str, Any], state: float) -> Graph:
    """A graph of one node whose values all have the same state."""
    return {soul: {"_": {"#": soul, ">": dict.fromkeys(values, state)}, **values}}


def sign_node(
    soul: str,
    values: Mapping[str, Any],
    state: float,
    pair: Keys,
    *,
    certificate: str | None = None,
) -> Graph:
    """
    Values signed for a node in a user's graph, ready to be put.

    @param values: as for L{sign_value}; L{None} deletes.
    @raise BadData: as L{sign_value}.
    @raise BadKey: as L{sign_value}.
    """
    signed = {
        key: sign_value(soul, key, value, state, pair, certificate=certificate)
        for key, value in values.items()
    }
    return node(soul, signed, state)


def read_node(node: Any, read: ReadValue = nothing_stored) -> dict[str, Any]:
    """
    What a node in a user's graph says. Values that are not verified are left out, as they are in gun.js.

    @param node: as on the wire.
    @param read: as for L{gunnet.sea.certificates.Certificate.check}.
    """
    meta = node.get("_") if isinstance(node, Mapping) else None
    soul = meta.get("#") if isinstance(meta, Mapping) else None
    states = meta.get(">") if isinstance(meta, Mapping) else None
    found: dict[str, Any] = {}
    if not isinstance(states, Mapping) or not isinstance(soul, str):
        return found
    for key, value in node.items():
        if key != "_":
            try:
                found[key] = verify_put(soul, key, value, states.get(key, 0), read).value
            except SEAError:
                continue
    return found


def create(
    alias: str,
    passphrase: str,
    state: float,
    *,
    pair: Keys | None = None,
    random: RandomBytes | None = None,
) -> tuple[Pair, Graph]:
    """
    A new account. Takes one L{work}.

    Whether the alias is taken can't be said: an alias may have several accounts.

    @param state: that of all that is put, milliseconds since 1970.
    @param pair: the account's keys, if there are some already.
    @param random: as for L{gunnet.sea.pairs.pair}.
    @return: the keys, and what to put.
    @raise BadData: if there is no alias, or the passphrase has less than eight characters.
    @raise BadKey: if the pair is none.
    """
    listing = alias_soul(alias)
    keys = new_pair(random=random) if pair is None else Pair.of(pair)
    soul = f"~{keys.pub}"
    auth = _auth(keys, passphrase, random or secure)
    account = sign_node(soul, {"alias": alias, "epub": keys.epub, "auth": auth}, state, keys)
    account[soul]["pub"] = keys.pub
    account[soul]["_"][">"]["pub"] = state
    return keys, {**node(listing, {soul: {"#": soul}}, state), **account}


def change_passphrase(pair: Keys, passphrase: str, state: float, *, random: RandomBytes = secure) -> Graph:
    """
    What to put so that an account is opened by another passphrase. Takes one L{work}.

    Who has the old one and kept the old value can still open that: the keys stay the same.

    @raise BadData: if the passphrase has less than eight characters.
    @raise BadKey: if the pair is none.
    """
    keys = Pair.of(pair)
    return sign_node(f"~{keys.pub}", {"auth": _auth(keys, passphrase, random)}, state, keys)


def _auth(keys: Pair, passphrase: Any, random: RandomBytes) -> str:
    if not isinstance(passphrase, str) or _units(passphrase) < PASSPHRASE_UNITS_MIN:
        raise BadData("Password too short!")
    private_key(keys.priv, keys.pub)
    salt = _random_letters(SALT_LETTERS, random)
    sealed = encrypted({"priv": keys.priv, "epriv": keys.epriv}, work(passphrase, salt), random)
    return json_text({"ek": sealed, "s": salt}).decode("utf-8")


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _random_letters(count: int, random: RandomBytes) -> str:
    letters = ""
    usable = 256 - 256 % len(_LETTERS)
    while len(letters) < count:
        letters += "".join([_LETTERS[byte % len(_LETTERS)] for byte in random(count) if byte < usable])
    return letters[:count]


def auth(alias: str, passphrase: str, graph: Mapping[str, Any]) -> Pair:
    """
    Open an account. Takes one L{work} for each account of the alias, L{ACCOUNTS_MAX} at most.

    @param graph: the node L{alias_soul} and, of its L{account_souls}, those that could be had.
    @raise NotAuthenticated: if none of them is opened.
    """
    listing = graph.get(alias_soul(alias)) if isinstance(graph, Mapping) else None
    if isinstance(passphrase, str):
        for soul in account_souls(listing)[:ACCOUNTS_MAX]:
            keys = _opened(soul, passphrase, graph.get(soul))
            if keys is not None:
                return keys
    raise NotAuthenticated("Wrong user or password.")


def _opened(soul: str, passphrase: str, account: Any) -> Pair | None:
    values = read_node(account)
    sealed = parsed(values.get("auth"))
    if values.get("pub") is None or f"~{values['pub']}" != soul or not isinstance(sealed, dict):
        return None
    try:
        half = decrypt(sealed.get("ek"), work(passphrase, sealed.get("s")))
        if not isinstance(half, dict):
            return None
        keys = Pair.of({**half, "pub": values["pub"], "epub": values.get("epub")})
        private_key(keys.priv, keys.pub)
        private_key(keys.epriv, keys.epub)
    except SEAError:
        return None
    return keys


def remember(pair: Keys) -> dict[str, str]:
    """
    What gun.js keeps in C{sessionStorage} with C{recall({sessionStorage: true})}. Private keys are in it.

    @raise BadKey: if the pair is none.
    """
    keys = Pair.of(pair)
    kept = {"pub": keys.pub, "epub": keys.epub, "priv": keys.priv, "epriv": keys.epriv}
    return {"recall": "true", "pair": json_text(kept).decode("utf-8")}


def recall(storage: Mapping[str, str]) -> Pair:
    """
    The pair of what L{remember} or gun.js kept.

    @raise NotAuthenticated: if there is none, or not a whole one.
    """
    kept = storage.get("pair") if isinstance(storage, Mapping) else None
    try:
        keys = Pair.of(jstext.parse_text(kept)) if isinstance(kept, str) else None
    except ValueError:
        keys = None
    if keys is None:
        raise NotAuthenticated("no session")
    return keys
