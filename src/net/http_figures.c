/*
 * http_figures.c - what a server tells of itself: its counters, and its connections by state.
 *
 * Connections are counted by the lengths of the lists that they stand on, when somebody asks.
 * Gauges that follow every move were refused: they would be a second truth.
 */
#include "net/http_conn.h"

#define AT(member) offsetof(struct http_figures, member)

/* enum http_conn_state; a connection in work has no deadline. */
_Static_assert(HTTP_CONN_STATES == 7, "as many as STATES names");
#define STATES "idle|handshake|head|body|work|reply|linger"

const struct metric http_metrics[] = {
	{ "volley_http_connections", "connections", METRIC_GAUGE, METRIC_PLAIN,
		AT(connections), "state", STATES, false,
		"clients' connections by state: between requests, in a handshake of TLS, "
		"reading a head or a body, at work, writing, or closing" },
	{ "volley_http_connections_limit", "limit", METRIC_GAUGE, METRIC_PLAIN, AT(limit),
		NULL, NULL, false, "clients' connections at most" },
	{ "volley_http_accepted_total", "accepted", METRIC_COUNTER, METRIC_PLAIN,
		AT(accepted), NULL, NULL, false, "connections accepted" },
	{ "volley_http_evicted_total", "evicted", METRIC_COUNTER, METRIC_PLAIN, AT(evicted),
		NULL, NULL, false, "idle connections closed to make room for others" },
	{ "volley_http_accept_pauses_total", "acceptPauses", METRIC_COUNTER, METRIC_PLAIN,
		AT(accept_pauses), NULL, NULL, false,
		"times that accepting paused since there was no room, file or memory" },
	{ "volley_http_handshakes_failed_total", "handshakesFailed", METRIC_COUNTER,
		METRIC_PLAIN, AT(handshakes_failed), NULL, NULL, false,
		"handshakes of TLS that failed or took too long" },
	{ "volley_http_timeouts_total", "timeouts", METRIC_COUNTER, METRIC_PLAIN,
		AT(timed_out), "kind", STATES, false,
		"deadlines of connections that passed, by the state they were in" },
	{ "volley_http_replies_total", "replies", METRIC_COUNTER, METRIC_PLAIN, AT(replies),
		NULL, NULL, false, "replies, refusals included" },
	{ .name = NULL },
};

const struct metric http_refusal_metrics[] = {
	{ "volley_requests_refused_total", "refused", METRIC_COUNTER, METRIC_PLAIN,
		AT(refusals), "status", HTTP_REFUSALS, false,
		"requests to the Event API that were refused, by status" },
	{ .name = NULL },
};

size_t http_server_unsent(const struct http_server *server)
{
	return server->unsent;
}

const struct http_figures *http_server_figures(struct http_server *server)
{
	for (int i = 0; i < HTTP_CONN_STATES; i++)
		server->figures.connections[i] = server->states[i].conns.count;
	server->figures.limit = server->limits.connections;
	return &server->figures;
}
