/*
 * http1_chunks.c - chunked bodies (RFC 9112 section 7.1), one state per kind of byte.
 *
 * Data comes out as slices of the input; extensions and trailers are checked and dropped.
 * http-parser was refused for this: as distributions build it (without its strict mode) it
 * takes any two bytes for the CR LF behind a chunk, which is how requests are smuggled.
 */
#include "net/http1.h"

/* Sizes of more digits than this could not be kept; no limit is near. */
#define MAX_DIGITS 15
#define MAX_LINE   1024 /* of a size with its extensions */

void http1_chunks_init(struct http1_chunks *chunks)
{
	*chunks = (struct http1_chunks){ .state = CHUNK_SIZE };
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7F;
}

static bool bad(struct http1_error *error, int status, const char *text)
{
	error->status = status;
	error->text = text;
	return false;
}

static bool size_byte(struct http1_chunks *chunks, char c, struct http1_error *error)
{
	int digit = hex_digit(c);

	if (digit >= 0) {
		if (chunks->digits > 0 || digit > 0)
			chunks->digits++;
		chunks->left = chunks->left << 4 | (unsigned)digit;
		return chunks->digits <= MAX_DIGITS ||
		       bad(error, 400, "a chunk's size is too large");
	}
	if (chunks->line == 1)
		return bad(error, 400, "a chunk's size is not a hexadecimal number");
	if (c == ' ' || c == '\t')
		chunks->state = CHUNK_BLANK;
	else if (c == ';')
		chunks->state = CHUNK_EXTENSION;
	else if (c == '\r')
		chunks->state = CHUNK_SIZE_LF;
	else
		return bad(error, 400, "a chunk's size is not a hexadecimal number");
	return true;
}

static bool extension_byte(struct http1_chunks *chunks, char c, struct http1_error *error)
{
	if (c == '\r')
		chunks->state = CHUNK_SIZE_LF;
	else if (is_control(c))
		return bad(error, 400, "a chunk's extension holds a control character");
	return true;
}

static bool trailer_byte(struct http1_chunks *chunks, char c, struct http1_error *error)
{
	if (++chunks->trailer > HTTP1_TRAILER_MAX)
		return bad(error, 431, "the trailers are too long");
	if (c == '\r')
		chunks->state = CHUNK_TRAILER_LF;
	else if (is_control(c))
		return bad(error, 400, "a trailer holds a control character");
	return true;
}

static void begin_line(struct http1_chunks *chunks, enum http1_chunk_state state)
{
	chunks->state = state;
	chunks->left = 0;
	chunks->digits = 0;
	chunks->line = 0;
}

/* The LF of a line that is complete but for it. */
static bool line_feed(struct http1_chunks *chunks, char c, struct http1_error *error)
{
	if (c != '\n')
		return bad(error, 400, "a chunk's line does not end with CR LF");
	if (chunks->state == CHUNK_SIZE_LF && chunks->left > 0)
		chunks->state = CHUNK_DATA;
	else if (chunks->state == CHUNK_SIZE_LF)
		begin_line(chunks, CHUNK_TRAILER);
	else if (chunks->state == CHUNK_DATA_LF)
		begin_line(chunks, CHUNK_SIZE);
	else if (chunks->line > 2) /* a trailer, not the empty line */
		begin_line(chunks, CHUNK_TRAILER);
	else
		chunks->state = CHUNK_END;
	return true;
}

/* One byte of anything but data. */
static bool framing_byte(struct http1_chunks *chunks, char c, struct http1_error *error)
{
	chunks->line++;
	switch (chunks->state) {
	case CHUNK_SIZE:
	case CHUNK_BLANK:
	case CHUNK_EXTENSION:
		if (chunks->line > MAX_LINE)
			return bad(error, 400, "a chunk's size line is too long");
		if (chunks->state == CHUNK_SIZE)
			return size_byte(chunks, c, error);
		if (chunks->state == CHUNK_EXTENSION)
			return extension_byte(chunks, c, error);
		if (c == ';')
			chunks->state = CHUNK_EXTENSION;
		else if (c != ' ' && c != '\t')
			return bad(error, 400, "a chunk's size ends with a blank");
		return true;
	case CHUNK_DATA_CR:
		chunks->state = CHUNK_DATA_LF;
		return c == '\r' || bad(error, 400, "a chunk is longer than its size");
	case CHUNK_TRAILER:
		return trailer_byte(chunks, c, error);
	default:
		return line_feed(chunks, c, error);
	}
}

enum http1_chunk http1_chunks_next(struct http1_chunks *chunks, struct text *input,
	struct text *data, struct http1_error *error)
{
	while (chunks->state != CHUNK_END && input->len > 0) {
		size_t n = 1;

		if (chunks->state == CHUNK_DATA) {
			n = input->len < chunks->left ? input->len : (size_t)chunks->left;
			*data = (struct text){ input->at, n };
			chunks->left -= n;
			if (chunks->left == 0)
				chunks->state = CHUNK_DATA_CR;
		} else {
			data->len = 0;
			if (!framing_byte(chunks, *input->at, error))
				return HTTP1_CHUNK_BAD;
		}
		input->at += n;
		input->len -= n;
		if (data->len > 0)
			return HTTP1_CHUNK_DATA;
	}
	return chunks->state == CHUNK_END ? HTTP1_CHUNK_DONE : HTTP1_CHUNK_MORE;
}
