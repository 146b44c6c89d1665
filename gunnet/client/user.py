"""
Users: accounts, and a space that only its owner writes (gun.js C{sea/user.js}, C{sea/create.js},
C{sea/auth.js}, C{sea/certify.js}).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import gatherResults

from gunnet.client.chain import Chain
from gunnet.client.errors import AliasTaken, Busy, NotAuthenticated
from gunnet.client.waiting import Waiting, waiting_for
from gunnet.sea import certificates, encryption, users
from gunnet.sea.errors import NotAuthenticated as NotOpened
from gunnet.sea.keys import Keys, Pair

if TYPE_CHECKING:
    from gunnet.client.gun import Gun


class User(Chain):
    """
    Who uses this client, and the chain at the space of that user: what is put there is signed. One L{Gun} has
    one, and one user is logged in at a time, as in gun.js.
    """

    def __init__(self, gun: Gun) -> None:
        """
        Not for programs: L{gunnet.client.gun.Gun.user} gives it.
        """
        super().__init__(gun, None, "")
        self._alias: str | None = None
        self._busy = False

    def _origin(self) -> str:
        return f"~{self.pair.pub}"

    def get(self, key: str | int | dict[str, Any]) -> Chain:
        """
        As L{Chain.get}, in the user's space.

        @raise NotAuthenticated: nobody is logged in.
        """
        return self._space().get(key)

    def map(self, select: Any = None) -> Chain:
        """
        As L{Chain.map}, of the properties of the user's node.

        @raise NotAuthenticated: nobody is logged in.
        """
        return self._space().map(select)

    def _space(self) -> Chain:
        return Chain(self._gun, self, self._origin())

    # Who

    @property
    def pair(self) -> Pair:
        """
        The keys of the user. The private ones are in it.

        @raise NotAuthenticated: nobody is logged in.
        """
        if self._root.pair is None:
            raise NotAuthenticated("nobody is logged in")
        return self._root.pair

    @property
    def is_(self) -> dict[str, str] | None:
        """
        gun.js's C{is}: C{{"pub": …, "epub": …, "alias": …}} of who is logged in; L{None} if nobody is.
        """
        pair = self._root.pair
        if pair is None:
            return None
        return {"pub": pair.pub, "epub": pair.epub, "alias": self._alias or pair.pub}

    def create(self, alias: str, passphrase: str, *, pair: Keys | None = None) -> Waiting[User]:
        """
        Make an account, and be logged in.

        @param passphrase: eight characters or more.
        @param pair: its keys, if there are some already.
        @return: fires with this user when the account is durable here. Fails with L{AliasTaken} (as far as
            can be known: nobody can keep others from making one at the same time),
            L{gunnet.sea.errors.BadData} for an alias that is none or a passphrase that is too short, and
            L{Busy} while another L{create} or L{auth} is under way.
        """
        return waiting_for(self._create(alias, passphrase, pair))

    async def _create(self, alias: str, passphrase: str, pair: Keys | None) -> User:
        listing = users.alias_soul(alias)
        self._begin()
        try:
            if users.account_souls(await self._root.fetch_node(listing)):
                raise AliasTaken("User already created!")
            new = partial(users.create, alias, passphrase, self._root.states(), pair=pair)
            keys, graph = await self._root.work(new)
            await self._root.put_graph(graph)
            self._enter(keys, alias)
        finally:
            self._busy = False
        return self

    def auth(
        self, alias: str | Keys, passphrase: str | None = None, *, change: str | None = None
    ) -> Waiting[User]:
        """
        Log in.

        @param alias: of an account, which is opened by the passphrase; or a pair of keys, without one.
        @param change: a new passphrase for it.
        @return: fires with this user. Fails with L{NotAuthenticated} if no account of that alias that could
            be had is opened by the passphrase, with L{gunnet.sea.errors.BadKey} for a pair that is none, and
            with L{Busy} as L{create}.
        """
        return waiting_for(self._auth(alias, passphrase, change))

    async def _auth(self, alias: str | Keys, passphrase: str | None, change: str | None) -> User:
        self._begin()
        try:
            if isinstance(alias, str):
                keys = await self._open(alias, passphrase or "")
            else:
                keys = Pair.of(alias)
            if change is not None:
                changed = partial(users.change_passphrase, keys, change, self._root.states())
                await self._root.put_graph(await self._root.work(changed))
            self._enter(keys, alias if isinstance(alias, str) else None)
        finally:
            self._busy = False
        return self

    async def _open(self, alias: str, passphrase: str) -> Pair:
        root = self._root
        listing = users.alias_soul(alias)
        graph: dict[str, Any] = {listing: await root.fetch_node(listing)}
        souls = users.account_souls(graph[listing])[: users.ACCOUNTS_MAX]
        nodes = await gatherResults([root.fetch_node(soul) for soul in souls], consumeErrors=True)
        graph.update(zip(souls, nodes, strict=True))
        try:
            return await root.work(partial(users.auth, alias, passphrase, graph))
        except NotOpened as error:
            raise NotAuthenticated(str(error)) from None

    def _begin(self) -> None:
        if self._busy:
            raise Busy("User is already being created or authenticated!")
        self._busy = True

    def _enter(self, pair: Pair, alias: str | None) -> None:
        self._root.check_open()
        self._root.pair = pair
        self._alias = alias

    def leave(self) -> User:
        """Log out: nothing is signed any more, and the keys are forgotten. @return: this user."""
        self._root.pair = None
        self._alias = None
        return self

    # What only some may read, and write

    def encrypt(self, value: Any, epub: str | None = None) -> str:
        """
        Encrypt a value, to be put.

        @param epub: the C{epub} of the one who is to read it besides this user; L{None} for nobody else.
        @raise NotAuthenticated: nobody is logged in.
        @raise gunnet.sea.errors.SEAError: JSON can't say it, or the key is none.
        """
        return encryption.encrypt(value, self._key(epub))

    def decrypt(self, text: Any, epub: str | None = None) -> Any:
        """
        What L{encrypt} was given, by this user or the other one.

        @param epub: the C{epub} of the other one.
        @raise NotAuthenticated: nobody is logged in.
        @raise gunnet.sea.errors.SEAError: it can't be decrypted, or the key is none.
        """
        return encryption.decrypt(text, self._key(epub))

    def _key(self, epub: str | None) -> str | Pair:
        return self.pair if epub is None else encryption.secret(epub, self.pair)

    def certify(
        self, certificants: Any, policy: Any, *, expiry: float | None = None, block: Any = None
    ) -> str:
        """
        Allow others to write in this user's space: the C{cert} for their puts. The parameters are those of
        L{gunnet.sea.certificates.certify}.

        @raise NotAuthenticated: nobody is logged in.
        @raise gunnet.sea.errors.SEAError: there are no certificants, or there is no policy.
        """
        return certificates.certify(certificants, policy, self.pair, expiry=expiry, block=block)


def pub_of(given: str | Keys) -> str:
    """
    The public key in what C{gun.user(…)} is given: the key itself, C{~} in front of it, or a pair.

    @raise NotAuthenticated: there is none.
    """
    pub = given.get("pub") if isinstance(given, Mapping) else getattr(given, "pub", given)
    if not isinstance(pub, str) or not pub.lstrip("~"):
        # Of a pair without one, no more may be said: its other keys are private.
        what = repr(given) if isinstance(given, str) else type(given).__name__
        raise NotAuthenticated(f"{what} is no user's public key")
    return pub.removeprefix("~")
