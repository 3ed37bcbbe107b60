/*
 * like.c - LIKE patterns as runs between the percent signs.
 *
 * Each run is found as far to the left as it goes, and that is never taken back: with no
 * other quantifier than %, an earlier match leaves every later run at least as much room.
 * So nothing backtracks. The first run is bound to the start and the last to the end.
 * Refused: translation to a regular expression, whose engines may take exponential time.
 */
#include "value/like.h"

#include <stdint.h>

/* Some bytes, then some code points of any kind. */
struct piece {
	struct text literal;
	size_t any;
};

struct run {
	const struct piece *pieces;
	size_t count;
	size_t points; /* code points that the run is long */
};

struct like {
	struct run *runs; /* one more than there are percent signs */
	size_t count;
};

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t count_points(struct text t)
{
	size_t points = 0;

	for (size_t i = 0; i < t.len; i++)
		points += !is_continuation(t.at[i]);
	return points;
}

/* Where the code point at i ends; SIZE_MAX at the end of the text. */
static size_t step(struct text t, size_t i)
{
	if (i >= t.len)
		return SIZE_MAX;
	for (i++; i < t.len && is_continuation(t.at[i]);)
		i++;
	return i;
}

/* Whether the bytes stand in the pattern right behind the piece's own. */
static bool continues(const struct piece *piece, struct text t)
{
	return piece->any == 0 && piece->literal.at + piece->literal.len == t.at;
}

/* Adds the bytes to the run's last piece, or to a new one where underscores stand between.
 * An escape begins a new piece too, so that literals are slices of the pattern. */
static void add_literal(struct run *run, struct piece *pieces, struct text t)
{
	if (run->count > 0 && continues(&pieces[run->count - 1], t))
		pieces[run->count - 1].literal.len += t.len;
	else
		pieces[run->count++] = (struct piece){ t, 0 };
	run->points += count_points(t);
}

static void add_any(struct run *run, struct piece *pieces)
{
	if (run->count == 0)
		pieces[run->count++] = (struct piece){ { "", 0 }, 0 };
	pieces[run->count - 1].any++;
	run->points++;
}

const struct like *like_compile(struct text pattern, struct arena *arena)
{
	struct like *like = arena_zalloc(arena, 1, sizeof(*like));
	struct piece *pieces = arena_zalloc(arena, pattern.len + 1, sizeof(*pieces));
	struct run *run;
	size_t percents = 0;

	for (size_t i = 0; i < pattern.len; i++)
		percents += pattern.at[i] == '%';
	like->runs = run = arena_zalloc(arena, percents + 1, sizeof(*run));
	run->pieces = pieces;
	for (size_t i = 0; i < pattern.len; i++) {
		char c = pattern.at[i];

		if (c == '%') {
			pieces += run->count;
			*++run = (struct run){ .pieces = pieces };
		} else if (c == '_') {
			add_any(run, pieces);
		} else {
			if (c == '\\' && ++i == pattern.len)
				return NULL;
			add_literal(run, pieces, (struct text){ pattern.at + i, 1 });
		}
	}
	like->count = (size_t)(run - like->runs) + 1;
	return like;
}

/* Where the run that begins at `at` ends; SIZE_MAX when it does not begin there. */
static size_t match_at(const struct run *run, struct text t, size_t at)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct piece *piece = &run->pieces[i];

		if (piece->literal.len > t.len - at ||
			memcmp(t.at + at, piece->literal.at, piece->literal.len) != 0)
			return SIZE_MAX;
		at += piece->literal.len;
		for (size_t any = piece->any; any > 0; any--) {
			at = step(t, at);
			if (at == SIZE_MAX)
				return SIZE_MAX;
		}
	}
	return at;
}

/* Where the leftmost match from `at` on ends; SIZE_MAX when there is none. */
static size_t find(const struct run *run, struct text t, size_t at)
{
	struct text head = run->count ? run->pieces[0].literal : (struct text){ "", 0 };

	while (at != SIZE_MAX) {
		size_t end;

		if (head.len > 0) {
			const char *hit = memmem(t.at + at, t.len - at, head.at, head.len);

			if (!hit)
				return SIZE_MAX;
			at = (size_t)(hit - t.at);
		}
		end = match_at(run, t, at);
		if (end != SIZE_MAX)
			return end;
		at = step(t, at);
	}
	return SIZE_MAX;
}

/* Whether the run fits the end of the text, and begins at `at` or behind it. */
static bool match_end(const struct run *run, struct text t, size_t at)
{
	size_t start = t.len;

	for (size_t points = run->points; points > 0; points--) {
		if (start <= at)
			return false;
		while (--start > at && is_continuation(t.at[start]))
			;
	}
	return match_at(run, t, start) == t.len;
}

bool like_matches(const struct like *like, struct text t)
{
	size_t at;

	if (t.len == 0)
		t.at = "";
	at = match_at(&like->runs[0], t, 0);
	if (at == SIZE_MAX)
		return false;
	if (like->count == 1)
		return at == t.len;
	for (size_t i = 1; i + 1 < like->count; i++) {
		at = find(&like->runs[i], t, at);
		if (at == SIZE_MAX)
			return false;
	}
	return match_end(&like->runs[like->count - 1], t, at);
}
