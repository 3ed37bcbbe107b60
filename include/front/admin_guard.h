/*
 * admin_guard.h - who may speak to the admin listener: the checks against DNS rebinding and
 * cross-site requests, and the token.
 */
#ifndef VOLLEY_FRONT_ADMIN_GUARD_H
#define VOLLEY_FRONT_ADMIN_GUARD_H

#include <stdbool.h>

#include "base/text.h"
#include "conf/settings.h"
#include "net/http_server.h"

/*
 * Whether a Host header (RFC 9110 section 7.2) names an IP address, IPv6 in brackets,
 * localhost, or one of the listed hosts; each with or without a port.
 */
bool admin_host_is_known(struct text host, const struct settings_admin *admin);

/* The same for an Origin header (RFC 6454): http:// or https:// and such a host. */
bool admin_origin_is_known(struct text origin, const struct settings_admin *admin);

/* Whether the request carries the token, as `Authorization: Bearer`; true without one. */
bool admin_token_is_given(
	const struct http_request *request, const struct settings_admin *admin);

#endif
