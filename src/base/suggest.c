/*
 * suggest.c - the nearest of the names that would have been right.
 *
 * Damerau-Levenshtein distance (optimal string alignment: swapped neighbours count one),
 * letters without regard to case, over bytes: names are ASCII with few exceptions. Long
 * names are not compared at all, which bounds the three rows on the stack.
 */
#include "base/diag.h"

#define NAME_MAX_LEN 100 /* the longest id */

static unsigned char folded(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Fills the row for a's first i letters from the two rows above it. */
static void next_row(
	struct text a, struct text b, size_t i, size_t (*rows)[NAME_MAX_LEN + 1])
{
	size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
	unsigned char letter = folded(a.at[i - 1]);

	row[0] = i;
	for (size_t j = 1; j <= b.len; j++) {
		unsigned char other = folded(b.at[j - 1]);

		row[j] = least_of(
			above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other));
		if (i > 1 && j > 1 && letter == folded(b.at[j - 2]) &&
			other == folded(a.at[i - 2]) && second[j - 2] + 1 < row[j])
			row[j] = second[j - 2] + 1;
	}
}

static size_t distance(struct text a, struct text b)
{
	size_t rows[3][NAME_MAX_LEN + 1];

	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++)
		next_row(a, b, i, rows);
	return rows[a.len % 3][b.len];
}

void suggest_init(struct suggest *suggest, struct text written)
{
	size_t most = written.len / 3 ? written.len / 3 : 1;

	*suggest = (struct suggest){ .written = written, .distance = most + 1 };
}

void suggest_offer(struct suggest *suggest, struct text candidate)
{
	struct text written = suggest->written;
	size_t apart;

	if (written.len > NAME_MAX_LEN || candidate.len > NAME_MAX_LEN ||
		candidate.len == 0 || text_equal(written, candidate))
		return;
	apart = distance(written, candidate);
	/* 0: only the case differs, which is nearer than any other letter. */
	if (apart < suggest->distance) {
		suggest->best = candidate;
		suggest->distance = apart;
	}
}

bool suggest_found(const struct suggest *suggest)
{
	return suggest->best.at != NULL;
}
