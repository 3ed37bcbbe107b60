/*
 * volleyd.c - the daemon: start order, the loop, stop order.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/systemd.h"
#include "catalog/snapshot.h"
#include "engine/engine.h"
#include "front/admin_api.h"
#include "front/event_api.h"
#include "loop/dns.h"
#include "loop/loop.h"
#include "loop/tls.h"
#include "loop/watchdog.h"
#include "value/json.h"

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

/* How often a draining daemon looks whether it is done. */
#define DRAIN_LOOK (10 * NS_PER_MS)

/* File descriptors beside connections and pools: listeners, epoll, log, files. */
enum { SPARE_FILES = 64 };

struct daemon {
	struct loop *loop;
	struct engine *engine;
	struct event_api *api;
	struct admin_api *admin;
	struct event *sigterm, *sigint, *sighup;
	bool draining;
	uint64_t drain_until; /* monotonic ns */
	struct loop_timer drain_timer;
	struct watchdog watchdog;
};

static void usage(FILE *out)
{
	fputs("usage: volleyd -c DIR/volley.yaml\n"
	      "       volleyd --version | --help\n"
	      "Runs the project folder DIR in the foreground; SIGTERM drains and ends "
	      "it.\n",
		out);
}

/* Draining is rare: a look every 10 ms is simpler than two completions that must meet. */
static void look_whether_drained(struct loop_timer *timer)
{
	struct daemon *daemon = container_of(timer, struct daemon, drain_timer);
	bool idle = engine_living(daemon->engine) == 0 &&
		    event_api_connections(daemon->api) == 0;

	if (!idle && loop_now(daemon->loop) < daemon->drain_until) {
		loop_timer_start(timer, DRAIN_LOOK);
		return;
	}
	if (!idle)
		log_line(LOG_WARN, "shutdownTimeout is over, what still runs is cut off",
			NULL);
	loop_stop(daemon->loop);
}

/* The first signal drains, a second one ends at once. */
static void on_terminate(evutil_socket_t signal_number, short what, void *context)
{
	struct daemon *daemon = context;
	const struct snapshot *snapshot = deployment_snapshot(
		engine_deployment(daemon->engine));

	loop_woke(daemon->loop);
	if (daemon->draining) {
		log_line(LOG_WARN, "a second signal: what still runs is cut off", NULL);
		loop_stop(daemon->loop);
		return;
	}
	daemon->draining = true;
	daemon->drain_until = loop_now(daemon->loop) + snapshot->settings->shutdown_timeout;
	log_line(LOG_INFO, "draining", "signal",
		signal_number == SIGINT ? "SIGINT" : "SIGTERM", NULL);
	systemd_stopping(snapshot->settings->shutdown_timeout, "draining");
	event_api_drain(daemon->api);
	admin_api_drain(daemon->admin);
	look_whether_drained(&daemon->drain_timer);
}

/*
 * A person who means "reload" is told; the default action would be to die in the middle
 * of a run.
 */
static void on_hangup(evutil_socket_t signal_number, short what, void *context)
{
	log_line(LOG_WARN, "SIGHUP is ignored: this version reads its folder at start only",
		NULL);
}

/*
 * Raises the soft limit of open files to the hard one, and answers how many client
 * connections fit beside the pools: each connection may cost one more file on the way out.
 */
static unsigned connections_that_fit(const struct snapshot *snapshot)
{
	unsigned wanted = snapshot->settings->limits.connections;
	size_t pools = 0, needed, fit;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return wanted;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (const struct service_account *account = snapshot->accounts; account;
		account = account->hh.next)
		for (int e = 0; e < ENV_COUNT; e++)
			pools += account->half[e].present
					 ? account->half[e].pool.connections
					 : 0;
	needed = 2 * (size_t)wanted + pools + SPARE_FILES;
	if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= needed)
		return wanted;
	fit = files.rlim_cur > pools + SPARE_FILES + 2
		      ? (files.rlim_cur - pools - SPARE_FILES) / 2
		      : 1;
	log_begin(LOG_WARN, TEXT("limits.connections is lowered, raise the hard limit of "
				 "open files (ulimit -n)"));
	log_number("connections", (int64_t)fit);
	log_number("wanted", wanted);
	log_number("open_files", (int64_t)files.rlim_cur);
	log_number("needed", (int64_t)needed);
	log_end();
	return (unsigned)fit;
}

/* The warnings of a folder that can be served, in the form of every other line. */
static void log_warnings(const struct diag *diag)
{
	for (size_t i = 0; i < diag_count(diag); i++) {
		const struct diag_message *message = diag_message(diag, i);
		unsigned line = 0, column = 0;

		log_begin(LOG_WARN, text_of(message->text));
		if (message->place.source) {
			place_line_column(message->place, &line, &column);
			log_text("file", text_of(message->place.source->name));
			log_number("line", line);
			log_number("column", column);
		}
		if (message->hint)
			log_text("hint", text_of(message->hint));
		log_end();
	}
}

/* Reads the folder; every error is printed, and then NULL. */
static struct snapshot *load(const char *path)
{
	struct arena *messages = arena_new();
	struct diag *diag = diag_new(messages);
	struct snapshot *snapshot = snapshot_load(path, messages, diag);

	if (snapshot) {
		log_configure(
			snapshot->settings->log_level, snapshot->settings->log_format);
		log_warnings(diag);
	} else {
		diag_print(diag, stderr);
		fprintf(stderr, "volleyd: %s: %zu error%s, not started\n", path,
			diag_errors(diag), diag_errors(diag) == 1 ? "" : "s");
	}
	arena_free(messages);
	return snapshot;
}

