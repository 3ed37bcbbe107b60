/*
 * folder.c - project folders of tests.
 */
#include "folder.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs those before it */
#include <cmocka.h>

char folder[] = "/tmp/volley-catalog-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	return remove(path);
}

void remove_folder(void)
{
	assert_int_equal(nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void new_folder(void)
{
	memcpy(folder + sizeof(folder) - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
}

void write_file(const char *name, struct text text, mode_t mode)
{
	char path[512];
	FILE *file;

	assert_true(
		snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
	for (char *slash = strchr(path + sizeof(folder), '/'); slash;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text.len ? text.at : "", 1, text.len, file), text.len);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

const char *settings_path(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/volley.yaml", folder);
	return path;
}
