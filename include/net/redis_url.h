/*
 * redis_url.h - where a Redis server is and how to log in, from an account's url.
 *
 *   redis://[user[:password]@]host[:port][/db], rediss:// for TLS
 *   unix:[//[user[:password]@]]path[?db=N]
 */
#ifndef VOLLEY_NET_REDIS_URL_H
#define VOLLEY_NET_REDIS_URL_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/macros.h"
#include "base/text.h"
#include "net/dial.h"

struct redis_endpoint {
	struct dial_target target;
	bool is_tls;             /* rediss:// */
	struct tls_context *tls; /* whoever parsed the url fills it in where is_tls */
	const char *name;       /* for messages: "127.0.0.1:6379", "unix:/run/redis.sock" */
	struct text username;   /* decoded; empty: the default user */
	struct text password;   /* decoded; empty: no login */
	unsigned long database; /* 0 needs no SELECT */
};

/*
 * Reads a url; percent escapes in user, password and path are decoded, a relative path
 * starts at folder. Everything lives in the arena. False: the reason is in errbuf, and
 * holds nothing of the url that could be a password. tls is NULL.
 */
must_check bool redis_url_parse(struct text url, const char *folder, struct arena *arena,
	struct redis_endpoint *out, struct errbuf *errbuf);

#endif
