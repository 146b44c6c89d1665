Many relays form one mesh: exact subscriptions (also by LEX) that end with ``off``, questions that go to the best peers first and are shared, changes
told again until another relay has acknowledged them, one link between relays that dial each other, relays between two others, comparing graphs by
ranges (``gunnet sync URL`` and in the background), relays found by ``--peers-from`` and ``--gossip``, and gun.js clients that come back are asked for
what they wrote meanwhile. ``gunnet simulate`` runs all of it on a virtual clock.
