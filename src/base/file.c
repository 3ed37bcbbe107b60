/*
 * file.c - whole files, with plain read() and write().
 *
 * stdio was refused: its errors come late and its buffer would only be a second copy. A
 * file is replaced through a temporary name and rename(), so that a reader and a crash see
 * the old bytes or the new ones, never a part; the temporary name begins with a dot and
 * does not end in .yaml, so what a crash leaves behind is never loaded.
 */
#include "base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"

#define PRIVATE_BITS 077  /* of everyone but the owner */
#define SHARED_BITS  0037 /* of root's file that a group may read: all but that */

static bool fail(struct errbuf *errbuf, const char *path, const char *what)
{
	errbuf_set(errbuf, "%s: %s%s", path, what, strerror(errno));
	return false;
}

/* What fstat() says of the size is only a hint: the file may grow, and /proc says 0. */
static bool read_all(
	int fd, const char *path, size_t hint, struct strbuf *buf, struct errbuf *errbuf)
{
	size_t step = hint < buf->max ? hint + 1 : buf->max;

	for (;;) {
		char *at = strbuf_reserve(buf, step);
		ssize_t got = read(fd, at, step);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(errbuf, path, "");
		if (got == 0)
			return true;
		strbuf_advance(buf, (size_t)got);
		if (buf->len == buf->max) {
			errbuf_set(errbuf, "%s: larger than %zu bytes", path, buf->max - 1);
			return false;
		}
		step = buf->max - buf->len < 4096 ? buf->max - buf->len : 4096;
	}
}

static bool check_regular(
	int fd, const char *path, size_t max, struct stat *st, struct errbuf *errbuf)
{
	if (fstat(fd, st) < 0)
		return fail(errbuf, path, "");
	if (!S_ISREG(st->st_mode)) {
		errbuf_set(errbuf, "%s: not a regular file", path);
		return false;
	}
	if ((uint64_t)st->st_size > max) {
		errbuf_set(errbuf, "%s: larger than %zu bytes", path, max);
		return false;
	}
	return true;
}

bool file_read(struct arena *arena, const char *path, size_t max, struct text *out,
	struct errbuf *errbuf)
{
	struct strbuf buf;
	struct stat st;
	bool done;
	int fd;

	assert(max < SIZE_MAX);
	/* O_NONBLOCK: a FIFO of that name must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return fail(errbuf, path, "");
	strbuf_init_arena(&buf, arena, max + 1);
	done = check_regular(fd, path, max, &st, errbuf) &&
	       read_all(fd, path, (size_t)st.st_size, &buf, errbuf);
	close(fd);
	if (!done)
		return false;
	*out = strbuf_get(&buf);
	strbuf_char(&buf, '\0');
	return true;
}

static bool write_all(int fd, struct text bytes)
{
	while (bytes.len) {
		ssize_t put = write(fd, bytes.at, bytes.len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return false;
		bytes.at += put;
		bytes.len -= (size_t)put;
	}
	return true;
}

/* A file that root replaces for the daemon's user must stay readable for it. Without the
 * right to give files away the new file is ours, as any file that we make. */
static void keep_owner(int fd, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return;
	if (fchown(fd, st.st_uid, st.st_gid) < 0 && fchown(fd, (uid_t)-1, st.st_gid) < 0)
		errno = 0;
}

static bool fill(int fd, const char *path, struct text bytes, mode_t mode)
{
	keep_owner(fd, path);
	return fchmod(fd, mode) == 0 && write_all(fd, bytes) && fsync(fd) == 0;
}

/* Some file systems cannot sync folders and say EINVAL. */
static bool sync_folder(int folder)
{
	return fsync(folder) == 0 || errno == EINVAL;
}

/* "dir/.name.XXXXXX" for "dir/name"; the caller frees it. *folder_len: up to the slash. */
static char *temporary_name(const char *path, size_t *folder_len)
{
	const char *slash = strrchr(path, '/');
	struct strbuf buf;

	*folder_len = slash ? (size_t)(slash - path) + 1 : 0;
	strbuf_init(&buf, SIZE_MAX);
	strbuf_bytes(&buf, path, *folder_len);
	strbuf_printf(&buf, ".%s.XXXXXX", path + *folder_len);
	strbuf_char(&buf, '\0');
	return buf.data;
}

bool file_write_atomic(
	const char *path, struct text bytes, mode_t mode, struct errbuf *errbuf)
{
	size_t folder_len;
	char *temporary = temporary_name(path, &folder_len);
	char *folder_name = folder_len ? mem_copy(path, folder_len) : mem_strdup(".");
	int folder = open(folder_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = folder < 0 ? -1 : mkostemp(temporary, O_CLOEXEC);
	bool done = false;

	if (fd < 0) {
		fail(errbuf, path, "cannot write: ");
	} else if (!fill(fd, path, bytes, mode) || rename(temporary, path) < 0) {
		fail(errbuf, path, "cannot write: ");
		unlink(temporary);
	} else if (!sync_folder(folder)) {
		fail(errbuf, path, "written, but its folder could not be synced: ");
	} else {
		done = true;
	}
	if (fd >= 0)
		close(fd);
	if (folder >= 0)
		close(folder);
	free(folder_name);
	free(temporary);
	return done;
}

bool file_is_private(const char *path, bool *is_private, struct errbuf *errbuf)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return fail(errbuf, path, "");
	*is_private = (st.st_mode & PRIVATE_BITS) == 0 ||
		      (st.st_uid == 0 && (st.st_mode & SHARED_BITS) == 0);
	return true;
}
