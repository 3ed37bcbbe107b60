"""PostgreSQL by host name, over several addresses and IPv6, and over TLS."""

import http.client
import json
import os
import shutil
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from actions import EVENT, insert_into, log_action
from certificates import Authority
from dns_server import DnsServer
from harness import cli
from servers import Postgres, unprivileged, wait_until

NAME = "db.test"
RULES = """local all all scram-sha-256
hostssl all alice all cert
hostssl all strict all scram-sha-256
host all alice all reject
host all strict all reject
host all all all scram-sha-256
"""


class TlsPostgres(Postgres):
    """PostgreSQL with TLS on 127.0.0.1 and ::1; alice needs a client certificate, strict TLS."""

    def __init__(self, server, authority):
        self.tls = (server, authority)
        super().__init__()
        self.run("CREATE ROLE alice LOGIN")
        self.run("CREATE ROLE strict LOGIN PASSWORD 'secret'")

    def start(self):
        server, authority = self.tls
        for source, name, mode in ((server.certificate, "server.crt", 0o644),
                                   (server.key, "server.key", 0o600),
                                   (authority.certificate, "ca.crt", 0o644)):
            self.put(name, open(source, encoding="ascii").read(), mode)
        self.put("hba.conf", RULES, 0o644)
        self.spawn([f"{self.programs}/postgres", "-D", f"{self.folder}/data", "-p",
                    str(self.port), "-k", self.folder, "-c", "listen_addresses=127.0.0.1,::1",
                    "-c", "fsync=off", "-c", "ssl=on",
                    "-c", f"ssl_cert_file={self.folder}/server.crt",
                    "-c", f"ssl_key_file={self.folder}/server.key",
                    "-c", f"ssl_ca_file={self.folder}/ca.crt",
                    "-c", f"hba_file={self.folder}/hba.conf"])
        wait_until(self.answers, 30, "PostgreSQL's first answer")

    def put(self, name, text, mode):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        user = unprivileged()
        if user is not None:
            os.chown(path, user.pw_uid, user.pw_gid)
        os.chmod(path, mode)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def server(authority):
    pair = authority.issue("server", f"DNS:{NAME},IP:127.0.0.1")
    made = TlsPostgres(pair, authority)
    yield made
    made.remove()


@pytest.fixture
def dns():
    with DnsServer({NAME: ["127.0.0.1"]}) as made:
        yield made


@pytest.fixture
def pg(project, start, server, dns):
    """pg.send(url options) runs a daemon on such an account; the action's response."""
    server.run("DROP TABLE IF EXISTS t")
    server.run("CREATE TABLE t (id text)")
    server.run("GRANT ALL ON t TO PUBLIC")

    def begin(options="", host=NAME, user="volley:secret", pool=None, port=None):
        url = f"postgresql://{user}@{host}:{port or server.port}/postgres?{options}"
        project.account("pg", "POSTGRESQL", test={"url": url, "pool": pool or {}})
        project.event(EVENT, [insert_into()], {"id": "String"})
        return start(project, env={"VOLLEY_RESOLVER": dns.address, "HOME": project.folder,
                                   "SSL_CERT_FILE": ""})

    def send(*arguments, **keys):
        reply = begin(*arguments, **keys).post(EVENT, {"id": "1"})
        assert reply.status == 201, reply.text
        return reply.response("row")

    return SimpleNamespace(begin=begin, send=send, server=server, dns=dns, project=project)


