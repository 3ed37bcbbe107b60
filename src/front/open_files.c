/*
 * open_files.c - the limit of open files, shared out among clients and pools.
 *
 * Each connection of a client may cost one more file on the way out, and pools come first:
 * without them no event could be carried out. Refused: finding out by EMFILE, which hits
 * whoever comes next.
 */
#include "front/open_files.h"

#include <sys/resource.h>

#include "base/log.h"

/* File descriptors beside connections and pools: listeners, epoll, log, files. */
enum { SPARE_FILES = 64 };

static size_t pool_connections(const struct snapshot *snapshot)
{
	size_t sum = 0;

	for (const struct service_account *account = snapshot->accounts; account;
		account = account->hh.next)
		for (int e = 0; e < ENV_COUNT; e++)
			sum += account->half[e].present ? account->half[e].pool.connections
							: 0;
	return sum;
}

unsigned open_files_fit(const struct snapshot *snapshot)
{
	unsigned wanted = snapshot->settings->limits.connections;
	size_t pools = pool_connections(snapshot), needed, fit;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return wanted;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	needed = 2 * (size_t)wanted + pools + SPARE_FILES;
	if (files.rlim_cur == RLIM_INFINITY || files.rlim_cur >= needed)
		return wanted;
	fit = files.rlim_cur > pools + SPARE_FILES + 2
		      ? (files.rlim_cur - pools - SPARE_FILES) / 2
		      : 1;
	log_begin(LOG_WARN, TEXT("limits.connections is lowered, raise the hard limit of "
				 "open files (ulimit -n)"));
	log_number("connections", (int64_t)fit);
	log_number("wanted", wanted);
	log_number("open_files", (int64_t)files.rlim_cur);
	log_number("needed", (int64_t)needed);
	log_end();
	return (unsigned)fit;
}
