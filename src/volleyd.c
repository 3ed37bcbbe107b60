/*
 * volleyd.c - the daemon: start order, the loop, stop order.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "base/systemd.h"
#include "catalog/snapshot.h"
#include "engine/engine.h"
#include "front/admin_api.h"
#include "front/deploy.h"
#include "front/event_api.h"
#include "front/messages.h"
#include "front/open_files.h"
#include "loop/dns.h"
#include "loop/loop.h"
#include "loop/tls_store.h"
#include "loop/watchdog.h"
#include "net/inherited.h"
#include "value/json.h"

/* Exit codes. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

/* How often a draining daemon looks whether it is done. */
#define DRAIN_LOOK (10 * NS_PER_MS)

struct daemon {
	struct loop *loop;
	struct engine *engine;
	struct event_api *api;
	struct deploy *deploy;
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
	deploy_stop(daemon->deploy); /* first: the end of a reload says READY=1 */
	systemd_stopping(snapshot->settings->shutdown_timeout, "draining");
	event_api_drain(daemon->api);
	admin_api_drain(daemon->admin);
	look_whether_drained(&daemon->drain_timer);
}

static void on_hangup(evutil_socket_t signal_number, short what, void *context)
{
	struct daemon *daemon = context;

	loop_woke(daemon->loop);
	if (!daemon->draining)
		systemd_reloading();
	deploy_request(daemon->deploy);
}

static bool prepare_deploy(void *owner, const struct snapshot *next, struct errbuf *errbuf)
{
	struct daemon *daemon = owner;
	const struct snapshot *old = deployment_snapshot(engine_deployment(daemon->engine));
	struct errbuf ignored;

	if (!admin_api_apply(daemon->admin, next->settings, errbuf))
		return false;
	if (event_api_apply(daemon->api, next->settings, open_files_fit(next), errbuf))
		return true;
	(void)!admin_api_apply(daemon->admin, old->settings, &ignored);
	return false;
}

static void deploy_done(void *owner, bool succeeded)
{
	systemd_ready(succeeded ? "serving" : "serving; the last reload failed");
}

static const struct deploy_hooks deploy_hooks = { .prepare = prepare_deploy,
	.done = deploy_done };

/* Reads the folder; every error is printed, and then NULL. */
static struct snapshot *load(const char *path)
{
	struct arena *messages = arena_new();
	struct diag *diag = diag_new(messages);
	struct snapshot *snapshot = snapshot_load(path, messages, diag);

	if (snapshot) {
		log_configure(
			snapshot->settings->log_level, snapshot->settings->log_format);
		(void)messages_log(diag, 0, SIZE_MAX);
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

/* A signal that is held waits, where it would meet its default action: the end. */
static void hold_signals(int how, bool all)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	if (all) {
		sigaddset(&signals, SIGTERM);
		sigaddset(&signals, SIGINT);
	}
	sigprocmask(how, &signals, NULL);
}

static void stop(struct daemon *daemon)
{
	hold_signals(SIG_BLOCK, true);
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
	deploy_free(daemon->deploy);
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

/* Before anybody can know that we are here: who has seen us listen may send a signal. */
static void watch_signals(struct daemon *daemon)
{
	daemon->sigterm = watch_signal(daemon, SIGTERM, on_terminate);
	daemon->sigint = watch_signal(daemon, SIGINT, on_terminate);
	daemon->sighup = watch_signal(daemon, SIGHUP, on_hangup);
	hold_signals(SIG_UNBLOCK, false);
}

/* Sockets that were passed are for the listeners of volley.yaml, and for nothing else. */
static bool all_sockets_used(const struct daemon *daemon, struct errbuf *errbuf)
{
	const struct volley_settings *settings =
		deployment_snapshot(engine_deployment(daemon->engine))->settings;
	struct strbuf addresses;
	bool good;

	strbuf_init(&addresses, 4096);
	for (size_t i = 0; i < settings->listen_count; i++)
		strbuf_printf(
			&addresses, "%s%s", i ? ", " : "", settings->listen[i].address);
	strbuf_printf(&addresses, ", %s", settings->admin.listen);
	strbuf_char(&addresses, '\0');
	good = inherited_all_used(addresses.failed ? "others" : addresses.data, errbuf);
	strbuf_free(&addresses);
	return good;
}

static bool start(struct daemon *daemon, struct snapshot *snapshot, const char *path)
{
	struct errbuf errbuf;
	unsigned connections = open_files_fit(snapshot);
	bool passed = inherited_take(&errbuf);

	daemon->loop = loop_new();
	if (!daemon->loop)
		mem_exhausted();
	daemon->engine = engine_new(daemon->loop);
	loop_timer_init(daemon->loop, &daemon->drain_timer, look_whether_drained);
	engine_deploy(daemon->engine, snapshot);
	daemon->deploy = deploy_new(
		daemon->loop, daemon->engine, path, &deploy_hooks, daemon);
	watch_signals(daemon);
	if (passed && dns_prepare(daemon->loop, &errbuf))
		daemon->admin = admin_api_new(daemon->loop, daemon->engine,
			deploy_figures(daemon->deploy), &errbuf);
	if (daemon->admin)
		daemon->api = event_api_new(
			daemon->loop, daemon->engine, connections, &errbuf);
	if (!daemon->api || !all_sockets_used(daemon, &errbuf)) {
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
	struct snapshot *snapshot;
	struct loop_stats stats;
	bool started;

	/* One that comes while the folder is read is a reload afterwards. */
	hold_signals(SIG_BLOCK, false);
	snapshot = load(path);
	if (!snapshot)
		return EXIT_REFUSED;
	started = start(&daemon, snapshot, path);
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