def uses_tls(server, user="volley"):
    """Whether each connection of volleyd to the server has TLS."""
    return server.run("SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                      f"WHERE application_name = 'volley' AND usename = '{user}'")


def check_refused(answer, code, *texts):
    assert answer["responseCode"] == code, answer
    for text in texts:
        assert text in answer["responseMessage"], answer


# ---- names ----

def test_a_name(pg):
    assert pg.send()["responseCode"] == 201
    assert pg.dns.count(NAME) == 1 and pg.dns.count(NAME, "AAAA") == 1


def test_several_addresses_of_which_the_first_refuse(pg):
    pg.dns.names[NAME] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
    assert pg.send()["responseCode"] == 201


def test_ipv6_after_an_ipv4_that_refuses(pg):
    pg.dns.names[NAME] = ["::1", "127.0.0.2"]
    assert pg.send("sslmode=require")["responseCode"] == 201
    assert pg.server.run("SELECT DISTINCT host(client_addr) FROM pg_stat_activity WHERE "
                         "application_name = 'volley'") == [("::1",)]


def test_ipv6_address(pg):
    assert pg.send(host="[::1]")["responseCode"] == 201


def test_all_addresses_refuse(pg):
    pg.dns.names[NAME] = ["127.0.0.2", "127.0.0.3"]
    check_refused(pg.send(), 503, '"127.0.0.2"', '"127.0.0.3"',
                  "Connection refused")


def test_a_name_that_does_not_exist(pg):
    check_refused(pg.send(host="gone.test"), 503, "could not resolve 'gone.test': no such name")


def test_of_two_names_one_exists(pg):
    port = pg.server.port
    assert pg.send(host=f"gone.test:{port},{NAME}")["responseCode"] == 201


def test_of_two_names_one_is_unknown_and_one_refuses(pg):
    pg.dns.names[NAME] = ["127.0.0.2"]
    check_refused(pg.send(host=f"gone.test:{pg.server.port},{NAME}"), 503, "Connection refused",
                  "could not resolve 'gone.test': no such name")


def test_a_silent_name_server_blocks_nothing_else(pg):
    """Other accounts work on, and the account itself fails at connectTimeout."""
    pg.dns.silent = True
    url = f"postgresql://volley:secret@127.0.0.1:{pg.server.port}/postgres"
    pg.project.account("other", "POSTGRESQL", test={"url": url})
    pg.project.event("service.other", [insert_into(account="other"), log_action()])
    daemon = pg.begin(pool={"connectTimeout": "2s"})
    answers = []
    sender = threading.Thread(target=lambda: answers.append(
        post_alone(daemon, EVENT)))
    sender.start()
    wait_until(lambda: pg.dns.asked, 5, "the first request")
    worst = 0
    for _ in range(20):
        begun = time.monotonic()
        assert daemon.post("service.other").response("row")["responseCode"] == 201
        worst = max(worst, time.monotonic() - begun)
    assert worst < 1
    assert not answers, "the silent name answered"
    sender.join()
    check_refused(answers[0], 503, "within 2000 ms")
    assert "slow pass" not in daemon.log()


def post_alone(daemon, event):
    """A post on a connection of its own; the row's response."""
    connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=60)
    connection.request("POST", f"/event/{event}", json.dumps({"id": "1"}),
                       {"Content-Type": "application/json", **daemon.credentials()})
    document = json.loads(connection.getresponse().read())
    connection.close()
    return document["match_rules"][0]["actions"][0]["response"]


def test_the_last_good_answer_serves_while_the_name_server_fails(pg):
    daemon = pg.begin(pool={"idleTimeout": "100ms"})
    assert daemon.post(EVENT, {"id": "1"}).response("row")["responseCode"] == 201
    pg.dns.silent = True
    time.sleep(10.5)  # an answer's life
    for _ in range(3):
        assert daemon.post(EVENT, {"id": "1"}).response("row")["responseCode"] == 201
        time.sleep(0.5)
    assert pg.dns.count(NAME) > 1
    assert "last_answer_serves=true" in daemon.log()


def test_ended_in_the_middle_of_a_look_up(pg):
    pg.dns.silent = True
    pg.project.settings(shutdownTimeout="100ms")
    daemon = pg.begin()
    sender = threading.Thread(target=lambda: swallow(daemon))
    sender.start()
    wait_until(lambda: pg.dns.asked, 5, "the first request")
    daemon.stop()
    sender.join()


def swallow(daemon):
    try:
        post_alone(daemon, EVENT)
    except (OSError, ValueError, http.client.HTTPException):
        pass


def test_a_resolver_that_is_no_address(project, start):
    project.event(EVENT, [log_action()])
    daemon = start(project, env={"VOLLEY_RESOLVER": "nonsense"}, ready=False)
    daemon.told_to_end = True
    daemon.stop(expect=1)
    assert "VOLLEY_RESOLVER='nonsense' is no address" in daemon.log()


# ---- TLS ----

@pytest.mark.parametrize("sslmode, tls", [("disable", False), ("allow", False), ("prefer", True),
                                          ("require", True), (None, True)])
def test_modes_without_verification(pg, sslmode, tls):
    assert pg.send(f"sslmode={sslmode}" if sslmode else "")["responseCode"] == 201
    assert uses_tls(pg.server) == [(tls,)]


def trust(pg, authority, name="ca.crt"):
    shutil.copy(authority.certificate, pg.project.path(name))


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_verification(pg, authority, sslmode):
    """The path of the CA starts at the project folder."""
    trust(pg, authority)
    assert pg.send(f"sslmode={sslmode}&sslrootcert=ca.crt&channel_binding=require"
                   )["responseCode"] == 201
    assert uses_tls(pg.server) == [(True,)]


def test_verification_at_the_second_address(pg, authority):
    trust(pg, authority)
    pg.dns.names[NAME] = ["127.0.0.2", "127.0.0.1"]
    assert pg.send("sslmode=verify-full&sslrootcert=ca.crt")["responseCode"] == 201


