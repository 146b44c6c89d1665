"""
Tells C{twist} and C{twistd} of C{gun}. Each of their commands imports this, so it imports nothing of gunnet.
"""

from twisted.application.service import ServiceMaker

gun = ServiceMaker("gun", "gunnet.tap", "A GUN relay: a node of the decentralised realtime graph.", "gun")