static void log_start(const struct snapshot *snapshot)
{
	log_begin(LOG_INFO, TEXT("volleyd started"));
	log_text("version", text_of(VOLLEY_VERSION));
	log_text("folder", text_of(snapshot->settings->folder));
	log_number("events", (int64_t)snapshot->event_count);
	log_number("accounts", (int64_t)snapshot->account_count);
	log_end();
	if (snapshot->idle)
		log_line(LOG_WARN, "some keys are not in force in this version", "keys",
			snapshot->idle, NULL);
}

/* With what the loop has to say about itself. */
static void log_end_of(const struct loop_stats *stats)
{
	log_begin(LOG_INFO, TEXT("volleyd ended"));
	log_number("passes", (int64_t)stats->cpu.count);
	log_number("passes_over_5ms", (int64_t)histogram_above(&stats->cpu, 5 * NS_PER_MS));
	log_number("longest_us", (int64_t)stats->cpu.max / 1000);
	log_number("unexpected_waits", (int64_t)stats->waits);
	log_end();
}

static void stop(struct daemon *daemon)
{
	sigset_t late;

	/*
	 * A signal that comes from now on would meet its default action: it waits for the
	 * end.
	 */
	sigemptyset(&late);
	sigaddset(&late, SIGTERM);
	sigaddset(&late, SIGINT);
	sigaddset(&late, SIGHUP);
	sigprocmask(SIG_BLOCK, &late, NULL);
	if (daemon->sigterm)
		event_free(daemon->sigterm);
	if (daemon->sigint)
		event_free(daemon->sigint);
	if (daemon->sighup)
		event_free(daemon->sighup);
	loop_timer_stop(&daemon->drain_timer);
	if (daemon->admin)
		admin_api_free(daemon->admin);
	watchdog_stop(&daemon->watchdog);
	if (daemon->api)
		event_api_free(daemon->api);
	engine_free(daemon->engine);
	loop_free(daemon->loop);
}

static struct event *watch_signal(
	struct daemon *daemon, int number, void (*fire)(evutil_socket_t, short, void *))
{
	struct event *event = evsignal_new(loop_base(daemon->loop), number, fire, daemon);

	if (!event || event_add(event, NULL) != 0)
		mem_exhausted();
	return event;
}

static bool start(struct daemon *daemon, struct snapshot *snapshot)
{
	struct errbuf errbuf;
	unsigned connections = connections_that_fit(snapshot);

	daemon->loop = loop_new();
	if (!daemon->loop)
		mem_exhausted();
	daemon->engine = engine_new(daemon->loop);
	loop_timer_init(daemon->loop, &daemon->drain_timer, look_whether_drained);
	engine_deploy(daemon->engine, snapshot);
	/* Before the listeners: who can reach us may end us at once, with 0. */
	daemon->sigterm = watch_signal(daemon, SIGTERM, on_terminate);
	daemon->sigint = watch_signal(daemon, SIGINT, on_terminate);
	daemon->sighup = watch_signal(daemon, SIGHUP, on_hangup);
	if (dns_prepare(daemon->loop, &errbuf))
		daemon->admin = admin_api_new(daemon->loop, daemon->engine, &errbuf);
	if (daemon->admin)
		daemon->api = event_api_new(
			daemon->loop, daemon->engine, connections, &errbuf);
	if (!daemon->api) {
		log_line(LOG_ERROR, "cannot start", "error", errbuf.text, NULL);
		return false;
	}
	admin_api_ready(daemon->admin, event_api_server(daemon->api));
	loop_test_block(daemon->loop);
	log_start(deployment_snapshot(engine_deployment(daemon->engine)));
	watchdog_start(&daemon->watchdog, daemon->loop);
	systemd_ready("serving");
	return true;
}

static int serve(const char *path)
{
	struct daemon daemon = { 0 };
	struct snapshot *snapshot = load(path);
	struct loop_stats stats;
	bool started;

	if (!snapshot)
		return EXIT_REFUSED;
	started = start(&daemon, snapshot);
	if (started)
		loop_run(daemon.loop);
	stats = *loop_stats(daemon.loop);
	stop(&daemon);
	if (started)
		log_end_of(&stats);
	arena_drop_cache();
	json_drop_cache();
	tls_drop_cache();
	key_cleanup();
	log_drain();
	return started ? EXIT_DONE : EXIT_REFUSED;
}

/* The file of -c; a folder stands for the volley.yaml in it. */
static const char *settings_file(const char *path, char *buffer, size_t size)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return path;
	snprintf(buffer, size, "%s/volley.yaml", path);
	return buffer;
}

int main(int argc, char **argv)
{
	static const struct option words[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = NULL;
	char buffer[4096];
	int word;

	while ((word = getopt_long(argc, argv, "c:Vh", words, NULL)) != -1) {
		switch (word) {
		case 'c':
			path = optarg;
			break;
		case 'V':
			puts("volleyd " VOLLEY_VERSION);
			return EXIT_DONE;
		case 'h':
			usage(stdout);
			return EXIT_DONE;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (!path || optind < argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
#ifndef VOLLEY_DEBUG
	/* No core dumps: memory holds payloads and credentials. */
	(void)prctl(PR_SET_DUMPABLE, 0);
#endif
	return serve(settings_file(path, buffer, sizeof(buffer)));
}
