"""
SEA: who said it, and who may read it. What gun.js signs, encrypts and certifies, byte for byte, with
C{cryptography}::

    from gunnet import sea

    alice, bob = sea.pair(), sea.pair()
    text = sea.sign({"hello": "world"}, alice)
    assert sea.verify(text, alice.pub) == {"hello": "world"}

  - C{keys}: L{Pair}, and how keys are written; C{pairs}: L{pair}.
  - C{signatures}: L{sign}, L{verify}. C{encryption}: L{encrypt}, L{decrypt}, L{secret}. C{hashing}: L{work}.
  - C{puts}: signed values in the graph of a user, and content addressed by its hash.
  - C{certificates}: L{certify}, and what a certificate allows.
  - C{users}: accounts; what they put, and how they are opened.
  - C{text}: what exactly is signed and encrypted; C{errors}: all are L{SEAError}.
  - C{entropy}: random bytes of the operating system, if the caller has none.

Nothing here reads a clock or does I/O: states are passed in, graphs are passed in and come out.
"""

from gunnet.sea.certificates import (
    Certificate,
    ReadValue,
    certify,
    read_certificate,
    verify_put,
)
from gunnet.sea.encryption import decrypt, encrypt, secret
from gunnet.sea.entropy import RandomBytes
from gunnet.sea.errors import (
    BadData,
    BadKey,
    NotAuthenticated,
    NotCertified,
    NotDecrypted,
    NotVerified,
    SEAError,
)
from gunnet.sea.hashing import work
from gunnet.sea.keys import Keys, Pair
from gunnet.sea.pairs import pair
from gunnet.sea.puts import (
    SignedValue,
    content_hash,
    is_content,
    owner_of,
    read_signed,
    sign_value,
    unpacked,
    verify_value,
)
from gunnet.sea.signatures import sign, verify
from gunnet.sea.users import (
    account_souls,
    alias_soul,
    auth,
    change_passphrase,
    create,
    read_node,
    recall,
    remember,
    sign_node,
)

__all__ = [
    "BadData",
    "BadKey",
    "Certificate",
    "Keys",
    "NotAuthenticated",
    "NotCertified",
    "NotDecrypted",
    "NotVerified",
    "Pair",
    "RandomBytes",
    "ReadValue",
    "SEAError",
    "SignedValue",
    "account_souls",
    "alias_soul",
    "auth",
    "certify",
    "change_passphrase",
    "content_hash",
    "create",
    "decrypt",
    "encrypt",
    "is_content",
    "owner_of",
    "pair",
    "read_certificate",
    "read_node",
    "read_signed",
    "recall",
    "remember",
    "secret",
    "sign",
    "sign_node",
    "sign_value",
    "unpacked",
    "verify",
    "verify_put",
    "verify_value",
    "work",
]
