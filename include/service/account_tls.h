/*
 * account_tls.h - the `tls` block of an account, the same for every service that has one.
 */
#ifndef VOLLEY_SERVICE_ACCOUNT_TLS_H
#define VOLLEY_SERVICE_ACCOUNT_TLS_H

#include "loop/tls.h"
#include "service/service.h"

/* ca, certificate, key, verify. */
extern const struct field account_tls_fields[];

/*
 * At load: checks the block (NULL or null: the defaults), reads its files and makes the
 * context, which lives as long as the arena; context->files is filled in. NULL: diag has an
 * error.
 */
must_check struct tls_context *account_tls_read(const struct node *tls, struct place where,
	const struct account_context *context, struct arena *arena, struct diag *diag);

#endif
