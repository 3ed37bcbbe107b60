/*
 * credentials.c - the two ways in which a request carries its key and secret.
 *
 * Some proxies drop header names with underscores, hence Basic beside the original headers.
 * A header that stands twice is refused rather than guessed at: two parties might each read
 * another one.
 */
#include "front/credentials.h"

#include <openssl/evp.h>

struct credentials {
	struct text key, secret;
};

static bool from_headers(const struct http_request *request, struct credentials *out)
{
	const struct text *key = http_header(request, "client_key");
	const struct text *secret = http_header(request, "client_secret");

	if (!key && !secret)
		return false;
	*out = (struct credentials){ 0 };
	if (key && secret && http_header_count(request, "client_key") == 1 &&
		http_header_count(request, "client_secret") == 1)
		*out = (struct credentials){ *key, *secret };
	return true;
}

/* Decodes the credentials part of "Basic ..." into the request's arena; empty when it is no
 * base64. */
static struct text decode_base64(struct arena *arena, struct text t)
{
	unsigned char *out;
	int len;

	if (t.len == 0 || t.len % 4 != 0 || t.len > 8192)
		return (struct text){ 0 };
	out = arena_alloc(arena, t.len / 4 * 3 + 1);
	len = EVP_DecodeBlock(out, (const unsigned char *)t.at, (int)t.len);
	if (len < 0)
		return (struct text){ 0 };
	/* EVP_DecodeBlock counts the padding as zero bytes. */
	for (size_t i = t.len; i > 0 && t.at[i - 1] == '=' && len > 0; i--)
		len--;
	return (struct text){ (const char *)out, (size_t)len };
}

static void from_basic(const struct http_request *request, struct credentials *out)
{
	const struct text *header = http_header(request, "authorization");
	struct text decoded;
	const char *colon;

	if (!header || http_header_count(request, "authorization") != 1 ||
		header->len < 6 ||
		!text_is_nocase((struct text){ header->at, 6 }, "basic "))
		return;
	decoded = decode_base64(request->arena,
		text_trim((struct text){ header->at + 6, header->len - 6 }));
	colon = decoded.len ? memchr(decoded.at, ':', decoded.len) : NULL;
	if (!colon)
		return;
	out->key = (struct text){ decoded.at, (size_t)(colon - decoded.at) };
	out->secret = (struct text){ colon + 1, decoded.len - out->key.len - 1 };
}

const struct key *credentials_check(
	const struct http_request *request, const struct snapshot *snapshot)
{
	struct credentials given = { 0 };
	const struct key *key;

	if (!from_headers(request, &given))
		from_basic(request, &given);
	key = snapshot_key(snapshot, given.key);
	return key_matches(key, given.secret) ? key : NULL;
}
