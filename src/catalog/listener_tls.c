/*
 * listener_tls.c - the `tls` block of volley.yaml: its files read, its context made.
 *
 * When the folder is read, with everything else: a certificate that cannot be used stops the
 * start, or leaves what was in force in force. The context lives as long as the snapshot;
 * unchanged files give the same one again. Refused: reading the files when a listener opens,
 * where a mistake has no place in a file any more.
 */
#include "catalog/load.h"
#include "conf/secret.h"
#include "loop/tls_server.h"

static void release(void *context)
{
	tls_context_release(context);
}

static struct place place_of(const struct settings_tls *tls, enum tls_part part)
{
	switch (part) {
	case TLS_KEY:
		return tls->key_place;
	case TLS_CA:
		return tls->client_ca_place;
	default:
		return tls->certificate_place;
	}
}

void load_listener_tls(struct load *load, struct settings_tls *tls)
{
	struct tls_server_settings settings = { .certificate = tls->certificate,
		.key = tls->key,
		.client_ca = tls->client_ca,
		.only_1_3 = tls->min_version == 1 };
	enum tls_part part = TLS_CERTIFICATE;
	struct errbuf reason = { "" };
	const char *state;
	bool is_private;

	if (!tls->certificate || !tls->key)
		return;
	is_private = secret_check_key(tls->key, tls->key_place, load->diag);
	tls->context = tls_server_context(&settings, &part, &reason);
	if (!tls->context) {
		if (is_private || part != TLS_KEY) /* else it is said */
			diag_error(load->diag, place_of(tls, part), "%s", reason.text);
		return;
	}
	arena_defer(load->arena, release, tls->context);
	state = tls_server_out_of_date(tls->context);
	if (state)
		diag_warning(load->diag, tls->certificate_place, "%s: the certificate %s",
			tls->certificate, state);
}
