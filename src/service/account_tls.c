/*
 * account_tls.c - the `tls` block of an account: which files, and what is wrong with them.
 *
 * Everything is found when the project is read: a file that is not there, a key of another
 * certificate, a key that others can read. Not to verify must be written out and is warned
 * of. Refused: certificates as text in the YAML; a key would then stand where people look.
 */
#include "service/account_tls.h"

#include <string.h>

#include "conf/secret.h"

const struct field account_tls_fields[] = {
	{ "ca", FIELD_LITERAL, 0, NULL, NULL,
		"file of the certificates that are trusted, in place of the system's" },
	{ "certificate", FIELD_LITERAL, 0, NULL, NULL,
		"file of our own certificate and its chain" },
	{ "key", FIELD_LITERAL, 0, NULL, NULL, "file of our certificate's key; private" },
	{ "verify", FIELD_CHOICE, 0, "full|none", "full",
		"none: whoever answers is trusted" },
	{ NULL },
};

/* The field's node; NULL: it is not there, or null. */
static const struct node *get(const struct node *tls, const char *field)
{
	const struct node *node = tls ? node_get(tls, field) : NULL;

	return node_is_null(node) ? NULL : node;
}

/* The path that the field names, from the project's folder on; NULL: none is named. */
static bool read_path(const struct node *tls, const char *field, const char *folder,
	struct arena *arena, const char **out, struct diag *diag)
{
	const struct node *node = get(tls, field);

	*out = NULL;
	if (!node)
		return true;
	if (node->text.len == 0 || memchr(node->text.at, '\0', node->text.len)) {
		diag_error(diag, node->place, "%s of the tls block names no file", field);
		return false;
	}
	*out = node->text.at[0] == '/'
		       ? arena_text(arena, node->text).at
		       : arena_printf(arena, "%s/%.*s", folder, TEXT_ARG(node->text));
	return true;
}

static struct place place_of(
	const struct node *tls, const char *field, struct place otherwise)
{
	const struct node *node = get(tls, field);

	return node ? node->place : otherwise;
}

/* One without the other is a mistake, found only by the server otherwise. */
static bool check_pair(const struct node *tls, const struct tls_settings *settings,
	struct place where, struct diag *diag)
{
	const char *there = settings->key ? "key" : "certificate";
	const char *missing = settings->key ? "certificate" : "key";

	if (!settings->key == !settings->certificate)
		return true;
	diag_error(diag, place_of(tls, there, where),
		"the tls block has a '%s' and no '%s'", there, missing);
	return false;
}

static struct tls_context *make_context(const struct node *tls,
	const struct tls_settings *settings, struct place where, struct diag *diag)
{
	static const char *const fields[] = {
		[TLS_CA] = "ca", [TLS_CERTIFICATE] = "certificate", [TLS_KEY] = "key"
	};
	enum tls_part part = TLS_CA;
	struct errbuf reason = { "" };
	struct tls_context *made = tls_client_context(settings, &part, &reason);

	if (made)
		return made;
	diag_error(diag, place_of(tls, fields[part], where), "%s", reason.text);
	if (part == TLS_CA && !settings->ca)
		diag_hint(diag, "name the file of the CA: tls: {ca: FILE}");
	return NULL;
}

static void release(void *context)
{
	tls_context_release(context);
}

struct tls_context *account_tls_read(const struct node *tls, struct place where,
	const struct account_context *context, struct arena *arena, struct diag *diag)
{
	struct tls_settings settings = { .verify = true };
	const struct node *verify;
	struct tls_context *made;

	if (!service_check_fields(account_tls_fields, tls, where, "the tls block", diag))
		return NULL;
	if (node_is_null(tls))
		tls = NULL;
	verify = get(tls, "verify");
	if (verify && text_is(verify->text, "none")) {
		settings.verify = false;
		diag_warning(diag, verify->place,
			"the server's certificate is not verified: whoever answers gets "
			"the password and the data");
	}
	if (!read_path(tls, "ca", context->folder, arena, &settings.ca, diag) ||
		!read_path(tls, "certificate", context->folder, arena,
			&settings.certificate, diag) ||
		!read_path(tls, "key", context->folder, arena, &settings.key, diag) ||
		!check_pair(tls, &settings, where, diag) ||
		(settings.key &&
			!secret_check_key(settings.key, place_of(tls, "key", where), diag)))
		return NULL;
	made = make_context(tls, &settings, where, diag);
	if (made) {
		arena_defer(arena, release, made);
		if (context->files)
			*context->files = tls_context_stamp(made);
	}
	return made;
}
