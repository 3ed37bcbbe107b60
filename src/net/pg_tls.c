/*
 * pg_tls.c - the TLS options of a PostgreSQL connection string, checked and completed.
 *
 * For a file that the string does not name libpq looks into the home folder, also when the
 * option is empty. So each gets a path that cannot exist: libpq 15 takes that for "there is
 * none", except for the CA with sslmode=verify-*, which gets the system's bundle.
 *
 * What libpq would say about a file when it connects is said here at load. A key's
 * permissions follow its rule, for libpq would refuse the key.
 */
#include "net/pg_tls.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "loop/tls.h"
#include "net/pg_option.h"

#define NOWHERE "/dev/null/none"

static const struct {
	const char *keyword, *value; /* when the url does not say */
	bool is_path;
} tls_options[] = {
	{ "sslmode", "prefer", false },
	{ "sslrootcert", NOWHERE, true },
	{ "sslcert", NOWHERE, true },
	{ "sslkey", NOWHERE, true },
	{ "sslcrl", NOWHERE, true },
	{ "sslcrldir", "", true },
	{ "sslpassword", "", false },
	{ "sslcompression", "0", false },
	{ "sslsni", "1", false },
	{ "ssl_min_protocol_version", "TLSv1.2", false },
	{ "ssl_max_protocol_version", "", false },
};

bool pg_tls_has(const char *keyword)
{
	for (size_t i = 0; i < array_len(tls_options); i++) {
		if (strcmp(keyword, tls_options[i].keyword) == 0)
			return true;
	}
	return false;
}

/*
 * Keeps OpenSSL from asking at the terminal for an encrypted key's password, and has libpq and
 * OpenSSL do at load what their first use costs: 4 ms.
 */
static void prepare_libraries(void)
{
	static bool prepared;
	SSL_CTX *ssl;

	if (prepared)
		return;
	prepared = true;
	PQsetSSLKeyPassHook_OpenSSL(PQdefaultSSLKeyPassHook_OpenSSL);
	ssl = SSL_CTX_new(TLS_client_method());
	if (!ssl)
		mem_exhausted();
	SSL_free(SSL_new(ssl));
	SSL_CTX_free(ssl);
	PQconninfoFree(PQconndefaults());
}

/* ---- files ---- */

static bool check_readable(const char *keyword, const char *path, struct errbuf *errbuf)
{
	struct stat status;
	bool is_folder = strcmp(keyword, "sslcrldir") == 0;

	if (stat(path, &status) != 0 || access(path, R_OK) != 0) {
		errbuf_set(
			errbuf, "%s: cannot read '%s': %s", keyword, path, strerror(errno));
		return false;
	}
	if (!S_ISDIR(status.st_mode) != is_folder)
		return true;
	errbuf_set(errbuf, "%s: '%s' is %s", keyword, path,
		is_folder ? "no folder" : "a folder, not a file");
	return false;
}

static bool check_private(const char *path, struct errbuf *errbuf)
{
	struct stat status;
	mode_t open_to_others;

	if (strchr(path, ':')) { /* libpq takes it for an engine's name */
		errbuf_set(errbuf, "sslkey: a path with a colon cannot be used");
		return false;
	}
	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode)) {
		errbuf_set(errbuf, "sslkey: '%s' is no regular file", path);
		return false;
	}
	open_to_others = status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO
					    : S_IRWXG | S_IRWXO;
	if (!(status.st_mode & open_to_others))
		return true;
	errbuf_set(errbuf,
		"sslkey: others may read '%s'; chmod 600 it (640 will do when root owns "
		"it)",
		path);
	return false;
}

static const char *absolute(const char *path, const char *folder, struct arena *arena)
{
	return *path == '/' ? path : arena_printf(arena, "%s/%s", folder, path);
}

static bool check_file(const char *keyword, const char *path, struct errbuf *errbuf)
{
	return check_readable(keyword, path, errbuf) &&
	       (strcmp(keyword, "sslkey") != 0 || check_private(path, errbuf));
}

/* ---- how they go together ---- */

static bool verifies(const char *sslmode)
{
	return sslmode && strncmp(sslmode, "verify-", 7) == 0;
}

static bool check_together(const PQconninfoOption *options, struct errbuf *errbuf)
{
	const char *binding = pg_option_value(options, "channel_binding");
	const char *sslmode = pg_option_value(options, "sslmode");
	bool has_certificate = pg_option_value(options, "sslcert") != NULL;
	bool has_key = pg_option_value(options, "sslkey") != NULL;

	if (has_certificate != has_key) {
		errbuf_set(errbuf, "%s needs %s beside it", has_key ? "sslkey" : "sslcert",
			has_key ? "sslcert" : "sslkey");
		return false;
	}
	if (binding && strcmp(binding, "require") == 0 && sslmode &&
		strcmp(sslmode, "disable") == 0) {
		errbuf_set(
			errbuf, "channel_binding=require needs TLS, but sslmode=disable");
		return false;
	}
	return true;
}

/* What stands for an option that the url leaves out; NULL: there is nothing. */
static const char *fallback(const PQconninfoOption *options, size_t index)
{
	const char *keyword = tls_options[index].keyword;

	if (strcmp(keyword, "sslrootcert") == 0 &&
		verifies(pg_option_value(options, "sslmode")))
		return tls_system_bundle();
	if (strcmp(keyword, "sslcrl") == 0 && pg_option_value(options, "sslcrldir"))
		return "";
	return tls_options[index].value;
}

bool pg_tls_append(const PQconninfoOption *options, const char *folder, struct arena *arena,
	struct strbuf *out, struct errbuf *errbuf)
{
	prepare_libraries();
	if (!check_together(options, errbuf))
		return false;
	for (size_t i = 0; i < array_len(tls_options); i++) {
		const char *keyword = tls_options[i].keyword;
		const char *value = pg_option_value(options, keyword);

		if (value && tls_options[i].is_path) {
			value = absolute(value, folder, arena);
			if (!check_file(keyword, value, errbuf))
				return false;
		} else if (!value) {
			value = fallback(options, i);
		}
		if (!value) {
			errbuf_set(errbuf,
				"sslmode=%s needs sslrootcert: this machine has "
				"no bundle of CAs",
				pg_option_value(options, "sslmode"));
			return false;
		}
		pg_option_append(out, keyword, value);
	}
	return true;
}
