/*
 * mem.c - malloc and its kin, ending the process where they would answer NULL.
 *
 * Asking for no bytes gives a block too, so that no caller meets the NULL that C allows
 * there. Unwinding from exhaustion was refused: the paths could not be tried out one by
 * one, and the first thing they would do is to allocate a message.
 */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define EXIT_NO_MEMORY 70 /* EX_SOFTWARE of sysexits.h */

void *mem_alloc(size_t size)
{
	void *block = malloc(size ? size : 1);

	if (!block)
		mem_exhausted();
	return block;
}

void *mem_zalloc(size_t count, size_t size)
{
	void *block = count && size ? calloc(count, size) : calloc(1, 1);

	if (!block)
		mem_exhausted();
	return block;
}

void *mem_realloc(void *old, size_t size)
{
	void *block = realloc(old, size ? size : 1);

	if (!block)
		mem_exhausted();
	return block;
}

char *mem_strdup(const char *string)
{
	return mem_copy(string, strlen(string));
}

char *mem_copy(const char *bytes, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		mem_exhausted();
	copy = mem_alloc(len + 1);
	if (len)
		memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}

/* write() and _exit(): stdio's buffers and exit handlers may allocate. */
void mem_exhausted(void)
{
	static const char message[] = "volley: out of memory\n";
	ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)ignored;
	_exit(EXIT_NO_MEMORY);
}
