/*
 * test_file.c - reading with a bound, replacing whole, and who may read a file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static char folder[] = "/tmp/test_file.XXXXXX";
static struct arena *arena;
static struct errbuf errbuf;

static int set_up(void **state)
{
	umask(022);
	arena = arena_new();
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	arena_free(arena);
	arena_drop_cache();
	return rmdir(folder); /* fails when a test left something behind */
}

static const char *in_folder(const char *name)
{
	return arena_printf(arena, "%s/%s", folder, name);
}

static size_t entries(void)
{
	DIR *dir = opendir(folder);
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2; /* "." and ".." */
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void written_and_read(void **state)
{
	const char *path = in_folder("a.yaml");
	struct text text;

	assert_true(file_write_atomic(path, TEXT("one\0two\n"), 0600, &errbuf));
	assert_true(file_read(arena, path, 8, &text, &errbuf));
	assert_true(text_equal(text, TEXT("one\0two\n")));
	assert_int_equal(text.at[text.len], '\0');
	assert_int_equal(mode_of(path), 0600);
	assert_true(
		file_write_atomic(path, TEXT(""), 0666, &errbuf)); /* umask has no say */
	assert_int_equal(mode_of(path), 0666);
	assert_true(file_read(arena, path, 0, &text, &errbuf));
	assert_int_equal(text.len, 0);
	assert_int_equal(entries(), 1);
	unlink(path);
}

static void large(void **state)
{
	enum { SIZE = 3000000 };
	const char *path = in_folder("large");
	char *bytes = arena_alloc(arena, SIZE);
	struct text text;

	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7919 >> 8);
	assert_true(file_write_atomic(path, (struct text){ bytes, SIZE }, 0600, &errbuf));
	assert_true(file_read(arena, path, SIZE, &text, &errbuf));
	assert_true(text_equal(text, (struct text){ bytes, SIZE }));
	assert_false(file_read(arena, path, SIZE - 1, &text, &errbuf));
	assert_string_equal(
		errbuf.text, arena_printf(arena, "%s: larger than 2999999 bytes", path));
	unlink(path);
}

/* Files below /proc say that they are empty, and are not. */
static void size_unknown(void **state)
{
	struct text text;

	assert_true(file_read(arena, "/proc/self/status", 1 << 20, &text, &errbuf));
	assert_true(text.len > 100);
	assert_memory_equal(text.at, "Name:", 5);
	assert_false(file_read(arena, "/proc/self/status", 100, &text, &errbuf));
	assert_string_equal(errbuf.text, "/proc/self/status: larger than 100 bytes");
}

static void not_readable(void **state)
{
	const char *path = in_folder("missing"), *fifo = in_folder("fifo");
	struct text text;

	assert_false(file_read(arena, path, 10, &text, &errbuf));
	assert_string_equal(
		errbuf.text, arena_printf(arena, "%s: No such file or directory", path));
	assert_false(file_read(arena, folder, 10, &text, &errbuf));
	assert_string_equal(
		errbuf.text, arena_printf(arena, "%s: not a regular file", folder));
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_false(file_read(arena, fifo, 10, &text, &errbuf)); /* and does not wait */
	assert_non_null(strstr(errbuf.text, "not a regular file"));
	unlink(fifo);
}

static void a_failed_write_changes_nothing(void **state)
{
	const char *path = in_folder("folder"), *inner = in_folder("folder/file");
	const char *none = in_folder("none/file");

	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(file_write_atomic(inner, TEXT("x"), 0600, &errbuf));
	/* A folder cannot be replaced by a file; the temporary file goes away. */
	assert_false(file_write_atomic(path, TEXT("y"), 0600, &errbuf));
	assert_string_equal(
		errbuf.text, arena_printf(arena, "%s: cannot write: Is a directory", path));
	assert_int_equal(entries(), 1);
	assert_false(file_write_atomic(none, TEXT("y"), 0600, &errbuf));
	assert_string_equal(errbuf.text,
		arena_printf(arena, "%s: cannot write: No such file or directory", none));
	unlink(inner);
	rmdir(path);
}

static void relative_path(void **state)
{
	struct text text;

	assert_int_equal(chdir(folder), 0);
	assert_true(file_write_atomic("here", TEXT("x"), 0600, &errbuf));
	assert_true(file_read(arena, "here", 10, &text, &errbuf));
	assert_true(text_is(text, "x"));
	assert_int_equal(entries(), 1);
	unlink("here");
	assert_int_equal(chdir("/"), 0);
}

static void owner_is_kept(void **state)
{
	const char *path = in_folder("keys.yaml");
	struct stat st;

	if (geteuid() != 0)
		skip();
	assert_true(file_write_atomic(path, TEXT("x"), 0640, &errbuf));
	assert_int_equal(chown(path, 12345, 23456), 0);
	assert_true(file_write_atomic(path, TEXT("y"), 0640, &errbuf));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 12345);
	assert_int_equal(st.st_gid, 23456);
	assert_int_equal(st.st_mode & 07777, 0640);
	unlink(path);
}

static bool is_private(const char *path, mode_t mode)
{
	bool answer = false;

	assert_int_equal(chmod(path, mode), 0);
	assert_true(file_is_private(path, &answer, &errbuf));
	return answer;
}

static void private(void **state)
{
	const char *path = in_folder("secret");
	bool answer;

	assert_true(file_write_atomic(path, TEXT("x"), 0600, &errbuf));
	assert_true(is_private(path, 0600));
	assert_true(is_private(path, 0400));
	assert_false(is_private(path, 0604));
	assert_false(is_private(path, 0660));
	assert_false(is_private(path, 0644));
	assert_int_equal(is_private(path, 0640), geteuid() == 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_false(is_private(path, 0640));
		assert_true(is_private(path, 0600));
	}
	unlink(path);
	assert_false(file_is_private(path, &answer, &errbuf));
	assert_non_null(strstr(errbuf.text, "secret: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_and_read),
		cmocka_unit_test(large),
		cmocka_unit_test(size_unknown),
		cmocka_unit_test(not_readable),
		cmocka_unit_test(a_failed_write_changes_nothing),
		cmocka_unit_test(relative_path),
		cmocka_unit_test(owner_is_kept),
		cmocka_unit_test(private),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
