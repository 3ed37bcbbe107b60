/*
 * redis_client.h - pipelined, pooled connections to one Redis server; hiredis' async shape
 * over our streams.
 *
 * A command goes in with its attempt, replies come back in the order of the commands, and
 * an attempt that is cancelled leaves an orphan whose reply is read and dropped.
 */
#ifndef VOLLEY_NET_REDIS_CLIENT_H
#define VOLLEY_NET_REDIS_CLIENT_H

#include <stddef.h>

#include "base/text.h"
#include "loop/loop.h"
#include "net/attempt.h"
#include "net/redis_url.h"
#include "value/value.h"

struct redis_client;

/* One command; lives as long as its attempt is in the client. */
struct redis_command {
	const char *const *arguments; /* the command's name first; any bytes */
	const size_t *lengths;
	int count;
	size_t bytes; /* about what it takes in a queue */
	/* The responseCode of a reply that is no error. */
	int (*code)(const struct value *reply);
};

/*
 * A client that has connected to nothing yet. account, environment, endpoint and settings
 * live as long as it does.
 */
struct redis_client *redis_client_new(struct loop *loop,
	const struct redis_endpoint *endpoint, const struct pool_settings *settings,
	const char *account, const char *environment);

/* Closes all connections. Every attempt is finished or was cancelled before. */
void redis_client_free(struct redis_client *client);

/* Opens one connection in the background when there is none. */
void redis_client_warm(struct redis_client *client);

/* Sends the command as soon as a connection takes it; attempt_finish() follows, never
 * inside. */
void redis_client_send(struct redis_client *client, struct attempt *attempt,
	const struct redis_command *command);

/* Ends an attempt that was sent and is not delivered; done() is not called any more. */
enum attempt_stage redis_client_cancel(
	struct redis_client *client, struct attempt *attempt);

void redis_client_figures(const struct redis_client *client, struct account_figures *out);

#endif
