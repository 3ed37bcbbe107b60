"""
The services as the common fault list sees them, and a bench to provoke faults on.

Each service is one class: how its account is written, an action whose effect can be counted and
whose answer says which event it belongs to, and its codes where spec and manual tell services
apart. A service that joins the list is a class more, and no test changes.
"""

import contextlib

from actions import ANY, insert_into
from harness import SANITIZED, Wire, log_action, request_bytes
from servers import Proxy, wait_until

EVENT = "service.event"
BYSTANDER = "bystander.event"
ACCOUNT = "faulty"

# A pause that others are served in, in milliseconds.
HANG = 1500 if SANITIZED else 600


class Postgresql:
    """INSERT into t, and the row's id comes back."""

    kind = "POSTGRESQL"
    lost = {503}  # sent, and the connection is gone
    garbage = {503}
    wrong_password = (403, "28P01", "password authentication failed")

    def __init__(self, postgres):
        self.server = postgres
        self.port = postgres.port
        postgres.run("CREATE TABLE t (id text); DROP ROLE IF EXISTS fault; "
                     "CREATE ROLE fault SUPERUSER LOGIN", database="test")

    def options(self):
        """What follows the database's name in the url."""
        return ""

    def account(self, project, ident, port, user="volley", **keys):
        url = self.server.url("test", port).replace("//volley:", f"//{user}:") + self.options()
        project.account(ident, self.kind, test={"url": url, **keys})

    def action(self, ident, account, **options):
        return insert_into(ident=ident, account=account, payload={"id": "{id}"}, returning=["id"],
                           **options)

    def told(self, answer):
        """Whose answer it is."""
        return answer["responsePayload"]["rows"][0]["id"]

    def effects(self):
        return [row[0] for row in self.server.run("SELECT id FROM t", database="test")]

    def password(self, word):
        self.server.run(f"ALTER ROLE fault PASSWORD '{word}'")

    def hold(self):
        """Statements wait until the end of the block."""
        @contextlib.contextmanager
        def held():
            connection = self.server.connect("test")
            connection.autocommit = False
            with connection.cursor() as cursor:
                cursor.execute("LOCK TABLE t IN SHARE MODE")
            yield
            connection.close()
        return held()


class Redis:
    """RPUSH to list k: the answer is the place in the list."""

    kind = "REDIS"
    lost = {504}
    garbage = {502}
    wrong_password = (403, "WRONGPASS", "refused the login")

    def __init__(self, redis_):
        self.server = redis_
        self.port = redis_.port
        redis_.client().execute_command("ACL", "DELUSER", "fault")

    def url(self, port, user):
        return f"redis://{user}:secret@127.0.0.1:{port}/0"

    def account(self, project, ident, port, user="default", **keys):
        project.account(ident, self.kind, test={"url": self.url(port, user), **keys})

    def action(self, ident, account, **options):
        return {"id": ident, "type": self.kind, "action": "RPUSH", "serviceAccountId": account,
                "template": {"key": "k", "value": "{id}"}, **options}

    def told(self, answer):
        return self.server.client().lindex("k", answer["responsePayload"] - 1).decode()

    def effects(self):
        return [ident.decode() for ident in self.server.client().lrange("k", 0, -1)]

    def password(self, word):
        self.server.client().execute_command("ACL", "SETUSER", "fault", "reset", "on", f">{word}",
                                             "~*", "&*", "+@all")

    def hold(self):
        @contextlib.contextmanager
        def held():
            self.server.client().execute_command("CLIENT", "PAUSE", 60000, "WRITE")
            yield
            self.server.client().execute_command("CLIENT", "UNPAUSE")
        return held()


class Bench:
    """
    A daemon whose event uses an account behind a proxy, and another event that uses the service
    directly; it keeps the books of what each answer allows to have happened.
    """

    def __init__(self, service, project, start):
        self.service = service
        self.project = project
        self.start = start
        self.books = {}  # id -> how often its effect may be there
        self.proxy = None
        self.daemon = None

    def begin(self, mode="pass", timeout="10s", port=None, user=None, **pool):
        """Starts the daemon; with a port the account is there, and no proxy stands yet."""
        if port is None:
            self.proxy = Proxy(self.service.port, mode=mode)
            port = self.proxy.port
        account = {"pool": pool} | ({"user": user} if user else {})
        self.service.account(self.project, ACCOUNT, port, **account)
        self.service.account(self.project, "other", self.service.port)
        self.project.event(EVENT, [self.service.action("task", ACCOUNT, timeout=timeout)], ANY)
        self.project.event("hasty.event", [self.service.action("task", ACCOUNT,
                                                               timeout=f"{HANG}ms")], ANY)
        self.project.event(BYSTANDER, [log_action(), self.service.action("task", "other")], ANY)
        self.daemon = self.start(self.project)

    def warm(self):
        """The account's connection stands and has served."""
        self.serves()

    def ident(self, *times):
        ident = f"event-{len(self.books)}"
        self.books[ident] = times
        return ident

    def send(self, wire, ident, event=EVENT):
        wire.send(request_bytes(self.daemon, event, b'{"id":"%s"}' % ident.encode()))

    def check_done(self, ident, answer):
        assert answer["status"] is True, answer
        assert self.service.told(answer) == ident, answer

    def serves(self, event=EVENT):
        """One event is done."""
        ident = self.ident(1)
        self.check_done(ident, self.daemon.post(event, {"id": ident}).response("task"))

    def fails(self, codes, *fragments, hangs=False, times=(0,), event=EVENT):
        """
        One event fails so, in a message that names the account, and other accounts are served
        meanwhile; when the fault is a silence, before the failure comes. times: how often the
        failed event's effect may be there.
        """
        ident = self.ident(*times)
        with Wire(self.daemon.port) as wire:
            self.send(wire, ident, event)
            for _ in range(3):
                self.serves(BYSTANDER)
            if hangs:
                assert wire.is_silent(0), "the others were served only after the failure"
            reply = wire.reply(30)
        answer = reply.response("task")
        assert reply.status == 201 and reply.json()["id"], reply.text
        assert (answer["state"], answer["status"]) == ("failed", False), answer
        assert answer["responsePayload"] is None and answer["attempts"] == 1, answer
        assert answer["responseCode"] in codes, answer
        assert answer["responseMessage"].startswith(f"{ACCOUNT} (test): "), answer
        for fragment in fragments:
            assert fragment in answer["responseMessage"], answer
        return answer

    def heal(self, port=None):
        """The server is well again: behind the proxy, or at a port where nothing was."""
        if self.proxy is None:
            self.proxy = Proxy(self.service.port, port=port)
        self.proxy.mode = "pass"
        self.proxy.cut_all()

    def recovers(self):
        """The same daemon serves again, without help, and no effect is there without leave."""
        def is_served():
            ident = self.ident(0, 1)
            answer = self.daemon.post(EVENT, {"id": ident}).response("task")
            if answer["status"]:
                self.books[ident] = (1,)
            return answer["status"]
        wait_until(is_served, 30, "recovery")
        for _ in range(5):
            self.serves()
        self.check_books()

    def check_books(self):
        effects = self.service.effects()
        wrong = {ident: effects.count(ident) for ident, times in self.books.items()
                 if effects.count(ident) not in times}
        assert not wrong, (wrong, {ident: self.books[ident] for ident in wrong})
        assert set(effects) <= set(self.books)

    def close(self):
        if self.proxy is not None:
            self.proxy.close()
