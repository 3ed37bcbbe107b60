/*
 * credentials.h - who sends a request: client_key and client_secret, or HTTP Basic.
 */
#ifndef VOLLEY_FRONT_CREDENTIALS_H
#define VOLLEY_FRONT_CREDENTIALS_H

#include "catalog/snapshot.h"
#include "net/http_server.h"

/*
 * The key that the request proves to hold, or NULL. The headers win over Basic (RFC 7617);
 * a wrong half and an unknown key take the same time.
 */
const struct key *credentials_check(
	const struct http_request *request, const struct snapshot *snapshot);

#endif
