"""The fault list that every service passes: each function takes a fresh bench (see faults.py)."""

import time

from faults import ACCOUNT, HANG
from harness import Wire
from servers import Blackhole, free_port, wait_until

LIST = []


def fault(function):
    LIST.append(function)
    return function


# ---- no connection comes to stand ----------------------------------------------------------------

@fault
def nobody_listens(bench):
    port = free_port()
    bench.begin(port=port)
    for _ in range(3):
        bench.fails({503}, "refused", str(port))
    bench.heal(port)
    bench.recovers()


@fault
def hangs_up_at_once(bench):
    bench.begin("refuse")
    bench.fails({503}, "onnect")
    bench.heal()
    bench.recovers()


@fault
def hangs_at_connect(bench):
    """Not even TCP answers: connectTimeout ends it."""
    hole = Blackhole()
    bench.begin(port=hole.port, connectTimeout=f"{HANG}ms")
    bench.fails({503}, "connect", f"{HANG} ms", hangs=True)
    hole.close()
    bench.heal(hole.port)
    bench.recovers()


@fault
def hangs_at_connect_beyond_the_timeout(bench):
    """The action's own timeout is shorter."""
    hole = Blackhole()
    bench.begin(port=hole.port, timeout=f"{HANG}ms", connectTimeout="1m")
    answer = bench.fails({504}, "connection", f"{HANG}ms", hangs=True)
    assert HANG - 1 <= answer["responseTimeMS"] < 20 * HANG
    hole.close()
    bench.heal(hole.port)
    bench.recovers()


@fault
def hangs_at_login(bench):
    bench.begin("hang", connectTimeout=f"{HANG}ms")
    bench.fails({503}, "connect", f"{HANG} ms", hangs=True)
    bench.heal()
    bench.recovers()


@fault
def hangs_in_the_login(bench):
    """It hears the login and does not answer; the action's timeout is shorter."""
    bench.begin("mute", timeout=f"{HANG}ms", connectTimeout="1m")
    bench.fails({504}, "connection", f"{HANG}ms", hangs=True)
    bench.heal()
    bench.recovers()


@fault
def cut_in_the_login(bench):
    bench.begin("cut")
    bench.fails({503}, "connect")
    bench.heal()
    bench.recovers()


@fault
def garbage_at_the_login(bench):
    bench.begin("garbage")
    for _ in range(2):
        bench.fails({502, 503})
    bench.heal()
    bench.recovers()


@fault
def a_wrong_password(bench):
    """It names itself, and once it is right the daemon logs in without help."""
    code, detail, fragment = bench.service.wrong_password
    bench.service.password("another")
    bench.begin(user="fault")
    for _ in range(2):
        answer = bench.fails({code}, fragment)
        assert answer["responseDetail"] == detail, answer
        assert "secret" not in answer["responseMessage"]
    assert f'account="{ACCOUNT} (test)"' in bench.daemon.log()
    bench.service.password("secret")
    bench.recovers()


# ---- a connection stands -------------------------------------------------------------------------

@fault
def hangs_at_the_reply(bench):
    bench.begin(timeout=f"{HANG}ms")
    bench.warm()
    bench.proxy.mode = "mute"
    answer = bench.fails({504}, "sent", f"{HANG}ms", hangs=True, times=(0, 1))
    assert HANG - 1 <= answer["responseTimeMS"] < 20 * HANG
    bench.heal()
    bench.recovers()


@fault
def a_reply_that_comes_too_late(bench):
    """It is nobody's: what is sent behind it on the same connection gets its own."""
    bench.begin(connections=1)
    bench.warm()
    bench.proxy.mode = "mute"
    bench.fails({504}, "sent", hangs=True, times=(1,), event="hasty.event")
    idents = [bench.ident(1) for _ in range(5)]
    wires = [Wire(bench.daemon.port) for _ in idents]
    for wire, ident in zip(wires, idents):
        bench.send(wire, ident)
    bench.proxy.mode = "pass"
    for wire, ident in zip(wires, idents):
        with wire:
            bench.check_done(ident, wire.reply().response("task"))
    bench.recovers()


@fault
def cut_in_the_reply(bench):
    """Sent and not answered: it may have happened, and the code says so."""
    bench.begin()
    bench.warm()
    bench.proxy.mode = "cut"
    bench.fails(bench.service.lost, times=(0, 1))
    bench.heal()
    bench.recovers()


@fault
def garbage_in_place_of_the_reply(bench):
    bench.begin()
    bench.warm()
    bench.proxy.spoil = b"\x00\xffthis is no protocol, whatever the service\r\n" * 20
    bench.proxy.mode = "spoil"
    bench.fails(bench.service.garbage, times=(0, 1))
    bench.heal()
    bench.recovers()


@fault
def dies_while_idle(bench):
    """It costs no event anything."""
    bench.begin(connections=1)
    bench.warm()
    for _ in range(3):
        bench.proxy.cut_all()
        wait_until(lambda: not bench.proxy.connections, 5, "the cut")
        time.sleep(0.05)
        bench.serves()
    bench.check_books()


@fault
def the_client_is_gone(bench):
    """The run is carried to its end, and what it was answered is the next one's trouble not."""
    bench.begin(connections=1)
    bench.warm()
    gone = [bench.ident(1) for _ in range(6)]
    with bench.service.hold():
        for number, ident in enumerate(gone):
            with Wire(bench.daemon.port) as wire:
                bench.send(wire, ident)
                if number % 2:
                    wire.shut()
        bench.daemon.post("nothing.here")  # behind those requests: they have been read
        assert not set(gone) & set(bench.service.effects())
    wait_until(lambda: set(gone) <= set(bench.service.effects()), 20, "the effects of the gone")
    bench.recovers()
