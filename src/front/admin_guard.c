/*
 * admin_guard.c - a page of a stranger must not reach the admin listener through the browser
 * of somebody who may.
 *
 * A name that a stranger controls can be made to point to 127.0.0.1, so a Host header must
 * name what only this machine's owner decides about. Refused: a list of addresses to compare
 * with; behind a port that is forwarded it would be wrong.
 */
#include "front/admin_guard.h"

#include <arpa/inet.h>
#include <openssl/crypto.h>

#include "catalog/key.h"

static bool is_address(int family, struct text host)
{
	unsigned char address[sizeof(struct in6_addr)];
	char copy[INET6_ADDRSTRLEN];

	if (host.len == 0 || host.len >= sizeof(copy) || memchr(host.at, '\0', host.len))
		return false;
	memcpy(copy, host.at, host.len);
	copy[host.len] = '\0';
	return inet_pton(family, copy, address) == 1;
}

/* Nothing, or a colon and a port. */
static bool is_port_part(struct text t)
{
	if (t.len == 0)
		return true;
	if (t.at[0] != ':' || t.len > 6)
		return false;
	for (size_t i = 1; i < t.len; i++)
		if (t.at[i] < '0' || t.at[i] > '9')
			return false;
	return true;
}

static bool is_known_name(struct text name, const struct settings_admin *admin)
{
	if (is_address(AF_INET, name) || text_is_nocase(name, "localhost"))
		return true;
	for (size_t i = 0; i < admin->host_count; i++)
		if (text_is_nocase(name, admin->hosts[i]))
			return true;
	return false;
}

bool admin_host_is_known(struct text host, const struct settings_admin *admin)
{
	bool is_bracketed = host.len > 0 && host.at[0] == '[';
	const char *end = host.len ? memchr(host.at, is_bracketed ? ']' : ':', host.len)
				   : NULL;
	struct text name = host, rest = { 0 };

	if (is_bracketed && !end)
		return false;
	if (end) {
		name.len = (size_t)(end - host.at);
		rest = (struct text){ end, host.len - name.len };
	}
	if (is_bracketed) {
		name = (struct text){ name.at + 1, name.len - 1 };
		rest = (struct text){ rest.at + 1, rest.len - 1 };
		return is_address(AF_INET6, name) && is_port_part(rest);
	}
	return is_known_name(name, admin) && is_port_part(rest);
}

bool admin_origin_is_known(struct text origin, const struct settings_admin *admin)
{
	static const struct text schemes[] = { { "http://", 7 }, { "https://", 8 } };

	for (size_t i = 0; i < array_len(schemes); i++) {
		size_t len = schemes[i].len;

		if (origin.len > len && memcmp(origin.at, schemes[i].at, len) == 0)
			return admin_host_is_known(
				(struct text){ origin.at + len, origin.len - len }, admin);
	}
	return false;
}

bool admin_token_is_given(
	const struct http_request *request, const struct settings_admin *admin)
{
	const struct text *header = http_header(request, "authorization");
	unsigned char given[KEY_HASH_SIZE], wanted[KEY_HASH_SIZE];
	struct text token = { 0 };
	bool is_bearer;

	if (!admin->token)
		return true;
	is_bearer = header && http_header_count(request, "authorization") == 1 &&
		    header->len > 7 &&
		    text_is_nocase((struct text){ header->at, 7 }, "bearer ");
	if (is_bearer)
		token = text_trim((struct text){ header->at + 7, header->len - 7 });
	/* Hashes are of one length, so the time tells neither the token nor its length. */
	key_hash(token, given);
	key_hash(text_of(admin->token), wanted);
	return CRYPTO_memcmp(given, wanted, sizeof(given)) == 0 && token.len > 0;
}