def test_another_name_than_the_certificate_s(pg, authority):
    trust(pg, authority)
    pg.dns.names["other.test"] = ["127.0.0.1"]
    check_refused(pg.send("sslmode=verify-full&sslrootcert=ca.crt", host="other.test"), 503,
                  'server certificate for "db.test"', 'does not match host name "other.test"')


def test_verify_ca_takes_another_name(pg, authority):
    trust(pg, authority)
    pg.dns.names["other.test"] = ["127.0.0.1"]
    assert pg.send("sslmode=verify-ca&sslrootcert=ca.crt",
                   host="other.test")["responseCode"] == 201


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_another_authority(pg, tmp_path, sslmode):
    """As in libpq, require with a CA verifies too."""
    trust(pg, Authority(tmp_path / "stranger"))
    check_refused(pg.send(f"sslmode={sslmode}&sslrootcert=ca.crt"), 503,
                  "certificate verify failed")


@pytest.mark.long_pass("libpq parses the system's bundle for each connection")
def test_the_system_s_authorities_do_not_know_the_server(pg):
    check_refused(pg.send("sslmode=verify-full"), 503, "certificate verify failed")


def test_nothing_is_read_from_the_home_folder(pg, tmp_path):
    """There libpq would find a CA and verify, or a broken certificate and fail."""
    trust(pg, Authority(tmp_path / "stranger"), "root.crt")
    home = pg.project.path(".postgresql")
    os.makedirs(home)
    shutil.move(pg.project.path("root.crt"), home)
    for name in ("postgresql.crt", "postgresql.key", "root.crl"):
        with open(os.path.join(home, name), "w", encoding="ascii") as file:
            file.write("nonsense\n")
    assert pg.send("sslmode=require")["responseCode"] == 201


def test_a_client_certificate(pg, authority):
    trust(pg, authority)
    pair = authority.issue("alice", client=True)
    shutil.copy(pair.certificate, pg.project.path("alice.crt"))
    shutil.copy(pair.key, pg.project.path("alice.key"))
    assert pg.send("sslmode=verify-full&sslrootcert=ca.crt&sslcert=alice.crt&sslkey=alice.key",
                   user="alice")["responseCode"] == 201


def test_no_client_certificate(pg):
    check_refused(pg.send("sslmode=require", user="alice"), 403,
                  "connection requires a valid client certificate")


def test_another_user_s_client_certificate(pg, authority):
    pair = authority.issue("bob", client=True)
    shutil.copy(pair.certificate, pg.project.path("bob.crt"))
    shutil.copy(pair.key, pg.project.path("bob.key"))
    check_refused(pg.send("sslmode=require&sslcert=bob.crt&sslkey=bob.key", user="alice"), 403,
                  "certificate authentication failed")


def test_a_wrong_password_over_tls_is_told_once(pg):
    answer = pg.send("sslmode=require", user="strict:wrong")
    check_refused(answer, 403, "password authentication failed")
    assert answer["responseMessage"].count("password authentication failed") == 1, answer


def test_a_server_without_tls(pg, postgres_server):
    check_refused(pg.send("sslmode=require", host="127.0.0.1", port=postgres_server.port), 503,
                  "server does not support SSL")


def test_a_server_that_hangs_in_the_handshake(pg):
    """It takes TLS and says nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def take():
            client, _ = listener.accept()
            client.recv(8)
            client.sendall(b"S")
            kept.append(client)
        kept = []
        threading.Thread(target=take, daemon=True).start()
        check_refused(pg.send("sslmode=require", port=listener.getsockname()[1],
                              pool={"connectTimeout": "1s"}), 503, "within 1000 ms")
        for client in kept:
            client.close()


# ---- what is told at load ----

@pytest.mark.parametrize("options, text", [
    ("sslmode=verify-full&sslrootcert=gone.crt", "sslrootcert: cannot read '"),
    ("sslcert=ca.crt&sslkey=open.key", "chmod 600"),
    ("sslcert=ca.crt", "sslcert needs sslkey"),
])
def test_mistakes_with_files(project, options, text):
    for name in ("ca.crt", "open.key"):
        project.write(name, "", mode=0o644)
    project.account("pg", "POSTGRESQL",
                    test={"url": f"postgresql://u:topsecret@db.test/d?{options}"})
    done = cli("test", project=project.folder)
    assert done.returncode != 0
    assert "accounts/pg.yaml:" in done.stderr + done.stdout
    assert text in done.stderr + done.stdout
    assert "topsecret" not in done.stderr.split("\n")[0]
